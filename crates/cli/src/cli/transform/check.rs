//! `transform check`: reports all errors of a rules file, rules that can never have an effect, and the built-in rules of the
//! target.

use std::process::ExitCode;

use ::transform::{BUILTIN, Problem};
use clap::Args;
use serde_json::json;

use super::{
    DIM, File, GREEN, Output, RED, RuleLoader, RulesError, TargetArgs, YELLOW, coloured, complete,
    exit, paint,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: File,
    #[command(flatten)]
    target: TargetArgs,
    /// End with status 1 when there are warnings, too.
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(arguments: &Arguments, loader: &RuleLoader) -> anyhow::Result<ExitCode> {
    let file = &arguments.file;
    let located = loader.locate(file, arguments.target.target.as_deref())?;
    let adapter = arguments.target.adapter(located.target.as_ref())?;
    let name = located.path()?.display().to_string();
    let rules = match located.read() {
        Ok(rules) => complete(rules, &adapter, located.when(&adapter)),
        Err(error) => match error.downcast::<RulesError>()? {
            RulesError::Invalid { problems, .. } => {
                for problem in &problems {
                    match file.output {
                        Output::Text => paint(&format!("{name}:{problem}"))?,
                        Output::Json => paint(
                            &json!({"file": name, "line": problem.line, "column": problem.column, "message": problem.message})
                                .to_string(),
                        )?,
                    }
                }
                if file.output == Output::Text {
                    let count = match problems.len() {
                        1 => "1 error".to_owned(),
                        many => format!("{many} errors"),
                    };
                    paint(&coloured(&count, RED))?;
                }
                return Ok(exit(false));
            }
            unreadable @ (RulesError::Unreadable(_) | RulesError::Unavailable(_)) => {
                return Err(unreadable.into());
            }
        },
    };
    let (count, examples) = (rules.len(), rules.examples().len());
    let builtins = rules.names().filter(|name| name.starts_with(BUILTIN));
    let builtins: Vec<&str> = builtins.collect();
    let warnings = rules.warnings();
    for Problem {
        line,
        column,
        message,
    } in warnings
    {
        match file.output {
            Output::Text => {
                let warning = coloured("warning", YELLOW);
                paint(&format!("{name}:{line}:{column}: {warning}: {message}"))?;
            }
            Output::Json => paint(
                &json!({"file": name, "line": line, "column": column, "level": "warning", "message": message})
                    .to_string(),
            )?,
        }
    }
    let fine = warnings.is_empty() || !arguments.deny_warnings;
    match file.output {
        Output::Text => {
            let verdict = match fine {
                true => coloured("ok", GREEN),
                false => coloured("refused", RED),
            };
            let warned = match warnings.len() {
                0 => String::new(),
                1 => ", 1 warning".to_owned(),
                more => format!(", {more} warnings"),
            };
            paint(&format!(
                "{verdict} {name}: {count} rules, {examples} examples{warned}"
            ))?;
            if !builtins.is_empty() {
                let (target, names) = (&adapter.target, builtins.join(", "));
                let line = format!("with the built-in rules of target {target}: {names}");
                paint(&coloured(&line, DIM))?;
            }
        }
        Output::Json => {
            let sum = json!({"file": name, "rules": count, "examples": examples, "warnings": warnings.len(),
                "target": adapter.target.as_str(), "builtin": builtins});
            paint(&sum.to_string())?;
        }
    }
    Ok(exit(fine))
}
