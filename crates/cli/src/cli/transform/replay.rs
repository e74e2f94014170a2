//! `transform replay`: applies the rules to an archive of events, and summarises what would change.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;

use ::transform::{Context, RuleSet, StepOutcome, Verdict};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use openlineage::{Event, Identity, Json, Role, names};
use proxy::pipeline::{Adapter, preview};
use serde_json::json;

use super::super::table::{Fit, Table};
use super::{File, LocatedEvent, Output, RuleLoader, TargetArgs, event, exit, input, paint};
use crate::cli::tell;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: File,
    #[command(flatten)]
    target: TargetArgs,
    /// How many renamed names to list.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    names: usize,
    /// Files with events.
    #[arg(value_name = "FILE", required = true)]
    paths: Vec<String>,
}

/// The number of events that are previewed together as a batch, to see which are merged.
const PREVIEWED: usize = 1_000;

/// The most renamed names in memory; further ones are only counted by rule.
const MOST_RENAMED: usize = 100_000;

pub(super) fn run(arguments: &Arguments, loader: &RuleLoader) -> anyhow::Result<ExitCode> {
    let (rules, adapter) = loader.complete(&arguments.file, &arguments.target)?;
    let sources = input::sources(&arguments.paths)?;
    let bar = ProgressBar::new(sources.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} files, {msg}") {
        bar.set_style(style);
    }
    let mut sum = Summary::new(&rules);
    let (mut all, mut texts) = (true, 0);
    for source in &sources {
        let count = source.read(|found| {
            match event(&found) {
                Ok(event) => sum.add(&rules, &adapter, event),
                Err(error) => sum.add_invalid(&found, error),
            }
            Ok(())
        })?;
        all &= count > 0 || !source.is_named();
        texts += count;
        bar.inc(1);
        bar.set_message(format!("{} events", sum.events));
    }
    sum.preview(&rules, &adapter);
    bar.finish_and_clear();
    match arguments.file.output {
        Output::Json => paint(&sum.json(arguments.names).to_string())?,
        Output::Text => paint(&sum.text(arguments.names))?,
    }
    let no_rule_failed = sum.rules.iter().all(|(_, of)| of.failed == 0);
    Ok(exit(
        no_rule_failed && all && texts > 0 && sum.invalid.count == 0,
    ))
}

/// The totals of what the rules would change.
#[derive(Default)]
pub(in super::super) struct Summary {
    events: usize,
    invalid: InvalidTexts,
    unchanged: usize,
    dropped: usize,
    dead: usize,
    delivered: usize,
    bytes_before: usize,
    bytes_after: usize,
    /// In the order of the file.
    rules: Vec<(String, RuleCounts)>,
    renamed: BTreeMap<(Identity, Identity), usize>,
    waiting: Vec<(String, Event)>,
}

/// Texts in the files that are not events.
#[derive(Default)]
struct InvalidTexts {
    count: usize,
    /// The first of them, with their positions.
    first: Vec<serde_json::Value>,
}

/// The most texts that are reported one by one because they are not events.
const MAX_REPORTED: usize = 20;

#[derive(Default)]
struct RuleCounts {
    /// Events that it applied to.
    applied: usize,
    changed: usize,
    dropped: usize,
    failed: usize,
    /// Why it failed the first time.
    reason: Option<String>,
}

impl Summary {
    pub(in super::super) fn new(rules: &RuleSet) -> Summary {
        Summary {
            rules: rules
                .names()
                .map(|name| (name.to_owned(), RuleCounts::default()))
                .collect(),
            ..Summary::default()
        }
    }

    /// Reports the first texts that are not events, and counts the others.
    fn add_invalid(&mut self, found: &LocatedEvent, error: String) {
        self.invalid.count += 1;
        if self.invalid.count <= MAX_REPORTED {
            self.invalid
                .first
                .push(json!({"file": found.file, "line": found.line, "reason": error}));
            tell(format_args!("{error}"));
        } else if self.invalid.count == MAX_REPORTED + 1 {
            tell(format_args!(
                "further texts that are not events are only counted"
            ));
        }
    }

    pub(in super::super) fn add(&mut self, rules: &RuleSet, adapter: &Adapter, event: Event) {
        let lookups = HashMap::new();
        let context = Context {
            target: adapter.target.as_str(),
            lookups: &lookups,
        };
        self.events += 1;
        self.bytes_before += event.text().len();
        let transformed = rules.apply(&event, &context);
        for step in &transformed.steps {
            let Some((_, of)) = self.rules.iter_mut().find(|(name, _)| **name == *step.rule) else {
                continue;
            };
            of.applied += 1;
            match &step.outcome {
                StepOutcome::ConditionUnmet(_) | StepOutcome::Unchanged => {}
                StepOutcome::Changed { .. } => of.changed += 1,
                StepOutcome::Dropped => of.dropped += 1,
                StepOutcome::Failed(reason) => {
                    of.failed += 1;
                    of.reason.get_or_insert_with(|| reason.clone());
                }
            }
        }
        match transformed.verdict {
            Verdict::Keep(after) if after.has_text_of(&event) => self.unchanged += 1,
            Verdict::Keep(after) => self.add_renames(&event, &after),
            Verdict::Drop { .. } => self.dropped += 1,
            Verdict::DeadLetter { .. } => self.dead += 1,
        }
        self.waiting.push((String::new(), event));
        if self.waiting.len() >= PREVIEWED {
            self.preview(rules, adapter);
        }
    }

    /// Counts names that change. Skips events whose lists have lost or gained elements.
    fn add_renames(&mut self, before: &Event, after: &Event) {
        let identities = |event: &Event| -> Vec<Identity> {
            let found = names(event.json());
            let named = found.into_iter().filter(|name| match name.role {
                Role::Dataset | Role::Job => name.place != "symlinks",
            });
            named
                .filter_map(|name| {
                    let text = |json: Json<'_>| json.string().map(|text| text.into_owned());
                    Some(Identity {
                        namespace: text(name.namespace)?,
                        name: text(name.name)?,
                    })
                })
                .collect()
        };
        let (befores, afters) = (identities(before), identities(after));
        if befores.len() != afters.len() {
            return;
        }
        for (before, after) in befores.into_iter().zip(afters) {
            if before != after && self.renamed.len() < MOST_RENAMED {
                *self.renamed.entry((before, after)).or_default() += 1;
            }
        }
    }

    /// Counts what would be delivered of the waiting events.
    pub(in super::super) fn preview(&mut self, rules: &RuleSet, adapter: &Adapter) {
        let events = std::mem::take(&mut self.waiting);
        let preview = preview(adapter, rules, events);
        self.delivered += preview.events.len();
        self.bytes_after += preview
            .events
            .iter()
            .map(|(_, event)| event.text().len())
            .sum::<usize>();
    }

    /// The most frequent first.
    fn top(&self, count: usize) -> Vec<(&Identity, &Identity, usize)> {
        let renamed = self.renamed.iter();
        let mut top: Vec<_> = renamed
            .map(|((before, after), times)| (before, after, *times))
            .collect();
        top.sort_by_key(|(.., times)| std::cmp::Reverse(*times));
        top.truncate(count);
        top
    }

    pub(in super::super) fn text(&self, count: usize) -> String {
        let mut table = Table::new([
            ("rule", Fit::Wrap),
            ("applied", Fit::Whole),
            ("changed", Fit::Whole),
            ("dropped", Fit::Whole),
            ("failed", Fit::Wrap),
        ]);
        for (name, of) in &self.rules {
            let RuleCounts {
                applied,
                changed,
                dropped,
                failed,
                reason,
            } = of;
            let failed = match reason {
                Some(reason) => format!("{failed}: {reason}"),
                None => failed.to_string(),
            };
            table.row([
                name.clone(),
                applied.to_string(),
                changed.to_string(),
                dropped.to_string(),
                failed,
            ]);
        }
        let mut lines = vec![table.text()];
        let top = self.top(count);
        if !top.is_empty() {
            lines.push(match self.renamed.len() {
                1 => "1 name changes:".to_owned(),
                many => format!("{many} names change; the most frequent:"),
            });
        }
        for (before, after, times) in top {
            lines.push(format!(
                "  {times:>6}  {} {}\n       → {} {}",
                before.namespace, before.name, after.namespace, after.name
            ));
        }
        let Summary {
            events,
            invalid,
            unchanged,
            dropped,
            dead,
            delivered,
            bytes_before,
            bytes_after,
            ..
        } = self;
        let invalid = match invalid.count {
            0 => String::new(),
            1 => " (1 more text is not an event)".to_owned(),
            count => format!(" ({count} more texts are not events)"),
        };
        let events = match events {
            1 => "1 event".to_owned(),
            many => format!("{many} events"),
        };
        lines.push(format!(
            "{events}{invalid}: {unchanged} unchanged, {dropped} dropped, {dead} dead letters; \
             {delivered} would be delivered, {bytes_before} bytes become {bytes_after}"
        ));
        lines.join("\n")
    }

    pub(in super::super) fn json(&self, count: usize) -> serde_json::Value {
        let rules = self.rules.iter().map(|(name, of)| {
            json!({"rule": name, "applied": of.applied, "changed": of.changed, "dropped": of.dropped, "failed": of.failed, "reason": of.reason})
        });
        let identity =
            |identity: &Identity| json!({"namespace": identity.namespace, "name": identity.name});
        let renamed = self.top(count).into_iter().map(|(before, after, times)| {
            json!({"before": identity(before), "after": identity(after), "times": times})
        });
        json!({
            "events": self.events, "invalid": self.invalid.count, "not_events": self.invalid.first, "unchanged": self.unchanged, "dropped": self.dropped,
            "dead_letters": self.dead, "delivered": self.delivered, "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after, "rules": rules.collect::<Vec<_>>(), "renamed": renamed.collect::<Vec<_>>(),
        })
    }
}
