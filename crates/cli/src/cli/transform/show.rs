//! `transform FILE…`: the events as the target would get them, or with `--diff` what each rule did to each.

use std::collections::HashMap;
use std::process::ExitCode;

use ::transform::{Did, Facts, Rules, Step, Transformed, Verdict, diff};
use clap::Args;
use openlineage::Event;
use proxy::batch::{Outcome, Prepare, preview};
use serde_json::{Value, json};

use super::{
    BOLD, Bench, DIM, File, GREEN, Output, RED, Target, YELLOW, coloured, event, exit, input,
    paint, short,
};

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    file: File,
    /// Show what each rule changed, place by place.
    #[arg(long)]
    diff: bool,
    /// The target that the events are for.
    #[arg(long, value_enum, default_value_t)]
    target: Target,
    /// Files with events.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

pub(super) fn run(arguments: &Show, bench: &Bench) -> anyhow::Result<ExitCode> {
    let rules = bench.rules(&arguments.file)?;
    let prepare = arguments.target.prepare();
    let (found, mut fine) = input::read(&arguments.files)?;
    let mut events = Vec::new();
    for found in found {
        match event(&found) {
            Ok(event) => events.push((found.place(), event)),
            Err(error) => {
                fine = false;
                eprintln!("{error}");
            }
        }
    }
    if arguments.diff {
        fine &= differences(&rules, &prepare, &events, arguments.file.output)?;
    } else {
        fine &= delivered(&rules, &prepare, events)?;
    }
    Ok(exit(fine))
}

/// The events themselves on standard output; what became of the others on standard error.
fn delivered(
    rules: &Rules,
    prepare: &Prepare,
    events: Vec<(String, Event)>,
) -> anyhow::Result<bool> {
    let mut fine = true;
    let preview = preview(prepare, rules, events);
    for event in &preview.events {
        paint(event.text())?;
    }
    for (place, outcome) in &preview.others {
        match outcome {
            Outcome::Dropped { rule } => eprintln!("{place}: dropped by {rule:?}"),
            Outcome::DeadLettered { reason, .. } => {
                fine = false;
                eprintln!("{place}: dead letter: {reason}");
            }
            Outcome::Delivered { .. } | Outcome::HandedBack { .. } => {}
        }
    }
    for (place, rule, reason) in &preview.failed {
        fine = false;
        eprintln!("{place}: rule {rule:?} failed: {reason}");
    }
    Ok(fine)
}

fn differences(
    rules: &Rules,
    prepare: &Prepare,
    events: &[(String, Event)],
    output: Output,
) -> anyhow::Result<bool> {
    let lookups = HashMap::new();
    let facts = Facts {
        target: prepare.target,
        lookups: &lookups,
    };
    let (mut fine, mut changed) = (true, 0);
    for (place, event) in events {
        let transformed = rules.apply(event, &facts);
        let failed = |step: &Step| matches!(step.did, Did::Failed(_));
        fine &= !transformed.steps.iter().any(failed);
        let idle = |step: &Step| matches!(step.did, Did::Nothing);
        changed += usize::from(!transformed.steps.iter().all(idle));
        match output {
            Output::Json => paint(&told(place, event, &transformed).to_string())?,
            Output::Text => {
                let label = format!("{place} {}", event.label());
                paint(&coloured(&label, BOLD))?;
                for line in transformed
                    .steps
                    .iter()
                    .filter(|step| !idle(step))
                    .flat_map(lines)
                {
                    paint(&line)?;
                }
                for unresolved in &transformed.unresolved {
                    let (namespace, reason) = (&unresolved.namespace, &unresolved.reason);
                    paint(&format!("  {namespace} stays: {reason}"))?;
                }
                if transformed.steps.iter().all(idle) {
                    paint(&format!("  {}", coloured("unchanged", DIM)))?;
                }
            }
        }
    }
    if output == Output::Text {
        let together = preview(prepare, rules, events.to_vec()).events.len();
        paint(&format!(
            "{} events, {changed} changed; {together} would be delivered",
            events.len()
        ))?;
    }
    Ok(fine)
}

/// What a rule did, for a person.
pub(super) fn lines(step: &Step) -> Vec<String> {
    let rule = &step.rule;
    match &step.did {
        Did::NotFor(miss) => {
            let (condition, expected, found) = (miss.condition, &miss.expected, &miss.found);
            let why = format!(
                "not for it: {condition} is to be {expected}, found {}",
                short(found)
            );
            vec![format!("  {rule}: {}", coloured(&why, DIM))]
        }
        Did::Nothing => vec![format!(
            "  {rule}: {}",
            coloured("for it, nothing to do", DIM)
        )],
        Did::Dropped => vec![format!("  {rule}: {}", coloured("dropped", YELLOW))],
        Did::Failed(reason) => {
            let failed = format!("failed: {reason}");
            vec![format!("  {rule}: {}", coloured(&failed, RED))]
        }
        Did::Changed { before, after } => {
            let mut lines = vec![format!("  {rule}:")];
            for difference in changes(before, after) {
                let pointer = &difference.pointer;
                if let Some(before) = &difference.before {
                    let line = format!("    - {pointer}: {}", short(before));
                    lines.push(coloured(&line, RED));
                }
                if let Some(after) = &difference.after {
                    let line = format!("    + {pointer}: {}", short(after));
                    lines.push(coloured(&line, GREEN));
                }
            }
            lines
        }
    }
}

fn changes(before: &Event, after: &Event) -> Vec<::transform::Difference> {
    match (before.json(), after.json()) {
        (Some(before), Some(after)) => diff(before, after),
        _ => Vec::new(), // an event is JSON
    }
}

/// The same for a program.
pub(super) fn told(place: &str, event: &Event, transformed: &Transformed) -> Value {
    let steps = transformed.steps.iter().map(|step| {
        let rule = &*step.rule;
        match &step.did {
            Did::NotFor(miss) => json!({"rule": rule, "did": "not_for", "condition": miss.condition,
                "expected": miss.expected, "found": miss.found}),
            Did::Nothing => json!({"rule": rule, "did": "nothing"}),
            Did::Dropped => json!({"rule": rule, "did": "dropped"}),
            Did::Failed(reason) => json!({"rule": rule, "did": "failed", "reason": reason}),
            Did::Changed { before, after } => {
                let value = |text: &Option<String>| {
                    let text = text.as_deref()?;
                    serde_json::from_str::<Value>(text).ok()
                };
                let changes = changes(before, after).into_iter().map(|difference| {
                    json!({"pointer": difference.pointer, "before": value(&difference.before), "after": value(&difference.after)})
                });
                json!({"rule": rule, "did": "changed", "changes": changes.collect::<Vec<_>>()})
            }
        }
    });
    let steps: Vec<Value> = steps.collect();
    let verdict = match &transformed.verdict {
        Verdict::Keep(_) => json!("keep"),
        Verdict::Drop { rule } => json!({"dropped_by": &**rule}),
        Verdict::DeadLetter { rule, reason } => {
            json!({"dead_letter_by": &**rule, "reason": reason})
        }
    };
    json!({"event": place, "kind": event.label(), "rules": steps, "verdict": verdict})
}
