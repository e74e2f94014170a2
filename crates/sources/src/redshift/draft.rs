//! Statements that have been read and not yet written: until the poll is over, a later statement of the transaction may
//! rename what an earlier one wrote. Called by `extract`.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::event::{EventType, Namer, Parent, QueryFacet, Statement, write};
use super::extract::Poll;
use super::flow::Flow;
use super::history::{Query, Transfer};
use super::job::{self, Clues};
use super::result::written;
use super::sql::{Origin, StatementKind};
use super::unread;
use super::warehouse::{Place, Source};
use crate::{Extraction, Finding, FindingRule, FoundEvent, Identity, guarded};

/// Procedures call each other at most 16 deep
/// (<https://docs.aws.amazon.com/redshift/latest/dg/stored-procedure-constraints.html>).
const MAX_DEPTH: usize = 32;

/// The most findings about datasets that could not be placed, of one poll.
const MAX_FINDINGS: usize = 20;

/// A statement that has an event.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) query: &'a Query,
    /// Its number in the text of the query, from 0.
    pub(super) number: usize,
    pub(super) session: String,
    pub(super) kind: StatementKind,
    pub(super) event_type: EventType,
    pub(super) flow: Flow,
    pub(super) outputs: Vec<Source>,
    pub(super) created: Option<Vec<String>>,
    pub(super) sql: Option<String>,
    pub(super) redacted: String,
    pub(super) origin: Option<Origin>,
    pub(super) procedure: Option<String>,
    pub(super) error: Option<String>,
    pub(super) caller: Option<i64>,
    pub(super) transfer: Option<&'a Transfer>,
}

/// The statement that renames a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'s> {
    pub(super) session: &'s str,
    pub(super) transaction: i64,
}

/// The drafts of one poll, in order.
#[derive(Debug, Default)]
pub(super) struct Drafts<'a> {
    drafts: Vec<Draft<'a>>,
    /// The drafts that name a table.
    by_place: HashMap<Place, Vec<usize>>,
    /// The queries that are reported by this poll.
    reported: HashSet<i64>,
}

impl<'a> Drafts<'a> {
    pub(super) fn push(&mut self, draft: Draft<'a>) {
        let named = draft.flow.inputs.iter().chain(&draft.outputs);
        let places = named.filter_map(place).collect::<HashSet<&Place>>();
        for place in places {
            let drafts = self.by_place.entry(place.clone()).or_default();
            drafts.push(self.drafts.len());
        }
        self.drafts.push(draft);
    }

    pub(super) fn report(&mut self, query: i64) {
        self.reported.insert(query);
    }

    /// Gives a table its new name in what was written to it: by the same transaction, and, if the session itself created
    /// the table, by the session. Then it was read under the old name for nobody else, and inputs follow.
    pub(super) fn rename(&mut self, at: At<'_>, from: &Place, to: &Place, is_own: bool) {
        let Some(named) = self.by_place.remove(from) else {
            return;
        };
        let mut renamed = Vec::new();
        let mut left = Vec::new();
        for index in named {
            let Some(draft) = self.drafts.get_mut(index) else {
                continue;
            };
            let is_of_session = draft.session == at.session;
            if !is_of_session || (draft.query.transaction != at.transaction && !is_own) {
                left.push(index);
                continue;
            }
            let mut is_changed = false;
            for output in &mut draft.outputs {
                if place(output) == Some(from) {
                    *output = Source::Table(to.clone());
                    is_changed = true;
                }
            }
            if is_own {
                draft.flow.rename(from, to);
                is_changed = true;
            }
            match is_changed {
                true => renamed.push(index),
                false => left.push(index),
            }
        }
        self.by_place.insert(from.clone(), left);
        self.by_place.entry(to.clone()).or_default().extend(renamed);
    }

    /// Writes the events of the queries that are reported.
    pub(super) fn events(self, poll: &Poll<'_>, callers: &HashMap<i64, i64>) -> Extraction {
        let namer = Namer {
            warehouse: poll.warehouse,
            catalogue: poll.catalogue,
            not_placed: BTreeSet::new(),
        };
        let mut writer = Writer {
            poll,
            callers,
            namer,
            procedures: HashMap::new(),
        };
        let mut extraction = Extraction::default();
        for draft in &self.drafts {
            let is_reported = self.reported.contains(&draft.query.id);
            let text = draft.query.text.as_bytes();
            match guarded(text, || writer.events(draft, is_reported)) {
                Some(events) => extraction.events.extend(events),
                None if is_reported => extraction.fail(unread::statement(poll, draft.query)),
                None => {}
            }
        }
        let not_placed = writer.namer.not_placed.iter();
        let findings = not_placed.take(MAX_FINDINGS).filter_map(place);
        extraction.findings.extend(findings.map(|Place { database, schema, table }| Finding {
            rule: FindingRule::UnresolvedName,
            place: format!("{database}.{schema}.{table}"),
            message: "a table of the Glue catalogue, of which region and account are not known: set them".to_owned(),
        }));
        extraction
    }
}

/// Writes drafts, in order.
struct Writer<'l> {
    poll: &'l Poll<'l>,
    callers: &'l HashMap<i64, i64>,
    namer: Namer<'l>,
    /// The runs of the procedures so far.
    procedures: HashMap<i64, (Uuid, String)>,
}

impl Writer<'_> {
    /// The events of a draft; none if it is not reported.
    fn events(&mut self, draft: &Draft<'_>, is_reported: bool) -> Vec<FoundEvent> {
        let poll = self.poll;
        let namespace = poll.warehouse.namespace();
        let job = job_name(draft, &mut self.namer);
        let parts = identity(namespace, draft);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let run = Identity::of(&parts);
        if draft.kind == StatementKind::Call {
            let call = (run.uuid(), job.clone());
            self.procedures.insert(draft.query.id, call);
        }
        if !is_reported {
            return Vec::new();
        }
        let statement = Statement {
            event_type: draft.event_type,
            time: draft.query.end.unwrap_or(draft.query.start),
            run: run.uuid(),
            job_namespace: poll.options.job_namespace.as_deref().unwrap_or(namespace),
            job: &job,
            kind: draft.kind,
            flow: &draft.flow,
            outputs: &draft.outputs,
            created: draft.created.as_deref(),
            sql: draft.sql.as_deref(),
            error: draft.error.as_deref(),
            parent: parent(draft, &self.procedures, self.callers),
            query: query_facet(draft.query),
            transfer: draft.transfer,
            engine: poll.history.engine.as_deref(),
        };
        let mut events = Vec::new();
        if poll.options.start_events {
            let start = Statement {
                event_type: EventType::Start,
                time: draft.query.start,
                error: None,
                ..statement
            };
            let parts: Vec<&str> = parts.iter().copied().chain(["START"]).collect();
            events.push(FoundEvent {
                identity: Identity::of(&parts),
                text: write(&start, &mut self.namer),
            });
        }
        events.push(FoundEvent {
            identity: run,
            text: write(&statement, &mut self.namer),
        });
        events
    }
}

fn place(source: &Source) -> Option<&Place> {
    match source {
        Source::Table(place) => Some(place),
        Source::S3 { .. } | Source::DynamoDb(_) | Source::Emr { .. } => None,
    }
}

/// What makes a statement this one: ids of queries start again in another warehouse, and after a restore.
fn identity(namespace: &str, draft: &Draft<'_>) -> Vec<String> {
    let mut parts = vec![
        "redshift".to_owned(),
        namespace.to_owned(),
        draft.query.id.to_string(),
        written(draft.query.start),
    ];
    if draft.number > 0 {
        parts.push(draft.number.to_string());
    }
    parts
}

fn job_name(draft: &Draft<'_>, namer: &mut Namer<'_>) -> String {
    let procedure = draft.procedure.clone();
    job::name(&Clues {
        origin: draft.origin.as_ref(),
        label: &draft.query.label,
        procedure,
        output: draft.outputs.first().map(|output| namer.job_of(output)),
        generic_hash: &draft.query.generic_hash,
        redacted: &draft.redacted,
    })
}

fn parent<'p>(
    draft: &Draft<'_>,
    procedures: &'p HashMap<i64, (Uuid, String)>,
    callers: &HashMap<i64, i64>,
) -> Option<Parent<'p>> {
    let (run, job) = procedures.get(&draft.caller?)?;
    let (mut root_run, mut root_job) = (run, job);
    let mut caller = draft.caller;
    for _ in 0..MAX_DEPTH {
        caller = caller.and_then(|caller| callers.get(&caller).copied());
        let Some((run, job)) = caller.and_then(|caller| procedures.get(&caller)) else {
            break;
        };
        (root_run, root_job) = (run, job);
    }
    Some(Parent {
        run: *run,
        job,
        root_run: *root_run,
        root_job,
    })
}

fn query_facet(query: &Query) -> QueryFacet<'_> {
    QueryFacet {
        id: query.id,
        transaction: query.transaction,
        session: query.session,
        database: &query.database,
        label: &query.label,
        start: query.start,
        end: query.end,
    }
}
