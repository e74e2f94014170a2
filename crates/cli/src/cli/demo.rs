//! `lineage-proxy demo`: the whole line on one machine, with the events of a small pipeline.
//!
//! A real proxy listens, the events go to it over HTTP, and a table shows what became of each: what was repaired, what
//! was renamed, where it went. It goes on serving until Ctrl-C, so that a client can be pointed at it.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use ::transform::Transforms;

use super::table::{Fit, Table};
use super::{FINE, Output, no, print};
use proxy::config::settings::Settings;
use proxy::config::{Config, Role};
use proxy::pipeline::{Outcome, Report, Settled};
use proxy::serve::ToldToStop;
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
    // Before anything is there that would be left behind.
    let mut stop = ToldToStop::listen()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let folder = Folder::new(arguments.data_dir.clone())?;
    let mut settings = Settings::default();
    settings.set("listen", arguments.listen.clone(), "--listen");
    settings.set(
        "data_dir",
        folder.path().display().to_string(),
        "--data-dir",
    );
    let config = Config::read(settings.over(Settings::yaml("demo", SETTINGS)), Role::Serve)?;
    telemetry::log_to_stderr("warn");
    let prometheus = telemetry::install_prometheus(&[config.target.name().as_str()])
        .map_err(anyhow::Error::msg)?;
    let (watcher, reports) = mpsc::unbounded_channel();
    let mut stopped = async || {
        tokio::select! {
            () = stop.told() => {}
            _ = hangup.recv() => {}
        }
    };
    let served = tokio::select! {
        served = serve::start(&config, prometheus, Some(watcher), Transforms::new()) => served?,
        () = stopped() => return Ok(no()),
    };
    let url = format!("http://{}", served.address);
    let shown = tokio::select! {
        shown = show(&url, reports, arguments.output) => shown,
        () = stopped() => Ok(no()),
    };
    let is_fine = matches!(shown, Ok(status) if status == FINE);
    if is_fine && !arguments.once {
        eprintln!(
            "\nThe proxy goes on serving: set OPENLINEAGE_URL={url} for a client of yours; Ctrl-C ends it."
        );
        eprintln!("What arrived: {url}/api/v1/events/lineage   Counters: {url}/metrics");
        stopped().await;
    }
    served.stop().await;
    if is_fine {
        folder.keep();
    }
    shown
}

/// The data folder of a demo. A new one of ours goes with it; one that was named stays, unless the demo has failed and
/// it was not there before.
struct Folder {
    path: PathBuf,
    own: Option<TempDir>,
    is_new: bool,
}

impl Folder {
    fn new(named: Option<PathBuf>) -> anyhow::Result<Folder> {
        Ok(match named {
            Some(path) => Folder {
                is_new: !path.exists(),
                path,
                own: None,
            },
            None => {
                let own = tempfile::Builder::new()
                    .prefix("lineage-proxy-demo-")
                    .permissions(Permissions::from_mode(0o700))
                    .tempdir()?;
                Folder {
                    path: own.path().to_owned(),
                    own: Some(own),
                    is_new: true,
                }
            }
        })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// The demo has not failed.
    fn keep(mut self) {
        self.is_new = self.own.is_some();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_dir_all(&self.path); // whoever wants to know why sees it there
        }
    }
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
            Some(Outcome::Retry { .. }) => "will retry",
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

    /// The same for a person: each change once, with all its places.
    fn renamed(&self) -> Vec<String> {
        let mut places: Vec<((&str, &str), Vec<&str>)> = Vec::new();
        for (place, before, after) in self.rewritten() {
            match places
                .iter_mut()
                .find(|(change, _)| *change == (before, after))
            {
                Some((_, places)) => places.push(place),
                None => places.push(((before, after), vec![place])),
            }
        }
        let renamed = places.into_iter();
        renamed
            .map(|((before, after), places)| format!("{}: {before}\n→ {after}", places.join(", ")))
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

fn table(ways: &[&Way]) -> String {
    let mut table = Table::new([
        ("event", Fit::Wrap),
        ("outcome", Fit::Whole),
        ("repaired, and renamed (before → after)", Fit::Wrap),
    ]);
    for way in ways {
        let changes = way.repaired.iter().cloned().chain(way.renamed());
        table.row([
            way.label.clone(),
            way.outcome().to_owned(),
            changes.collect::<Vec<_>>().join("\n"),
        ]);
    }
    table.text()
}
