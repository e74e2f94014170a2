//! `transform check`: everything that is wrong with a rules file.

use std::process::ExitCode;

use serde_json::json;

use super::{Bench, File, GREEN, NoRules, Output, RED, coloured, exit, paint};

pub(super) fn run(file: &File, bench: &Bench) -> anyhow::Result<ExitCode> {
    let name = file.rules.display().to_string();
    let rules = match bench.rules(file) {
        Ok(rules) => rules,
        Err(error) => match error.downcast::<NoRules>()? {
            NoRules::Wrong { problems, .. } => {
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
                    paint(&coloured(&format!("{} wrong", problems.len()), RED))?;
                }
                return Ok(exit(false));
            }
            unreadable @ NoRules::Unreadable(_) => return Err(unreadable.into()),
        },
    };
    let (count, examples) = (rules.len(), rules.examples().len());
    match file.output {
        Output::Text => paint(&format!(
            "{} {name}: {count} rules, {examples} examples",
            coloured("ok", GREEN)
        ))?,
        Output::Json => {
            paint(&json!({"file": name, "rules": count, "examples": examples}).to_string())?;
        }
    }
    Ok(exit(true))
}
