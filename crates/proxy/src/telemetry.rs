//! Logs and metrics, and how they leave the process.
//!
//! Logs are JSON lines on stderr (stdout on Lambda), or text on a terminal. The same metrics become Prometheus text in
//! `serve` and the CloudWatch embedded metric format on Lambda. `telemetry/metric.rs` defines the metrics; each is
//! recorded where the counted event happens.

#[cfg(test)]
pub(crate) mod captured;
mod json;
pub(crate) mod limit;
pub(crate) mod lines;
pub(crate) mod metric;
pub(crate) mod text;

use std::io::{IsTerminal, stderr, stdout};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{FmtSpan, JsonFields};

use crate::config::Config;
use json::JsonLine;
use metric::{Configured, Metric};

/// How often the values of histograms are moved to their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of `serve`.
#[derive(Clone)]
pub struct Prometheus(PrometheusHandle);

impl Prometheus {
    /// Renders the Prometheus text format 0.0.4.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }

    /// The metrics of a test: none.
    #[cfg(test)]
    pub(crate) fn empty() -> Prometheus {
        Prometheus(PrometheusBuilder::new().build_recorder().handle())
    }

    /// Moves recorded values to their buckets until `stop`. The exporter would keep each value until the next
    /// rendering, which may never come.
    pub async fn run_upkeep(self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(UPKEEP))
            .await
            .is_some()
        {
            self.0.run_upkeep();
        }
    }
}

/// Installs the log of a process on a machine. An invalid filter is logged and replaced by `info`.
pub fn log_to_stderr(filter: &str) {
    let (filter, error) = parse_filter(filter);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines::Lines)
        .log_internal_errors(false) // see `log_to_cloudwatch`
        .with_target(false);
    if stderr().is_terminal() {
        builder.init();
    } else {
        let builder = builder.with_ansi(false).fmt_fields(JsonFields::new());
        builder.event_format(JsonLine::new()).init();
    }
    report_filter_error(error);
}

/// Installs the log of a Lambda function: CloudWatch reads stdout and adds its own timestamps.
pub fn log_to_cloudwatch(filter: &str) {
    let (filter, error) = parse_filter(filter);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stdout)
        .log_internal_errors(false) // reported with `eprintln!`, which panics when stderr cannot be written either
        .with_target(false);
    builder
        .json()
        .without_time()
        .with_span_list(false) // the only span is in the line already
        .with_span_events(FmtSpan::NONE)
        .init();
    report_filter_error(error);
}

/// Installs the recorder of `serve` and registers its metrics, for what `config` names. Fails if the process already has a
/// recorder.
pub fn install_prometheus(config: &Config) -> Result<Prometheus, String> {
    let mut builder = PrometheusBuilder::new();
    for (name, buckets) in Metric::histograms() {
        let matcher = Matcher::Full(name.to_owned());
        let with = builder.set_buckets_for_metric(matcher, buckets);
        builder = with.map_err(|error| error.to_string())?;
    }
    let prometheus = builder.install_recorder();
    let sources: Vec<&str> = config
        .running_sources()
        .map(|it| it.name.as_str())
        .collect();
    metric::begin(Configured {
        targets: &config.target_names(),
        sources: &sources,
    });
    prometheus
        .map(Prometheus)
        .map_err(|error| error.to_string())
}

/// The timeout of a stop, whatever targets and clients do. With the steps that follow it stays below the 10 s that
/// Docker allows (<https://docs.docker.com/reference/cli/docker/container/stop/>); Kubernetes allows 30 s.
pub const STOP: Duration = Duration::from_secs(7);

/// Crates whose `debug` and `trace` lines contain requests: headers, tokens, bodies. `log: debug` does not enable them;
/// a filter that names the crate does.
const QUIET: &str = "aws=info,h2=info,hyper=info,lambda=info,reqwest=info,rustls=info,tower=info";

fn parse_filter(filter: &str) -> (EnvFilter, Option<String>) {
    match EnvFilter::try_new(filter) {
        Ok(wanted) if wanted.max_level_hint() > Some(LevelFilter::INFO) => {
            // Of several directives for one crate, the most specific and last one wins.
            let quiet = EnvFilter::try_new(format!("{QUIET},{filter}"));
            (quiet.unwrap_or(wanted), None)
        }
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error.to_string())),
    }
}

fn report_filter_error(error: Option<String>) {
    if let Some(error) = error {
        warn!(error, "invalid log filter, using info");
    }
}
