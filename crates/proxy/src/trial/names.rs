//! What the names of events become: which differ, which datasets become one, and which become several. Pure.

use std::collections::{BTreeMap, BTreeSet};

use openlineage::{Event, Identity, Role, names};
use page::line::rules::{Merge, RenameCount, Split, TrialReport};

use super::name;

/// The most pairs of names that are remembered: a thousand events have no more, unless somebody means harm.
const MAX_PAIRS: usize = 50_000;

/// The most names that differ, the most datasets that become one or several, and the most of these that are listed.
const LISTED: usize = 50;
const TOGETHER: usize = 10;

/// Each name with the rules in force beside that with the rules that are tried, and how often.
#[derive(Debug, Default)]
pub(super) struct NameMap {
    /// Whether it is that of a job, and both names.
    pairs: BTreeMap<(bool, Identity, Identity), usize>,
}

impl NameMap {
    /// Adds the names of an event. Those of an event whose lists lose or gain elements have no counterparts, and are left out.
    pub(super) fn add(&mut self, before: &Event, after: &Event) {
        let (before, after) = (named(before), named(after));
        let places = |names: &[NamePosition]| {
            let places = names.iter().map(|(place, is_job, _)| (*place, *is_job));
            places.collect::<Vec<_>>()
        };
        if places(&before) != places(&after) {
            return;
        }
        for ((_, is_job, before), (.., after)) in before.into_iter().zip(after) {
            let is_full = self.pairs.len() >= MAX_PAIRS;
            let key = (is_job, before, after);
            match self.pairs.get_mut(&key) {
                Some(count) => *count += 1,
                None if is_full => {}
                None => {
                    self.pairs.insert(key, 1);
                }
            }
        }
    }

    /// Each name with the rules in force beside that with the rules that are tried, and whether it is that of a job.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (bool, &Identity, &Identity)> {
        let pairs = self.pairs.keys();
        pairs.map(|(is_job, before, after)| (*is_job, before, after))
    }

    /// Writes what was found to a report.
    pub(super) fn report(self, report: &mut TrialReport) {
        let differing = self.pairs.iter();
        let differing = differing.filter(|((_, before, after), _)| before != after);
        let mut renames: Vec<RenameCount> = differing
            .map(|((is_job, before, after), times)| RenameCount {
                is_job: *is_job,
                before: name(before),
                after: name(after),
                times: *times,
            })
            .collect();
        renames.sort_by_key(|rename| std::cmp::Reverse(rename.times)); // stable
        report.more_renames = renames.len().saturating_sub(LISTED);
        renames.truncate(LISTED);
        report.renames = renames;
        let (mut sources, mut results) = (Together::new(), Together::new());
        for (is_job, before, after) in self.pairs.keys() {
            if !is_job {
                sources.entry(after).or_default().insert(before);
                results.entry(before).or_default().insert(after);
            }
        }
        report.merges = several(&sources)
            .map(|(into, datasets)| Merge {
                more: datasets.len().saturating_sub(TOGETHER),
                datasets: some(datasets),
                into: name(into),
            })
            .collect();
        report.splits = several(&results)
            .map(|(dataset, into)| Split {
                more: into.len().saturating_sub(TOGETHER),
                into: some(into),
                dataset: name(dataset),
            })
            .collect();
    }
}

type Together<'n> = BTreeMap<&'n Identity, BTreeSet<&'n Identity>>;

/// Those that belong to several, the most first.
fn several<'n>(
    all: &'n Together<'n>,
) -> impl Iterator<Item = (&'n Identity, &'n BTreeSet<&'n Identity>)> {
    let mut several: Vec<_> = all.iter().filter(|(_, others)| others.len() > 1).collect();
    several.sort_by_key(|(_, others)| std::cmp::Reverse(others.len())); // stable
    several
        .into_iter()
        .take(LISTED)
        .map(|(one, others)| (*one, others))
}

fn some(names: &BTreeSet<&Identity>) -> Vec<history::Name> {
    names.iter().take(TOGETHER).map(|it| name(it)).collect()
}

/// A place, whether the name there is that of a job, and the name.
type NamePosition = (&'static str, bool, Identity);

/// The names of an event with their places, without other names of a dataset.
fn named(event: &Event) -> Vec<NamePosition> {
    let all = names(event.json()).into_iter();
    let all = all.filter(|name| name.place != "symlinks");
    all.filter_map(|name| {
        let is_job = match name.role {
            Role::Dataset => false,
            Role::Job => true,
        };
        let identity = Identity {
            namespace: name.namespace.string()?.into_owned(),
            name: name.name.string()?.into_owned(),
        };
        Some((name.place, is_job, identity))
    })
    .collect()
}
