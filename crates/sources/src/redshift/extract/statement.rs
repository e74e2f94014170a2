//! Reads one statement of the history in its session: what it reads and writes there, and what it changes for those that
//! follow. Called by `extract` for each that has ended. Whether it has an event is decided in `report.rs`.

use std::collections::BTreeSet;

use super::super::draft::At;
use super::super::effects;
use super::super::flow::{Flow, outside};
use super::super::history::{Query, Scan, Status, Transfer};
use super::super::reading::{self, Text};
use super::super::resolve::{Moment, Resolved, place_of_scan};
use super::super::sql::{Dataset, Origin, Reading, StatementKind, StatementLineage};
use super::super::state::Session;
use super::super::transaction::Fate;
use super::super::warehouse::Source;
use super::Run;
use super::notes::Notes;
use crate::FindingRule;

impl<'a> Run<'a> {
    /// Reads the text of a query, statement by statement.
    pub(super) fn read(
        &mut self,
        query: &'a Query,
        key: &str,
        session: &mut Session,
        is_reported: bool,
        fate: Fate,
    ) {
        let history = self.poll.history;
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
        let scans = self.poll.history.scans.get(&query.id);
        let moment = self.moment(query, session);
        let mut flow = Flow::of(lineage, &moment);
        let mut outputs = self.outputs(lineage, &moment, &mut flow);
        let is_understood = read.text.is_some() && lineage.reading == Reading::Parsed;
        if !is_understood {
            use_scans(lineage, scans, &mut flow, &mut outputs, read.text.is_none());
        }
        let transfer = self.poll.history.transfers.get(&query.id);
        use_transfer(lineage.kind, transfer, &mut flow, &mut outputs);
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
        if read.is_reported && transfer.is_none() {
            if lineage.kind == StatementKind::Copy {
                self.loads.insert(query.id);
            }
            if lineage.kind == StatementKind::Unload {
                self.unloads.insert(query.id);
            }
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
                let at = At {
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
        let history = self.poll.history;
        Moment {
            session,
            catalogue: self.poll.catalogue,
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
}

/// A statement of a text.
pub(super) struct Read<'a, 't> {
    pub(super) query: &'a Query,
    pub(super) number: usize,
    pub(super) text: Option<&'t str>,
    pub(super) lineage: StatementLineage,
    pub(super) fate: Fate,
    pub(super) is_reported: bool,
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

/// Takes the files that the history has, where the text does not say them: it may be cut before they come.
fn use_transfer(
    kind: StatementKind,
    transfer: Option<&Transfer>,
    flow: &mut Flow,
    outputs: &mut Vec<Source>,
) {
    let files = || Source::at_s3(&transfer?.location);
    if kind == StatementKind::Copy && flow.inputs.is_empty() {
        flow.inputs.extend(files());
    }
    if kind == StatementKind::Unload && outputs.is_empty() {
        outputs.extend(files());
    }
}
