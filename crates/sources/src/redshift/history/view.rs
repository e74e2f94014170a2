//! The system views that are read, by the names that saved results have. What their rows say is read by `rows.rs`, and
//! `queries` asks for them.

use super::rows;

/// What a result is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// SYS_QUERY_HISTORY.
    Queries,
    /// SYS_QUERY_TEXT.
    Texts,
    /// SYS_QUERY_DETAIL.
    Details,
    /// SYS_PROCEDURE_CALL.
    Calls,
    /// SYS_TRANSACTION_HISTORY.
    Transactions,
    /// SYS_SESSION_HISTORY.
    Sessions,
    /// SVV_ALL_COLUMNS.
    Columns,
    /// `pg_get_late_binding_view_cols()`.
    LateBindingColumns,
    /// SVV_REDSHIFT_DATABASES.
    Databases,
    /// SVV_EXTERNAL_SCHEMAS.
    ExternalSchemas,
    /// SVV_USER_INFO.
    Users,
    /// `SELECT version()`.
    Version,
    /// SYS_LOAD_HISTORY.
    Loads,
    /// SYS_UNLOAD_HISTORY.
    Unloads,
    /// A view that says nothing more: SVV_EXTERNAL_TABLES.
    Unused,
}
/// The names of results: those of their views, in lower case.
pub(in crate::redshift) const VIEWS: [(&str, View); 15] = [
    ("sys_query_history", View::Queries),
    ("sys_query_text", View::Texts),
    ("sys_query_detail", View::Details),
    ("sys_procedure_call", View::Calls),
    ("sys_transaction_history", View::Transactions),
    ("sys_session_history", View::Sessions),
    ("svv_all_columns", View::Columns),
    ("pg_get_late_binding_view_cols", View::LateBindingColumns),
    ("svv_redshift_databases", View::Databases),
    ("svv_external_schemas", View::ExternalSchemas),
    ("svv_user_info", View::Users),
    ("version", View::Version),
    ("sys_load_history", View::Loads),
    ("sys_unload_history", View::Unloads),
    ("svv_external_tables", View::Unused),
];

impl View {
    /// Its name.
    pub fn name(self) -> &'static str {
        let is_it = |(_, view): &&(&str, View)| *view == self;
        VIEWS.iter().find(is_it).map_or("", |(name, _)| *name)
    }

    /// The columns that are read of it, in their order. None of a view that is not read.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            View::Queries => &rows::QUERIES,
            View::Texts => &rows::TEXTS,
            View::Details => &rows::DETAILS,
            View::Loads => &rows::LOADS,
            View::Unloads => &rows::UNLOADS,
            View::Calls => &rows::CALLS,
            View::Transactions => &rows::TRANSACTIONS,
            View::Sessions => &rows::SESSIONS,
            View::Columns => &rows::COLUMNS,
            View::LateBindingColumns => &rows::LATE_BINDING,
            View::Databases => &rows::DATABASES,
            View::ExternalSchemas => &rows::EXTERNAL_SCHEMAS,
            View::Users => &rows::USERS,
            View::Version => &rows::VERSION,
            View::Unused => &[],
        }
    }

    /// The view whose name is that of a result up to its first dot: `sys_query_history.page-2.json`.
    pub fn of_name(name: &str) -> Option<View> {
        let stem = name.split('.').next().unwrap_or_default();
        let is_it = |(known, _): &&(&str, View)| known.eq_ignore_ascii_case(stem);
        VIEWS.iter().find(is_it).map(|(_, view)| *view)
    }
}
