//! What may be shown of an event as it was accepted.

use super::*;

const SECRET: &str = r#","inputs":[{"namespace":"postgres://u:hunter2@db","name":"a"}]"#;

fn shown(rules_text: &str) -> Result<String, String> {
    let lookups = HashMap::new();
    let context = Context {
        target: "store",
        lookups: &lookups,
    };
    let redacted = rules(rules_text).redacted(&event(SECRET), &context);
    redacted.map(|event| event.text().to_owned())
}

const REDACT: &str = "redact: {connection_secrets: true}";

#[test]
fn what_a_rule_redacts_is_hidden_and_nothing_else_is_changed() {
    let rename = "{name: up, rename: {of: job, name: other}}";
    let text = shown(&format!("rules: [{rename}, {{name: r, {REDACT}}}]")).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains(r#""name":"j""#), "{text}");
    assert!(shown("rules: []").unwrap().contains("hunter2"));
}

#[test]
fn a_condition_may_hold_before_the_other_rules_or_behind_them() {
    let rename = "{name: up, rename: {of: job, name: other}}";
    for (condition, is_hidden) in [("j", true), ("other", true), ("third", false)] {
        let rule = format!("{{name: r, when: {{job: {{name: {condition}}}}}, {REDACT}}}");
        let text = shown(&format!("rules: [{rename}, {rule}]")).unwrap();
        assert_eq!(!text.contains("hunter2"), is_hidden, "{condition}");
    }
}

#[test]
fn an_event_that_is_dropped_before_it_is_redacted_is_hidden_too() {
    let rules = format!("rules: [{{name: d, drop: true}}, {{name: r, {REDACT}}}]");
    assert!(!shown(&rules).unwrap().contains("hunter2"));
}
