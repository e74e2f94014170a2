//! `lineage-proxy serve`.

use std::process::ExitCode;

use ::transform::Transforms;
use clap::Args;

use super::{Common, FINE, print};
use proxy::config::settings::Settings;
use proxy::config::{Config, Part, Role};
use proxy::serve::{self, Ended, ToldToReload, ToldToStop};
use proxy::telemetry;

/// `EX_TEMPFAIL` of sysexits.h: the failure is not a bug, and the next start succeeds. A supervisor that restarts on any
/// status but that of a wrong configuration restarts on it.
const EX_TEMPFAIL: u8 = 75;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Check settings and rules, and end: nothing is started, made or called.
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(
    arguments: Arguments,
    transforms: Transforms,
    environment: Settings,
) -> anyhow::Result<ExitCode> {
    let (mut stop, mut reload) = (ToldToStop::listen()?, ToldToReload::listen()?);
    let config = arguments.common.config(environment, Role::Serve)?;
    if arguments.check {
        return check(&config, transforms).await;
    }
    telemetry::log_to_stderr(&config.log);
    let prometheus = telemetry::install_prometheus(&[config.target.name.as_str()])
        .map_err(anyhow::Error::msg)?;
    // Apart: a start may have to read gigabytes of a damaged file, and a stop does not wait for that.
    let mut starting =
        tokio::spawn(async move { serve::start(&config, prometheus, None, transforms).await });
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
            Some(Ended::Part) => Err(anyhow::Error::msg("a part of the proxy ended by itself")),
        };
    }
}

/// Says what a start would find, and what only a start can tell.
async fn check(config: &Config, transforms: Transforms) -> anyhow::Result<ExitCode> {
    let checked = serve::check(config, transforms).await?;
    let rules = match (checked.rules, config.only) {
        (_, Some(Part::Ingest)) => "no rules, which are for the other half".to_owned(),
        (None, _) => "no rules".to_owned(),
        (Some(1), _) => "1 rule".to_owned(),
        (Some(count), _) => format!("{count} rules"),
    };
    let (listen, target) = (config.listen, &config.target.name);
    print(format!("ok: listen {listen}, target {target}, {rules}"))?;
    for what in &checked.unchecked {
        print(format!("not checked: {what}"))?;
    }
    Ok(FINE)
}
