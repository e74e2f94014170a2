//! `lineage-proxy serve`.

use std::process::ExitCode;

use ::transform::Transforms;
use clap::Args;

use super::{Common, FINE, Output, config};
use proxy::config::Layers;
use proxy::serve::{ReloadSignal, ShutdownSignal};
use proxy::telemetry;
use proxy::topology::{StopReason, Topology};

/// `EX_TEMPFAIL` of sysexits.h: the failure is not a bug, and the next start succeeds. A supervisor that restarts on any
/// status but that of a wrong configuration restarts on it.
const EX_TEMPFAIL: u8 = 75;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Check the configuration instead, as `lineage-proxy config check` does.
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(
    arguments: Arguments,
    transforms: Transforms,
    environment: Layers,
) -> anyhow::Result<ExitCode> {
    let (mut shutdown, mut reload) = (ShutdownSignal::listen()?, ReloadSignal::listen()?);
    if arguments.check {
        return config::check(arguments.common, transforms, environment, Output::Text).await;
    }
    let config = config::read(arguments.common, environment, &transforms).await?;
    telemetry::log_to_stderr(&config.log);
    let prometheus = telemetry::install_prometheus(&config).map_err(anyhow::Error::msg)?;
    // In a task of its own: a start may have to read gigabytes of a damaged file, and a stop does not wait for that.
    let building = Topology::build(config, prometheus, Vec::new(), transforms);
    let mut building = tokio::spawn(building);
    let topology = tokio::select! {
        built = &mut building => built??,
        () = shutdown.recv() => return Ok(FINE),
    };
    let running = topology.run(shutdown.recv(), async || reload.recv().await);
    let reason = Box::pin(running).await;
    exit_status(reason)
}

/// Returns the exit status of a proxy that has stopped.
pub(super) fn exit_status(reason: StopReason) -> anyhow::Result<ExitCode> {
    match reason {
        StopReason::Requested => Ok(FINE),
        StopReason::StorageFailed => Ok(ExitCode::from(EX_TEMPFAIL)),
        StopReason::TaskEnded => Err(anyhow::Error::msg("a worker ended unexpectedly")),
    }
}
