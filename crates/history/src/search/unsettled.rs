//! Whether a search matches an event that has no outcome yet, and so is not in the history. Pure.
//!
//! It matches what [`crate::History::find`] would find if the event were there, as far as outcomes do not matter: a test compares
//! both.

use super::{Pattern, Search, Term};
use crate::Name;

/// What is known of an event that has no outcome.
#[derive(Debug, Clone, Copy)]
pub struct Unsettled<'e> {
    /// The id that ingest returned.
    pub id: &'e str,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_at: i64,
    /// The kind of event with its type.
    pub kind: Option<&'e str>,
    /// The run id.
    pub run: Option<&'e str>,
    /// The job.
    pub job: Option<&'e Name>,
    /// The datasets that it names.
    pub datasets: &'e [Name],
}

impl Search {
    /// Whether a term tells of an outcome, so that no event without one matches.
    pub fn needs_outcome(&self) -> bool {
        self.terms.iter().any(|term| term.of_outcome().is_some())
    }

    /// Whether all terms match an event that has no outcome. `now` is in milliseconds since 1970.
    pub fn matches(&self, event: &Unsettled<'_>, now: i64) -> bool {
        self.terms.iter().all(|term| term.matches(event, now))
    }
}

impl Term {
    fn matches(&self, event: &Unsettled<'_>, now: i64) -> bool {
        let run = event.run.unwrap_or_default();
        match self {
            Term::Job(job) => event.job.is_some_and(|name| job.names(name)),
            Term::Dataset(dataset) => event.datasets.iter().any(|name| dataset.names(name)),
            Term::Run(start) => run.starts_with(start.text()),
            Term::Id(start) => event.id.starts_with(start.text()),
            Term::Kind(kind) => event.kind.is_some_and(|found| {
                let rest = found.strip_prefix(kind.label());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            }),
            Term::Since(time) => event.accepted_at >= time.resolve(now),
            Term::Until(time) => event.accepted_at < time.resolve(now),
            Term::Word(word) => {
                let names = event.job.into_iter().chain(event.datasets);
                let mut names = names.map(|name| format!("{}/{}", name.namespace, name.name));
                names.any(|name| has(&name, word))
                    || begins_with(event.id, word)
                    || begins_with(run, word)
            }
            Term::Outcome(_) | Term::Target(_) | Term::Rule(_) | Term::Reason(_) => false,
        }
    }
}

impl Pattern {
    /// Whether it matches a name, or a namespace and a name with a slash between them.
    fn names(&self, name: &Name) -> bool {
        self.matches(&name.name) || self.matches(&format!("{}/{}", name.namespace, name.name))
    }

    /// Whether it matches a whole text. The parts between stars are taken where they first are, which finds a match if there is one.
    fn matches(&self, text: &str) -> bool {
        let mut parts = self.text().split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            let Some((_, after)) = rest.split_once(part) else {
                return false;
            };
            rest = after;
        }
        rest.ends_with(last)
    }
}

/// Whether a text has another one, whose ASCII letters may be in any case, as with LIKE.
fn has(text: &str, part: &str) -> bool {
    let lower = |text: &str| text.to_ascii_lowercase();
    lower(text).contains(&lower(part))
}

fn begins_with(text: &str, part: &str) -> bool {
    let start = text.get(..part.len());
    !text.is_empty() && start.is_some_and(|start| start.eq_ignore_ascii_case(part))
}
