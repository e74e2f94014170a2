//! Logs and metrics: how they leave each shell.
//!
//! Logs are JSON lines on stderr (stdout on Lambda), text on a terminal. The same counters become Prometheus text in
//! `serve` and CloudWatch embedded metrics on Lambda. Which there are stands in `telemetry/metric.rs`; what is counted stands
//! where it happens.

pub(crate) mod limit;
pub(crate) mod metric;
pub(crate) mod text;

use std::io::{IsTerminal, stderr, stdout};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How often measured values are summed up.
const SUM_UP: Duration = Duration::from_secs(5);

/// The metrics of a `serve`, to be rendered.
#[derive(Clone)]
pub struct Prometheus(PrometheusHandle);

impl Prometheus {
    /// The Prometheus text format 0.0.4.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }

    /// Sums up what was measured, until `stop`: between two renderings each value is kept, and perhaps nobody renders.
    pub async fn sum_up(self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(SUM_UP))
            .await
            .is_some()
        {
            self.0.run_upkeep();
        }
    }
}

/// Starts the log of a process that runs on a machine. A filter that cannot be read falls back to `info`, and says so.
pub fn log_to_stderr(filter: &str) {
    let (filter, bad) = parsed(filter);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .log_internal_errors(false) // see below
        .with_target(false);
    if stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().init();
    }
    complain(bad);
}

/// Starts the log of a Lambda function: CloudWatch takes stdout and has its own time stamps.
pub fn log_to_cloudwatch(filter: &str) {
    let (filter, bad) = parsed(filter);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stdout)
        .log_internal_errors(false) // a line that cannot be written is told with `eprintln!`, which panics then too
        .with_target(false);
    builder
        .json()
        .without_time()
        .with_span_list(false) // the one span there is stands in the line already
        .with_span_events(FmtSpan::NONE)
        .init();
    complain(bad);
}

/// Counts for Prometheus, from zero on. Errors: a recorder is there already.
pub fn count_for_prometheus(target: &'static str) -> Result<Prometheus, String> {
    let mut builder = PrometheusBuilder::new();
    for metric in metric::ALL {
        if let metric::Kind::Histogram(buckets) = metric.kind {
            let named = Matcher::Full(metric.name.to_owned());
            let with = builder.set_buckets_for_metric(named, buckets);
            builder = with.map_err(|error| error.to_string())?;
        }
    }
    let prometheus = builder.install_recorder();
    metric::begin(target);
    prometheus
        .map(Prometheus)
        .map_err(|error| error.to_string())
}

/// Counts for CloudWatch; what was counted is written out at the end of each invocation.
pub fn count_for_cloudwatch(
    namespace: &str,
    function: &str,
) -> Result<&'static metrics_cloudwatch_embedded::Collector, String> {
    let builder =
        metrics_cloudwatch_embedded::Builder::new().cloudwatch_namespace(namespace.to_owned());
    builder
        .with_dimension("function", function.to_owned())
        .init()
        .map_err(|error| error.to_string())
}

/// Writes out what was counted. What it counts is done: a log that does not take it is told, and no failure.
pub fn write_out(metrics: &metrics_cloudwatch_embedded::Collector) {
    if let Err(error) = metrics.flush(stdout()) {
        warn!(%error, "not counted");
    }
}

/// How long a stop may take, whatever the target and the clients do: with what comes after it less than the 10 s that Docker
/// gives (<https://docs.docker.com/reference/cli/docker/container/stop/>); Kubernetes gives 30 s.
pub const STOP: Duration = Duration::from_secs(7);

/// Crates below ours whose lines of `debug` and `trace` hold requests: headers, tokens, bodies. `log: debug` is not meant for
/// them; who wants them has to name the crate.
const QUIET: &str = "aws=info,h2=info,hyper=info,lambda=info,reqwest=info,rustls=info,tower=info";

fn parsed(filter: &str) -> (EnvFilter, Option<String>) {
    match EnvFilter::try_new(filter) {
        Ok(asked) if asked.max_level_hint() > Some(LevelFilter::INFO) => {
            // The later of two directives for one crate counts, and the one that names more of it.
            let quiet = EnvFilter::try_new(format!("{QUIET},{filter}"));
            (quiet.unwrap_or(asked), None)
        }
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error.to_string())),
    }
}

fn complain(bad: Option<String>) {
    if let Some(error) = bad {
        warn!(error, "the log filter cannot be read: info is used");
    }
}
