//! Hints for a valid body on the wrong route: several events where one is expected, or one where an array is. Pure.

use openlineage::Finding;

use crate::intake::{FOUND_ARRAY, FOUND_SEVERAL, RejectedEvent, RejectionReason};

/// Adds the route for arrays to the rejection of a body with several events.
pub(super) fn for_one(mut rejected: RejectedEvent) -> RejectedEvent {
    if let RejectionReason::Invalid { findings, .. } = &mut rejected.reason {
        for finding in findings {
            finding.message += match finding.message.as_str() {
                FOUND_ARRAY => ": send arrays to /api/v1/lineage/batch",
                FOUND_SEVERAL => {
                    ": send each by itself, or an array of them to /api/v1/lineage/batch"
                }
                _ => "",
            };
        }
    }
    rejected
}

/// Adds the route for single events to the finding about a body with one event.
pub(super) fn for_array(mut finding: Finding) -> Finding {
    if finding.rule == "type" && finding.message.ends_with("object") {
        finding.message += ": send one event to /api/v1/lineage";
    }
    finding
}

#[cfg(test)]
mod tests {
    use openlineage::{Event, Level, split_array};

    use super::*;

    fn hint(message: &str) -> String {
        let mut refused = Event::read(b"7", Level::Repair).unwrap_err();
        message.clone_into(&mut refused.findings[0].message);
        let rejected = RejectedEvent {
            reason: RejectionReason::invalid(refused.findings),
            event: Box::default(),
        };
        let reason = for_one(rejected).reason;
        let RejectionReason::Invalid { findings, .. } = &reason else {
            panic!("{reason}");
        };
        findings[0].message.clone()
    }

    #[test]
    fn many_events_get_the_route_for_many() {
        for found in [FOUND_ARRAY, FOUND_SEVERAL] {
            assert!(hint(found).ends_with("/api/v1/lineage/batch"), "{found}");
        }
        assert_eq!(hint("expected an object"), "expected an object");
    }

    #[test]
    fn one_event_gets_the_route_for_one() {
        let hint = |body: &str| for_array(split_array(body.as_bytes()).unwrap_err()).message;
        assert!(hint("{}").ends_with("send one event to /api/v1/lineage"));
        assert!(!hint("[").contains("send"));
        assert!(!hint("7").contains("send"));
    }
}
