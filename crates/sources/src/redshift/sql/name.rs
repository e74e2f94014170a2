//! The name of a table, as a statement writes it.

use std::fmt;

/// The name of a table as a statement writes it, folded to lower case unless identifiers are case-sensitive. What is not
/// written is `None`: it follows from the session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The database, or `awsdatacatalog`, or what a datashare is called here.
    pub database: Option<String>,
    /// The schema, which may be an external one.
    pub schema: Option<String>,
    /// The table, view, or temporary table; those may start with `#`.
    pub table: String,
}

impl TableName {
    /// A name of one part.
    pub fn bare(table: impl Into<String>) -> TableName {
        TableName {
            database: None,
            schema: None,
            table: table.into(),
        }
    }

    /// A name of two parts.
    pub fn in_schema(schema: impl Into<String>, table: impl Into<String>) -> TableName {
        TableName {
            database: None,
            schema: Some(schema.into()),
            table: table.into(),
        }
    }

    /// Whether the name alone makes it a temporary table, as `#name` does.
    /// <https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html>
    pub fn is_temporary(&self) -> bool {
        self.table.starts_with('#')
    }

    /// Whether both can be the same table: the parts that both have are equal.
    pub fn matches(&self, other: &TableName) -> bool {
        let agree = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
        self.table == other.table
            && agree(&self.schema, &other.schema)
            && agree(&self.database, &other.database)
    }
}

/// A name as Redshift keeps it: in lower case, unless it is quoted and identifiers are case-sensitive.
pub(super) fn fold(written: &str, quoted: bool, options: super::ReadOptions) -> String {
    if quoted && options.case_sensitive {
        written.to_owned()
    } else {
        written.to_lowercase()
    }
}

/// The name of one to three parts.
pub(super) fn of_parts(mut parts: Vec<String>) -> Option<TableName> {
    if parts.len() > 3 {
        return None;
    }
    let table = parts.pop()?;
    let schema = parts.pop();
    Some(TableName {
        database: parts.pop(),
        schema,
        table,
    })
}

/// With dots between the parts. It is for people: a part may have a dot of its own.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.database, &self.schema].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        f.write_str(&self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_not_written_may_be_any() {
        let orders = TableName::bare("orders");
        assert!(orders.matches(&TableName::in_schema("public", "orders")));
        assert!(
            !TableName::in_schema("mart", "orders")
                .matches(&TableName::in_schema("public", "orders"))
        );
    }
}
