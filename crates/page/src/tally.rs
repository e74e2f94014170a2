//! How many events ended how in the last day, and how many have not: the strip above the events.

use std::collections::BTreeMap;

use history::{History, Outcome};
use maud::{Markup, html};

use crate::line::queue::{Counted, QueueState};
use crate::query::link;
use crate::time::{age, number};
use crate::visit::Fault;
use crate::{Site, outcome};

/// How far back it counts, in milliseconds: the bars are its hours.
const HOURS: i64 = 24;
const HOUR: i64 = 3_600_000;

/// The outcomes that events end with, as they are named in the history and in a search.
const ENDS: [(&str, &str); 4] = [
    ("delivered", "delivered"),
    ("unchanged", "unchanged"),
    ("dropped", "dropped"),
    ("dead_lettered", "dead"),
];

/// What is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// By outcome.
    ended: BTreeMap<String, u64>,
    /// The events of each hour that were done with, and those that became dead letters: the oldest hour first.
    bars: Vec<(u64, u64)>,
    not_recorded: u64,
    lineage_not_recorded: u64,
    pub(crate) queued: Queued,
}

/// What is in the queue, at all targets together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) waiting: u64,
    pub(crate) in_flight: u64,
    pub(crate) retrying: u64,
    pub(crate) dead_letters: u64,
    /// Of the event that has been in the queue for longest.
    pub(crate) oldest_seconds: Option<u64>,
}

/// Counts.
pub(crate) async fn read(site: &Site, history: History) -> Result<Tally, Fault> {
    let now = site.line().now();
    let since = now.saturating_sub((HOURS - 1) * HOUR);
    let counted = site.read(async move { history.tally(since).await }).await?;
    let state = site.queue().state().await;
    Ok(tally(&counted, &state, since))
}

fn tally(counted: &history::Tally, state: &QueueState, since: i64) -> Tally {
    let first = since.div_euclid(HOUR);
    let mut hours: BTreeMap<String, (u64, u64)> = (first..first + HOURS)
        .map(|hour| (history::shown(hour * HOUR), (0, 0)))
        .collect();
    let mut ended = BTreeMap::new();
    for count in &counted.hours {
        *ended.entry(count.outcome.clone()).or_default() += count.count;
        let Some((done, dead)) = hours.get_mut(&count.hour) else {
            continue;
        };
        match outcome_of(&count.outcome) {
            Some(Outcome::Delivered | Outcome::Unchanged | Outcome::Dropped) => {
                *done += count.count;
            }
            Some(Outcome::DeadLettered) => *dead += count.count,
            // No end, or one of a version that this one does not know.
            Some(Outcome::Retry) | None => {}
        }
    }
    Tally {
        ended,
        bars: hours.into_values().collect(),
        not_recorded: counted.not_recorded,
        lineage_not_recorded: counted.lineage_not_recorded,
        queued: Queued::of(state),
    }
}

/// Returns the outcome of this name.
fn outcome_of(name: &str) -> Option<Outcome> {
    let mut all = Outcome::ALL.into_iter();
    all.find(|outcome| outcome.name() == name)
}

impl Queued {
    pub(crate) fn of(state: &QueueState) -> Queued {
        let counts = state
            .targets
            .iter()
            .filter_map(|target| match &target.counts {
                Counted::Known(counts) => Some(counts),
                Counted::Unknown { .. } => None,
            });
        counts.fold(Queued::default(), |sum, counts| Queued {
            waiting: sum.waiting + counts.waiting,
            in_flight: sum.in_flight + counts.in_flight,
            retrying: sum.retrying + counts.retrying.unwrap_or(0),
            dead_letters: sum.dead_letters + counts.dead_letters.unwrap_or(0),
            oldest_seconds: sum.oldest_seconds.max(counts.oldest_seconds),
        })
    }
}

impl Tally {
    /// What is shown of it.
    pub(crate) fn strip(&self, site: &Site) -> Markup {
        let Queued {
            waiting,
            in_flight,
            retrying,
            dead_letters,
            oldest_seconds,
        } = self.queued;
        let first_attempts = waiting.saturating_add(in_flight).saturating_sub(retrying);
        html! {
            dl .tally {
                div .bars { dt { "last 24 hours" } dd { (self.chart()) } }
                @for (name, term) in ENDS {
                    @let count = self.ended.get(name).copied().unwrap_or(0);
                    @if count > 0 || name == "delivered" {
                        (cell(site, name, count, &format!("outcome:{term}"), ""))
                    }
                }
                @let oldest = oldest_seconds.filter(|_| first_attempts + retrying > 0);
                div .now { dt { "now" } dd { small { @match oldest {
                    Some(oldest) => { "oldest " (age(oldest)) }
                    None => "nothing queued",
                } } } }
                div { dt { (outcome::badge("waiting")) } dd { (number(first_attempts)) } }
                @if retrying > 0 { (cell(site, "retry", retrying, "outcome:retry", "")) }
                @if dead_letters > 0 {
                    div { dt { span .o data-o="dead_lettered" { "✕ dead letters" } } dd { a href=(site.path("/queue")) { (number(dead_letters)) } } }
                }
                @if self.not_recorded > 0 {
                    div title="More outcomes came than could be written; the events were delivered all the same." {
                        dt { span .o data-o="gap" { "… not recorded" } } dd { (number(self.not_recorded)) }
                    }
                }
                @if self.lineage_not_recorded > 0 {
                    div title="Events of which the lineage is left out: too much was new at once. They were delivered all the same, and their outcomes are here." {
                        dt { span .o data-o="gap" { "… lineage not recorded" } } dd { (number(self.lineage_not_recorded)) }
                    }
                }
            }
        }
    }

    /// A bar for each hour, the highest of which fills the height.
    fn chart(&self) -> Markup {
        const HEIGHT: u64 = 22;
        let most = self
            .bars
            .iter()
            .map(|(done, dead)| done + dead)
            .max()
            .unwrap_or(0)
            .max(1);
        let height = |count: u64| match count {
            0 => 0,
            count => (count.saturating_mul(HEIGHT) / most).max(1),
        };
        html! {
            svg width="119" height="22" viewBox="0 0 119 22" role="img" aria-label="Outcomes by hour, the last 24 hours" {
                rect .l x="0" y=(HEIGHT - 1) width="119" height="1" {}
                @for (at, (done, dead)) in self.bars.iter().enumerate() {
                    @let (all, dead) = (height(done + dead), height(*dead));
                    @if all > 0 { rect .b x=(at * 5) y=(HEIGHT - all) width="4" height=(all) {} }
                    @if dead > 0 { rect .d x=(at * 5) y=(HEIGHT - dead) width="4" height=(dead) {} }
                }
            }
        }
    }
}

fn cell(site: &Site, name: &str, count: u64, search: &str, note: &str) -> Markup {
    html! {
        div { dt { (outcome::badge(name)) } dd { a href=(link(&site.path("/"), &[("q", search)])) { (number(count)) } (note) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_events_that_are_done_with_and_no_attempt_that_will_be_repeated() {
        let outcomes = Outcome::ALL.map(Outcome::name).into_iter();
        let outcomes = outcomes.chain(["of another version"]);
        let counted = history::Tally {
            hours: outcomes
                .map(|outcome| history::Count {
                    hour: history::shown(0),
                    target: "catalog".to_owned(),
                    outcome: outcome.to_owned(),
                    count: 1,
                })
                .collect(),
            not_recorded: 0,
            lineage_not_recorded: 0,
        };
        let state = QueueState {
            kind: "memory",
            targets: Vec::new(),
            sources: Vec::new(),
            redrives: Vec::new(),
        };
        let tally = tally(&counted, &state, 0);
        assert_eq!(tally.bars.first(), Some(&(3, 1)));
        assert_eq!(tally.ended.get("dropped"), Some(&1));
    }
}
