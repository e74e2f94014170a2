//! Laws of the reader of SQL, for any text: what is shown has no values, and reading that says the same of tables.

use sources::redshift::sql::{Catalog, ColumnList, ReadOptions, TableName, read};

/// A table whose name starts with `t` has two columns; others are not known.
struct Some;

impl Catalog for Some {
    fn columns(&self, table: &TableName) -> Option<ColumnList> {
        table
            .table
            .starts_with('t')
            .then(|| ["a".to_owned(), "b".to_owned()].into())
    }
}

/// Any text.
pub(crate) fn sql(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for case_sensitive in [false, true] {
        let options = ReadOptions { case_sensitive };
        for statement in read(&text, &Some, options) {
            assert!(statement.outputs.len() <= 1, "{statement:?}");
            let known = |table: &TableName| statement.inputs.iter().any(|input| is(input, table));
            for column in &statement.columns {
                let direct = column
                    .sources
                    .iter()
                    .filter(|edge| edge.transformation.is_direct());
                for edge in direct {
                    assert!(known(&edge.table), "{edge:?} {statement:?}");
                }
            }
            let shown = &statement.redacted;
            if let [again] = read(shown, &Some, options).as_slice() {
                assert_eq!(&again.redacted, shown, "twice is once");
            }
        }
    }
}

fn is(dataset: &sources::redshift::sql::Dataset, table: &TableName) -> bool {
    matches!(dataset, sources::redshift::sql::Dataset::Table(name) if name == table)
}
