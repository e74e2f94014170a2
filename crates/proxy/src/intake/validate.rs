//! Reads and validates one event. Pure.

use openlineage::{Event, Finding, Json, Level, Severity, ValidEvent, warnings};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{RejectedEvent, RejectionReason};
use crate::telemetry::text::{NAME, shown};

/// The message of the single finding if one event is expected and the text is an array.
pub const FOUND_ARRAY: &str = "expected one event, found an array";

/// The message of the single finding if one event is expected and the text is several JSON values.
pub const FOUND_SEVERAL: &str = "expected one event, found several";

/// The names in an event, as far as they can be read, bounded and escaped for a log line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventSummary {
    pub(crate) producer: Option<String>,
    pub(crate) run: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) event_type: Option<String>,
}

/// Reads an event. For an invalid one, returns its findings and its names.
pub(crate) fn validate(bytes: &[u8], level: Level) -> Result<ValidEvent, RejectedEvent> {
    Event::read(bytes, level).map_err(|refused| {
        let findings = more_than_one(bytes, &refused.findings).unwrap_or(refused.findings);
        RejectedEvent {
            reason: RejectionReason::invalid(findings),
            event: Box::new(EventSummary::of(bytes)),
        }
    })
}

/// Checks an event without queueing it. Returns whether it is valid, and findings: for an invalid event its errors and
/// what could be repaired, for a valid one its repairs and warnings about facets.
pub fn verdict(bytes: &[u8], level: Level) -> Value {
    match Event::read(bytes, level) {
        Ok(ValidEvent { event, repairs }) => {
            let mut findings = repairs;
            findings.extend(warnings(event.json()));
            json!({"valid": true, "kind": event.label(), "findings": findings})
        }
        Err(refused) => json!({"valid": false, "findings": refused.findings}),
    }
}

/// Returns the finding for several events where one is expected.
fn more_than_one(bytes: &[u8], findings: &[Finding]) -> Option<Vec<Finding>> {
    let finding = |rule, message: &str| {
        vec![Finding {
            severity: Severity::Error,
            pointer: String::new(),
            rule,
            message: message.to_owned(),
        }]
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Some(finding("type", FOUND_ARRAY));
    }
    if !findings.iter().any(|finding| finding.rule == "json") {
        return None;
    }
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
    matches!((values.next(), values.next()), (Some(Ok(_)), Some(Ok(_))))
        .then(|| finding("json", FOUND_SEVERAL))
}

impl EventSummary {
    /// Reads what it can. Reads nothing from a text that is not JSON.
    pub(crate) fn of(bytes: &[u8]) -> EventSummary {
        let text = str::from_utf8(bytes).unwrap_or_default();
        let Ok(event) = Json::parse(text.trim_start_matches('\u{feff}')) else {
            return EventSummary::default();
        };
        let name = |path: &[&str]| {
            let text = event.at(path)?.string()?;
            Some(shown(&text, NAME).into_owned())
        };
        EventSummary {
            producer: name(&["producer"]),
            run: name(&["run", "runId"]),
            namespace: name(&["job", "namespace"]),
            name: name(&["job", "name"]),
            event_type: name(&["eventType"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> String {
        let reason = validate(body.as_bytes(), Level::Repair).unwrap_err().reason;
        let RejectionReason::Invalid { findings, .. } = &reason else {
            panic!("{reason}");
        };
        findings[0].message.clone()
    }

    #[test]
    fn several_events_in_the_place_of_one_are_called_that() {
        for body in ["[]", " [{}]", "\u{feff}[{}, {}]", "[", "[{\"a\":NaN}]"] {
            assert_eq!(message(body), FOUND_ARRAY, "{body}");
        }
        for body in ["{}{}", "{}\n{}\n", "{} {} {"] {
            assert_eq!(message(body), FOUND_SEVERAL, "{body}");
        }
        for body in ["{}", "{\"a\":", "{} rest", "7", "\"[\"", ""] {
            assert!(!message(body).contains("expected one event"), "{body}");
        }
    }

    #[test]
    fn the_summary_of_an_event_has_names_and_no_values() {
        let summary = EventSummary::of(
            br#"{"producer":"https://u:secret@h/x?secret","job":{"namespace":"n\n1","name":7},"run":{"runId":"r"},"x":"secret"}"#,
        );
        assert!(!format!("{summary:?}").contains("secret"), "{summary:?}");
        assert_eq!(summary.namespace.as_deref(), Some(r"n\u{a}1"));
        assert_eq!((summary.name, summary.run.as_deref()), (None, Some("r")));
        for none in [&b"\xff"[..], b"", b"[", b"null"] {
            assert_eq!(EventSummary::of(none), EventSummary::default());
        }
    }
}
