//! How several events make one request body. Pure.

use settings::Choice;

/// How several events make one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BatchFormat {
    /// They do not: each event is a request.
    #[default]
    None,
    /// A JSON array, as the OpenLineage API has it.
    Array,
    /// `{"events": […]}`, as OpenMetadata has it.
    Events,
}

impl Choice for BatchFormat {
    const CHOICES: &'static [(&'static str, BatchFormat)] = &[
        ("none", BatchFormat::None),
        ("array", BatchFormat::Array),
        ("events", BatchFormat::Events),
    ];
}

/// Joins the texts of events. Without a format there is one.
pub(super) fn joined(texts: &[&str], format: BatchFormat) -> String {
    let list = texts.join(",");
    match format {
        BatchFormat::None => list,
        BatchFormat::Array => format!("[{list}]"),
        BatchFormat::Events => format!("{{\"events\":[{list}]}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_joined_in_order_and_unchanged() {
        let texts = [r#"{ "a":1.0 }"#, r#"{"b":2}"#];
        for (format, body) in [
            (BatchFormat::Array, r#"[{ "a":1.0 },{"b":2}]"#),
            (BatchFormat::Events, r#"{"events":[{ "a":1.0 },{"b":2}]}"#),
        ] {
            assert_eq!(joined(&texts, format), body);
        }
        assert_eq!(joined(&texts[..1], BatchFormat::None), texts[0]);
    }
}
