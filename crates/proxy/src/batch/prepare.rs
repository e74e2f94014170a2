//! What is done to an event before its target gets it: the Redshift names, the kind, the size.
//!
//! Pure. Says what it did, so that the log and the demo can.

use std::collections::HashMap;

use openlineage::Event;
use targets::Takes;
use transform::{Change, Cut, Lookup, Redshift, ShortName, Unresolved, fit, run_event};

use crate::config::JobEvents;

/// What look-ups gave.
pub(super) type Answers = HashMap<ShortName, Lookup>;

/// The rules that apply to every event.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The names of Redshift datasets.
    pub redshift: Redshift,
    /// What the target can take.
    pub takes: Takes,
    /// What becomes of JobEvents where only RunEvents are taken.
    pub job_events: JobEvents,
}

/// An event, ready for its target or not.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) verdict: Verdict,
    changes: Vec<Change>,
    unresolved: Vec<Unresolved>,
    cut: Vec<Cut>,
}

/// Whether it is to be delivered.
#[derive(Debug)]
pub(super) enum Verdict {
    Deliver(Event),
    /// Dropped, by that rule.
    Drop(&'static str),
    /// Of that class, for that reason.
    DeadLetter(&'static str, String),
}

/// What was done to an event.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Names that were rewritten.
    pub changes: Vec<Change>,
    /// Names that should have been, but could not.
    pub unresolved: Vec<Unresolved>,
    /// Facets that were cut.
    pub cut: Vec<Cut>,
}

impl Rules {
    pub(super) fn prepare(&self, event: &Event, answers: &Answers) -> Prepared {
        let rewritten = self.redshift.rewrite(event, answers);
        let mut prepared = Prepared {
            verdict: Verdict::Drop("nothing"),
            changes: rewritten.changes,
            unresolved: rewritten.unresolved,
            cut: Vec::new(),
        };
        prepared.verdict = match self.kind(rewritten.event) {
            Ok(event) => match self
                .takes
                .max_bytes
                .map_or_else(|| Ok(None), |limit| fit(&event, limit).map(Some))
            {
                Ok(None) => Verdict::Deliver(event),
                Ok(Some(fitted)) => {
                    prepared.cut = fitted.cut;
                    Verdict::Deliver(fitted.event)
                }
                Err(too_large) => {
                    let limit = self.takes.max_bytes.unwrap_or_default();
                    let reason = format!(
                        "too_large: {} bytes, and {} with every facet cut that may be; the target takes {limit}",
                        event.text().len(),
                        too_large.least
                    );
                    Verdict::DeadLetter("too_large", reason)
                }
            },
            Err(rule) => Verdict::Drop(rule),
        };
        prepared
    }

    /// The event in a kind that the target takes, or the rule that drops it.
    fn kind(&self, event: Event) -> Result<Event, &'static str> {
        use openlineage::Subject;
        if !self.takes.runs_only {
            return Ok(event);
        }
        match (event.subject(), self.job_events) {
            (Subject::Run { .. }, _) => Ok(event),
            (Subject::Dataset { .. }, _) => Err("dataset_event"),
            (Subject::Job { .. }, JobEvents::Skip) => Err("job_event"),
            (Subject::Job { .. }, JobEvents::Convert) => {
                run_event(&event).ok_or("job_event_without_datasets")
            }
        }
    }
}

impl Prepared {
    pub(super) fn told(self) -> Told {
        Told {
            changes: self.changes,
            unresolved: self.unresolved,
            cut: self.cut,
        }
    }
}
