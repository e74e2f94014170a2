//! Bodies that are right and came to the wrong route: many events where one is taken, one where many are.
//!
//! The answer says where they belong, in place of what their first bracket does to an event. Called by the routes.

use openlineage::{Finding, Severity};
use serde_json::value::RawValue;

/// What is wrong with a body that should be one event.
pub(super) fn one(bytes: &[u8], findings: Vec<Finding>) -> Vec<Finding> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii_start().starts_with(b"[") {
        let message = "expected one event, found an array: send arrays to /api/v1/lineage/batch";
        return vec![whole("type", message)];
    }
    let is_json = |finding: &Finding| finding.rule == "json";
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
    if findings.iter().any(is_json)
        && matches!((values.next(), values.next()), (Some(Ok(_)), Some(Ok(_))))
    {
        let message = "expected one event, found several: send each by itself, or an array of them to /api/v1/lineage/batch";
        return vec![whole("json", message)];
    }
    findings
}

/// What is wrong with a body that should be an array of events.
pub(super) fn many(mut finding: Finding) -> Finding {
    if finding.rule == "type" && finding.message.ends_with("object") {
        finding.message += ": send one event to /api/v1/lineage";
    }
    finding
}

fn whole(rule: &'static str, message: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        pointer: String::new(),
        rule,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use openlineage::{Event, Level, split_array};

    use super::*;

    fn said(body: &str) -> String {
        let refused = Event::read(body.as_bytes(), Level::Repair).unwrap_err();
        let findings = one(body.as_bytes(), refused.findings);
        let messages = findings.into_iter().map(|finding| finding.message);
        messages.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn many_events_are_pointed_to_the_route_for_many() {
        for body in ["[]", " [{}]", "\u{feff}[{}, {}]", "[", "[{\"a\":NaN}]"] {
            assert!(said(body).ends_with("/api/v1/lineage/batch"), "{body}");
        }
        for body in ["{}{}", "{}\n{}\n", "{} {} {"] {
            assert!(said(body).contains("found several: "), "{body}");
        }
        for body in ["{}", "{\"a\":", "{} rest", "7", "\"[\"", ""] {
            assert!(!said(body).contains("batch"), "{body}");
        }
    }

    #[test]
    fn one_event_is_pointed_to_the_route_for_one() {
        let said = |body: &str| many(split_array(body.as_bytes()).unwrap_err()).message;
        assert!(said("{}").ends_with("send one event to /api/v1/lineage"));
        assert!(!said("[").contains("send"));
        assert!(!said("7").contains("send"));
    }
}
