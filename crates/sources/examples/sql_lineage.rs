//! Prints what statements come to, for tests that compare it with other readers of SQL: a JSON object a line in, with
//! `sql` and `catalog` (columns by the name of a table), and one a line out.

use std::collections::HashMap;
use std::io::{BufRead, Write};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sources::redshift::sql::{
    Catalog, ColumnList, Dataset, ReadOptions, Reading, StatementLineage, TableName, read,
};

#[derive(Deserialize)]
struct Request {
    sql: String,
    #[serde(default)]
    catalog: HashMap<String, Vec<String>>,
}

struct Known(HashMap<String, ColumnList>);

impl Catalog for Known {
    fn columns(&self, table: &TableName) -> Option<ColumnList> {
        self.0.get(&table.to_string()).cloned()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    let mut known = Known(HashMap::new());
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        if !request.catalog.is_empty() {
            known = Known(
                request
                    .catalog
                    .into_iter()
                    .map(|(name, columns)| (name, columns.into()))
                    .collect(),
            );
        }
        let statements = read(&request.sql, &known, ReadOptions::default());
        let statements: Vec<Value> = statements.iter().map(shown).collect();
        writeln!(out, "{}", Value::Array(statements))?;
    }
    Ok(())
}

fn shown(statement: &StatementLineage) -> Value {
    let mut columns = Map::new();
    for column in &statement.columns {
        let source = |edge: &sources::redshift::sql::ColumnEdge| {
            json!([
                edge.table.to_string(),
                edge.column,
                edge.transformation.kind(),
                edge.transformation.subtype()
            ])
        };
        columns.insert(
            column.column.clone(),
            column.sources.iter().map(source).collect(),
        );
    }
    let refused = match statement.reading {
        Reading::Parsed => None,
        Reading::Words(refusal) => Some(refusal.to_string()),
    };
    let names = |all: &[Dataset]| -> Vec<String> { all.iter().map(name).collect() };
    json!({
        "kind": format!("{:?}", statement.kind),
        "inputs": names(&statement.inputs),
        "outputs": names(&statement.outputs),
        "columns": columns,
        "star_of": statement.star_of.iter().map(|star| star.table.to_string()).collect::<Vec<_>>(),
        "influences": statement.influences.iter().map(|edge| format!("{}.{} {}", edge.table, edge.column, edge.transformation.subtype())).collect::<Vec<_>>(),
        "effects": statement.effects.iter().map(|effect| format!("{effect:?}")).collect::<Vec<_>>(),
        "refused": refused,
        "unresolved": statement.unresolved.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "origin": statement.origin.as_ref().map(|origin| format!("{origin:?}")),
        "redacted": statement.redacted,
    })
}

fn name(dataset: &Dataset) -> String {
    match dataset {
        Dataset::Table(table) => table.to_string(),
        Dataset::S3(location) => format!("s3://{}/{}", location.bucket, location.key),
        Dataset::Other(source) => format!("{source:?}"),
    }
}
