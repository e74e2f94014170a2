//! Decides which crawls are due and where the cursor stands afterwards. Pure.
//!
//! A crawl is due once it has ended. The position of a crawler never passes a crawl that runs, and every crawl is due exactly
//! once, whatever order they end in. A position is a start time with the crawls since then that are done.

use std::collections::BTreeMap;

use ::sources::crawler::{Crawl, CrawlState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::FetchError;

/// How much of the past is listed at once: a crawler runs every five minutes at most
/// (<https://docs.aws.amazon.com/glue/latest/dg/monitor-data-warehouse-schedule.html>), so some 9,000 crawls.
const WINDOW_MS: i64 = 31 * 24 * 3_600_000;

/// After so long a crawl is not waited for any more: a position that stands still for ever would list more and more.
const LONGEST_CRAWL_MS: i64 = 7 * 24 * 3_600_000;

/// How far all crawlers are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// The source that wrote it.
    source: Source,
    /// Counts the steps, so that a caller that went back is noticed.
    pub(super) step: u64,
    /// Where crawlers begin that have no position yet, in milliseconds since 1970.
    begin: i64,
    /// By name.
    crawlers: BTreeMap<String, Position>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    #[serde(rename = "glue-crawlers")]
    GlueCrawlers,
}

/// How far a crawler is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// All crawls that started before are done, in milliseconds since 1970.
    since: i64,
    /// The crawls that are done although they started then or later, with their starts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    done: BTreeMap<String, i64>,
}

/// The starts of crawls that are listed at once, in milliseconds since 1970, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: i64,
    pub(super) to: i64,
    /// Whether there is nothing behind it to list now.
    pub(super) is_last: bool,
}

/// What to do about the crawls of a crawler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Where the crawler stood.
    pub(super) position: Position,
    /// The crawls that have ended and are not done, by their starts.
    pub(super) due: Vec<Crawl>,
    /// The crawls that are not waited for any more.
    pub(super) given_up: Vec<Crawl>,
    /// The start of the first crawl that runs.
    waiting: Option<i64>,
    /// Where the crawler stands once all are done.
    end: i64,
    newest: Option<String>,
}

impl Cursor {
    pub(super) fn beginning(begin: i64) -> Cursor {
        Cursor {
            source: Source::GlueCrawlers,
            step: 0,
            begin,
            crawlers: BTreeMap::new(),
        }
    }

    /// Reads what [`Cursor::written`] wrote.
    pub(super) fn read(value: &Value) -> Result<Cursor, FetchError> {
        let damaged = |place: &str, error: serde_json::Error| {
            FetchError::Refused(format!("the cursor is damaged at {place:?}: {error}"))
        };
        // Positions one by one, to name the one that is damaged.
        let crawlers = value.get("crawlers").and_then(Value::as_object);
        for (name, position) in crawlers.into_iter().flatten() {
            Position::deserialize(position)
                .map_err(|error| damaged(&format!("/crawlers/{name}"), error))?;
        }
        Cursor::deserialize(value).map_err(|error| damaged("", error))
    }

    pub(super) fn written(&self) -> Value {
        // Texts and numbers can always be written.
        serde_json::to_value(self).unwrap_or_default()
    }

    pub(super) fn position(&self, crawler: &str) -> Position {
        let position = self.crawlers.get(crawler).cloned();
        position.unwrap_or(Position {
            since: self.begin,
            done: BTreeMap::new(),
        })
    }

    pub(super) fn put(&mut self, crawler: &str, position: Position) {
        // One that stands at the beginning needs no entry.
        if position != self.position(crawler) {
            self.crawlers.insert(crawler.to_owned(), position);
        }
    }

    /// Forgets crawlers that do not exist any more.
    pub(super) fn keep(&mut self, names: &[String]) {
        self.crawlers.retain(|crawler, _| names.contains(crawler));
    }
}

impl Window {
    /// The starts to list for a crawler that stands there, up to `end`.
    pub(super) fn of(position: &Position, end: i64) -> Window {
        let from = position.since;
        let longest = from.saturating_add(WINDOW_MS);
        Window {
            from,
            to: longest.min(end),
            is_last: end <= longest,
        }
    }

    fn contains(&self, start: i64) -> bool {
        (self.from..=self.to).contains(&start)
    }
}

impl Plan {
    /// Decides about the crawls that were listed for a window.
    pub(super) fn of(
        position: Position,
        listed: Vec<Crawl>,
        window: &Window,
        now: OffsetDateTime,
    ) -> Plan {
        let now = millis(now);
        let mut plan = Plan {
            position,
            due: Vec::new(),
            given_up: Vec::new(),
            waiting: None,
            end: window.from,
            newest: None,
        };
        let mut listed = listed;
        listed.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
        listed.dedup_by(|a, b| a.id == b.id);
        for crawl in listed {
            let start = millis(crawl.start);
            if !window.contains(start) {
                continue;
            }
            plan.end = plan.end.max(start);
            if crawl.state == CrawlState::Completed {
                plan.newest = Some(crawl.id.clone());
            }
            match (
                plan.position.done.contains_key(&crawl.id),
                crawl.state.is_final(),
            ) {
                (true, _) => {}
                (false, true) => plan.due.push(crawl),
                (false, false) if now.saturating_sub(start) > LONGEST_CRAWL_MS => {
                    plan.given_up.push(crawl);
                }
                (false, false) => plan.waiting = plan.waiting.or(Some(start)),
            }
        }
        if !window.is_last {
            plan.end = window.to;
        }
        plan
    }

    /// The id of the last crawl that was completed.
    pub(super) fn newest(&self) -> Option<&String> {
        self.newest.as_ref()
    }

    /// Where the crawler stands once these crawls are done, the first of those that are due.
    pub(super) fn position_after(&self, crawls: &[Crawl]) -> Position {
        let is_all = crawls.len() >= self.due.len();
        let reached = match crawls.last() {
            _ if is_all => self.end,
            Some(last) => millis(last.start),
            None => self.position.since,
        };
        let reached = self.waiting.map_or(reached, |waiting| reached.min(waiting));
        let since = self.position.since.max(reached);
        let mut done = self.position.done.clone();
        let crawls = crawls.iter().chain(&self.given_up);
        done.extend(crawls.map(|crawl| (crawl.id.clone(), millis(crawl.start))));
        done.retain(|_, start| *start >= since);
        Position { since, done }
    }

    /// What is left once these crawls are done.
    pub(super) fn after(self, crawls: &[Crawl]) -> Plan {
        let position = self.position_after(crawls);
        let due = self.due.into_iter().skip(crawls.len()).collect();
        Plan {
            position,
            due,
            given_up: Vec::new(),
            ..self
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const DAY: i64 = 24 * 3_600_000;

    fn crawl(id: usize, start: i64, state: CrawlState) -> Crawl {
        let start = OffsetDateTime::from_unix_timestamp_nanos(i128::from(start) * 1_000_000);
        Crawl {
            id: id.to_string(),
            state,
            start: start.unwrap(),
            end: None,
            error: None,
        }
    }

    fn at(ms: i64) -> OffsetDateTime {
        crawl(0, ms, CrawlState::Running).start
    }

    /// One poll of a crawler, in groups of crawls. Returns what was done.
    fn poll(position: &mut Position, all: &[Crawl], now: i64, group: usize) -> Vec<String> {
        let mut did = Vec::new();
        loop {
            let window = Window::of(position, now);
            let mut plan = Plan::of(position.clone(), all.to_vec(), &window, at(now));
            *position = plan.position_after(&[]);
            while !plan.due.is_empty() {
                let group: Vec<Crawl> = plan.due.iter().take(group).cloned().collect();
                did.extend(group.iter().map(|crawl| crawl.id.clone()));
                *position = plan.position_after(&group);
                plan = plan.after(&group);
            }
            if window.is_last {
                return did;
            }
        }
    }

    proptest! {
        /// Crawls start and end at any time, and polls are at any time: each is done once, and not before it has ended.
        #[test]
        fn every_crawl_is_done_once_after_it_has_ended(
            spans in prop::collection::vec((0..40 * DAY, 0..3 * DAY), 0..30),
            mut polls in prop::collection::vec(0..45 * DAY, 0..12),
            group in 1usize..5,
        ) {
            polls.sort_unstable();
            polls.push(45 * DAY);
            let mut position = Position::default();
            let mut done = BTreeSet::new();
            for now in polls {
                let visible: Vec<Crawl> = spans.iter().enumerate()
                    .filter(|(_, (start, _))| *start <= now)
                    .map(|(id, (start, length))| crawl(id, *start, match start + length <= now {
                        true => CrawlState::Completed,
                        false => CrawlState::Running,
                    }))
                    .collect();
                for id in poll(&mut position, &visible, now, group) {
                    let (start, length) = spans[id.parse::<usize>().unwrap()];
                    prop_assert!(start + length <= now, "before its end");
                    prop_assert!(done.insert(id), "twice");
                }
            }
            prop_assert_eq!(done.len(), spans.len());
            prop_assert!(position.done.len() <= spans.len());
        }

        /// A restart between two groups does the rest, and nothing twice.
        #[test]
        fn a_restart_goes_on_behind_the_last_group(starts in prop::collection::vec(0..20i64, 1..12), stop in 0usize..6) {
            let all: Vec<Crawl> = starts.iter().enumerate().map(|(id, start)| crawl(id, *start, CrawlState::Stopped)).collect();
            let window = Window::of(&Position::default(), 100);
            let mut plan = Plan::of(Position::default(), all.clone(), &window, at(100));
            let (mut position, mut done) = (Position::default(), Vec::new());
            for _ in 0..stop {
                let group: Vec<Crawl> = plan.due.iter().take(2).cloned().collect();
                done.extend(group.iter().map(|crawl| crawl.id.clone()));
                position = plan.position_after(&group);
                plan = plan.after(&group);
            }
            done.extend(poll(&mut position, &all, 100, 2));
            done.sort();
            let mut expected: Vec<String> = all.iter().map(|crawl| crawl.id.clone()).collect();
            expected.sort();
            prop_assert_eq!(done, expected);
        }

        #[test]
        fn no_value_breaks_the_reader(text in ".{0,40}", number in any::<i64>()) {
            for value in [json!(text), json!(number), json!({"crawlers": {"a": text}}), json!([text])] {
                prop_assert!(Cursor::read(&value).is_err());
            }
        }
    }

    #[test]
    fn a_position_does_not_pass_a_crawl_that_runs() {
        let all = [
            crawl(0, 10, CrawlState::Running),
            crawl(1, 20, CrawlState::Completed),
        ];
        let mut position = Position::default();
        assert_eq!(poll(&mut position, &all, 30, 4), ["1"]);
        assert_eq!((position.since, position.done.len()), (10, 1));
    }

    #[test]
    fn a_crawl_that_never_ends_is_given_up_once() {
        let all = [crawl(0, 0, CrawlState::Running)];
        let now = LONGEST_CRAWL_MS + 1;
        let window = Window::of(&Position::default(), now);
        let plan = Plan::of(Position::default(), all.to_vec(), &window, at(now));
        assert_eq!(plan.given_up.len(), 1);
        let plan = Plan::of(plan.position_after(&[]), all.to_vec(), &window, at(now));
        assert_eq!(plan.given_up, []);
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let mut cursor = Cursor::beginning(7);
        let done = [("id".to_owned(), 9)].into();
        cursor.put("c", Position { since: 8, done });
        assert_eq!(Cursor::read(&cursor.written()).unwrap(), cursor);
    }

    #[test]
    fn a_damaged_cursor_is_refused_with_its_place() {
        let mut value = Cursor::beginning(7).written();
        value["crawlers"]["orders"] = json!({"since": "soon"});
        let error = Cursor::read(&value).unwrap_err().to_string();
        assert!(error.contains("/crawlers/orders"), "{error}");
        let foreign = json!({"source": "logs", "step": 1, "begin": 0, "crawlers": {}});
        assert!(Cursor::read(&foreign).is_err());
    }
}
