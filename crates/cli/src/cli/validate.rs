//! `lineage-proxy validate`: reports the findings for events.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use openlineage::Level;
use serde_json::{Value, json};

use super::{FINE, Output, input, no, print};
use proxy::intake::verdict;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files with events.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Validation level.
    #[arg(long, value_enum, default_value_t)]
    level: LevelFlag,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum LevelFlag {
    /// Accept exactly what the JSON Schema accepts.
    Strict,
    /// Like the proxy: repair harmless deviations.
    #[default]
    Repair,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let level = match arguments.level {
        LevelFlag::Strict => Level::Strict,
        LevelFlag::Repair => Level::Repair,
    };
    let (mut valid, mut invalid) = (0, 0);
    let all = input::each(&arguments.files, |found| {
        let verdict = verdict(&found.text, level);
        let is_valid = verdict
            .get("valid")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        *(if is_valid { &mut valid } else { &mut invalid }) += 1;
        let findings = verdict
            .get("findings")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        match arguments.output {
            Output::Json => print(
                json!({"file": found.file, "line": found.line, "index": found.index, "valid": is_valid, "findings": findings}),
            ),
            Output::Text => {
                for finding in &findings {
                    let field = |name| {
                        finding
                            .get(name)
                            .and_then(Value::as_str)
                            .unwrap_or_default()
                    };
                    let (severity, pointer) = (field("severity"), field("pointer"));
                    print(format!(
                        "{}: {severity} at '{pointer}' ({}): {}{}",
                        found.place(),
                        field("rule"),
                        field("message"),
                        found.which()
                    ))?;
                }
                Ok(())
            }
        }
    })?;
    if arguments.output == Output::Text {
        print(format!("{valid} valid, {invalid} invalid"))?;
    }
    Ok(if all && invalid == 0 { FINE } else { no() })
}
