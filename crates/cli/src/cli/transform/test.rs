//! `transform test`: runs the examples of a rules file, and reports them like tests.

use std::process::ExitCode;

use ::transform::Failure;
use clap::Args;
use serde_json::{Value, json};

use super::{BOLD, DIM, File, GREEN, Output, RED, RuleLoader, coloured, exit, paint, short};
use crate::cli::tell;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: File,
    /// Run only examples whose rule or name contains this.
    #[arg(value_name = "TEXT")]
    filter: Option<String>,
}

pub(super) fn run(arguments: &Arguments, loader: &RuleLoader) -> anyhow::Result<ExitCode> {
    let located = loader.locate(&arguments.file, None)?;
    located.path()?;
    let rules = located.read()?;
    let text = arguments.file.output == Output::Text;
    let (mut passed, mut failed, mut last) = (0, 0, None);
    for example in rules.examples() {
        let rule = example.rule.as_deref();
        let wanted = |filter: &String| {
            example.name.contains(filter) || rule.is_some_and(|rule| rule.contains(filter))
        };
        if !arguments.filter.as_ref().is_none_or(wanted) {
            continue;
        }
        let result = example.run(&rules);
        *(if result.passed() {
            &mut passed
        } else {
            &mut failed
        }) += 1;
        if !text {
            let failures: Vec<Value> = result.failures.iter().map(as_json).collect();
            paint(
                &json!({"rule": rule, "example": example.name, "line": example.line, "passed": result.passed(), "failures": failures})
                    .to_string(),
            )?;
            continue;
        }
        if last != Some(rule) {
            let title = rule.map_or("the whole file".to_owned(), |rule| format!("rule {rule}"));
            paint(&coloured(&title, BOLD))?;
            last = Some(rule);
        }
        let (word, style) = if result.passed() {
            ("ok  ", GREEN)
        } else {
            ("FAIL", RED)
        };
        // An example without a name is identified by its line.
        let line = format!("line {}", example.line);
        let line = if example.name == line {
            String::new()
        } else {
            coloured(&format!(" ({line})"), DIM)
        };
        paint(&format!(
            "  {} {}{line}",
            coloured(word, style),
            example.name
        ))?;
        for failure in &result.failures {
            for line in lines(failure) {
                paint(&format!("         {line}"))?;
            }
        }
    }
    if text {
        let summary = format!("{passed} passed, {failed} failed");
        paint(&coloured(&summary, if failed == 0 { GREEN } else { RED }))?;
    }
    if passed + failed == 0 {
        // A test without examples would always pass.
        match &arguments.filter {
            Some(filter) if !rules.examples().is_empty() => {
                tell(format_args!("no example matches {filter:?}"));
            }
            Some(_) | None => tell(format_args!("no examples: put `examples:` beside a rule")),
        }
    }
    Ok(exit(failed == 0 && passed > 0))
}

fn lines(failure: &Failure) -> Vec<String> {
    match failure {
        Failure::Value(difference) => {
            let value = |text: &Option<String>| text.as_deref().map_or("nothing".to_owned(), short);
            vec![
                difference.pointer.clone(),
                format!("  expected {}", coloured(&value(&difference.before), GREEN)),
                format!("  found    {}", coloured(&value(&difference.after), RED)),
            ]
        }
        Failure::Else { expected, found } => vec![
            format!("expected {}", coloured(expected, GREEN)),
            format!("found    {}", coloured(found, RED)),
        ],
    }
}

fn as_json(failure: &Failure) -> Value {
    match failure {
        Failure::Value(difference) => {
            json!({"pointer": difference.pointer, "expected": difference.before, "found": difference.after})
        }
        Failure::Else { expected, found } => json!({"expected": expected, "found": found}),
    }
}
