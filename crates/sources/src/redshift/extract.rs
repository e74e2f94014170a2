//! Makes events of the statements of a history, in the order in which they started. Called by `fetch` for every poll of
//! a warehouse. A whole history, such as a saved one, is read by the tests and benchmarks.
//!
//! The same history gives the same events, whatever of it was seen before: what a poll has to know of earlier statements
//! is in its [`State`], as it was where the poll begins. `extract/statement.rs` reads one statement, `extract/report.rs` makes its
//! event, and `extract/notes.rs` and `extract/visible.rs` say what is not known.

mod internal;
mod notes;
mod report;
mod statement;
mod visible;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use time::{Duration, OffsetDateTime};

use super::catalogue::Catalogue;
use super::draft::Drafts;
use super::history::{History, Query, Status, View};
use super::horizon::{Window, next};
use super::options::Options;
use super::sql::ColumnList;
use super::state::{Before, Session, State};
use super::transaction::{Fate, Transaction, callers, transactions};
use super::unread;
use super::warehouse::{Place, Warehouse};
use crate::{Extraction, Finding, FindingRule, UnreadInput, guarded};
use internal::is_internal;

/// The label by which our own statements are known (`SET query_group`).
pub const OWN_LABEL: &str = "lineage-proxy";

/// What a poll of a warehouse reads.
#[derive(Debug, Clone, Copy)]
pub struct Poll<'a> {
    /// The statements.
    pub history: &'a History,
    /// The tables.
    pub catalogue: &'a Catalogue,
    /// Where they are.
    pub warehouse: &'a Warehouse,
    /// What is reported.
    pub options: &'a Options,
    /// The window that a poll reads.
    pub window: Window,
}

/// What a poll has brought.
#[derive(Debug, Clone)]
pub struct Found {
    /// Events and findings.
    pub extraction: Extraction,
    /// Where the next poll begins.
    pub next: OffsetDateTime,
    /// What the next poll has to know.
    pub state: State,
    /// The names of the tables that occur: with their columns more is found.
    pub tables: BTreeSet<String>,
    /// The names of tables that statements have created, changed or dropped, and when they last did.
    pub changed: BTreeMap<String, OffsetDateTime>,
    /// The statements of which the steps would help, by their ids.
    pub details: BTreeSet<i64>,
    /// The COPY statements of which it is not known what they have loaded.
    pub loads: BTreeSet<i64>,
    /// The UNLOAD statements of which it is not known what they have written.
    pub unloads: BTreeSet<i64>,
}

/// Makes the events.
pub fn extract(poll: &Poll<'_>, state: &State) -> Found {
    let transactions = transactions(poll.history, poll.window.now);
    let next = next(poll.history, &transactions, &poll.window);
    let mut run = Run {
        poll,
        state: state.clone(),
        done: BTreeSet::new(),
        transactions,
        callers: callers(poll.history),
        session_starts: session_starts(poll.history),
        drafts: Drafts::default(),
        findings: poll.history.findings.clone(),
        unread: poll.history.unread.clone(),
        asked: RefCell::default(),
        lists: RefCell::default(),
        changed: BTreeMap::new(),
        details: BTreeSet::new(),
        loads: BTreeSet::new(),
        unloads: BTreeSet::new(),
    };
    run.state.done.clear();
    let mut queries: Vec<&Query> = poll.history.queries.values().collect();
    queries.sort_unstable_by_key(|query| (query.start, query.id));
    let mut before: Option<State> = None;
    for query in queries {
        if before.is_none() && query.start >= next {
            before = Some(run.state.clone());
        }
        run.statement(query, state.done.contains(&query.id));
        let is_kept = query.start >= next && run.is_over(query);
        if is_kept || (query.start >= next && state.done.contains(&query.id)) {
            run.done.insert(query.id);
        }
    }
    run.found(before, next)
}

/// Makes the events of a whole history, such as a saved one: nothing more will come.
pub fn extract_all(
    history: &History,
    catalogue: &Catalogue,
    warehouse: &Warehouse,
    options: &Options,
) -> Extraction {
    let times = || history.queries.values();
    let ends = times().map(|query| query.end.unwrap_or(query.start));
    let from = times().map(|query| query.start).min();
    let from = from.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut whole = history.clone();
    if whole.transactions.is_none() {
        let reason = "it was not saved: how transactions ended is concluded from their statements";
        whole.add_invisible(View::Transactions, reason);
    }
    let cut: Vec<Finding> = history
        .cut_views()
        .into_iter()
        .map(|view| Finding {
            rule: FindingRule::Incomplete,
            place: view.name().to_owned(),
            message: "a page of its result was not saved: see its NextToken and TotalNumRows"
                .to_owned(),
        })
        .collect();
    whole.findings.extend(cut);
    let window = Window {
        from,
        // Long after the last one, so that no transaction goes on.
        now: ends.max().unwrap_or(from) + Duration::days(1),
        overlap: Duration::ZERO,
        is_complete: true,
        presses_on: true,
    };
    let poll = Poll {
        history: &whole,
        catalogue,
        warehouse,
        options,
        window,
    };
    extract(&poll, &State::default()).extraction
}

/// One poll, under way.
struct Run<'a> {
    poll: &'a Poll<'a>,
    state: State,
    done: BTreeSet<i64>,
    transactions: BTreeMap<i64, Transaction>,
    callers: HashMap<i64, i64>,
    session_starts: HashMap<i64, Vec<OffsetDateTime>>,
    drafts: Drafts<'a>,
    findings: Vec<Finding>,
    /// What cannot be read because of a bug.
    unread: Vec<UnreadInput>,
    asked: RefCell<BTreeSet<String>>,
    lists: RefCell<HashMap<Place, ColumnList>>,
    changed: BTreeMap<String, OffsetDateTime>,
    details: BTreeSet<i64>,
    loads: BTreeSet<i64>,
    unloads: BTreeSet<i64>,
}

impl<'a> Run<'a> {
    fn statement(&mut self, query: &'a Query, is_done: bool) {
        let options = self.poll.options;
        let is_left_out =
            !options.databases.is_empty() && !options.databases.contains(&query.database);
        if query.status == Status::Running
            || is_internal(query)
            || is_left_out
            || query.label == OWN_LABEL
        {
            return;
        }
        let key = self.session_key(query);
        let fate = self.fate(query);
        let session = self.state.session(&key, query.start);
        let mut session = std::mem::replace(session, Session::new(query.start));
        roll_back(&mut session, query, fate);
        let is_reported = !is_done && fate != Fate::Open;
        let read = guarded(query.text.as_bytes(), || {
            self.read(query, &key, &mut session, is_reported, fate);
        });
        if read.is_none() && is_reported {
            self.unread.push(unread::statement(self.poll, query));
        }
        self.state.sessions.insert(key, session);
    }

    fn fate(&self, query: &Query) -> Fate {
        let transaction = self.transactions.get(&query.transaction);
        transaction.map_or(Fate::Open, |transaction| transaction.fate)
    }

    fn is_over(&self, query: &Query) -> bool {
        query.status != Status::Running && self.fate(query) != Fate::Open
    }

    /// Tells sessions apart: their ids are those of processes, and used again.
    fn session_key(&self, query: &Query) -> String {
        let starts = self.session_starts.get(&query.session);
        let started = starts.and_then(|starts| {
            let after = starts.partition_point(|start| *start <= query.start);
            starts.get(after.checked_sub(1)?)
        });
        match started {
            Some(start) => format!("{}@{}", query.session, start.unix_timestamp()),
            None => format!("{}/{}/{}", query.session, query.user, query.database),
        }
    }

    fn found(mut self, before: Option<State>, next: OffsetDateTime) -> Found {
        let poll = self.poll;
        let visible = self.visibility();
        self.invisible();
        let mut extraction = self.drafts.events(poll, &self.callers);
        extraction.findings.splice(0..0, self.findings);
        self.unread
            .drain(..)
            .for_each(|input| extraction.fail(input));
        let beyond = poll.history.unreadable_beyond();
        if beyond > 0 {
            extraction.findings.push(Finding {
                rule: FindingRule::Unreadable,
                place: "history".to_owned(),
                message: format!("{beyond} more rows cannot be read"),
            });
        }
        let told = std::mem::take(&mut self.state.invisible);
        let mut state = before.unwrap_or(self.state);
        state.invisible = told;
        let forgotten = state.make_room(next);
        if forgotten > 0 {
            extraction.findings.push(Finding {
                rule: FindingRule::Incomplete,
                place: "sessions".to_owned(),
                message: format!("{forgotten} sessions with temporary tables are more than is remembered: what reads these later has no lineage through them"),
            });
        }
        state.done = self.done;
        state.visibility_known |= visible;
        Found {
            extraction,
            next,
            state,
            tables: self.asked.into_inner(),
            changed: self.changed,
            details: self.details,
            loads: self.loads,
            unloads: self.unloads,
        }
    }
}

/// Undoes in the session what a transaction did that was rolled back, once the next one is there.
fn roll_back(session: &mut Session, query: &Query, fate: Fate) {
    let is_of_another = |before: &Before| before.transaction != query.transaction;
    if session.before.as_ref().is_some_and(is_of_another)
        && let Some(before) = session.before.take()
    {
        session.temporaries = before.temporaries;
        session.created = before.created;
    }
    if fate == Fate::RolledBack && session.before.is_none() {
        session.before = Some(Before {
            transaction: query.transaction,
            temporaries: session.temporaries.clone(),
            created: session.created.clone(),
        });
    }
}

/// When the sessions of each id began, in order.
fn session_starts(history: &History) -> HashMap<i64, Vec<OffsetDateTime>> {
    let mut starts: HashMap<i64, Vec<OffsetDateTime>> = HashMap::new();
    for span in &history.sessions {
        starts.entry(span.session).or_default().push(span.start);
    }
    starts
        .values_mut()
        .for_each(|starts| starts.sort_unstable());
    starts
}
