//! The rows about logs: recorded ones, and events that Glue cuts in pieces. What the scripts find in them is computed here.

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

pub(super) async fn rows() -> Vec<[String; 3]> {
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
