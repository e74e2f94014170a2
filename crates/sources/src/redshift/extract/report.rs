//! Whether a statement has an event, and what the event is made of. Called by `statement.rs`; `draft` names the job, and
//! `event` writes it.

use super::super::draft::Draft;
use super::super::event::EventType;
use super::super::flow::Flow;
use super::super::history::Status;
use super::super::message::without_values;
use super::super::options::{Options, Reporter, SqlFacet};
use super::super::sql::{Effect, Origin, Reading, StatementKind, StatementLineage};
use super::super::transaction::Fate;
use super::super::warehouse::Source;
use super::Run;
use super::internal::is_internal_table;
use super::statement::Read;

impl<'a> Run<'a> {
    /// Whether a statement has an event.
    pub(super) fn is_event(&self, lineage: &StatementLineage, outputs: &[Source]) -> bool {
        let Options {
            insert_values,
            skip,
            ..
        } = self.poll.options;
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

    /// What the event of a statement is made of.
    pub(super) fn draft(
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
            transfer: self.poll.history.transfers.get(&query.id),
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
        match self.poll.options.sql {
            SqlFacet::None => None,
            SqlFacet::Full if has_no_credentials => {
                Some(text.unwrap_or(&lineage.redacted).to_owned())
            }
            SqlFacet::Full | SqlFacet::Redacted => Some(lineage.redacted.clone()),
        }
    }
}
