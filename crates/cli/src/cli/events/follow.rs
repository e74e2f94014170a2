//! `--follow`: looks again and again, and prints each line once, in the order in which it was logged.
//!
//! A line may arrive at CloudWatch Logs after others that were logged later. So each look goes back over the last minutes, and
//! what was printed is remembered for as long.

use std::collections::{HashMap, HashSet, VecDeque};
use std::process::ExitCode;

use tokio::time::sleep;
use uuid::Uuid;

use super::history::{self, Line};
use super::insights::{Insights, QueryError, Range};
use super::query::{self, Selection};
use super::{Arguments, SKEW, now, show};

/// How late a line may arrive, in milliseconds. Usually it takes seconds.
const LATE: i64 = 300_000;

/// How many events are looked at again for lines that name them by id alone.
const REMEMBERED: usize = 200;

/// What was printed, and which events are followed.
struct Followed {
    /// The lines that were printed, with their times in milliseconds.
    printed: HashMap<String, i64>,
    /// The events that were selected, the oldest first.
    events: VecDeque<Uuid>,
}

/// Prints lines until it is stopped.
pub(super) async fn follow(insights: &Insights, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let selection = arguments.selection();
    let start = arguments.range().since;
    let mut since = start;
    let mut followed = Followed {
        printed: HashMap::new(),
        events: VecDeque::new(),
    };
    loop {
        let now = now();
        let range = Range {
            since,
            until: now + SKEW,
        };
        let lines = look(insights, &selection, &mut followed, range, start).await?;
        for line in followed.fresh(lines) {
            show::line(&line, arguments.output)?;
        }
        since = (now - LATE).max(start);
        followed.forget(since);
        sleep(arguments.interval).await;
    }
}

/// Finds the lines of a range of time that are selected, or are about events that are; of an event that is new, all since `start`.
async fn look(
    insights: &Insights,
    selection: &Selection,
    followed: &mut Followed,
    range: Range,
    start: i64,
) -> Result<Vec<Line>, QueryError> {
    let found = insights.all(&selection.query(), range).await?;
    let found = history::distinct(found);
    if selection.is_everything() {
        return Ok(found
            .into_iter()
            .filter(|line| selection.selects(&line.fields))
            .collect());
    }
    let mut lines = history::rejections(&found, selection);
    let fresh = followed.add(history::selected(&found, selection));
    let known: Vec<Uuid> = (followed.events.iter())
        .filter(|id| !fresh.contains(id))
        .copied()
        .collect();
    let of_fresh = Range {
        since: start,
        until: range.until,
    };
    for (ids, range) in [(fresh, of_fresh), (known, range)] {
        for query in query::by_ids(&ids) {
            lines.extend(insights.all(&query, range).await?);
        }
    }
    Ok(history::distinct(lines))
}

impl Followed {
    /// Remembers events, and returns those that are new, which are the first in `ids`.
    fn add(&mut self, ids: Vec<Uuid>) -> Vec<Uuid> {
        let known: HashSet<Uuid> = self.events.iter().copied().collect();
        let fresh: Vec<Uuid> = ids.into_iter().filter(|id| !known.contains(id)).collect();
        self.events.extend(fresh.iter().rev());
        let excess = self
            .events
            .len()
            .saturating_sub(REMEMBERED.max(fresh.len()));
        self.events.drain(..excess);
        fresh
    }

    /// Returns the lines that were not printed yet.
    fn fresh(&mut self, lines: Vec<Line>) -> Vec<Line> {
        let mut fresh = lines;
        fresh.retain(|line| {
            let time = i64::try_from(line.time.unix_timestamp_nanos() / 1_000_000);
            let before = self
                .printed
                .insert(line.key.clone(), time.unwrap_or(i64::MAX));
            before.is_none()
        });
        fresh
    }

    /// Forgets lines that no look finds again.
    fn forget(&mut self, since: i64) {
        // An event that is selected late brings its older lines with it, but only once.
        self.printed.retain(|_, time| *time >= since - LATE);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(second: u8, message: &str) -> Line {
        let time = format!("2026-11-20T10:00:{second:02}.000000Z");
        let text =
            json!({"timestamp": time, "fields": {"message": message, "id": "x"}}).to_string();
        Line::read("batch", "s", "2026-11-20 10:00:00.000", &text).unwrap()
    }

    fn none() -> Followed {
        Followed {
            printed: HashMap::new(),
            events: VecDeque::new(),
        }
    }

    #[test]
    fn a_line_is_printed_once_and_a_late_one_still_is() {
        let mut followed = none();
        let printed = |followed: &mut Followed, lines: &[Line]| {
            let fresh = followed.fresh(lines.to_vec());
            fresh
                .iter()
                .map(|line| line.time.second())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            printed(&mut followed, &[line(1, "a"), line(5, "b")]),
            [1, 5]
        );
        assert_eq!(
            printed(
                &mut followed,
                &[line(1, "a"), line(3, "late"), line(5, "b")]
            ),
            [3]
        );
        let now = 1_795_168_800_000;
        followed.forget(now);
        assert_eq!(followed.printed.len(), 3);
        followed.forget(now + LATE + 2_000);
        assert_eq!(followed.printed.len(), 2, "memory is bounded by time");
    }

    #[test]
    fn the_newest_events_are_remembered() {
        let mut followed = none();
        let ids: Vec<Uuid> = (0..500).map(Uuid::from_u128).rev().collect();
        assert_eq!(followed.add(ids.clone()).len(), 500, "the newest first");
        assert!(followed.add(ids).is_empty());
        let next = followed.add(vec![Uuid::from_u128(900)]);
        assert_eq!((next.len(), followed.events.len()), (1, REMEMBERED));
        assert_eq!(followed.events.back(), Some(&Uuid::from_u128(900)));
        assert!(followed.events.contains(&Uuid::from_u128(499)));
    }
}
