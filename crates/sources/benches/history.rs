//! How long a history takes: answers of the Data API to events. 10,000 statements of 2 KB have to take less than 10 s.
//!
//! `cargo bench -p sources --bench history`

#![allow(missing_docs, reason = "a benchmark has no users")]
#![allow(clippy::expect_used, reason = "what a benchmark measures is valid")]

use divan::Bencher;
use divan::counter::ItemsCount;
use serde_json::{Value, json};
use sources::redshift::{Catalogue, History, Options, View, Warehouse, extract_all};

const STATEMENTS: usize = 10_000;

fn main() {
    divan::main();
}

/// Statements of some 2 KB: joins of ten tables, with 40 columns that are computed; every tenth makes a temporary table.
fn statement(number: usize) -> String {
    let table = number % 100;
    let columns: Vec<String> = (0..40)
        .map(|column| {
            format!(
                "CASE WHEN a.c{column} > {number} THEN COALESCE(b.c{column}, 0) END AS c{column}"
            )
        })
        .collect();
    let columns = columns.join(",\\n  ");
    let head = match number % 10 {
        0 => format!("CREATE TEMP TABLE t{table} AS"),
        _ => format!("INSERT INTO mart.out{table}"),
    };
    format!(
        "{head}\\nSELECT {columns}\\nFROM public.in{table} a -- first\\nJOIN public.side{table} b ON a.c0 = b.c0\\nWHERE a.c1 <> 'x{number}'"
    )
}

fn answers() -> (String, String) {
    let names = |view: View, count: usize| -> Vec<Value> {
        let names = view.columns().iter().take(count);
        names.map(|name| json!({"name": name})).collect()
    };
    let text = |text: String| json!({"stringValue": text});
    let rows: Vec<Value> = (0..STATEMENTS)
        .map(|number| {
            let clock = format!("{:02}:{:02}:{:02}", number / 3_600, number / 60 % 60, number % 60);
            json!([
                {"longValue": 100}, {"longValue": number}, {"longValue": number}, {"longValue": number % 50},
                text(format!("{:<128}", "dev")), text("success   ".to_owned()),
                text(format!("2026-05-13 {clock}.123456")), text(format!("2026-05-13 {clock}.623456")),
                text(format!("{:<4000}", statement(number))), text(format!("{:<320}", "default")),
            ])
        })
        .collect();
    let history = json!({
        "ColumnMetadata": names(View::Queries, 10),
        "Records": rows,
    });
    let mut columns: Vec<Value> = Vec::new();
    for table in 0..100 {
        for (schema, name) in [("public", "in"), ("public", "side"), ("mart", "out")] {
            for column in 0..40 {
                columns.push(json!([
                    text("dev".to_owned()), text(schema.to_owned()), text(format!("{name}{table}")),
                    text(format!("c{column}")), {"longValue": column}, text("integer".to_owned()),
                ]));
            }
        }
    }
    let catalogue = json!({
        "ColumnMetadata": names(View::Columns, 6),
        "Records": columns,
    });
    (history.to_string(), catalogue.to_string())
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn history(bencher: Bencher<'_, '_>) {
    let (statements, columns) = answers();
    let warehouse = Warehouse::at("wh.111122223333.eu-west-1.redshift-serverless.amazonaws.com");
    let warehouse = warehouse.expect("an address");
    let read = || {
        let (mut history, mut catalogue) = (History::default(), Catalogue::default());
        for (view, json) in [(View::Columns, &columns), (View::Queries, &statements)] {
            let added = history.add(&mut catalogue, view, "bench", json.as_bytes());
            added.expect("it is an answer");
        }
        let found = extract_all(&history, &catalogue, &warehouse, &Options::default());
        assert_eq!(found.events.len(), STATEMENTS / 10 * 9);
        found
    };
    bencher.counter(ItemsCount::new(STATEMENTS)).bench(read);
}
