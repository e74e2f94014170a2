//! Which lines `--follow` of a history prints: each change of an event at a target once, in the order of their numbers. Pure.
//!
//! An event on a page comes with the latest outcome at each of its targets, and some of these may be printed already. So the
//! number of the last printed change is kept for each event. For an event that is not in `ahead`, that number is `told`.

use std::collections::HashMap;

use ::history::{Found, FoundEvent, Page};
use time::OffsetDateTime;

use super::history::Line;
use super::local::lines;

/// The most events for which the last printed change is remembered, while pages follow without a pause: about 10 MB. Beyond that,
/// a change may be printed twice.
const MOST: usize = 100_000;

pub(super) struct Changes {
    /// All changes up to this number are printed.
    told: i64,
    /// The events of later pages, each with the number of its last printed change.
    ahead: HashMap<String, i64>,
    /// The change after which the next page begins.
    position: i64,
    /// The time of the latest printed change.
    latest: OffsetDateTime,
    /// Set when the numbers of the history start over: changes up to this time were printed under other numbers.
    before: Option<OffsetDateTime>,
}

impl Changes {
    /// Begins with the newest events. Returns the lines to print.
    pub(super) fn of_newest(found: &Found) -> (Changes, Vec<Line>) {
        let mut changes = Changes {
            told: 0,
            ahead: HashMap::new(),
            position: 0,
            latest: OffsetDateTime::UNIX_EPOCH,
            before: None,
        };
        let lines = changes.told_of(&found.events);
        changes.end_round(found.newest);
        (changes, lines)
    }

    /// The page to look at.
    pub(super) fn page(&self) -> Page {
        Page::After(self.position)
    }

    /// Returns the lines to print for a page.
    pub(super) fn of_page(&mut self, found: &Found) -> Vec<Line> {
        if found.newest < self.position {
            self.begin_anew();
            return Vec::new();
        }
        let lines = self.told_of(&found.events);
        match found.events.last() {
            Some(last) if found.more => self.position = last.position,
            Some(_) | None => self.end_round(found.newest),
        }
        lines
    }

    /// Starts over, because the numbers of the history do: it is another file, or all its events were deleted.
    pub(super) fn begin_anew(&mut self) {
        self.end_round(0);
        self.before = Some(self.latest);
    }

    fn end_round(&mut self, position: i64) {
        self.told = position;
        self.position = position;
        self.ahead.clear();
        self.before = None;
    }

    fn told_of(&mut self, events: &[FoundEvent]) -> Vec<Line> {
        let mut fresh = Vec::new();
        for event in events {
            let told = *self.ahead.get(&event.id).unwrap_or(&self.told);
            let numbered = event.outcomes.iter().map(|it| it.position);
            let changed = numbered.zip(lines(event)).filter(|(position, line)| {
                *position > told && self.before.is_none_or(|before| line.time > before)
            });
            fresh.extend(changed);
            if self.ahead.len() >= MOST {
                self.ahead.clear();
            }
            self.ahead.insert(event.id.clone(), event.position);
        }
        fresh.sort_by_key(|(position, _)| *position);
        let lines: Vec<Line> = fresh.into_iter().map(|(_, line)| line).collect();
        let latest = lines.iter().map(|line| line.time).max();
        self.latest = latest.map_or(self.latest, |time| time.max(self.latest));
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An event with the number of its change at each target. It happened so many seconds after the hour.
    fn event(id: &str, outcomes: &[(&str, i64)]) -> FoundEvent {
        let at = |position: i64| format!("2026-11-20T10:00:{position:02}.000Z");
        let position = outcomes.iter().map(|(_, position)| *position).max();
        let outcomes = outcomes.iter().map(|(target, position)| {
            json!({"target": target, "outcome": "delivered", "position": position, "at": at(*position), "attempts": 1, "duration_ms": 1})
        });
        serde_json::from_value(json!({
            "id": id, "position": position, "accepted_at": at(0), "changed_at": at(position.unwrap()), "datasets": [],
            "size_bytes": 1, "outcomes": outcomes.collect::<Vec<_>>(),
        }))
        .unwrap()
    }

    fn found(events: Vec<FoundEvent>, more: bool, newest: i64) -> Found {
        Found {
            events,
            more,
            newest,
        }
    }

    fn begun(newest: i64) -> Changes {
        Changes::of_newest(&found(Vec::new(), false, newest)).0
    }

    fn told(lines: &[Line]) -> Vec<String> {
        let told = lines.iter().map(|line| {
            let id = line.fields["id"].as_str().unwrap();
            format!("{id} {}", line.function)
        });
        told.collect()
    }

    #[test]
    fn outcomes_of_two_targets_that_interleave_are_told_in_their_order() {
        let mut changes = begun(0);
        let page = vec![
            event("a", &[("one", 1), ("two", 3)]),
            event("b", &[("one", 2), ("two", 4)]),
        ];
        let lines = changes.of_page(&found(page, false, 4));
        assert_eq!(told(&lines), ["a one", "b one", "a two", "b two"]);
        // What was told is not told again.
        let page = vec![event("a", &[("one", 5), ("two", 3)])];
        let lines = changes.of_page(&found(page, false, 5));
        assert_eq!(told(&lines), ["a one"]);
    }

    #[test]
    fn the_newest_events_are_told_whole() {
        let newest = vec![
            event("b", &[("one", 2), ("two", 4)]),
            event("a", &[("one", 1), ("two", 3)]),
        ];
        let (changes, lines) = Changes::of_newest(&found(newest, true, 9));
        assert_eq!(told(&lines), ["a one", "b one", "a two", "b two"]);
        assert_eq!(changes.page(), Page::After(9));
    }

    #[test]
    fn an_event_that_changes_between_pages_is_told_from_where_it_was() {
        let mut changes = begun(0);
        let lines = changes.of_page(&found(vec![event("a", &[("one", 2)])], true, 3));
        assert_eq!(told(&lines), ["a one"]);
        assert_eq!(changes.page(), Page::After(2));
        // Then, `b` changed at 1 and has moved to the next page, as `a` has.
        let page = vec![
            event("b", &[("one", 1), ("two", 4)]),
            event("a", &[("one", 2), ("two", 5)]),
        ];
        let lines = changes.of_page(&found(page, false, 5));
        assert_eq!(told(&lines), ["b one", "b two", "a two"]);
    }

    #[test]
    fn of_a_history_that_began_anew_what_happened_since_is_told() {
        let mut changes = begun(0);
        changes.of_page(&found(vec![event("a", &[("one", 30)])], false, 30));
        assert!(changes.of_page(&found(Vec::new(), false, 2)).is_empty());
        assert_eq!(changes.page(), Page::After(0));
        let mut old = event("a", &[("one", 30)]);
        old.outcomes[0].position = 1;
        let mut new = event("b", &[("one", 31)]);
        new.outcomes[0].position = 2;
        let lines = changes.of_page(&found(vec![old, new], false, 2));
        assert_eq!(told(&lines), ["b one"]);
        assert_eq!(changes.page(), Page::After(2));
    }
}
