//! Where the next poll of a history begins. Called by `extract`.
//!
//! Rows appear late and out of order, and a statement has its row from its start on. So each poll overlaps with the one
//! before, and does not pass a transaction that is still open: what was seen twice has the same identity.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use super::history::History;
use super::transaction::{Fate, Transaction};

/// What is open for longer than this holds nothing up: the next polls would read the same day again and again.
const LONGEST: Duration = Duration::days(1);

/// The window that a poll reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Where it begins: the statements that started then or later.
    pub from: OffsetDateTime,
    /// The time of the poll.
    pub now: OffsetDateTime,
    /// How late the row of a statement may appear.
    pub overlap: Duration,
    /// Whether all statements are there that started until now. Otherwise the last ones are missing.
    pub is_complete: bool,
    /// Whether it may not wait for open transactions: it has come to nothing otherwise.
    pub presses_on: bool,
}

/// Decides where the next poll begins: never earlier than this one.
pub(super) fn next(
    history: &History,
    transactions: &BTreeMap<i64, Transaction>,
    window: &Window,
) -> OffsetDateTime {
    let overlapped = window
        .now
        .checked_sub(window.overlap)
        .unwrap_or(window.from);
    let seen = match (window.is_complete, history.last_start()) {
        (false, Some(last)) => last,
        (true, _) | (false, None) => overlapped,
    };
    let open = transactions.values().filter(|transaction| {
        transaction.fate == Fate::Open
            && window.now - transaction.start <= LONGEST
            && !window.presses_on
    });
    let first_open = open.map(|transaction| transaction.start).min();
    let next = seen.min(overlapped);
    first_open
        .map_or(next, |open| next.min(open))
        .max(window.from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_778_637_600 + second).unwrap()
    }

    fn window(from: i64, now: i64) -> Window {
        Window {
            from: at(from),
            now: at(now),
            overlap: Duration::seconds(900),
            is_complete: true,
            presses_on: false,
        }
    }

    fn open(start: i64) -> BTreeMap<i64, Transaction> {
        let transaction = Transaction {
            start: at(start),
            fate: Fate::Open,
        };
        [(1, transaction)].into()
    }

    #[test]
    fn a_long_load_holds_the_position_at_its_start_for_a_day() {
        let history = History::default();
        assert_eq!(next(&history, &open(100), &window(0, 7_200)), at(100));
        assert_eq!(next(&history, &open(100), &window(0, 90_000)), at(89_100));
        assert_eq!(
            next(&history, &BTreeMap::new(), &window(0, 7_200)),
            at(6_300)
        );
    }

    proptest! {
        #[test]
        fn it_never_goes_back_and_never_passes_what_is_open(from in 0_i64..9_999, span in 0_i64..99_999, start in 0_i64..99_999, presses_on: bool) {
            let window = Window { presses_on, ..window(from, from + span) };
            let next = next(&History::default(), &open(start), &window);
            prop_assert!(next >= window.from);
            prop_assert!(next <= window.now);
            let holds = !presses_on && window.now - at(start) <= LONGEST;
            prop_assert!(!holds || next <= at(start).max(window.from));
        }
    }
}
