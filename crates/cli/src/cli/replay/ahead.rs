//! The objects of an archive that are left out because their names are of a time to come: a clock ran ahead. What is archived
//! after a replay began does not belong to it, and nothing tells these from that but the clock.

use super::origin::Range;

/// How many objects were left out, and the first.
#[derive(Debug, Default)]
pub(super) struct ObjectsAhead {
    count: u64,
    first: Option<String>,
}

impl ObjectsAhead {
    /// Counts an object that is not in the range, if it would be but for its time.
    pub(super) fn note(&mut self, place: &str, time: Option<i64>, range: &Range, now: i64) {
        let is_ahead =
            |time: i64| time > now && time >= range.accepted.since && time < range.asked_until;
        if time.is_some_and(is_ahead) {
            self.count += 1;
            self.first.get_or_insert_with(|| place.to_owned());
        }
    }

    /// Returns a line about them, if there are any.
    pub(super) fn finding(self) -> Option<String> {
        let (first, count) = (self.first?, self.count);
        Some(format!(
            "{first}: {count} objects are named after a time to come, because a clock ran ahead; they are not replayed before that time"
        ))
    }
}

#[cfg(test)]
mod tests {
    use proxy::queue::AcceptedBetween;

    use super::*;

    #[test]
    fn only_objects_that_a_clock_keeps_out_of_the_range_are_counted() {
        let (now, asked_until) = (1_000, 5_000);
        let accepted = AcceptedBetween {
            since: 100,
            until: 900,
        };
        let range = Range {
            accepted,
            asked_until,
            last: None,
            after: None,
        };
        let mut ahead = ObjectsAhead::default();
        // Archived meanwhile, before `--since`, after `--until`, and not by this archive.
        for time in [Some(950), Some(50), Some(6_000), None] {
            ahead.note("other", time, &range, now);
        }
        assert_eq!(ObjectsAhead::default().finding(), None);
        ahead.note("one", Some(2_000), &range, now);
        ahead.note("two", Some(3_000), &range, now);
        let finding = ahead.finding().unwrap();
        assert!(finding.starts_with("one: 2 objects"), "{finding}");
    }
}
