//! `lineage-proxy demo`: the whole line on one machine, with the events of a small pipeline.
//!
//! A real proxy listens, the events go to it over HTTP, and a table shows what became of each: what was repaired, what
//! was renamed, where it went. It goes on serving until Ctrl-C, so that a client can be pointed at it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use ::transform::Transforms;

use super::{FINE, Output, no, print};
use proxy::batch::{Outcome, Report, Settled};
use proxy::config::settings::Settings;
use proxy::config::{Config, Role};
use proxy::{serve, telemetry};

/// An Airflow task that loads Redshift, dbt models on top, a Spark job: one event a line, with the oddities of each.
const EVENTS: &str = include_str!("demo/events.jsonl");

/// What the demo knows of the warehouse: in place of the look-up with AWS.
const SETTINGS: &str = "
batch: {window: 300ms}
redshift:
  hosts:
    analytics.eu-west-1: analytics.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439
";

/// How long all outcomes may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to listen.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5000")]
    listen: String,
    /// Where queue and store are kept [default: a new folder, deleted at the end].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// End when the table is shown.
    #[arg(long)]
    once: bool,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let own = std::env::temp_dir().join(format!("lineage-proxy-demo-{}", std::process::id()));
    let data_dir = arguments.data_dir.clone().unwrap_or_else(|| own.clone());
    let mut settings = Settings::default();
    settings.set("listen", arguments.listen.clone(), "--listen");
    settings.set("data_dir", data_dir.display().to_string(), "--data-dir");
    let config = Config::read(settings.over(Settings::yaml("demo", SETTINGS)), Role::Serve)?;
    telemetry::log_to_stderr("warn");
    let prometheus = telemetry::count_for_prometheus().map_err(anyhow::Error::msg)?;
    let (watcher, reports) = mpsc::unbounded_channel();
    let served = serve::start(&config, prometheus, Some(watcher), Transforms::new()).await?;
    let url = format!("http://{}", served.address);

    let shown = show(&url, reports, arguments.output).await;
    if shown.is_ok() && !arguments.once {
        eprintln!(
            "\nThe proxy goes on serving: set OPENLINEAGE_URL={url} for a client of yours; Ctrl-C ends it."
        );
        eprintln!("What arrived: {url}/api/v1/events/lineage   Counters: {url}/metrics");
        serve::ToldToStop::listen()?.told().await;
    }
    served.stop().await;
    if arguments.data_dir.is_none() {
        let _ = std::fs::remove_dir_all(&own); // a folder left in the temporary ones does no harm
    }
    shown
}

/// An event on its way: what ingest said, and what the batch did.
struct Way {
    label: String,
    repaired: Vec<String>,
    settled: Option<Settled>,
}

async fn show(
    url: &str,
    reports: mpsc::UnboundedReceiver<Report>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let mut ways = send(url).await?;
    let followed = tokio::time::timeout(PATIENCE, follow(&mut ways, reports)).await;
    let rows: Vec<&Way> = ways.values().collect();
    match output {
        Output::Json => {
            for way in &rows {
                print(way.json())?;
            }
        }
        Output::Text => print(table(&rows))?,
    }
    let delivered = rows
        .iter()
        .filter(|way| way.outcome() == "delivered")
        .count();
    if output == Output::Text {
        print(format!("{delivered} of {} events delivered", rows.len()))?;
    }
    Ok(if followed.is_ok() && delivered == rows.len() {
        FINE
    } else {
        no()
    })
}

/// Sends each event as a client would; by id, which sorts by time.
async fn send(url: &str) -> anyhow::Result<BTreeMap<String, Way>> {
    let client = reqwest::Client::new();
    let mut ways = BTreeMap::new();
    for line in EVENTS.lines().filter(|line| !line.is_empty()) {
        let post = client
            .post(format!("{url}/api/v1/lineage"))
            .header("content-type", "application/json");
        let answer = post
            .body(line)
            .send()
            .await
            .context("the proxy does not answer")?;
        let status = answer.status();
        let answer: Value = serde_json::from_str(&answer.text().await?).unwrap_or_default();
        let id = answer.get("id").and_then(Value::as_str);
        let id = id
            .with_context(|| format!("the proxy answered {status}: {answer}"))?
            .to_owned();
        let repaired = answer
            .get("repaired")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let repaired = repaired.map(|finding| {
            let field = |name| {
                finding
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            format!("{}: {}", field("pointer"), field("message"))
        });
        ways.insert(
            id,
            Way {
                label: label(line),
                repaired: repaired.collect(),
                settled: None,
            },
        );
    }
    Ok(ways)
}

fn label(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |pointer| event.pointer(pointer).and_then(Value::as_str);
    let subject = text("/job/name").or(text("/dataset/name")).unwrap_or("?");
    let kind = match (text("/eventType"), event.get("run"), event.get("job")) {
        (Some(event_type), ..) => event_type,
        (None, Some(_), _) => "RunEvent",
        (None, None, Some(_)) => "JobEvent",
        (None, None, None) => "DatasetEvent",
    };
    format!("{kind}\n{subject}")
}

/// Takes reports until each event has its outcome.
async fn follow(ways: &mut BTreeMap<String, Way>, mut reports: mpsc::UnboundedReceiver<Report>) {
    while ways.values().any(|way| way.settled.is_none()) {
        let Some(report) = reports.recv().await else {
            return;
        };
        for settled in report.settled {
            if let Some(way) = ways.get_mut(&settled.record.id) {
                way.settled = Some(settled);
            }
        }
    }
}

impl Way {
    fn outcome(&self) -> &'static str {
        match self.settled.as_ref().map(|settled| &settled.outcome) {
            Some(Outcome::Delivered { .. }) => "delivered",
            Some(Outcome::Dropped { .. }) => "dropped",
            Some(Outcome::DeadLettered { .. }) => "dead-lettered",
            Some(Outcome::HandedBack { .. }) => "will be tried again",
            None => "on its way",
        }
    }

    /// Namespaces that were rewritten: the place, before and after.
    fn rewritten(&self) -> Vec<(&'static str, &str, &str)> {
        let told = self
            .settled
            .as_ref()
            .and_then(|settled| settled.prepared.as_ref());
        let changes = told.into_iter().flat_map(|told| &told.changes);
        changes
            .map(|change| {
                (
                    change.place,
                    change.before.namespace.as_str(),
                    change.after.namespace.as_str(),
                )
            })
            .collect()
    }

    fn json(&self) -> Value {
        let rewritten: Vec<Value> = self
            .rewritten()
            .into_iter()
            .map(|(place, before, after)| json!({"place": place, "before": before, "after": after}))
            .collect();
        json!({
            "event": self.label.replace('\n', " "),
            "repaired": self.repaired,
            "rewritten": rewritten,
            "outcome": self.outcome(),
        })
    }
}

fn table(ways: &[&Way]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["event", "repaired", "rewritten (before → after)", "outcome"]);
    if !table.is_tty() {
        table.set_width(140);
    }
    for way in ways {
        let rewritten = way
            .rewritten()
            .into_iter()
            .map(|(place, before, after)| format!("{place}: {before}\n→ {after}"));
        let rewritten: Vec<String> = rewritten.collect();
        table.add_row([
            way.label.clone(),
            way.repaired.join("\n"),
            rewritten.join("\n"),
            way.outcome().to_owned(),
        ]);
    }
    table
}
