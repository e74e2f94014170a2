//! The table of docs/sources.md that compares us with the sample scripts of AWS on the same inputs.
//!
//! Our column is what the real binary finds. For logs the column of the scripts is computed by [`Script`], which follows
//! `extract_glue_spark_lineage.py` and `extract_airflow_lineage.py` of <https://github.com/aws-samples/amazon-datazone-examples>
//! (folder `data_lineage`, commit 68e6d1f); for the others it is what their code says on these inputs.

use std::collections::BTreeSet;

use serde_json::json;

use super::kills::fixture;
use super::*;

/// A recorded log: what it is, its file, and the script that is for it.
const LOGS: [(&str, &str, Script); 11] = [
    ("Glue 3", "glue-01-glue3", Script::Spark),
    (
        "Glue 4, several events in a log event",
        "glue-02-glue4-several-in-one",
        Script::Spark,
    ),
    ("Glue 5", "glue-03-glue5-layouts", Script::Spark),
    (
        "Spark at DEBUG, each event three times",
        "glue-04-debug-triples",
        Script::Spark,
    ),
    (
        "Spark, other JSON in the line",
        "glue-05-other-json",
        Script::Spark,
    ),
    (
        "an event with a key twice",
        "glue-10-duplicate-key",
        Script::Spark,
    ),
    ("MWAA 2.6", "airflow-01-mwaa-2.6", Script::Airflow),
    ("MWAA 2.2", "airflow-02-mwaa-2.2", Script::Airflow),
    ("Airflow 2.10", "airflow-03-2.10", Script::Airflow),
    (
        "Airflow 3, JSON lines",
        "airflow-04-3.x-structlog",
        Script::Airflow,
    ),
    (
        "Airflow 3, secrets masked",
        "airflow-07-redacted",
        Script::Airflow,
    ),
];

/// A script that reads logs.
#[derive(Clone, Copy)]
enum Script {
    Spark,
    Airflow,
}

impl Script {
    fn marker(self) -> &'static str {
        match self {
            Script::Spark => "INFO [spark-listener-group-shared] transports.ConsoleTransport ",
            Script::Airflow => "{{console.py:29}} INFO - ",
        }
    }

    /// What it posts. It takes what stands from the first brace after its marker to the end of the line. If that is not JSON,
    /// it appends the first line that ends in a brace, of whatever stream, in the next 100 ms; if that is not JSON either, it ends.
    fn posts(self, log: &[LogEvent]) -> String {
        let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
        let mut posted = 0;
        for (index, event) in log.iter().enumerate() {
            for line in event.message.split('\n') {
                let after = line.split_once(self.marker()).map(|(_, after)| after);
                let Some(text) = after.and_then(|after| Some(&after[after.find('{')?..])) else {
                    continue;
                };
                let window = event.timestamp..=event.timestamp + 100;
                let rest = log[index + 1..].iter();
                let mut rest = rest
                    .filter(|next| window.contains(&next.timestamp))
                    .flat_map(|next| next.message.split('\n'));
                let whole = rest.find(|line| line.trim_end().ends_with('}'));
                let whole = whole.map(|rest| format!("{text}{rest}"));
                if !is_json(text) && !whole.is_some_and(|whole| is_json(&whole)) {
                    return format!("{}, then it ends with an error", events(posted));
                }
                posted += 1;
            }
        }
        events(posted)
    }
}

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

fn recorded(name: &str) -> Vec<LogEvent> {
    let case: Value = serde_json::from_str(&fixture(&format!("logs/{name}.json"))).unwrap();
    let events = case["events"].as_array().unwrap().iter();
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    events
        .map(|event| LogEvent {
            stream: text(event, "logStreamName"),
            id: text(event, "eventId"),
            timestamp: event["timestamp"].as_i64().unwrap(),
            message: text(event, "message"),
        })
        .collect()
}

/// An event in pieces, as Glue cuts it, with a line of another stream between the last two.
fn in_pieces(pieces: usize) -> Vec<LogEvent> {
    // The schema that a filter looks for is in the first piece, as it is where a log cuts after kilobytes.
    let pad = format!("\"pad\":\"{}\" }}", "x".repeat(3_000));
    let event = printed(7).replace("\"x\":1.0 }", &pad);
    let line = format!("{}{event}", Script::Spark.marker());
    let size = line.len().div_ceil(pieces);
    let piece = |number: usize, stream: &str, message: String| LogEvent {
        stream: stream.to_owned(),
        id: format!("{number:056}"),
        timestamp: 1_770_000_000_000 + i64::try_from(number).unwrap(),
        message,
    };
    let chunks = line.as_bytes().chunks(size).enumerate();
    let chunks = chunks.map(|(n, chunk)| {
        let text = String::from_utf8(chunk.to_vec()).unwrap();
        piece(2 * n, "driver", text)
    });
    let mut log: Vec<LogEvent> = chunks.collect();
    if pieces > 2 {
        log.push(piece(
            2 * pieces - 3,
            "executor",
            "executor: {\"task\": 1}".to_owned(),
        ));
    }
    log.sort_by_key(|event| event.timestamp);
    log
}

/// What `extract logs` finds in a log group with these log events.
async fn found(log: &[LogEvent]) -> String {
    let group = LogGroup {
        events: log.to_vec(),
        ..LogGroup::default()
    };
    let service = stand_in(&[("recorded", group)]).await;
    let times = log.iter().map(|event| event.timestamp);
    let time = |millis: i64| {
        let time = time::OffsetDateTime::from_unix_timestamp(millis / 1_000).unwrap();
        time.format(&time::format_description::well_known::Rfc3339)
            .unwrap()
    };
    let since = time(times.clone().min().unwrap() - MINUTE);
    let until = time(times.max().unwrap() + MINUTE);
    let output = Command::new(binary())
        .args([
            "extract",
            "logs",
            "--set",
            "groups=recorded",
            "--since",
            &since,
        ])
        .args(["--until", &until, "--dry-run", "--output", "json"])
        .envs(testing::serve::aws(&service.url()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let summary = serde_json::from_slice(&output.stdout);
    summarized(&summary.unwrap_or_else(|error| panic!("{error}: {errors}")))
}

async fn logs() -> Vec<[String; 3]> {
    let mut rows = Vec::new();
    for (what, file, script) in LOGS {
        let log = recorded(file);
        rows.push([what.to_owned(), script.posts(&log), found(&log).await]);
    }
    for (what, pieces) in [
        ("Glue, an event in two pieces", 2),
        (
            "Glue, an event in three pieces, a line of another stream between",
            3,
        ),
    ] {
        let log = in_pieces(pieces);
        rows.push([
            what.to_owned(),
            Script::Spark.posts(&log),
            found(&log).await,
        ]);
    }
    rows
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
    let rows = [logs().await, crawls(), history()].concat();
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
