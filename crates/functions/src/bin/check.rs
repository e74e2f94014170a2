//! The check function: on a schedule, counts the events that DataZone accepted and then failed to process.

use std::time::SystemTime;

use aws::Aws;
use functions::metrics;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use proxy::config::{Config, Layers, Role};
use proxy::{check, telemetry};
use serde_json::Value;

fn main() -> std::process::ExitCode {
    functions::bootstrap::main(start())
}

async fn start() -> Result<(), Error> {
    let config = Config::read(Layers::from_env(), Role::Check)?;
    telemetry::log_to_cloudwatch(&config.log);
    let collector = metrics::install(&config.metrics_namespace, "check")?;
    let aws = Aws::new();
    let verifier = &check::verifier(&config, &aws).await?;
    let period = config.check.period;
    let handler = service_fn(move |event: LambdaEvent<Value>| async move {
        let due = check::due_at(&event.payload, SystemTime::now());
        let failed = check::count_failures(verifier, period, due).await;
        metrics::flush(collector);
        Ok::<_, Error>(serde_json::json!({"failed": failed?}))
    });
    lambda_runtime::run(handler).await
}
