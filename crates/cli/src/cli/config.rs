//! `lineage-proxy config`: shows the settings in effect, and checks them.

use std::process::ExitCode;

use ::transform::Transforms;
use clap::{Args, Subcommand};
use proxy::config::{Config, ConfigError, Errors, Layers, Part, Role};
use proxy::topology::{self, CheckReport, StartError};
use serde_json::json;

use super::table::{Fit, Table};
use super::{Common, FINE, Output, print};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the settings in effect and where each was set; secrets are hidden.
    Show(Arguments),
    /// Check settings, rules and folders. Starts, creates and calls nothing.
    Check(Arguments),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// The format of the output.
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "text|json"
    )]
    output: Output,
}

pub(super) async fn run(
    command: Command,
    transforms: Transforms,
    environment: Layers,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(arguments) => show(arguments, environment),
        Command::Check(arguments) => {
            let output = arguments.output;
            check(arguments.common, transforms, environment, output).await
        }
    }
}

fn show(arguments: Arguments, environment: Layers) -> anyhow::Result<ExitCode> {
    let layers = arguments.common.layers(environment)?;
    let settings = Config::effective(layers, Role::Serve)?;
    match arguments.output {
        Output::Json => print(serde_json::to_string_pretty(&settings)?)?,
        Output::Text => {
            let columns = [
                ("setting", Fit::Whole),
                ("value", Fit::Wrap),
                ("origin", Fit::Wrap),
            ];
            let mut table = Table::new(columns);
            for setting in settings {
                table.row([setting.setting, setting.value, setting.origin]);
            }
            print(table.text())?;
        }
    }
    Ok(FINE)
}

/// Reports the errors of a start, and what only a start can check.
pub(super) async fn check(
    common: Common,
    transforms: Transforms,
    environment: Layers,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let config = match read(common, environment, &transforms).await {
        Ok(config) => config,
        Err(errors) => return failed(64, errors.0.clone(), errors.into(), output),
    };
    match (topology::check(&config, transforms).await, output) {
        (Ok(report), Output::Text) => passed(&config, &report)?,
        (Ok(report), Output::Json) => {
            print(json!({"valid": true, "not_checked": report.unchecked}))?;
        }
        (Err(errors), _) => {
            let status = errors.exit_status();
            let found = errors.0.iter().cloned().map(StartError::into_error);
            return failed(status, found.collect(), errors.into(), output);
        }
    }
    Ok(FINE)
}

/// Reads the settings of a `serve`. If some are invalid, its rules files are read too, so that their errors are reported
/// together.
pub(super) async fn read(
    common: Common,
    environment: Layers,
    transforms: &Transforms,
) -> Result<Config, Errors> {
    match Config::read_to_check(common.layers(environment)?, Role::Serve) {
        Ok(config) => Ok(config),
        Err(invalid) => Err(topology::check_rules(invalid, transforms).await),
    }
}

fn failed(
    status: u8,
    errors: Vec<ConfigError>,
    error: anyhow::Error,
    output: Output,
) -> anyhow::Result<ExitCode> {
    match output {
        Output::Text => Err(error),
        Output::Json => {
            print(json!({"valid": false, "errors": errors}))?;
            Ok(ExitCode::from(status))
        }
    }
}

fn passed(config: &Config, report: &CheckReport) -> anyhow::Result<()> {
    let rules = |target| match (report.rules.get(target), config.only) {
        (_, Some(Part::Ingest)) => "no rules, which only batch applies".to_owned(),
        (None, _) => "no rules".to_owned(),
        (Some(1), _) => "1 rule".to_owned(),
        (Some(count), _) => format!("{count} rules"),
    };
    let targets = config.pipelines().map(|pipeline| {
        let target = &pipeline.target.name;
        format!("target {target}, {}", rules(target))
    });
    let (listen, targets) = (config.listen, targets.collect::<Vec<_>>().join("; "));
    print(format!("ok: listen {listen}, {targets}"))?;
    for what in &report.unchecked {
        print(format!("not checked: {what}"))?;
    }
    Ok(())
}
