//! `lineage-proxy serve`.

use std::process::ExitCode;

use ::transform::Transforms;
use clap::Args;

use super::{Common, FINE, print};
use proxy::config::settings::Settings;
use proxy::config::{Config, Part, Role};
use proxy::serve::{self, ToldToReload, ToldToStop};
use proxy::telemetry;

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
        let told = tokio::select! {
            () = stop.told() => true,
            () = served.ended() => false,
            () = reload.told() => tokio::select! {
                () = served.reload() => continue,
                () = stop.told() => true,
            },
        };
        served.stop().await;
        anyhow::ensure!(told, "a part of the proxy has ended by itself");
        return Ok(FINE);
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
