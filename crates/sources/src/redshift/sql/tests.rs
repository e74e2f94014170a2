//! Statements and what they come to. `tests/cases.json` has whole statements, and the files beside it the laws.

mod bounds;
mod cases;
mod columns;
mod effects;
mod forms;
mod refused;
mod shown;

use std::collections::HashMap;

use super::*;

/// Columns of tables, by their names as they are written.
pub(super) struct Tables(HashMap<String, ColumnList>);

impl Catalog for Tables {
    fn columns(&self, table: &TableName) -> Option<ColumnList> {
        self.0.get(&table.to_string()).cloned()
    }
}

/// A few tables: `orders`, `customers`, and `events` with an array. The table `unknown` is none of them.
pub(super) fn tables() -> Tables {
    let tables = [
        ("orders", "id customer_id amount day"),
        ("customers", "id email country"),
        ("events", "id at items"),
        ("sales", "day country revenue"),
        ("wide", "id"),
    ];
    let columns = |text: &str| {
        text.split(' ')
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .into()
    };
    Tables(
        tables
            .into_iter()
            .map(|(name, text)| (name.to_owned(), columns(text)))
            .collect(),
    )
}

/// The only statement of a text.
pub(super) fn one(sql: &str) -> StatementLineage {
    let mut all = read(sql, &tables(), ReadOptions::default());
    assert_eq!(all.len(), 1, "{sql}");
    all.remove(0)
}

/// The direct sources of each column: `day<orders.day revenue<orders.amount,orders.id`.
pub(super) fn direct(sql: &str) -> String {
    let statement = one(sql);
    assert_eq!(statement.reading, Reading::Parsed, "{sql}");
    columns_of(&statement)
}

pub(super) fn columns_of(statement: &StatementLineage) -> String {
    let shown = statement.columns.iter().map(|column| {
        let direct = column
            .sources
            .iter()
            .filter(|edge| edge.transformation.is_direct());
        let mut sources: Vec<String> = direct
            .map(|edge| format!("{}.{}", edge.table, edge.column))
            .collect();
        sources.sort();
        sources.dedup();
        format!("{}<{}", column.column, sources.join(","))
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// The names of what a statement reads.
pub(super) fn inputs(statement: &StatementLineage) -> Vec<String> {
    statement.inputs.iter().map(dataset).collect()
}

pub(super) fn dataset(dataset: &Dataset) -> String {
    match dataset {
        Dataset::Table(table) => table.to_string(),
        Dataset::S3(place) => format!("s3://{}/{}", place.bucket, place.key),
        Dataset::Other(source) => format!("{source:?}"),
    }
}
