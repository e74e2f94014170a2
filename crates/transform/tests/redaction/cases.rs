//! Shapes that users met, each named after what was odd in it.

use openlineage::{Event, Level};
use transform::{Redact, connection_secrets};

fn rule(sql_literals: bool, connection_secrets: bool) -> Redact {
    Redact {
        sql_literals,
        connection_secrets,
        ..Redact::default()
    }
}

fn redacted(redact: &Redact, text: &str) -> String {
    let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
    let out = redact.redact(&event).unwrap_or_else(|| text.to_owned());
    let after = event.rewritten(out.clone()).unwrap();
    assert_eq!(redact.redact(&after), None, "twice is as once");
    out
}

/// An event whose SQL facet is `query`, and whose error quotes `message`.
fn event(query: &str, dialect: Option<&str>, message: &str) -> String {
    let (query, message) = (openlineage::quote(query), openlineage::quote(message));
    let dialect = dialect.map_or(String::new(), |name| format!(r#","dialect":"{name}""#));
    let own = r#""_producer":"urn:p","_schemaURL":"urn:s""#;
    format!(
        r#"{{"eventTime":"2026-03-01T10:00:00Z","eventType":"FAIL","producer":"urn:p","schemaURL":"urn:s",
        "run":{{"runId":"0198c0de-0000-7000-8000-000000001500","facets":{{"errorMessage":{{{own},"message":{message},"programmingLanguage":"python"}}}}}},
        "job":{{"namespace":"dbt","name":"j","facets":{{"sql":{{{own},"query":{query}{dialect}}}}}}}}}"#
    )
}

fn texts(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_connector_config_as_a_list_of_settings_keeps_what_is_no_secret() {
    let before = include_str!("texts/connector-config-as-a-list.json").trim_end();
    let out = redacted(&rule(false, true), before);
    assert!(!out.contains("LEAK"), "{out}");
    for kept in [
        "value.converter.basic.auth.credentials.source=USER_INFO",
        "key.converter.schemas.enable=false",
        "primary.key=id",
        "openlineage.integration.tags=env=prod,team=cdc",
        "openlineage.integration.job.owners=Data Team=Jan Doe",
        "tombstones.on.delete=true",
        r#"username=\"reader\""#,
    ] {
        assert!(out.contains(kept), "{kept}: {out}");
    }
}

#[test]
fn statements_with_credentials_lose_them_in_the_facet_and_in_the_error_that_quotes_them() {
    let statements = texts(include_str!("texts/statements-with-credentials.json"));
    for statement in statements {
        let message = format!("Database error while running: {statement}");
        for (redact, words) in [
            (rule(false, true), "connection_secrets"),
            (rule(true, true), "both"),
        ] {
            let out = redacted(&redact, &event(&statement, None, &message));
            assert!(!out.contains("LEAK"), "{words}: {out}");
            assert!(out.contains("Database error while running"));
        }
        // That line of Python is no SQL, and no literal of it is one.
        if !statement.starts_with("conn") {
            let out = redacted(&rule(true, false), &event(&statement, None, &message));
            assert!(!out.contains("LEAK"), "sql_literals: {out}");
        }
    }
}

#[test]
fn strings_of_bigquery_in_threes_and_with_prefixes_are_gone() {
    for statement in texts(include_str!("texts/bigquery-strings.json")) {
        for dialect in [Some("bigquery"), None] {
            let out = redacted(&rule(true, false), &event(&statement, dialect, "x"));
            assert!(
                !out.contains("LEAK") && !out.contains("111") && !out.contains("BEEF"),
                "{out}"
            );
        }
    }
    let known = event(
        "select * from t where card = 4111_1111 and h = 0xDE_AD",
        Some("bigquery"),
        "x",
    );
    assert!(redacted(&rule(true, false), &known).contains("where card = ? and h = ?"));
}

#[test]
fn the_working_directory_and_expressions_of_columns_are_no_secrets() {
    let before = include_str!("texts/working-directory.json").trim_end();
    let out = redacted(&rule(false, true), before);
    assert_eq!(
        out,
        before
            .replace("LEAK1", "***")
            .replace("token=x", "token=***")
    );
}

#[test]
fn secrets_of_command_lines_are_gone_in_a_text_and_word_by_word() {
    let before = include_str!("texts/command-lines.json").trim_end();
    let out = redacted(&rule(false, true), before);
    assert!(!out.contains("LEAK"), "{out}");
    for kept in [
        "curl -u etl:*** https://h.example.com",
        "mysql -uetl -p***",
        "--mode",
        "full",
        "yarn",
    ] {
        assert!(out.contains(kept), "{kept}: {out}");
    }
}

#[test]
fn the_same_sql_in_a_second_place_loses_its_literals_too() {
    let before = include_str!("texts/same-sql-in-second-place.json").trim_end();
    for redact in [rule(true, true), rule(true, false)] {
        let out = redacted(&redact, before);
        assert!(!out.contains("LEAK"), "{out}");
        assert_eq!(
            out.matches("INSERT INTO people VALUES (?)").count(),
            4,
            "{out}"
        );
        assert!(out.contains("'task_id': 'load'"), "{out}");
    }
}

#[test]
fn facets_that_a_parent_forwards_lose_their_literals() {
    let own = r#""_producer":"urn:p","_schemaURL":"urn:s""#;
    let text = format!(
        r#"{{"eventTime":"2026-03-01T10:00:00Z","eventType":"START","producer":"urn:p","schemaURL":"urn:s",
        "run":{{"runId":"0198c0de-0000-7000-8000-000000001500","facets":{{"parent":{{{own},"run":{{"runId":"0198c0de-0000-7000-8000-000000001501"}},
        "job":{{"namespace":"n","name":"p","facets":{{"sql":{{{own},"query":"select 'LEAK'"}}}}}},
        "root":{{"run":{{"runId":"0198c0de-0000-7000-8000-000000001502"}},"job":{{"namespace":"n","name":"r","facets":{{"sql":{{{own},"query":"vacuum 'LEAK'"}}}}}}}}}}}}}},
        "job":{{"namespace":"n","name":"j"}}}}"#
    );
    let out = redacted(&rule(true, false), &text);
    assert!(!out.contains("LEAK"), "{out}");
}

#[test]
fn the_dialect_is_that_of_the_stores_where_the_facet_does_not_say_it() {
    let own = r#""_producer":"urn:p","_schemaURL":"urn:s""#;
    let with = |namespace: &str| {
        format!(
            r#"{{"eventTime":"2026-03-01T10:00:00Z","eventType":"START","producer":"urn:p","schemaURL":"urn:s",
            "run":{{"runId":"0198c0de-0000-7000-8000-000000001500"}},
            "job":{{"namespace":"n","name":"j","facets":{{"sql":{{{own},"query":"select \"a\" from t where b = 'C:\\' and c = 'LEAK' and d = e"}}}}}},
            "inputs":[{{"namespace":"{namespace}","name":"t"}}]}}"#
        )
    };
    let postgres = redacted(&rule(true, false), &with("postgres://h:5432"));
    assert!(
        postgres.contains(r#"select \"a\" from t where b = ? and c = ? and d = e"#),
        "{postgres}"
    );
    let unknown = redacted(&rule(true, false), &with("s3://b"));
    assert!(
        !unknown.contains("LEAK") && unknown.contains("[redacted]"),
        "{unknown}"
    );
}

#[test]
fn a_bracket_that_was_open_before_a_value_stays() {
    assert_eq!(connection_secrets("at f(token=x)"), "at f(token=***)");
    assert_eq!(
        connection_secrets("g(password='x', n=1)"),
        "g(password='***', n=1)"
    );
    assert_eq!(connection_secrets("[password=x]"), "[password=***]");
}

#[test]
fn values_in_the_messages_of_databases_are_gone() {
    for (message, expected) in [
        (
            "duplicate key\nDETAIL:  Key (email)=(LEAK@x.com) already exists.",
            "Key (email)=(?) already exists.",
        ),
        (
            "Failing row contains (1, LEAK, null).",
            "Failing row contains (?).",
        ),
        (
            "Duplicate entry 'LEAK' for key 'users.email'",
            "Duplicate entry ? for key 'users.email'",
        ),
        (
            "Numeric value 'LEAK' is not recognized",
            "Numeric value ? is not recognized",
        ),
        (
            "invalid input syntax for type integer: \"LEAK\"",
            "invalid input syntax for type integer: ?",
        ),
        (
            "LINE 3: ...where email = 'LEAK' and n = 5\n                ^",
            "where email = ? and n = ?\n                ^",
        ),
        (
            "java.sql.SQLException: near insert into t values ('LEAK', 4111)\n\tat org.x.Y.run(Y.java:77)\n",
            "insert into t values (?, ?)\n\tat org.x.Y.run(Y.java:77)\n",
        ),
    ] {
        let out = transform::redact_text(message);
        assert!(out.ends_with(expected), "{out}");
    }
}

#[test]
fn a_backslash_of_a_statement_in_a_printed_dictionary_is_one_of_its_own() {
    let sql = r"insert into t values ('\' LEAK', 'it\'s LEAK')";
    let out = transform::redact_text(&format!(
        "{{'sql': {}, 'id': 'load'}}",
        openlineage::quote(sql)
    ));
    assert!(!out.contains("LEAK"), "{out}");
}
