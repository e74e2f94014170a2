//! Redaction of whole events.

use super::*;
use openlineage::Level;
use proptest::prelude::*;

fn event(facets_of_run: &str, facets_of_job: &str, namespace: &str) -> Event {
    let namespace = openlineage::quote(namespace);
    let text = format!(
        r#"{{ "eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s", "big":123456789012345678901.50,
        "run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4","facets":{{{facets_of_run}}}}},
        "job":{{"namespace":"n","name":"j","facets":{{{facets_of_job}}}}},
        "outputs":[{{"namespace":{namespace},"name":"t"}}]}}"#
    );
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

const FACET: &str = r#""_producer":"urn:p","_schemaURL":"urn:s""#;

fn glob(pattern: &str) -> Glob {
    Glob::any_case(pattern).unwrap()
}

fn all_of(mask: Mask) -> Redact {
    Redact {
        sql_literals: true,
        connection_secrets: true,
        environment: vec![glob("*secret*"), glob("*password*")],
        pointers: vec![Pointer::parse("/run/facets/custom/*").unwrap()],
        mask,
    }
}

#[test]
fn sql_loses_its_values_wherever_the_job_says_it() {
    let facets = format!(
        r#""sql":{{{FACET},"query":"select 'a\u0062c' from t"}},"sourceCode":{{{FACET},"language":"SparkSQL","sourceCode":"select 7"}}"#
    );
    let text = all_of(Mask::Stars)
        .redact(&event("", &facets, "x"))
        .unwrap();
    let expected = event("", &facets, "x")
        .text()
        .replace(r"'a\u0062c'", "?")
        .replace("select 7", "select ?");
    assert_eq!(text, expected);
}

#[test]
fn code_that_is_no_sql_stays() {
    let facets =
        format!(r#""sourceCode":{{{FACET},"language":"python","sourceCode":"print('a')"}}"#);
    assert_eq!(all_of(Mask::Stars).redact(&event("", &facets, "x")), None);
}

#[test]
fn names_of_datasets_lose_their_passwords() {
    let before = event("", "", "postgres://u:p@h:5432");
    let text = all_of(Mask::Stars).redact(&before).unwrap();
    assert_eq!(text, before.text().replace("u:p@", ""));
}

#[test]
fn the_environment_is_masked_by_name() {
    let run = format!(
        r#""environmentVariables":{{{FACET},"environmentVariables":[{{"name":"MY_SECRET","value":"v1"}},{{"name":"HOME","value":"v2"}}]}},
        "spark_properties":{{{FACET},"properties":{{"spark.db.password":"v3","spark.master":"v4"}}}},
        "environment-properties":{{{FACET},"environment-properties":{{"secret":{{"k":"v5"}},"x":"v6"}}}}"#
    );
    let before = event(&run, "", "x");
    let text = all_of(Mask::Stars).redact(&before).unwrap();
    let expected = before
        .text()
        .replace("\"v1\"", "\"***\"")
        .replace("\"v3\"", "\"***\"")
        .replace(r#"{"k":"v5"}"#, "\"***\"");
    assert_eq!(text, expected);
}

#[test]
fn pointers_hide_values_of_any_kind_and_leave_a_facet() {
    let before = event(
        &format!(r#""custom":{{{FACET},"a":"x","b":[1, {{"u":"x://u:p@h"}}]}}"#),
        "",
        "x",
    );
    let text = all_of(Mask::Hash(b"k".to_vec())).redact(&before).unwrap();
    let after = before.rewritten(text).unwrap();
    let facet = |name| {
        let root = after.json();
        root.at(&["run", "facets", "custom", name])
            .unwrap()
            .string()
            .unwrap()
            .into_owned()
    };
    assert_eq!(facet("a"), Mask::Hash(b"k".to_vec()).mask("x"));
    assert_eq!(
        facet("b"),
        Mask::Hash(b"k".to_vec()).mask(r#"[1, {"u":"x://u:p@h"}]"#)
    );
    assert_eq!(facet("_producer"), "urn:p");
}

#[test]
fn members_of_facets_that_are_called_like_secrets_are_masked() {
    let run = format!(
        r#""spark_properties":{{{FACET},"properties":{{"spark.hadoop.fs.s3a.secret.key":"S1","spark.redshift.password":"S3","spark.master":"local"}}}},
        "custom2":{{{FACET},"db_password":"S4","pwd":55,"nested":{{"token":"S5","Authorization":"Bearer S6","token_type":"web","max_tokens":7,"token":8}},
        "secrets":["S7"],"list":[{{"name":"DB_PASSWORD","value":"S8"}}],"password":null}}"#
    );
    let before = event(&run, "", "x");
    let rule = Redact {
        connection_secrets: true,
        ..Redact::default()
    };
    let text = rule.redact(&before).unwrap();
    let expected = ["S1", "S3", "S4", "S5", "Bearer S6", "S7", "S8"]
        .iter()
        .fold(before.text().to_owned(), |text, secret| {
            text.replace(&format!("\"{secret}\""), "\"***\"")
        })
        .replace(":55", ":\"***\"");
    assert_eq!(text, expected);
    assert_eq!(rule.redact(&before.rewritten(text).unwrap()), None);
}

#[test]
fn a_variable_is_judged_by_its_name_as_it_goes_on() {
    let run = format!(
        r#""environmentVariables":{{{FACET},"environmentVariables":[{{"name":"5/token=x/","value":"v"}}]}}"#
    );
    let before = event(&run, "", "x");
    let rule = Redact {
        connection_secrets: true,
        ..Redact::default()
    };
    let text = rule.redact(&before).unwrap();
    let expected = before.text().replace("=x/", "=***/");
    assert_eq!(text, expected.replace("\"v\"", "\"***\""));
    assert_eq!(rule.redact(&before.rewritten(text).unwrap()), None);
}

#[test]
fn names_of_datasets_and_jobs_stay_apart() {
    let text = r#"{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s",
        "job":{"namespace":"password=n","name":"refresh_token=prod"},
        "inputs":[{"namespace":"s3://b","name":"t/token_type=web/day=1/a"},{"namespace":"s3://b","name":"t/token=web/day=1/a"},
        {"namespace":"jdbc://h:x/y,owner@b.c","name":"postgres://u:p@h"}]}"#;
    let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
    assert_eq!(all_of(Mask::Stars).redact(&event), None);
}

#[test]
fn the_environment_is_matched_in_any_case() {
    let run = format!(
        r#""environmentVariables":{{{FACET},"environmentVariables":[{{"name":"MY_Pass","value":"v1"}}]}}"#
    );
    let before = event(&run, "", "x");
    for pattern in ["*_PASS", "*_pass", "My_Pa*"] {
        let rule = Redact {
            environment: vec![glob(pattern)],
            ..Redact::default()
        };
        let text = rule.redact(&before).unwrap();
        assert_eq!(text, before.text().replace("\"v1\"", "\"***\""));
    }
}

#[test]
fn pointers_leave_names_and_run_ids() {
    let id = "01a1faa6-e194-708b-a993-cc010cbe1ae5";
    let run = format!(
        r#""parent":{{{FACET},"run":{{"runId":"{id}"}},"job":{{"namespace":"n","name":"p","x":"y"}}}}"#
    );
    let before = event(&run, "", "x");
    let pointers = ["/run/facets/parent/*", "/run/facets/parent/*/*"];
    let rule = Redact {
        pointers: pointers
            .iter()
            .map(|text| Pointer::parse(text).unwrap())
            .collect(),
        ..Redact::default()
    };
    let text = rule.redact(&before).unwrap();
    assert_eq!(text, before.text().replace("\"y\"", "\"***\""));
}

proptest! {
    #[test]
    fn secrets_are_gone_the_event_stays_one_and_twice_is_as_once(
        secret in "ZQ[a-z0-9!:]{1,4}/?[a-z0-9!:]{0,4}", keyed in any::<bool>(), escape in any::<bool>(),
    ) {
        let mask = if keyed { Mask::Hash(b"key".to_vec()) } else { Mask::Stars };
        let z = if escape { secret.replacen('Z', "\\u005a", 1) } else { secret.clone() };
        let run = format!(
            r#""environmentVariables":{{{FACET},"environmentVariables":[{{"name":"SECRET","value":"{z}"}}]}},
            "custom":{{{FACET},"deep":{{"a":["{z}"]}},"url":"{z}"}},
            "other":{{{FACET},"args":["--password={z}","jdbc:x://h;pwd={z};a=1"]}}"#
        );
        let job = format!(r#""sql":{{{FACET},"query":"select '{z}' -- {z}\n, 1"}}"#);
        let before = event(&run, &job, &format!("x://u:{secret}@h"));
        let rule = all_of(mask);
        let after = before.rewritten(rule.redact(&before).unwrap()).unwrap();
        prop_assert!(!after.text().contains("ZQ") && !after.text().contains("\\u005a"), "{}", after.text());
        prop_assert!(after.text().contains("123456789012345678901.50"));
        prop_assert_eq!(after.run_id(), before.run_id());
        prop_assert_eq!(rule.redact(&after), None);
    }
}
