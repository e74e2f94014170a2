//! `--follow`: polls again and again, and prints each line once, in the order in which it was logged.
//!
//! A line may arrive at CloudWatch Logs after others that were logged later. So each poll goes back over the last minutes, and
//! what was printed is remembered for as long.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::history::{self, Line};
use super::insights::{Insights, QueryError, Range};
use super::query::{self, Selection};
use super::{Arguments, SKEW, now, show};

/// How late a line may arrive, in milliseconds. Usually it takes seconds.
const LATE: i64 = 300_000;

/// How often to poll.
const INTERVAL: Duration = Duration::from_secs(10);

/// What was printed, and which events are followed.
struct Followed {
    /// The lines that were printed, with their times in milliseconds.
    printed: HashMap<String, i64>,
    /// The events that were selected, each with when a poll last found a line that selects it, in milliseconds since 1970. They are
    /// kept as long as polls may find that line again, so that none is taken for a new one.
    events: BTreeMap<Uuid, i64>,
}

/// Prints lines until it is stopped.
pub(super) async fn follow(insights: &Insights, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let selection = arguments.selection();
    let start = arguments.range().since;
    let mut since = start;
    let mut followed = Followed {
        printed: HashMap::new(),
        events: BTreeMap::new(),
    };
    loop {
        let now = now();
        let range = Range {
            since,
            until: now + SKEW,
        };
        let lines = poll(insights, &selection, &mut followed, range, start, now).await?;
        for line in followed.fresh(lines) {
            show::line(&line, arguments.output)?;
        }
        since = (now - LATE).max(start);
        followed.forget(since);
        sleep(arguments.interval.unwrap_or(INTERVAL)).await;
    }
}

/// Finds the lines of a range of time that are selected, or are about events that are; of an event that is new, all since `start`.
async fn poll(
    insights: &Insights,
    selection: &Selection,
    followed: &mut Followed,
    range: Range,
    start: i64,
    now: i64,
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
    let known: Vec<Uuid> = followed.events.keys().copied().collect();
    let fresh = followed.add(history::selected(&found, selection), now);
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
    /// Remembers events that a poll at `now` has found, and returns those that are new, in their order in `ids`.
    fn add(&mut self, ids: Vec<Uuid>, now: i64) -> Vec<Uuid> {
        let mut fresh = ids;
        fresh.retain(|id| self.events.insert(*id, now).is_none());
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

    /// Forgets lines and events that no poll from `since` on finds again.
    fn forget(&mut self, since: i64) {
        self.events.retain(|_, seen| *seen >= since);
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
            events: BTreeMap::new(),
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
    fn an_event_is_new_once_however_many_there_are() {
        let mut followed = none();
        let ids: Vec<Uuid> = (0..500).map(Uuid::from_u128).rev().collect();
        let mut now = 1_795_168_800_000;
        assert_eq!(followed.add(ids.clone(), now), ids, "the newest first");
        for _ in 0..100 {
            now += 10_000;
            followed.forget(now - LATE);
            assert!(followed.add(ids.clone(), now).is_empty());
        }
        followed.forget(now - LATE);
        assert_eq!(followed.events.len(), 500);
        // Their lines are older than what polls go back to.
        followed.add(vec![Uuid::from_u128(900)], now + 1);
        followed.forget(now + 1);
        assert_eq!(followed.events.len(), 1, "memory is bounded by time");
    }
}
