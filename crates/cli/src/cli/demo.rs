//! `lineage-proxy demo`: runs the whole pipeline on one machine, with the events of a small data platform.
//!
//! It starts a real proxy, sends it events over HTTP, and prints a table of their outcomes with the repairs and renames
//! of each. The proxy serves until Ctrl-C, so that a client can be pointed at it.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use ::transform::Transforms;

use super::serve::exit_status;
use super::table::{Fit, Table};
use super::{FINE, Output, no, print};
use proxy::config::{Config, Errors, Layers, Role};
use proxy::pipeline::{Observer, Outcome, OutcomeRecord};
use proxy::serve::ShutdownSignal;
use proxy::telemetry;
use proxy::topology::{StopReason, Topology};

/// One event per line: an Airflow task that loads Redshift, dbt models on top, a Spark job, each with the quirks of its
/// producer.
const EVENTS: &str = include_str!("demo/events.jsonl");

/// Settings that name the endpoint of the demo's warehouse, so that it is not looked up in AWS.
const SETTINGS: &str = "
batch: {window: 300ms}
redshift:
  hosts:
    analytics.eu-west-1: analytics.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439
";

/// The timeout for the outcomes of all events.
const OUTCOMES: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Address to listen on.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5000")]
    listen: String,
    /// Data folder [default: a new folder, deleted at the end].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Exit after showing the table.
    #[arg(long)]
    once: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // First, so that a signal finds nothing that would stay behind.
    let mut shutdown = ShutdownSignal::listen()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let folder = Folder::new(arguments.data_dir.clone())?;
    let mut settings = Layers::default();
    settings.set("listen", arguments.listen.clone(), "--listen");
    settings.set(
        "data_dir",
        folder.path().display().to_string(),
        "--data-dir",
    );
    let config = Config::read(settings.over(Layers::yaml("demo", SETTINGS)), Role::Serve)?;
    telemetry::log_to_stderr("warn");
    let prometheus = telemetry::install_prometheus(&config).map_err(anyhow::Error::msg)?;
    let (sender, outcomes) = mpsc::unbounded_channel();
    let observers: Vec<Arc<dyn Observer>> = vec![Arc::new(Outcomes(sender))];
    let mut stopped = async || {
        tokio::select! {
            () = shutdown.recv() => {}
            _ = hangup.recv() => {}
        }
    };
    let topology = tokio::select! {
        built = Topology::build(config, prometheus, observers, Transforms::new()) => built?,
        () = stopped() => return Ok(no()),
    };
    let url = format!("http://{}", topology.address());
    let (end, ended) = oneshot::channel::<()>();
    let shutdown = async { drop(ended.await) };
    let (has_stopped, stopped_by_itself) = oneshot::channel::<()>();
    let running = async {
        let reason = topology.run(shutdown, std::future::pending::<()>).await;
        drop(has_stopped);
        reason
    };
    let showing = async {
        let until = async {
            tokio::select! {
                () = stopped() => {}
                _ = stopped_by_itself => {}
            }
        };
        let mut until = pin!(until);
        let shown = tokio::select! {
            shown = show(&url, outcomes, arguments.output) => shown,
            () = &mut until => Ok(no()),
        };
        let is_fine = matches!(shown, Ok(status) if status == FINE);
        if is_fine && !arguments.once {
            eprintln!(
                "\nThe proxy keeps serving: point a client at it with OPENLINEAGE_URL={url}; press Ctrl-C to stop."
            );
            eprintln!("Delivered events: {url}/api/v1/events/lineage   Metrics: {url}/metrics");
            until.await;
        }
        drop(end);
        (shown, is_fine)
    };
    let (reason, (shown, is_fine)) = tokio::join!(running, showing);
    if is_fine {
        folder.keep();
    }
    match reason {
        StopReason::Requested => shown,
        StopReason::StorageFailed | StopReason::TaskEnded => exit_status(reason),
    }
}

/// The data folder of a demo.
struct Folder {
    path: PathBuf,
    on_drop: OnDrop,
}

/// What happens to the data folder at the end.
enum OnDrop {
    Keep,
    Remove,
    /// Remove it unless the demo succeeds: the user named it, and the demo creates it.
    RemoveUnlessKept,
}

impl Folder {
    /// Takes the folder that the user named, or creates a temporary one that only this user can read.
    fn new(named: Option<PathBuf>) -> anyhow::Result<Folder> {
        if let Some(path) = named {
            let on_drop = match path.exists() {
                true => OnDrop::Keep,
                false => OnDrop::RemoveUnlessKept,
            };
            return Ok(Folder { path, on_drop });
        }
        let mut suffix = [0; 8];
        getrandom::fill(&mut suffix).context("failed to read random bytes")?;
        let name = format!("lineage-proxy-demo-{}", hex::encode(suffix));
        let path = std::env::temp_dir().join(name);
        // `create` fails if something has that name already, so nobody can prepare the folder for us.
        let created = DirBuilder::new().mode(0o700).create(&path);
        created.map_err(|error| Errors::general(format!("{}: {error}", path.display())))?;
        Ok(Folder {
            path,
            on_drop: OnDrop::Remove,
        })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps a folder that the user named.
    fn keep(mut self) {
        self.on_drop = match self.on_drop {
            OnDrop::Keep | OnDrop::RemoveUnlessKept => OnDrop::Keep,
            OnDrop::Remove => OnDrop::Remove,
        };
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        match self.on_drop {
            OnDrop::Keep => {}
            OnDrop::Remove | OnDrop::RemoveUnlessKept => {
                let _ = std::fs::remove_dir_all(&self.path); // nothing depends on it
            }
        }
    }
}

/// One event of the demo: the response of ingest, and its outcome.
struct Trace {
    label: String,
    repaired: Vec<String>,
    outcome: Option<OutcomeRecord>,
}

/// Sends outcomes to the table.
struct Outcomes(mpsc::UnboundedSender<OutcomeRecord>);

impl Observer for Outcomes {
    fn observe(&self, outcomes: &[OutcomeRecord]) {
        for outcome in outcomes {
            let _ = self.0.send(outcome.clone()); // the table may be complete
        }
    }
}

async fn show(
    url: &str,
    outcomes: mpsc::UnboundedReceiver<OutcomeRecord>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let mut traces = send(url).await?;
    let followed = tokio::time::timeout(OUTCOMES, follow(&mut traces, outcomes)).await;
    let rows: Vec<&Trace> = traces.values().collect();
    match output {
        Output::Json => {
            for trace in &rows {
                print(trace.json())?;
            }
        }
        Output::Text => print(table(&rows))?,
    }
    let delivered = rows
        .iter()
        .filter(|trace| trace.outcome() == "delivered")
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

/// Sends each event as a client would. Returns them in the order of their ids, which is that of time.
async fn send(url: &str) -> anyhow::Result<BTreeMap<String, Trace>> {
    let client = reqwest::Client::new();
    let mut traces = BTreeMap::new();
    for line in EVENTS.lines().filter(|line| !line.is_empty()) {
        let post = client
            .post(format!("{url}/api/v1/lineage"))
            .header("content-type", "application/json");
        let answer = post
            .body(line)
            .send()
            .await
            .context("the proxy did not respond")?;
        let status = answer.status();
        let answer: Value = serde_json::from_str(&answer.text().await?).unwrap_or_default();
        let id = answer.get("id").and_then(Value::as_str);
        let id = id
            .with_context(|| format!("the proxy responded with {status}: {answer}"))?
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
        traces.insert(
            id,
            Trace {
                label: label(line),
                repaired: repaired.collect(),
                outcome: None,
            },
        );
    }
    Ok(traces)
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

/// Waits until each event has an outcome.
async fn follow(
    traces: &mut BTreeMap<String, Trace>,
    mut outcomes: mpsc::UnboundedReceiver<OutcomeRecord>,
) {
    while traces.values().any(|trace| trace.outcome.is_none()) {
        let Some(outcome) = outcomes.recv().await else {
            return;
        };
        if let Some(trace) = traces.get_mut(&outcome.id) {
            trace.outcome = Some(outcome);
        }
    }
}

impl Trace {
    fn outcome(&self) -> &'static str {
        match self.outcome.as_ref().map(|record| &record.outcome) {
            Some(Outcome::Delivered { .. }) => "delivered",
            Some(Outcome::Unchanged { .. }) => "unchanged",
            Some(Outcome::Dropped { .. }) => "dropped",
            Some(Outcome::DeadLettered { .. }) => "dead-lettered",
            Some(Outcome::Retry { .. }) => "will retry",
            None => "in progress",
        }
    }

    /// Returns the rewritten namespaces: position, before and after.
    fn rewritten(&self) -> Vec<(&'static str, &str, &str)> {
        let renames = self
            .outcome
            .iter()
            .flat_map(|record| &record.transform.renames);
        renames
            .filter_map(|rename| {
                let before = rename.before.as_ref()?;
                Some((
                    rename.place,
                    before.namespace.as_str(),
                    rename.after.namespace.as_str(),
                ))
            })
            .collect()
    }

    /// Returns the rewritten namespaces for a person: each change once, with all its positions.
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

fn table(traces: &[&Trace]) -> String {
    let mut table = Table::new([
        ("event", Fit::Wrap),
        ("outcome", Fit::Whole),
        ("repaired, and renamed (before → after)", Fit::Wrap),
    ]);
    for trace in traces {
        let changes = trace.repaired.iter().cloned().chain(trace.renamed());
        table.row([
            trace.label.clone(),
            trace.outcome().to_owned(),
            changes.collect::<Vec<_>>().join("\n"),
        ]);
    }
    table.text()
}
