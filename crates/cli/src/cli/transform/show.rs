//! `transform FILE…`: prints the events as the target would get them, or with `--diff` what each rule changed in each.
//!
//! Results are in the order of the input, also if events are dropped or merged. With `--output json` each line identifies
//! its event by file and line.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;

use ::transform::{
    Context, RuleSet, RuleStep, StepOutcome, Transformation, Verdict, case_variants, diff,
};
use clap::Args;
use openlineage::Event;
use proxy::pipeline::{Adapter, Outcome, preview};
use serde_json::{Value, json};

use super::{
    BOLD, DIM, File, GREEN, Output, RED, RuleLoader, TargetArgs, YELLOW, coloured, event, exit,
    input, paint, short,
};
use crate::cli::tell;

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    file: File,
    /// Show what each rule changed, position by position.
    #[arg(long)]
    diff: bool,
    #[command(flatten)]
    target: TargetArgs,
    /// Files with events.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

pub(super) fn run(arguments: &Show, loader: &RuleLoader) -> anyhow::Result<ExitCode> {
    let (rules, adapter) = loader.complete(&arguments.file, &arguments.target)?;
    let (found, mut fine) = input::read(&arguments.files)?;
    let mut inputs = Vec::new();
    for found in found {
        let read = event(&found);
        if let Err(error) = &read
            && (arguments.diff || arguments.file.output == Output::Text)
        {
            tell(format_args!("{error}"));
        }
        fine &= read.is_ok();
        inputs.push((found.place() + &found.which(), read));
    }
    if arguments.diff {
        let read = |(place, read): (String, Result<Event, String>)| Some((place, read.ok()?));
        let events: Vec<_> = inputs.into_iter().filter_map(read).collect();
        fine &= differences(&rules, &adapter, &events, arguments.file.output)?;
    } else {
        fine &= delivered(&rules, &adapter, inputs, arguments.file.output)?;
    }
    Ok(exit(fine))
}

/// The result for one event of the input.
enum EventResult {
    Unreadable(String),
    /// The event as it is delivered, and the indices of those that are merged into it.
    Delivered(Event, Vec<usize>),
    /// The index of the event that it is merged into.
    Merged(usize),
    Dropped(String),
    DeadLetter(String),
}

/// Prints events to standard output, and the results of the others to standard error. With `--output json` everything
/// goes to standard output.
fn delivered(
    rules: &RuleSet,
    adapter: &Adapter,
    inputs: Vec<(String, Result<Event, String>)>,
    output: Output,
) -> anyhow::Result<bool> {
    let (mut places, mut results, mut events) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (index, (place, read)) in inputs.into_iter().enumerate() {
        places.push(place);
        match read {
            // By number: a file can be named twice.
            Ok(event) => events.push((index.to_string(), event)),
            Err(reason) => drop(results.insert(index, EventResult::Unreadable(reason))),
        }
    }
    let number = |id: &String| id.parse::<usize>().unwrap_or_default();
    let preview = preview(adapter, rules, events);
    for (ids, event) in preview.events {
        let mut parts: Vec<usize> = ids.iter().map(number).collect();
        let Some(last) = parts.pop() else {
            continue;
        };
        for part in &parts {
            results.insert(*part, EventResult::Merged(last));
        }
        results.insert(last, EventResult::Delivered(event, parts));
    }
    for (id, outcome) in &preview.others {
        let what = match outcome {
            Outcome::Dropped { rule } => EventResult::Dropped(rule.to_string()),
            Outcome::DeadLettered { error, .. } => EventResult::DeadLetter(error.clone()),
            Outcome::Delivered { .. } | Outcome::Unchanged { .. } | Outcome::Retry { .. } => {
                continue;
            }
        };
        results.insert(number(id), what);
    }
    let mut fine = preview.failures.is_empty();
    let place = |index: &usize| places.get(*index).map_or("", String::as_str);
    for (index, result) in &results {
        fine &= !matches!(result, EventResult::DeadLetter(_));
        let failed = preview
            .failures
            .iter()
            .filter(|(id, ..)| number(id) == *index);
        let failed: Vec<(&str, &str)> = failed
            .map(|(_, rule, reason)| (&**rule, reason.as_str()))
            .collect();
        match output {
            Output::Json => paint(&line(place(index), result, &failed, place))?,
            Output::Text => {
                match result {
                    EventResult::Delivered(event, _) => paint(event.text())?,
                    EventResult::Dropped(rule) => {
                        tell(format_args!("{}: dropped by {rule:?}", place(index)))
                    }
                    EventResult::DeadLetter(reason) => {
                        tell(format_args!("{}: dead letter: {reason}", place(index)))
                    }
                    EventResult::Unreadable(_) | EventResult::Merged(_) => {}
                }
                for (rule, reason) in failed {
                    tell(format_args!(
                        "{}: rule {rule:?} failed: {reason}",
                        place(index)
                    ));
                }
            }
        }
    }
    Ok(fine)
}

/// One line of JSON; the event in it byte for byte.
fn line<'p>(
    at: &str,
    result: &EventResult,
    failed: &[(&str, &str)],
    place: impl Fn(&usize) -> &'p str,
) -> String {
    let mut line = match result {
        EventResult::Unreadable(reason) => {
            json!({"event": at, "outcome": "unreadable", "reason": reason})
        }
        EventResult::Delivered(_, parts) if parts.is_empty() => {
            json!({"event": at, "outcome": "delivered"})
        }
        EventResult::Delivered(_, parts) => {
            let parts: Vec<&str> = parts.iter().map(place).collect();
            json!({"event": at, "outcome": "delivered", "merged": parts})
        }
        EventResult::Merged(into) => json!({"event": at, "outcome": "merged", "into": place(into)}),
        EventResult::Dropped(rule) => json!({"event": at, "outcome": "dropped", "rule": rule}),
        EventResult::DeadLetter(reason) => {
            json!({"event": at, "outcome": "dead_letter", "reason": reason})
        }
    };
    if !failed.is_empty()
        && let Some(members) = line.as_object_mut()
    {
        let failed = failed
            .iter()
            .map(|(rule, reason)| json!({"rule": rule, "reason": reason}));
        members.insert("failed".to_owned(), failed.collect());
    }
    let line = line.to_string();
    match result {
        EventResult::Delivered(event, _) => {
            let head = line.strip_suffix('}').unwrap_or(&line);
            format!("{head},\"delivered\":{}}}", event.text())
        }
        EventResult::Unreadable(_)
        | EventResult::Merged(_)
        | EventResult::Dropped(_)
        | EventResult::DeadLetter(_) => line,
    }
}

fn differences(
    rules: &RuleSet,
    adapter: &Adapter,
    events: &[(String, Event)],
    output: Output,
) -> anyhow::Result<bool> {
    let lookups = HashMap::new();
    let context = Context {
        target: adapter.target.as_str(),
        lookups: &lookups,
    };
    let (mut fine, mut changed) = (true, 0);
    for (place, event) in events {
        let transformed = rules.apply(event, &context);
        let failed = |step: &RuleStep| matches!(step.outcome, StepOutcome::Failed(_));
        fine &= !transformed.steps.iter().any(failed);
        let idle = |step: &RuleStep| matches!(step.outcome, StepOutcome::Unchanged);
        changed += usize::from(!transformed.steps.iter().all(idle));
        match output {
            Output::Json => paint(&as_json(place, event, &transformed).to_string())?,
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
                for line in notes(&transformed) {
                    paint(&line)?;
                }
                if transformed.steps.iter().all(idle) {
                    paint(&format!("  {}", coloured("unchanged", DIM)))?;
                }
            }
        }
    }
    if output == Output::Text {
        let together = preview(adapter, rules, events.to_vec()).events.len();
        let count = match events.len() {
            1 => "1 event".to_owned(),
            many => format!("{many} events"),
        };
        paint(&format!(
            "{count}, {changed} changed; {together} would be delivered"
        ))?;
    }
    Ok(fine)
}

/// Describes what a rule did, for a person.
pub(super) fn lines(step: &RuleStep) -> Vec<String> {
    let rule = &step.rule;
    match &step.outcome {
        StepOutcome::ConditionUnmet(unmet) => {
            let (condition, expected, found) = (unmet.condition, &unmet.expected, &unmet.found);
            let reason = format!(
                "does not apply: {condition}: expected {expected}, found {}",
                short(found)
            );
            vec![format!("  {rule}: {}", coloured(&reason, DIM))]
        }
        StepOutcome::Unchanged => vec![format!(
            "  {rule}: {}",
            coloured("applies, changes nothing", DIM)
        )],
        StepOutcome::Dropped => vec![format!("  {rule}: {}", coloured("dropped", YELLOW))],
        StepOutcome::Failed(reason) => {
            let failed = format!("failed: {reason}");
            vec![format!("  {rule}: {}", coloured(&failed, RED))]
        }
        StepOutcome::Changed { before, after } => {
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

/// Describes names that could not be resolved, and names that differ only by case.
pub(super) fn notes(transformed: &Transformation) -> Vec<String> {
    let unresolved = transformed.unresolved.iter().map(|unresolved| {
        let (namespace, reason) = (&unresolved.namespace, &unresolved.reason);
        format!("  {namespace} is unchanged: {reason}")
    });
    let variants = variants(transformed).into_iter().map(|(namespace, names)| {
        let warning = coloured("warning", YELLOW);
        let names = names.join(", ");
        format!(
            "  {warning}: {namespace}: {names} differ by case only: the store may treat them as different"
        )
    });
    unresolved.chain(variants).collect()
}

/// Returns names that differ only by case in the delivered event, by namespace.
fn variants(transformed: &Transformation) -> Vec<(String, Vec<String>)> {
    let Verdict::Keep(event) = &transformed.verdict else {
        return Vec::new();
    };
    let groups = case_variants(event).into_iter();
    groups
        .filter_map(|group| {
            let namespace = group.first()?.namespace.clone();
            Some((namespace, group.into_iter().map(|name| name.name).collect()))
        })
        .collect()
}

fn changes(before: &Event, after: &Event) -> Vec<::transform::Difference> {
    diff(before.json(), after.json())
}

/// Returns the same as [`lines`] and [`notes`], as JSON.
pub(super) fn as_json(place: &str, event: &Event, transformed: &Transformation) -> Value {
    let steps = transformed.steps.iter().map(|step| {
        let rule = &*step.rule;
        match &step.outcome {
            StepOutcome::ConditionUnmet(unmet) => json!({"rule": rule, "outcome": "condition_unmet",
                "condition": unmet.condition, "expected": unmet.expected, "found": unmet.found}),
            StepOutcome::Unchanged => json!({"rule": rule, "outcome": "unchanged"}),
            StepOutcome::Dropped => json!({"rule": rule, "outcome": "dropped"}),
            StepOutcome::Failed(reason) => {
                json!({"rule": rule, "outcome": "failed", "reason": reason})
            }
            StepOutcome::Changed { before, after } => {
                let value = |text: &Option<String>| {
                    let text = text.as_deref()?;
                    serde_json::from_str::<Value>(text).ok()
                };
                let changes = changes(before, after).into_iter().map(|difference| {
                    json!({"pointer": difference.pointer, "before": value(&difference.before), "after": value(&difference.after)})
                });
                json!({"rule": rule, "outcome": "changed", "changes": changes.collect::<Vec<_>>()})
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
    let mut value =
        json!({"event": place, "kind": event.label(), "rules": steps, "verdict": verdict});
    let unresolved = transformed.unresolved.iter();
    let unresolved: Vec<Value> = unresolved
        .map(|name| json!({"namespace": name.namespace, "reason": name.reason}))
        .collect();
    let variants: Vec<Value> = variants(transformed)
        .into_iter()
        .map(|(namespace, names)| json!({"namespace": namespace, "names": names}))
        .collect();
    for (key, values) in [("unresolved", unresolved), ("differ_by_case", variants)] {
        if let (false, Some(members)) = (values.is_empty(), value.as_object_mut()) {
            members.insert(key.to_owned(), values.into());
        }
    }
    value
}
