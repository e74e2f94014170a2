//! `lineage-proxy demo`: runs the whole pipeline on one machine, with the events of a small data platform.
//!
//! It starts a real proxy with two targets, its own store and a catalog, sends it events over HTTP, and prints a table of their
//! outcomes with the repairs and renames of each. The proxy serves until Ctrl-C: its page shows the same in a browser, and a
//! client can be pointed at it.

mod catalog;
mod folder;
mod trace;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use ::transform::Transforms;

use super::serve::exit_status;
use super::{FINE, Output, no};
use crate::cli::tell;
use catalog::{Catalog, REGISTERED_AFTER, UNREGISTERED};
use folder::Folder;
use proxy::config::{Config, Layers, Role};
use proxy::pipeline::Observer;
use proxy::serve::ShutdownSignal;
use proxy::telemetry;
use proxy::topology::{StopReason, Topology};
use trace::{Outcomes, show};

/// The rules of the demo. Written to the data folder, where they can be edited.
const RULES: &str = include_str!("demo/rules.yaml");

/// Their file in the data folder.
const RULES_FILE: &str = "demo-rules.yaml";

/// The targets: the log of the proxy itself, and the catalog.
const TARGETS: [&str; 2] = ["lineage", "catalog"];

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
    let catalog = Catalog::listen().await?;
    let rules = folder.create_file(RULES_FILE, RULES)?;
    let defaults = Layers::yaml("demo", &defaults(&rules, &catalog.url()));
    let config = Config::read(settings.over(defaults), Role::Serve)?;
    telemetry::log_to_stderr("error");
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
    tokio::spawn(catalog.run());
    let (end, ended) = oneshot::channel::<()>();
    let shutdown = async { drop(ended.await) };
    let (has_stopped, stopped_by_itself) = oneshot::channel::<()>();
    let running = async {
        let reason = Box::pin(topology.run(shutdown, std::future::pending::<()>)).await;
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
            shown = show(&url, &TARGETS, outcomes, arguments.output) => shown,
            () = &mut until => Ok(no()),
        };
        let is_fine = matches!(shown, Ok(status) if status == FINE);
        if is_fine && !arguments.once {
            tell(format_args!("{}", next_steps(&url)));
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

/// Returns the settings of the demo. The endpoint of its warehouse is named, so that it is not looked up in AWS.
fn defaults(rules: &Path, catalog: &str) -> String {
    let settings = json!({
        "batch": {"window": "300ms"},
        "rules": {"file": rules},
        "targets": {"lineage": {"type": "store"}, "catalog": {"type": "openlineage", "url": catalog, "response": "redacted"}},
        "redshift": {"hosts": {
            "analytics.eu-west-1": "analytics.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439",
        }},
    });
    settings.to_string() // JSON is YAML
}

/// Returns what to do next.
fn next_steps(url: &str) -> String {
    let seconds = REGISTERED_AFTER.as_secs();
    format!(
        "
The proxy keeps serving. Open {url} in a browser:
  the events       {url}/
  their lineage    {url}/lineage
  a dead letter    {url}/queue   (after {seconds} s, the catalog knows the namespace {UNREGISTERED}: redrive it)
  other rules      {url}/rules
To point a client at it: OPENLINEAGE_URL={url}. Press Ctrl-C to stop."
    )
}
