//! `transform check`: everything that is wrong with a rules file.

use std::process::ExitCode;

use serde_json::json;

use super::{Bench, File, GREEN, NoRules, Output, RED, coloured, exit, paint};

pub(super) fn run(file: &File, bench: &Bench) -> anyhow::Result<ExitCode> {
    let located = bench.locate(file)?;
    let name = located.path.display().to_string();
    let rules = match located.read() {
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
                    let count = match problems.len() {
                        1 => "1 problem".to_owned(),
                        many => format!("{many} problems"),
                    };
                    paint(&coloured(&count, RED))?;
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
