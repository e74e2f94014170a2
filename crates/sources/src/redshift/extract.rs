//! Makes events of the statements of a history, in the order in which they started. Called by `fetch` for every look at
//! a warehouse. A whole history, such as a saved one, is read by the tests and benchmarks.
//!
//! The same history gives the same events, whatever of it was seen before: what a look has to know of earlier statements
//! is in its [`State`], as it was where the look begins.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use time::{Duration, OffsetDateTime};

use super::catalogue::Catalogue;
use super::draft::{Draft, Drafts};
use super::effects;
use super::event::EventType;
use super::flow::{Flow, outside};
use super::history::{History, Query, Scan, Status, View};
use super::horizon::{Window, next};
use super::message::without_values;
use super::options::{Options, Reporter, SqlFacet};
use super::reading::{self, Text};
use super::resolve::{Moment, Resolved, place_of_scan};
use super::sql::{ColumnList, Dataset, Effect, Origin, Reading, StatementKind, StatementLineage};
use super::state::{Before, Session, State};
use super::transaction::{Fate, Transaction, callers, transactions};
use super::warehouse::{Place, Source, Warehouse};
use crate::{Extraction, Finding, FindingRule};

/// The label by which our own statements are known (`SET query_group`).
pub const OWN_LABEL: &str = "lineage-proxy";

/// The most findings about one statement: of names there can be many.
const MAX_FINDINGS: usize = 5;

/// The user of the service itself.
const SERVICE_USER: i64 = 1;

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The statements.
    pub history: &'a History,
    /// The tables.
    pub catalogue: &'a Catalogue,
    /// Where they are.
    pub warehouse: &'a Warehouse,
    /// What is reported.
    pub options: &'a Options,
    /// The time that is looked at.
    pub window: Window,
}

/// What a look has brought.
#[derive(Debug, Clone)]
pub struct Found {
    /// Events and findings.
    pub extraction: Extraction,
    /// Where the next look begins.
    pub next: OffsetDateTime,
    /// What the next look has to know.
    pub state: State,
    /// The names of the tables that occur: with their columns more is found.
    pub tables: BTreeSet<String>,
    /// The names of tables that statements have created, changed or dropped, and when they last did.
    pub changed: BTreeMap<String, OffsetDateTime>,
    /// The statements of which the steps would help, by their ids.
    pub details: BTreeSet<i64>,
}

/// Makes the events.
pub fn extract(look: &Look<'_>, state: &State) -> Found {
    let transactions = transactions(look.history, look.window.now);
    let next = next(look.history, &transactions, &look.window);
    let mut run = Run {
        look,
        state: state.clone(),
        done: BTreeSet::new(),
        transactions,
        callers: callers(look.history),
        session_starts: session_starts(look.history),
        drafts: Drafts::default(),
        findings: look.history.findings.clone(),
        asked: RefCell::default(),
        lists: RefCell::default(),
        changed: BTreeMap::new(),
        details: BTreeSet::new(),
    };
    run.state.done.clear();
    let mut queries: Vec<&Query> = look.history.queries.values().collect();
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
        .map(|view| Finding {
            rule: FindingRule::Incomplete,
            place: view.name().to_owned(),
            message: "its result has a NextToken: the page that it names was not saved".to_owned(),
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
    let look = Look {
        history: &whole,
        catalogue,
        warehouse,
        options,
        window,
    };
    extract(&look, &State::default()).extraction
}

/// One look, under way.
struct Run<'a> {
    look: &'a Look<'a>,
    state: State,
    done: BTreeSet<i64>,
    transactions: BTreeMap<i64, Transaction>,
    callers: HashMap<i64, i64>,
    session_starts: HashMap<i64, Vec<OffsetDateTime>>,
    drafts: Drafts<'a>,
    findings: Vec<Finding>,
    asked: RefCell<BTreeSet<String>>,
    lists: RefCell<HashMap<Place, ColumnList>>,
    changed: BTreeMap<String, OffsetDateTime>,
    details: BTreeSet<i64>,
}

impl<'a> Run<'a> {
    fn statement(&mut self, query: &'a Query, is_done: bool) {
        let options = self.look.options;
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
        self.read(query, &key, &mut session, is_reported, fate);
        self.state.sessions.insert(key, session);
    }

    fn read(
        &mut self,
        query: &'a Query,
        key: &str,
        session: &mut Session,
        is_reported: bool,
        fate: Fate,
    ) {
        let history = self.look.history;
        let scans = history.scans.get(&query.id);
        let mut notes = Notes::new(query);
        let (text, lineages) = {
            let moment = self.moment(query, session);
            match reading::text(history, query) {
                Text::Whole(joined) => {
                    let statements = reading::read(&joined, &moment);
                    (Some(statements.text), statements.lineages)
                }
                Text::Head(head) => {
                    notes.add(FindingRule::Incomplete, "a part of its text is missing: its tables are those of its steps, without columns");
                    let lineage = reading::read_head(&head, &moment);
                    (None, lineage.into_iter().collect())
                }
                Text::TooLong => {
                    notes.add(FindingRule::Incomplete, "its text is longer than is read");
                    (None, Vec::new())
                }
            }
        };
        if text.is_none() && scans.is_none() && is_reported {
            self.details.insert(query.id);
        }
        // What was not read at all may have had lineage.
        let is_unknown = |lineage: &StatementLineage| lineage.kind == StatementKind::Other;
        notes.matters |= text.is_none() && lineages.iter().all(is_unknown);
        if lineages
            .iter()
            .any(|lineage| lineage.origin == Some(Origin::Ourselves))
        {
            return;
        }
        for (number, lineage) in lineages.into_iter().enumerate() {
            let statement = Read {
                query,
                number,
                text: text.as_deref(),
                lineage,
                fate,
                is_reported,
            };
            self.one(statement, key, session, &mut notes);
        }
        // What has no lineage may be cut or refused: nothing is lost by that.
        if is_reported && notes.matters {
            self.findings.extend(notes.findings);
        }
        if is_reported {
            self.drafts.report(query.id);
        }
    }

    /// Reads one statement of a text, and changes the session.
    fn one(&mut self, read: Read<'a, '_>, key: &str, session: &mut Session, notes: &mut Notes) {
        let Read { query, lineage, .. } = &read;
        let scans = self.look.history.scans.get(&query.id);
        let moment = self.moment(query, session);
        let mut flow = Flow::of(lineage, &moment);
        let mut outputs = self.outputs(lineage, &moment, &mut flow);
        let is_understood = read.text.is_some() && lineage.reading == Reading::Parsed;
        if !is_understood {
            use_scans(lineage, scans, &mut flow, &mut outputs, read.text.is_none());
        }
        let changes = effects::changes(lineage, &moment);
        let temporary = changes.iter().any(effects::Change::fills_temporary);
        let is_draft = self.is_event(lineage, &outputs);
        if is_draft || temporary {
            notes.about(lineage, &flow, read.text.is_some());
        }
        let needs_steps = !is_understood || !flow.guessed.is_empty();
        let is_needed = (is_draft && read.is_reported) || temporary;
        if is_needed && needs_steps && scans.is_none() {
            self.details.insert(query.id);
        }
        if is_draft {
            let draft = self.draft(&read, key, flow.clone(), outputs);
            self.drafts.push(draft);
        }
        if query.status != Status::Success {
            return;
        }
        for change in &changes {
            if let effects::Change::Rename(from, to) = change
                && read.fate != Fate::RolledBack
            {
                let is_own = session.created(from).is_some();
                let at = super::draft::At {
                    session: key,
                    transaction: query.transaction,
                };
                self.drafts.rename(at, from, to, is_own);
            }
        }
        let doubtful = effects::apply(changes, &flow, session);
        let end = query.end.unwrap_or(query.start);
        for table in doubtful {
            let changed = self.changed.entry(table).or_insert(end);
            *changed = end.max(*changed);
        }
    }

    fn moment<'m>(&'m self, query: &'m Query, session: &'m Session) -> Moment<'m> {
        let history = self.look.history;
        Moment {
            session,
            catalogue: self.look.catalogue,
            database: &query.database,
            user: history.users.get(&query.user).map(String::as_str),
            scans: history.scans.get(&query.id),
            asked: &self.asked,
            lists: &self.lists,
        }
    }

    /// What a statement writes, without temporary tables.
    fn outputs(
        &self,
        lineage: &StatementLineage,
        moment: &Moment<'_>,
        flow: &mut Flow,
    ) -> Vec<Source> {
        let created = effects::created(lineage);
        let mut outputs = Vec::new();
        for output in &lineage.outputs {
            let Dataset::Table(table) = output else {
                outputs.extend(outside(output));
                continue;
            };
            let resolved = match created {
                Some((name, temporary)) if name == table => {
                    moment.resolve_created(table, temporary)
                }
                Some(_) | None => moment.resolve(table),
            };
            match resolved {
                Resolved::Temporary(_) => {}
                Resolved::Table(place) => outputs.push(Source::Table(place)),
                Resolved::Guess(place) => {
                    flow.guessed.insert(table.clone());
                    outputs.push(Source::Table(place));
                }
            }
        }
        outputs
    }

    /// Whether a statement has an event.
    fn is_event(&self, lineage: &StatementLineage, outputs: &[Source]) -> bool {
        let Options {
            insert_values,
            skip,
            ..
        } = self.look.options;
        let reporter = match &lineage.origin {
            Some(Origin::Dbt { .. }) => Some(Reporter::Dbt),
            Some(Origin::Airflow { .. }) => Some(Reporter::Airflow),
            Some(Origin::Ourselves) | None => None,
        };
        if reporter.is_some_and(|reporter| skip.contains(&reporter)) {
            return false;
        }
        match lineage.kind {
            StatementKind::Call => true,
            StatementKind::InsertValues => *insert_values && !outputs.is_empty(),
            StatementKind::Insert
            | StatementKind::CreateTableAs
            | StatementKind::SelectInto
            | StatementKind::CreateView
            | StatementKind::CreateMaterializedView
            | StatementKind::CreateExternalTableAs
            | StatementKind::CreateModel
            | StatementKind::Copy
            | StatementKind::Unload
            | StatementKind::Merge
            | StatementKind::Update
            | StatementKind::Delete
            | StatementKind::Append => outputs.iter().any(|output| !is_internal_table(output)),
            StatementKind::Select
            | StatementKind::Truncate
            | StatementKind::Definition
            | StatementKind::Session
            | StatementKind::Transaction
            | StatementKind::Other => false,
        }
    }

    fn draft(
        &self,
        read: &Read<'a, '_>,
        key: &str,
        mut flow: Flow,
        outputs: Vec<Source>,
    ) -> Draft<'a> {
        let Read {
            query,
            number,
            lineage,
            text,
            fate,
            ..
        } = read;
        let event_type = match (query.status, fate) {
            (Status::Failed, _) => EventType::Fail,
            (Status::Canceled, _) | (_, Fate::RolledBack) => EventType::Abort,
            (Status::Success | Status::Running, Fate::Open | Fate::Committed) => {
                EventType::Complete
            }
        };
        let error = match event_type {
            EventType::Complete | EventType::Start => None,
            EventType::Fail | EventType::Abort if query.error.is_empty() => {
                let is_undone = query.status == Status::Success;
                is_undone.then(|| "the transaction was rolled back".to_owned())
            }
            EventType::Fail | EventType::Abort => {
                Some(without_values(&query.error, &lineage.redacted))
            }
        };
        let procedure = lineage.effects.iter().find_map(|effect| {
            if let Effect::Call(name) = effect {
                return Some(name.to_string());
            }
            None
        });
        if lineage.kind == StatementKind::Call {
            flow = Flow::default();
        }
        let created = lineage.effects.iter().any(|effect| {
            matches!(
                effect,
                Effect::CreateTable { .. } | Effect::CreateView { .. }
            )
        });
        let created = created.then(|| {
            flow.columns
                .iter()
                .map(|(column, _)| column.clone())
                .collect()
        });
        Draft {
            query,
            number: *number,
            session: key.to_owned(),
            kind: lineage.kind,
            event_type,
            flow,
            outputs,
            created,
            sql: self.sql(lineage, *text),
            redacted: lineage.redacted.clone(),
            origin: lineage.origin.clone(),
            procedure,
            error,
            caller: self.callers.get(&query.id).copied(),
        }
    }

    /// The text for the facet. Kinds that may hold credentials are never there in full.
    fn sql(&self, lineage: &StatementLineage, text: Option<&str>) -> Option<String> {
        let has_no_credentials = matches!(
            lineage.kind,
            StatementKind::Insert
                | StatementKind::InsertValues
                | StatementKind::CreateTableAs
                | StatementKind::SelectInto
                | StatementKind::CreateView
                | StatementKind::CreateMaterializedView
                | StatementKind::Merge
                | StatementKind::Update
                | StatementKind::Delete
                | StatementKind::Append
                | StatementKind::Call
        ) && lineage.reading == Reading::Parsed;
        match self.look.options.sql {
            SqlFacet::None => None,
            SqlFacet::Full if has_no_credentials => {
                Some(text.unwrap_or(&lineage.redacted).to_owned())
            }
            SqlFacet::Full | SqlFacet::Redacted => Some(lineage.redacted.clone()),
        }
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
        let look = self.look;
        let visible = self.visibility();
        self.invisible();
        let (events, findings) = self.drafts.events(look, &self.callers);
        self.findings.extend(findings);
        let beyond = look.history.unreadable_beyond();
        if beyond > 0 {
            self.findings.push(Finding {
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
            self.findings.push(Finding {
                rule: FindingRule::Incomplete,
                place: "sessions".to_owned(),
                message: format!("{forgotten} sessions with temporary tables are more than is remembered: what reads these later has no lineage through them"),
            });
        }
        state.done = self.done;
        state.visibility_known |= visible;
        Found {
            extraction: Extraction {
                events,
                findings: self.findings,
            },
            next,
            state,
            tables: self.asked.into_inner(),
            changed: self.changed,
            details: self.details,
        }
    }

    /// Says once which views cannot be read. One that can be again is forgotten.
    fn invisible(&mut self) {
        for (view, reason) in &self.look.history.invisible {
            if self.state.invisible.insert(view.name().to_owned()) {
                self.findings.push(Finding {
                    rule: FindingRule::NotVisible,
                    place: view.name().to_owned(),
                    message: format!("done without: {reason}"),
                });
            }
        }
    }

    /// Says once if no statement of others was seen. Returns whether nothing has to be said any more.
    fn visibility(&mut self) -> bool {
        let queries = || self.look.history.queries.values();
        let own: BTreeSet<i64> = queries()
            .filter(|query| query.label == OWN_LABEL)
            .map(|query| query.user)
            .collect();
        let sees_others = queries().any(|query| !own.contains(&query.user));
        if sees_others || self.state.visibility_known || own.is_empty() {
            return sees_others || self.state.visibility_known;
        }
        self.findings.push(Finding {
            rule: FindingRule::NotVisible,
            place: "sys_query_history".to_owned(),
            message: "only statements of the user that reads are seen: if others ran any, grant the role sys:monitor to it".to_owned(),
        });
        true
    }
}

/// A statement of a text.
struct Read<'a, 't> {
    query: &'a Query,
    number: usize,
    text: Option<&'t str>,
    lineage: StatementLineage,
    fate: Fate,
    is_reported: bool,
}

/// Findings about the statements of one text.
struct Notes {
    place: String,
    findings: Vec<Finding>,
    matters: bool,
}

impl Notes {
    fn new(query: &Query) -> Notes {
        let start = super::result::written(query.start);
        Notes {
            place: format!("query {}, started {start}", query.id),
            findings: Vec::new(),
            matters: false,
        }
    }

    fn add(&mut self, rule: FindingRule, message: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding {
                rule,
                place: self.place.clone(),
                message: message.into(),
            });
        }
    }

    /// Notes what is not known of a statement that has lineage.
    fn about(&mut self, lineage: &StatementLineage, flow: &Flow, is_whole: bool) {
        self.matters = true;
        if is_whole && let Reading::Words(refusal) = lineage.reading {
            self.add(
                FindingRule::UnparsedSql,
                format!("{refusal}: its tables are those that its words name, without columns"),
            );
        }
        for table in &flow.guessed {
            self.add(FindingRule::UnresolvedName, format!("no schema of the search path is known to have {table}: it is taken for one of public"));
        }
        let mut unknown = flow.unknown_columns.clone();
        for name in &lineage.unresolved {
            match name {
                super::sql::Unresolved::ColumnsOf(table) => {
                    unknown.insert(table.clone());
                }
                super::sql::Unresolved::Column(_) => {
                    self.add(FindingRule::UnresolvedName, name.to_string())
                }
            }
        }
        for table in unknown {
            self.add(
                FindingRule::UnresolvedName,
                format!("the columns of {table} are not known"),
            );
        }
        if flow.is_cut {
            self.add(
                FindingRule::Incomplete,
                "more column lineage than is kept of one statement",
            );
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

/// Takes the tables of the steps of a statement that was not understood.
fn use_scans(
    lineage: &StatementLineage,
    scans: Option<&BTreeSet<Scan>>,
    flow: &mut Flow,
    outputs: &mut Vec<Source>,
    is_cut: bool,
) {
    let Some(scans) = scans else { return };
    let places = |writes: bool| {
        let scans = scans.iter().filter(move |scan| scan.writes == writes);
        scans
            .filter_map(|scan| place_of_scan(&scan.table))
            .map(Source::Table)
    };
    if outputs.is_empty() && reading::writes(Some(scans)) && lineage.outputs.is_empty() {
        outputs.extend(places(true));
    }
    if is_cut || flow.inputs.is_empty() {
        let reads_itself = matches!(
            lineage.kind,
            StatementKind::Insert | StatementKind::CreateTableAs
        );
        let read: Vec<Source> = places(false)
            .filter(|place| reads_itself || !outputs.contains(place))
            .collect();
        flow.inputs.extend(read);
    }
}

/// Whether the service runs a statement for itself.
fn is_internal(query: &Query) -> bool {
    const PREFIXES: [&str; 4] = [
        "padb_fetch_sample:",
        "small table conversion:",
        "small table validation:",
        "create temp table volt_tt_",
    ];
    let begins = |prefix: &&str| {
        let begin = query.text.get(..prefix.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
    };
    query.user == SERVICE_USER || PREFIXES.iter().any(begins) || is_fetch(&query.text)
}

/// `fetch 1000 in "cursor"`.
fn is_fetch(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace().take(3);
    words
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("fetch"))
        && words.next().is_some()
        && words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("in"))
}

/// The tables in which the service keeps materialized views.
fn is_internal_table(output: &Source) -> bool {
    match output {
        Source::Table(place) => {
            place.table.starts_with("mv_tbl__") || place.table.starts_with("volt_tt_")
        }
        Source::S3 { .. } | Source::DynamoDb(_) | Source::Emr { .. } => false,
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
