//! What of the statements is reported, and how. Called by `extract`; the settings that it comes from are in `fetch`.

use std::collections::BTreeSet;

/// What is reported of the statements of a warehouse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// How much of the text of statements is in events.
    pub sql: SqlFacet,
    /// Whether `INSERT … VALUES` has an event, too: it reads nothing.
    pub insert_values: bool,
    /// Whether there is an event at the start of each statement, too.
    pub start_events: bool,
    /// Those who report their statements themselves, so that these are left out.
    pub skip: BTreeSet<Reporter>,
    /// The databases whose statements are reported; all if there is none.
    pub databases: BTreeSet<String>,
    /// The namespace of jobs, if it is not that of the warehouse.
    pub job_namespace: Option<String>,
}

/// How much of the text of a statement is in its event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SqlFacet {
    /// All of it, with its literals: they may be personal data. Credentials are never there.
    Full,
    /// Without literals and comments.
    #[default]
    Redacted,
    /// Nothing.
    None,
}

/// Who reports its statements itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reporter {
    /// dbt, by `dbt-ol`.
    Dbt,
    /// Airflow, by its provider for OpenLineage.
    Airflow,
}
