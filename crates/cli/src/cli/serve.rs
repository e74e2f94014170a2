//! `lineage-proxy serve`.

use std::process::ExitCode;

use ::transform::Transforms;
use clap::Args;

use super::{Common, FINE, Output, config};
use proxy::config::{Role, Sources};
use proxy::serve::{self, Ended, ToldToReload, ToldToStop};
use proxy::telemetry;

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
    environment: Sources,
) -> anyhow::Result<ExitCode> {
    let (mut stop, mut reload) = (ToldToStop::listen()?, ToldToReload::listen()?);
    if arguments.check {
        return config::check(arguments.common, transforms, environment, Output::Text).await;
    }
    let config = arguments.common.config(environment, Role::Serve)?;
    telemetry::log_to_stderr(&config.log);
    let prometheus = telemetry::install_prometheus(&[config.target.name.as_str()])
        .map_err(anyhow::Error::msg)?;
    // In a task of its own: a start may have to read gigabytes of a damaged file, and a stop does not wait for that.
    let mut starting =
        tokio::spawn(
            async move { serve::start(&config, prometheus, Vec::new(), transforms).await },
        );
    let mut served = tokio::select! {
        served = &mut starting => served??,
        () = stop.told() => return Ok(FINE),
    };
    loop {
        let ended = tokio::select! {
            () = stop.told() => None,
            ended = served.ended() => Some(ended),
            () = reload.told() => tokio::select! {
                () = served.reload() => continue,
                () = stop.told() => None,
            },
        };
        served.stop().await;
        return match ended {
            None => Ok(FINE),
            Some(Ended::Storage) => Ok(ExitCode::from(EX_TEMPFAIL)),
            Some(Ended::Part) => Err(anyhow::Error::msg("a worker ended unexpectedly")),
        };
    }
}
