//! Logs and counts the findings of a poll: what could not be read, and where it is.

use std::collections::BTreeMap;

use sources::{Finding, FindingRule};
use tracing::{debug, warn};

use crate::telemetry::metric::Metric;
use crate::telemetry::text::shown;

/// The findings of one poll that are logged one by one; of the others only how many there are.
const LOGGED: usize = 20;

/// Most characters of a place and of a message: both may hold names that a stranger chose.
const TEXT: usize = 500;

/// Logs and counts findings.
pub fn report(source: &str, findings: &[Finding]) {
    let mut counts: BTreeMap<FindingRule, u64> = BTreeMap::new();
    let mut logged = 0;
    for finding in findings {
        *counts.entry(finding.rule).or_default() += 1;
        let rule = finding.rule.as_str();
        let (place, message) = (shown(&finding.place, TEXT), shown(&finding.message, TEXT));
        match finding.rule {
            // The usual result of a second poll at the same time.
            FindingRule::Duplicate => debug!(source, rule, %place, "{message}"),
            FindingRule::Truncated
            | FindingRule::Incomplete
            | FindingRule::NotOpenlineage
            | FindingRule::Unreadable
            | FindingRule::UnparsedSql
            | FindingRule::UnresolvedName
            | FindingRule::NotVisible
            | FindingRule::Bug => {
                logged += 1;
                if logged <= LOGGED {
                    warn!(source, rule, %place, "source finding: {message}");
                }
            }
        }
    }
    if logged > LOGGED {
        let more = logged - LOGGED;
        warn!(
            source,
            more, "further findings of this poll are only counted"
        );
    }
    for (rule, count) in counts {
        Metric::SourceFindings.add([source.to_owned().into(), rule.as_str().into()], count);
    }
}
