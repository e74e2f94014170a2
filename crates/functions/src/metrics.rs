//! The metrics of a function, written to its log in CloudWatch's embedded metric format.

use std::io::stdout;

use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing::warn;

/// Installs the recorder of a Lambda function, whose metrics [`flush`] writes at the end of each invocation. Fails if
/// the process already has a recorder.
pub fn install(namespace: &str, function: &str) -> Result<&'static Collector, String> {
    let builder = Builder::new().cloudwatch_namespace(namespace.to_owned());
    builder
        .with_dimension("function", function.to_owned())
        .init()
        .map_err(|error| error.to_string())
}

/// Writes the metrics of an invocation to the log. A failure is logged and does not fail the invocation, whose work is
/// done.
pub fn flush(metrics: &Collector) {
    if let Err(error) = metrics.flush(stdout()) {
        warn!(%error, "failed to flush metrics");
    }
}
