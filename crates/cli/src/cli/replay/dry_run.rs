//! `replay --dry-run`: what would be sent, by kind and job, and what the rules would change.

use std::collections::BTreeMap;

use ::transform::RuleSet;
use openlineage::Event;
use proxy::pipeline::Adapter;
use serde_json::{Value, json};

use super::super::table::{Fit, Table};
use super::super::transform::Summary;

/// The most jobs that are counted by themselves: enough for a person, and a bound for memory.
const MOST_JOBS: usize = 10_000;

/// The most jobs that are printed.
const SHOWN: usize = 50;

/// How many renamed names are printed.
const NAMES: usize = 20;

/// What would be sent.
pub(super) struct DryRun {
    rules: RuleSet,
    adapter: Adapter,
    summary: Summary,
    by_kind: BTreeMap<&'static str, u64>,
    by_job: BTreeMap<(String, String), u64>,
    /// Events of jobs beyond the limit.
    other_jobs: u64,
}

impl DryRun {
    pub(super) fn new(rules: RuleSet, adapter: Adapter) -> DryRun {
        DryRun {
            summary: Summary::new(&rules),
            rules,
            adapter,
            by_kind: BTreeMap::new(),
            by_job: BTreeMap::new(),
            other_jobs: 0,
        }
    }

    /// Counts an event that the filters leave.
    pub(super) fn add(&mut self, event: Event) {
        *self.by_kind.entry(event.label()).or_default() += 1;
        if let Some(job) = event.job() {
            let job = (job.namespace.clone(), job.name.clone());
            match self.by_job.contains_key(&job) || self.by_job.len() < MOST_JOBS {
                true => *self.by_job.entry(job).or_default() += 1,
                false => self.other_jobs += 1,
            }
        }
        self.summary.add(&self.rules, &self.adapter, event);
    }

    /// Ends counting.
    pub(super) fn finish(&mut self) {
        self.summary.preview(&self.rules, &self.adapter);
    }

    pub(super) fn text(&self) -> String {
        let mut kinds = Table::new([("kind", Fit::Whole), ("events", Fit::Whole)]);
        for (kind, count) in &self.by_kind {
            kinds.row([(*kind).to_owned(), count.to_string()]);
        }
        let mut jobs = Table::new([
            ("namespace", Fit::Wrap),
            ("job", Fit::Wrap),
            ("events", Fit::Whole),
        ]);
        let by_count = self.by_count();
        for ((namespace, name), count) in by_count.iter().take(SHOWN) {
            jobs.row([(*namespace).clone(), (*name).clone(), count.to_string()]);
        }
        let mut parts = vec![kinds.text(), jobs.text()];
        let more = by_count.len().saturating_sub(SHOWN);
        if more > 0 || self.other_jobs > 0 {
            let at_least = if self.other_jobs > 0 { "at least " } else { "" };
            parts.push(format!("and {at_least}{more} more jobs"));
        }
        parts.push(self.summary.text(NAMES));
        parts.join("\n")
    }

    pub(super) fn json(&self) -> Value {
        let jobs = self.by_count().into_iter().map(
            |((namespace, name), count)| json!({"namespace": namespace, "name": name, "events": count}),
        );
        json!({
            "kinds": self.by_kind, "jobs": jobs.collect::<Vec<_>>(), "other_jobs": self.other_jobs,
            "rules": self.summary.json(NAMES),
        })
    }

    /// The jobs with the most events first.
    fn by_count(&self) -> Vec<(&(String, String), u64)> {
        let mut jobs: Vec<_> = self
            .by_job
            .iter()
            .map(|(job, count)| (job, *count))
            .collect();
        jobs.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        jobs
    }
}
