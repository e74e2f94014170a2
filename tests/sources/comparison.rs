//! The table of docs/sources.md that compares us with the sample scripts of AWS on the same inputs.
//!
//! Our column is what the real binary finds. For logs the column of the scripts is computed (`comparison/logs.rs`), as
//! `extract_glue_spark_lineage.py` and `extract_airflow_lineage.py` of <https://github.com/aws-samples/amazon-datazone-examples>
//! (folder `data_lineage`, commit 68e6d1f) do it; for the others it is what their code says on these inputs.

#[path = "comparison/logs.rs"]
mod logs;

use std::collections::BTreeSet;

use serde_json::json;

use super::kills::fixture;
use super::*;

fn events(count: u64) -> String {
    match count {
        0 => "nothing".to_owned(),
        1 => "1 event".to_owned(),
        count => format!("{count} events"),
    }
}

/// What a summary says: events, and findings by rule.
fn summarized(summary: &Value) -> String {
    let mut text = events(summary["accepted"].as_u64().unwrap());
    for (rule, count) in summary["findings"].as_object().unwrap() {
        text += &format!(", {count} `{rule}`");
    }
    text
}

/// The events that `extract` prints.
fn extracted(arguments: &[&str]) -> Vec<Value> {
    let (status, output, errors) = extract(arguments, "");
    assert!(matches!(status, Some(0 | 1)), "{errors}");
    output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn path(name: &str) -> String {
    format!("{}/{name}", super::kills::FIXTURES)
}

fn crawls() -> Vec<[String; 3]> {
    let file = path("crawler/answers.jsonl");
    let found = extracted(&[
        "glue-crawlers",
        "--input",
        &file,
        "--set",
        "region=eu-west-1",
    ]);
    let answers = fixture("crawler/answers.jsonl");
    let tables: Vec<Value> = answers
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .flat_map(|answer| answer["TableList"].as_array().cloned().unwrap_or_default())
        .collect();
    let table = |name: &str| tables.iter().find(|table| table["Name"] == name).unwrap();
    let of = |name: &str| {
        let is_it = |event: &&Value| {
            let output = event["outputs"][0]["name"].as_str().unwrap_or_default();
            output.ends_with(&format!("/{name}"))
        };
        found.iter().filter(is_it).collect::<Vec<_>>()
    };
    // The script takes the location for a URL: all but its last part is the namespace, and the table is the name.
    let script = |name: &str| {
        let location = table(name)["StorageDescriptor"]["Location"]
            .as_str()
            .unwrap();
        let namespace = location
            .trim_end_matches('/')
            .rsplit_once('/')
            .map_or("", |(it, _)| it);
        format!("input `{name}` in `{namespace}`").replace("``", "the namespace \"\"")
    };
    let here = |name: &str| {
        let input = &of(name)[0]["inputs"][0];
        let text = |member: &str| input[member].as_str().unwrap().to_owned();
        format!("input `{}` in `{}`", text("name"), text("namespace"))
    };
    let columns = |event: &Value| {
        let fields = &event["outputs"][0]["facets"]["schema"]["fields"];
        fields.as_array().map_or(0, Vec::len)
    };
    let own = table("orders")["StorageDescriptor"]["Columns"]
        .as_array()
        .unwrap()
        .len();
    let row = |cells: [&str; 3]| cells.map(str::to_owned);
    vec![
        row([
            "crawler of a database behind JDBC",
            &script("shop_public_customers"),
            &here("shop_public_customers"),
        ]),
        row([
            "crawler of DynamoDB",
            &script("sessions"),
            &here("sessions"),
        ]),
        row([
            "crawler of S3, a table with a partition key",
            &format!("{own} columns"),
            &format!(
                "{} columns",
                of("orders").into_iter().map(columns).max().unwrap()
            ),
        ]),
        row([
            "crawler of S3, crawled several times",
            "the crawl that created the table, if it is among the last 20",
            &format!(
                "{} runs of the table, one for each crawl that ended well",
                of("orders").len()
            ),
        ]),
    ]
}

fn history() -> Vec<[String; 3]> {
    let mut arguments = vec!["redshift".to_owned()];
    let mut queries: Vec<Value> = Vec::new();
    for name in super::kills::HISTORY {
        let file = format!("redshift/{name}.json");
        if name.starts_with("sys_query_history") {
            let page: Value = serde_json::from_str(&fixture(&file)).unwrap();
            let columns = page["ColumnMetadata"].as_array().unwrap();
            let names: Vec<&str> = columns
                .iter()
                .map(|it| it["name"].as_str().unwrap())
                .collect();
            for row in page["Records"].as_array().unwrap() {
                let cells = row.as_array().unwrap().iter();
                let cells = names.iter().zip(cells);
                queries.push(
                    cells
                        .map(|(name, cell)| ((*name).to_owned(), cell.clone()))
                        .collect(),
                );
            }
        }
        arguments.extend(["--input".to_owned(), path(&file)]);
    }
    let host = "host=corp-wg.111122223333.eu-west-1.redshift-serverless.amazonaws.com";
    arguments.extend(["--set".to_owned(), host.to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let found = extracted(&arguments);
    let text = |query: &Value, name: &str| {
        let cell = query[name]["stringValue"].as_str();
        cell.unwrap_or_default().trim_end().to_owned()
    };
    // The script asks for these types alone.
    let is_read = |query: &&Value| {
        let kind = text(query, "query_type");
        ["DDL", "CTAS", "COPY", "INSERT", "UNLOAD"].contains(&kind.as_str())
    };
    let of = |member: &str, values: &[&str]| {
        let ids: BTreeSet<String> = queries
            .iter()
            .filter(|query| values.contains(&text(query, member).as_str()))
            .map(|query| query["query_id"]["longValue"].to_string())
            .collect();
        let is_of = |event: &&Value| {
            let id = &event["run"]["facets"]["externalQuery"]["externalQueryId"];
            ids.contains(id.as_str().unwrap_or_default())
        };
        found.iter().filter(is_of).collect::<Vec<_>>()
    };
    // It does not ask how a statement ended, and takes the end of each for a time.
    let read_and = |status: &str| {
        let is_so = |query: &&Value| text(query, "status") == status;
        queries.iter().filter(is_read).filter(is_so).count()
    };
    assert_eq!((read_and("failed"), read_and("running")), (1, 1));
    let failed = of("status", &["failed"]);
    let running = of("status", &["running"]).len() as u64;
    let jobs: BTreeSet<&str> = found
        .iter()
        .filter_map(|event| event["job"]["name"].as_str())
        .collect();
    let name = found
        .iter()
        .flat_map(|event| event["outputs"].as_array().unwrap())
        .filter_map(|output| output["name"].as_str())
        .find(|name| name.ends_with(".daily_sales"))
        .unwrap();
    let row = |cells: [&str; 3]| cells.map(str::to_owned);
    vec![
        row([
            "Redshift, statements of the types UPDATE, DELETE and MERGE",
            "nothing",
            &events(of("query_type", &["UPDATE", "DELETE", "MERGE"]).len() as u64),
        ]),
        row([
            "Redshift, a statement that failed",
            "`COMPLETE`",
            &format!("`{}`", failed[0]["eventType"].as_str().unwrap()),
        ]),
        row([
            "Redshift, a statement that runs",
            "it ends with an error",
            &format!("{}, until it has ended", events(running)),
        ]),
        row([
            "Redshift, the jobs of a day",
            &format!(
                "{}, one for each statement",
                queries.iter().filter(is_read).count()
            ),
            &format!("{}, the same ones the next day", jobs.len()),
        ]),
        row([
            "Redshift, the name of a table",
            &format!("`{name}.TABLE`"),
            &format!("`{name}`"),
        ]),
    ]
}

/// `UPDATE_DOCS=1 cargo test -p lineage-proxy --test sources the_page_of_sources_compares` writes the table.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a switch of this test")]
async fn the_page_of_sources_compares_what_is_found() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sources.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once("<!-- comparison -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of comparison -->").unwrap();
    let rows = [logs::rows().await, crawls(), history()].concat();
    let rows: Vec<String> = rows
        .iter()
        .map(|cells| format!("| {} |", cells.join(" | ")))
        .collect();
    let table = format!(
        "| input | the script | here |\n|---|---|---|\n{}\n",
        rows.join("\n")
    );
    let expected = format!("{before}<!-- comparison -->\n{table}<!-- end of comparison -->{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
        return;
    }
    assert!(
        page == expected,
        "docs/sources.md is stale: see the comment of this test\n{table}"
    );
    // What makes the comparison one: somewhere the scripts find less.
    assert!(json!(rows).to_string().contains("| nothing |"));
}
