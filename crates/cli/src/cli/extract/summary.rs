//! What became of everything that an extraction found.

use std::collections::BTreeMap;
use std::process::ExitCode;

use indicatif::ProgressBar;
use serde_json::{Value, json};
use sources::{Finding, FindingRule};

use super::super::{FINE, Output, no};
use super::destination::Tally;
use crate::cli::tell;

/// The findings of each rule that are printed one by one.
const PRINTED: u64 = 20;

/// Counts of events and findings.
#[derive(Debug, Default)]
pub(super) struct Summary {
    events: u64,
    taken: Tally,
    findings: BTreeMap<FindingRule, u64>,
    /// The named files in which no event was found.
    without_events: u64,
    /// Whether there may be more, at which nobody looked.
    is_partial: bool,
}

impl Summary {
    pub(super) fn new() -> Summary {
        Summary::default()
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Whether nothing was found, not even what cannot be read.
    pub(super) fn is_empty(&self) -> bool {
        self.events == 0 && self.findings.is_empty()
    }

    /// Counts a finding, and prints it if it is one of the first of its rule.
    pub(super) fn find(&mut self, finding: &Finding, progress: &ProgressBar) {
        let count = self.findings.entry(finding.rule).or_default();
        *count += 1;
        if finding.rule != FindingRule::Duplicate && *count <= PRINTED {
            let text = targets::shown(&finding.to_string(), []);
            progress.suspend(|| tell(format_args!("lineage-proxy: {text}")));
        }
    }

    /// Counts a file in which no event was found.
    pub(super) fn find_none(&mut self, file: &str, progress: &ProgressBar) {
        self.without_events += 1;
        progress.suspend(|| tell(format_args!("lineage-proxy: {file}: no event found")));
    }

    /// Says that only the beginning of a queue was looked at.
    pub(super) fn stop_early(&mut self, progress: &ProgressBar) {
        self.is_partial = true;
        progress.suspend(|| {
            tell(format_args!(
                "lineage-proxy: only the first messages were looked at; they stay in the queue"
            ));
        });
    }

    pub(super) fn add(&mut self, events: u64, taken: Tally) {
        self.events += events;
        self.taken.add(taken);
    }

    /// Prints the counts: to standard error, if standard output has the events.
    pub(super) fn print(&self, output: Output, to_stderr: bool) -> anyhow::Result<()> {
        let text = match output {
            Output::Json => self.json().to_string(),
            Output::Text => self.text(),
        };
        match to_stderr {
            true => {
                tell(format_args!("{text}"));
                Ok(())
            }
            false => super::super::print(text),
        }
    }

    pub(super) fn exit_status(&self) -> ExitCode {
        match self.is_incomplete() {
            true => no(),
            false => FINE,
        }
    }

    /// Whether lineage was lost: something could not be read, or an event was not taken.
    fn is_incomplete(&self) -> bool {
        let Tally {
            rejected, failed, ..
        } = self.taken;
        rejected > 0
            || failed > 0
            || self.without_events > 0
            || self.findings.keys().any(|rule| rule.loses_lineage())
    }

    fn json(&self) -> Value {
        let findings = self.findings.iter();
        let findings: BTreeMap<&str, u64> = findings
            .map(|(rule, count)| (rule.as_str(), *count))
            .collect();
        let Tally {
            accepted,
            known,
            rejected,
            failed,
        } = self.taken;
        json!({
            "events": self.events,
            "accepted": accepted,
            "known": known,
            "rejected": rejected,
            "failed": failed,
            "findings": findings,
            "complete": !self.is_incomplete() && !self.is_partial,
        })
    }

    fn text(&self) -> String {
        let Tally {
            accepted,
            known,
            rejected,
            failed,
        } = self.taken;
        let mut text = format!("{} events found: {accepted} new", self.events);
        for (count, what) in [
            (known, "known"),
            (rejected, "rejected"),
            (failed, "not sent"),
        ] {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        for (rule, count) in &self.findings {
            text += &format!("\n{count} {}", rule.as_str());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(rules: &[FindingRule], taken: Tally) -> Summary {
        let mut summary = Summary::new();
        summary.add(3, taken);
        for rule in rules {
            let finding = Finding {
                rule: *rule,
                place: "a log".to_owned(),
                message: "m".to_owned(),
            };
            summary.find(&finding, &ProgressBar::hidden());
        }
        summary
    }

    #[test]
    fn a_duplicate_loses_nothing_and_a_cut_event_does() {
        let duplicates = with(&[FindingRule::Duplicate; 2], Tally::default());
        assert!(!duplicates.is_incomplete());
        assert_eq!(duplicates.json()["findings"], json!({"duplicate": 2}));
        assert!(with(&[FindingRule::Truncated], Tally::default()).is_incomplete());
    }

    #[test]
    fn an_event_that_was_not_taken_is_lost() {
        for taken in [
            Tally {
                rejected: 1,
                ..Tally::default()
            },
            Tally {
                failed: 1,
                ..Tally::default()
            },
        ] {
            assert!(with(&[], taken).is_incomplete(), "{taken:?}");
        }
        let known = Tally {
            known: 3,
            ..Tally::default()
        };
        assert_eq!(with(&[], known).text(), "3 events found: 0 new, 3 known");
    }
}
