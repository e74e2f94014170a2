//! The source function: its sources come from a variable, and it needs a table.

use super::*;

const TABLE: (&str, &str) = ("LINEAGE_PROXY_FUNCTION_TABLE", "state");
const QUEUE: (&str, &str) = (
    "LINEAGE_PROXY_QUEUE_URL",
    "https://sqs.eu-west-1.amazonaws.com/1/q",
);

fn of(variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    read("", variables, Role::Source)
}

#[test]
fn its_sources_are_a_map_in_a_variable() {
    let sources =
        r#"{"crawls":{"type":"glue-crawlers","crawlers":"a,b","unchanged_tables":"false"}}"#;
    let config = of(&[TABLE, QUEUE, ("LINEAGE_PROXY_SOURCES", sources)]).unwrap();
    assert_eq!(config.sources.len(), 1);
    assert_eq!(config.sources[0].name, "crawls");
    assert_eq!(config.function_table.as_deref(), Some("state"));
    assert!(
        of(&[TABLE, QUEUE, ("LINEAGE_PROXY_SOURCES", "")])
            .unwrap()
            .sources
            .is_empty()
    );
}

#[test]
fn an_error_in_the_variable_is_reported_with_its_name() {
    for (sources, expected) in [
        ("{a: {type: glue-crawler}}", "glue-crawlers"),
        ("[a]", "expected sources by name"),
        ("{a: {", "LINEAGE_PROXY_SOURCES"),
    ] {
        let errors = of(&[TABLE, QUEUE, ("LINEAGE_PROXY_SOURCES", sources)]).unwrap_err();
        assert!(
            errors
                .iter()
                .any(|error| error.contains("LINEAGE_PROXY_SOURCES")),
            "{errors:?}"
        );
        assert!(
            errors.iter().any(|error| error.contains(expected)),
            "{errors:?}"
        );
    }
}

#[test]
fn its_dead_letters_are_a_queue() {
    let url = "https://sqs.eu-west-1.amazonaws.com/1/dead";
    let dead_letters = ("LINEAGE_PROXY_FUNCTION_DEAD_LETTER_URL", url);
    let config = of(&[TABLE, QUEUE, dead_letters]).unwrap();
    assert_eq!(config.function_dead_letters.unwrap().url(), url);
    let nowhere = ("LINEAGE_PROXY_FUNCTION_DEAD_LETTER_URL", "dead");
    assert!(of(&[TABLE, QUEUE, nowhere]).is_err());
}

#[test]
fn without_a_table_or_a_queue_it_does_not_start() {
    let errors = of(&[QUEUE]).unwrap_err();
    assert!(
        errors.iter().any(|error| error.contains("function.table")),
        "{errors:?}"
    );
    let errors = of(&[TABLE]).unwrap_err();
    assert!(
        errors.iter().any(|error| error.contains("queue.url")),
        "{errors:?}"
    );
    let topic = (
        "LINEAGE_PROXY_QUEUE_TOPIC_ARN",
        "arn:aws:sns:eu-west-1:123456789012:t",
    );
    assert!(of(&[TABLE, topic]).is_ok());
}
