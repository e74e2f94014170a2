//! `lineage-proxy serve`.

use std::process::ExitCode;

use ::transform::Transforms;

use super::{Common, FINE};
use proxy::config::Role;
use proxy::config::settings::Settings;
use proxy::{serve, telemetry};

pub(super) async fn run(
    arguments: Common,
    transforms: Transforms,
    environment: Settings,
) -> anyhow::Result<ExitCode> {
    let config = arguments.config(environment, Role::Serve)?;
    telemetry::log_to_stderr(&config.log);
    let prometheus = telemetry::count_for_prometheus().map_err(anyhow::Error::msg)?;
    let served = serve::start(&config, prometheus, None, transforms).await?;
    serve::told_to_stop().await?;
    served.stop().await;
    Ok(FINE)
}
