//! What the reader of SQL asks about tables that it did not see created.

use super::TableName;

/// The columns of a table, in their order. Shared, because many statements ask for the same ones.
pub type ColumnList = std::sync::Arc<[String]>;

/// Knows the columns of tables: for `*`, for columns without the name of their table, and for `INSERT` without a list.
///
/// The caller implements it, over what it knows of the session: the search path, and the temporary tables, which hide
/// others of the same name.
pub trait Catalog {
    /// The columns of the table that a name stands for at this moment of the session. `None` if the table or its columns
    /// are not known.
    fn columns(&self, table: &TableName) -> Option<ColumnList>;
}
