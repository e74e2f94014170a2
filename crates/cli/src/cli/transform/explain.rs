//! `transform explain`: shows for each event which rules apply, which condition the others do not meet, why a rule did
//! not change a name, and the positions of each name with the rules that change it there.

use std::collections::HashMap;
use std::process::ExitCode;

use ::transform::{
    Context, NamePosition, RuleStep, Transformation, UntouchedName, Verdict, name_positions,
};
use clap::Args;
use openlineage::{Event, Identity, Role};
use serde_json::{Value, json};

use super::show::{as_json, lines, notes};
use super::{
    BOLD, DIM, File, Output, RuleLoader, TargetArgs, YELLOW, coloured, event, exit, input, paint,
    short,
};
use crate::cli::tell;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: File,
    #[command(flatten)]
    target: TargetArgs,
    /// Files with events.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

/// The width of the narrowest terminal.
const WIDTH: usize = 80;

/// The most names of a rule, and positions of a name, that are printed; `--output json` has all.
const SHOWN: usize = 10;

pub(super) fn run(arguments: &Arguments, loader: &RuleLoader) -> anyhow::Result<ExitCode> {
    let (rules, adapter) = loader.complete(&arguments.file, &arguments.target)?;
    let lookups = HashMap::new();
    let context = Context {
        target: adapter.target.as_str(),
        lookups: &lookups,
    };
    let (events, mut fine) = input::read(&arguments.files)?;
    for found in events {
        let event = match event(&found) {
            Ok(event) => event,
            Err(error) => {
                fine = false;
                tell(format_args!("{error}"));
                continue;
            }
        };
        let (place, explained) = (
            found.place() + &found.which(),
            rules.explain(&event, &context),
        );
        if arguments.file.output == Output::Json {
            paint(&as_json_with_names(&place, &event, &explained).to_string())?;
            continue;
        }
        let job = event.job();
        let job = job.map(|job| format!(" {} {}", job.namespace, job.name));
        let title = format!("{place} {}{}", event.label(), job.unwrap_or_default());
        paint(&coloured(&title, BOLD))?;
        for step in &explained.steps {
            for line in lines(step).into_iter().chain(reasons(step)) {
                paint(&line)?;
            }
        }
        for line in notes(&explained) {
            paint(&line)?;
        }
        match (
            &explained.verdict,
            rules.coalesces(&event, adapter.target.as_str()),
        ) {
            (Verdict::Keep(_), Some(_)) => {
                let note = "  coalesce: may be merged with others of its run";
                paint(&coloured(note, DIM))?;
            }
            (Verdict::Keep(_) | Verdict::Drop { .. } | Verdict::DeadLetter { .. }, _) => {}
        }
        for line in names(&name_positions(&event, &explained.steps)) {
            paint(&line)?;
        }
    }
    Ok(exit(fine))
}

/// Describes why a rule did not change names.
fn reasons(step: &RuleStep) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(unmet) = &step.unselected {
        let (condition, expected, found) = (unmet.condition, &unmet.expected, short(&unmet.found));
        let reason = format!("    {condition}: expected {expected}, found {found}");
        lines.push(coloured(&reason, DIM));
    }
    for warning in &step.warnings {
        let mut wrapped = wrapped(warning, WIDTH - "    warning: ".len()).into_iter();
        let first = wrapped.next().unwrap_or_default();
        lines.push(format!("    {}: {first}", coloured("warning", YELLOW)));
        lines.extend(wrapped.map(|line| format!("      {line}")));
    }
    let untouched: Vec<&UntouchedName> = step
        .untouched
        .iter()
        .filter(|name| name.unmet.is_some())
        .collect();
    for name in untouched.iter().take(SHOWN) {
        let Some(unmet) = &name.unmet else {
            continue;
        };
        lines.push(format!(
            "    {} is unchanged: {}",
            named(name.role, &name.name),
            unmet.condition
        ));
        lines.push(coloured(
            &format!("      expected {}", short(&unmet.expected)),
            DIM,
        ));
        lines.push(coloured(
            &format!("      found    {}", short(&unmet.found)),
            DIM,
        ));
        if let Some(nearest) = &unmet.nearest
            && *nearest != unmet.expected
        {
            lines.push(coloured(&format!("      nearest  {}", short(nearest)), DIM));
        }
    }
    lines.extend(more(untouched.len(), "    ", "names"));
    lines
}

/// Wraps `text` into lines of at most `width` characters, unless a word is longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn more(all: usize, indent: &str, what: &str) -> Option<String> {
    let more = all.checked_sub(SHOWN).filter(|more| *more > 0)?;
    Some(coloured(&format!("{indent}and {more} more {what}"), DIM))
}

fn named(role: Role, name: &Identity) -> String {
    let Identity { namespace, name } = name;
    match name.is_empty() {
        true => format!("namespace {}", short(namespace)),
        false => format!("{} {} {}", word(role), short(namespace), short(name)),
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Dataset => "dataset",
        Role::Job => "job",
    }
}

/// Lists the positions of each name, and the rules that change it there.
fn names(positions: &[NamePosition]) -> Vec<String> {
    let mut lines = vec!["  positions of names, and the rules that change them:".to_owned()];
    for group in grouped(positions) {
        let Some(first) = group.first() else {
            continue;
        };
        lines.push(format!("    {}", named(first.role, &first.name)));
        for position in group.iter().take(SHOWN) {
            let changed: Vec<&str> = position
                .renamed_by
                .iter()
                .map(|(rule, _)| &**rule)
                .collect();
            let changed = match changed.is_empty() {
                true => coloured("unchanged", DIM),
                false => changed.join(", "),
            };
            lines.push(format!("      {}: {changed}", position.pointer));
        }
        lines.extend(more(group.len(), "      ", "positions"));
    }
    match lines.len() {
        1 => Vec::new(),
        _ => lines,
    }
}

/// Groups positions by name, in the order in which names first appear.
fn grouped(positions: &[NamePosition]) -> Vec<Vec<&NamePosition>> {
    let mut groups: Vec<Vec<&NamePosition>> = Vec::new();
    let mut known: HashMap<(&'static str, &Identity), usize> = HashMap::new();
    for position in positions {
        let index = *known
            .entry((word(position.role), &position.name))
            .or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.push(position),
            None => groups.push(vec![position]),
        }
    }
    groups
}

fn as_json_with_names(place: &str, event: &Event, explained: &Transformation) -> Value {
    let mut value = as_json(place, event, explained);
    if let Some(rules) = value.get_mut("rules").and_then(Value::as_array_mut) {
        for (rule, step) in rules.iter_mut().zip(&explained.steps) {
            let untouched = step.untouched.iter().map(|name| {
                let mut one = json!({"of": word(name.role), "namespace": name.name.namespace, "name": name.name.name});
                if let (Some(unmet), Some(members)) = (&name.unmet, one.as_object_mut()) {
                    members.insert("condition".to_owned(), json!(unmet.condition));
                    members.insert("expected".to_owned(), json!(unmet.expected));
                    members.insert("found".to_owned(), json!(unmet.found));
                    members.insert("nearest".to_owned(), json!(unmet.nearest));
                }
                one
            });
            if let Some(members) = rule.as_object_mut() {
                members.insert("untouched".to_owned(), untouched.collect());
                members.insert("warnings".to_owned(), json!(step.warnings));
                if let Some(unmet) = &step.unselected {
                    members.insert("condition".to_owned(), json!(unmet.condition));
                    members.insert("expected".to_owned(), json!(unmet.expected));
                    members.insert("found".to_owned(), json!(unmet.found));
                }
            }
        }
    }
    let positions = name_positions(event, &explained.steps);
    let names = grouped(&positions).into_iter().filter_map(|group| {
        let first = group.first()?;
        let positions = group.iter().map(|position| {
            let changed = position.renamed_by.iter().map(|(rule, after)| {
                let after = after.as_ref().map(|after| match first.name.name.is_empty() {
                    true => json!({"namespace": after.namespace}),
                    false => json!({"namespace": after.namespace, "name": after.name}),
                });
                json!({"rule": &**rule, "after": after})
            });
            json!({"pointer": position.pointer, "changed_by": changed.collect::<Vec<_>>()})
        });
        let mut one = json!({"of": word(first.role), "namespace": first.name.namespace, "positions": positions.collect::<Vec<_>>()});
        if !first.name.name.is_empty() {
            one.as_object_mut()?.insert("name".to_owned(), json!(first.name.name));
        }
        Some(one)
    });
    let names: Vec<Value> = names.collect();
    if let Some(members) = value.as_object_mut() {
        members.insert("names".to_owned(), json!(names));
    }
    value
}
