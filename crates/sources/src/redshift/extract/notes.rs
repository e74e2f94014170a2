//! What is not known of the statements of one text, as findings. Kept apart until it is clear whether they matter.

use super::super::flow::Flow;
use super::super::history::Query;
use super::super::sql::{Reading, StatementLineage, Unresolved};
use super::super::unread;
use crate::{Finding, FindingRule};

/// The most findings about one statement: of names there can be many.
const MAX_FINDINGS: usize = 5;

/// Findings about the statements of one text.
pub(super) struct Notes {
    place: String,
    pub(super) findings: Vec<Finding>,
    pub(super) matters: bool,
}

impl Notes {
    pub(super) fn new(query: &Query) -> Notes {
        Notes {
            place: unread::place(query),
            findings: Vec::new(),
            matters: false,
        }
    }

    pub(super) fn add(&mut self, rule: FindingRule, message: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding {
                rule,
                place: self.place.clone(),
                message: message.into(),
            });
        }
    }

    /// Notes what is not known of a statement that has lineage.
    pub(super) fn about(&mut self, lineage: &StatementLineage, flow: &Flow, is_whole: bool) {
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
                Unresolved::ColumnsOf(table) => {
                    unknown.insert(table.clone());
                }
                Unresolved::Column(_) => self.add(FindingRule::UnresolvedName, name.to_string()),
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
