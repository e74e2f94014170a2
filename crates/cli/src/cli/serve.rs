//! `lineage-proxy serve`.

use std::process::ExitCode;

use ::transform::Transforms;

use super::{Common, FINE};
use proxy::config::Role;
use proxy::config::settings::Settings;
use proxy::serve::{self, ToldToStop};
use proxy::telemetry;

pub(super) async fn run(
    arguments: Common,
    transforms: Transforms,
    environment: Settings,
) -> anyhow::Result<ExitCode> {
    let config = arguments.config(environment, Role::Serve)?;
    telemetry::log_to_stderr(&config.log);
    let prometheus = telemetry::count_for_prometheus().map_err(anyhow::Error::msg)?;
    let mut stop = ToldToStop::listen()?;
    let mut served = tokio::select! {
        served = serve::start(&config, prometheus, None, transforms) => served?,
        () = stop.told() => return Ok(FINE),
    };
    let told = tokio::select! {
        () = stop.told() => true,
        () = served.ended() => false,
    };
    served.stop().await;
    anyhow::ensure!(told, "a part of the proxy has ended by itself");
    Ok(FINE)
}
