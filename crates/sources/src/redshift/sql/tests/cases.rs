//! Whole statements and what they come to: `cases.json`.

use serde_json::Value;

use super::*;

#[derive(serde::Deserialize)]
struct Case {
    key: String,
    sql: String,
    kind: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    /// The direct sources of each column, as `table.column`.
    columns: Value,
}

#[derive(serde::Deserialize)]
struct Cases {
    catalog: HashMap<String, Vec<String>>,
    cases: Vec<Case>,
}

#[test]
fn statements_come_to_what_is_expected() {
    let Cases { catalog, cases } = serde_json::from_str(include_str!("cases.json")).unwrap();
    let known = Tables(
        catalog
            .into_iter()
            .map(|(name, columns)| (name, columns.into()))
            .collect(),
    );
    for case in cases {
        let [statement] = read(&case.sql, &known, ReadOptions::default())
            .try_into()
            .unwrap();
        assert_eq!(statement.reading, Reading::Parsed, "{}", case.key);
        assert_eq!(format!("{:?}", statement.kind), case.kind, "{}", case.key);
        assert_eq!(inputs(&statement), case.inputs, "{}", case.key);
        assert_eq!(
            statement.outputs.iter().map(dataset).collect::<Vec<_>>(),
            case.outputs,
            "{}",
            case.key
        );
        let mut columns = serde_json::Map::new();
        for column in &statement.columns {
            let direct = column
                .sources
                .iter()
                .filter(|edge| edge.transformation.is_direct());
            let mut sources: Vec<String> = direct
                .map(|edge| format!("{}.{}", edge.table, edge.column))
                .collect();
            sources.sort();
            sources.dedup();
            columns.insert(column.column.clone(), sources.into());
        }
        assert_eq!(Value::Object(columns), case.columns, "{}", case.key);
    }
}
