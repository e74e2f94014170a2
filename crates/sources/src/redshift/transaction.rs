//! How transactions end, and which of their statements a procedure has run. Called by `extract` before it reads any
//! statement: what a statement did counts only if its transaction was committed.
//!
//! SYS_TRANSACTION_HISTORY knows how a transaction ended, for superusers alone. Without it: a transaction with ROLLBACK
//! was rolled back, and so was one in which a statement failed, unless it was committed or a procedure went on.

use std::collections::{BTreeMap, HashMap};

use time::{Duration, OffsetDateTime};

use super::history::{History, Outcome, Query, Status};

/// A transaction that is not known to be over is taken for over when it has been idle for so long.
pub(super) const SETTLES: Duration = Duration::minutes(2);

/// What is known of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transaction {
    /// When its first statement started.
    pub(super) start: OffsetDateTime,
    pub(super) fate: Fate,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It may go on.
    Open,
    Committed,
    RolledBack,
}

/// What the text of a statement begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Call,
    Commit,
    Rollback,
    Other,
}

#[derive(Debug)]
struct Seen {
    session: i64,
    start: OffsetDateTime,
    end: OffsetDateTime,
    is_running: bool,
    has_failed: bool,
    is_committed: bool,
    is_rolled_back: bool,
    /// Failures inside may have been handled by a procedure that succeeded.
    has_procedure: bool,
    statements: usize,
}

/// Finds out how each transaction of the history ended. What is open at `now` may still change.
pub(super) fn transactions(history: &History, now: OffsetDateTime) -> BTreeMap<i64, Transaction> {
    let mut seen: BTreeMap<i64, Seen> = BTreeMap::new();
    let mut last_of_session: HashMap<i64, OffsetDateTime> = HashMap::new();
    for query in history.queries.values() {
        let last = last_of_session.entry(query.session).or_insert(query.start);
        *last = query.start.max(*last);
        let end = query.end.unwrap_or(query.start);
        let transaction = seen.entry(query.transaction).or_insert(Seen {
            session: query.session,
            start: query.start,
            end,
            is_running: false,
            has_failed: false,
            is_committed: false,
            is_rolled_back: false,
            has_procedure: false,
            statements: 0,
        });
        transaction.add(query, end);
    }
    let fate = |id: i64, seen: &Seen| {
        let told = history.transactions.as_ref().and_then(|told| told.get(&id));
        match told {
            Some(Outcome::Committed) => return Fate::Committed,
            Some(Outcome::RolledBack) => return Fate::RolledBack,
            None => {}
        }
        let is_followed = last_of_session
            .get(&seen.session)
            .is_some_and(|last| *last > seen.end);
        let is_over =
            seen.is_committed || seen.is_rolled_back || is_followed || now - seen.end > SETTLES;
        // The failure of a single statement is its own. One that others follow has undone the others.
        let is_undone = seen.is_rolled_back
            || (seen.has_failed
                && seen.statements > 1
                && !seen.is_committed
                && !seen.has_procedure);
        match (seen.is_running, is_over, is_undone) {
            (true, _, _) | (false, false, _) => Fate::Open,
            (false, true, true) => Fate::RolledBack,
            (false, true, false) => Fate::Committed,
        }
    };
    seen.iter()
        .map(|(id, seen)| {
            let transaction = Transaction {
                start: seen.start,
                fate: fate(*id, seen),
            };
            (*id, transaction)
        })
        .collect()
}

impl Seen {
    fn add(&mut self, query: &Query, end: OffsetDateTime) {
        self.start = self.start.min(query.start);
        self.end = self.end.max(end);
        self.statements += 1;
        match query.status {
            Status::Running => self.is_running = true,
            Status::Failed | Status::Canceled => self.has_failed = true,
            Status::Success => match opening(&query.text) {
                Opening::Call => self.has_procedure = true,
                Opening::Commit => self.is_committed = true,
                Opening::Rollback => self.is_rolled_back = true,
                Opening::Other => {}
            },
        }
    }
}

/// What a text, as it is stored, begins with, after comments and blanks.
pub(super) fn opening(stored: &str) -> Opening {
    let mut rest = stored;
    loop {
        rest = rest.trim_start();
        // Line feeds are stored as two characters.
        rest = match rest.get(..2) {
            Some("\\n" | "\\r") => rest.get(2..).unwrap_or_default(),
            Some("--") => rest.split_once("\\n").map_or("", |(_, rest)| rest),
            Some("/*") => rest.split_once("*/").map_or("", |(_, rest)| rest),
            Some(_) | None => break,
        };
    }
    let word: String = rest
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .take(20)
        .collect();
    match word.to_ascii_lowercase().as_str() {
        "call" => Opening::Call,
        "commit" | "end" => Opening::Commit,
        "rollback" | "abort" => Opening::Rollback,
        _ => Opening::Other,
    }
}

/// The procedure that ran each statement, by their ids: the innermost of the session and transaction that was running then.
pub(super) fn callers(history: &History) -> HashMap<i64, i64> {
    let mut in_order: Vec<&Query> = history.queries.values().collect();
    in_order.sort_unstable_by_key(|query| (query.start, query.id));
    let mut running: HashMap<(i64, i64), Vec<&Query>> = HashMap::new();
    let mut callers = HashMap::new();
    for query in in_order {
        let stack = running
            .entry((query.session, query.transaction))
            .or_default();
        let has_ended = |call: &Query| call.end.is_some_and(|end| end < query.start);
        while stack.last().is_some_and(|call| has_ended(call)) {
            stack.pop();
        }
        let told = history.calls.get(&query.id).copied().flatten();
        let told = told.filter(|caller| history.queries.contains_key(caller));
        if let Some(caller) = told.or_else(|| stack.last().map(|call| call.id)) {
            callers.insert(query.id, caller);
        }
        if history.calls.contains_key(&query.id) || opening(&query.text) == Opening::Call {
            stack.push(query);
        }
    }
    callers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Statements of one transaction: status, first second, last second, text.
    fn history(statements: &[(i64, i64, Status, i64, i64, &str)]) -> History {
        let mut history = History::default();
        for (id, (session, transaction, status, start, end, text)) in (1..).zip(statements) {
            let query = Query {
                id,
                user: 100,
                label: String::new(),
                transaction: *transaction,
                session: *session,
                database: "dev".to_owned(),
                status: *status,
                start: at(*start),
                end: (*status != Status::Running).then(|| at(*end)),
                error: String::new(),
                text: (*text).to_owned(),
                generic_hash: String::new(),
            };
            history.queries.insert(id, query);
        }
        history
    }

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_778_637_600 + second).unwrap()
    }

    fn fate(statements: &[(i64, i64, Status, i64, i64, &str)], now: i64) -> Fate {
        transactions(&history(statements), at(now))[&7].fate
    }

    use Status::{Failed, Running, Success};

    #[test]
    fn a_transaction_is_open_until_something_says_that_it_is_over() {
        let insert = (1, 7, Success, 0, 5, "INSERT INTO t SELECT 1");
        assert_eq!(fate(&[insert], 10), Fate::Open);
        assert_eq!(fate(&[insert], 5 + 121), Fate::Committed, "idle");
        assert_eq!(
            fate(&[insert, (1, 8, Success, 6, 6, "SELECT 1")], 10),
            Fate::Committed,
            "followed"
        );
        assert_eq!(
            fate(&[insert, (2, 8, Success, 6, 6, "SELECT 1")], 10),
            Fate::Open,
            "another session"
        );
        assert_eq!(
            fate(&[insert, (1, 7, Success, 6, 6, "commit")], 10),
            Fate::Committed
        );
        assert_eq!(
            fate(&[insert, (1, 7, Running, 6, 6, "SELECT 1")], 9_999),
            Fate::Open
        );
    }

    #[test]
    fn a_failure_undoes_what_came_before_it_and_no_more() {
        let insert = (1, 7, Success, 0, 5, "INSERT INTO t SELECT 1");
        let failed = (1, 7, Failed, 6, 7, "INSERT INTO u SELECT 1/0");
        assert_eq!(fate(&[insert, failed], 999), Fate::RolledBack);
        assert_eq!(
            fate(&[failed], 999),
            Fate::Committed,
            "it is reported as failed"
        );
        let call = (1, 7, Success, 0, 9, "CALL p()");
        assert_eq!(
            fate(&[call, failed], 999),
            Fate::Committed,
            "the procedure handled it"
        );
        assert_eq!(
            fate(&[insert, (1, 7, Success, 8, 8, "/* x */ ROLLBACK")], 9),
            Fate::RolledBack
        );
    }

    #[test]
    fn what_the_warehouse_says_goes_before_what_is_concluded() {
        let insert = (1, 7, Success, 0, 5, "INSERT INTO t SELECT 1");
        let mut told = history(&[insert]);
        told.transactions = Some([(7, Outcome::RolledBack)].into());
        assert_eq!(transactions(&told, at(6))[&7].fate, Fate::RolledBack);
    }

    #[test]
    fn a_statement_is_run_by_the_innermost_procedure_of_its_transaction() {
        let history = history(&[
            (1, 7, Success, 0, 100, "CALL outer()"),
            (1, 7, Success, 1, 50, "\\n-- inner\\nCALL inner()"),
            (1, 7, Success, 2, 3, "INSERT INTO a SELECT 1"),
            (1, 7, Success, 60, 61, "INSERT INTO b SELECT 1"),
            (1, 7, Success, 101, 102, "INSERT INTO c SELECT 1"),
            (2, 8, Success, 2, 3, "INSERT INTO d SELECT 1"),
        ]);
        let callers = callers(&history);
        let caller = |id: i64| callers.get(&id).copied();
        assert_eq!(
            [1, 2, 3, 4, 5, 6].map(caller),
            [None, Some(1), Some(2), Some(1), None, None]
        );
    }

    proptest! {
        #[test]
        fn any_text_begins_with_something(text in "(/\\*|\\*/|--|\\\\n| |call|é){0,20}") {
            let _ = opening(&text);
        }
    }
}
