//! Removes facets: by name, or by size. Adding facets is in `facets/`.
//!
//! Identity facets (`parent`, `jobDependencies`, `symlinks`) connect the graph: a pattern with a wildcard never removes
//! them, only their full name does. Called by the rule actions of these names.

mod add;
mod annotate;
mod rule;
mod schema;

pub use add::Facet;
pub use annotate::{Documentation, JobType, Owner, Tag, add_owners, add_tags};
pub(super) use rule::{FacetsSettings, HolderName};

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use openlineage::{Edits, Event, Holder, Json, Kind, Member, holders, runs_and_jobs};

use crate::rules::Glob;

/// Which facets are kept.
#[derive(Debug, Clone)]
pub enum FacetsAction {
    /// Keeps facets whose name matches, and identity facets.
    Keep(Vec<Glob>),
    /// Removes facets whose name matches, except identity facets that are not named in full.
    Remove(Vec<Glob>),
    /// Removes facets whose JSON text is larger than the limit of the first matching pattern,
    /// except identity facets that are not named in full.
    Cap(Vec<(Glob, usize)>),
}

/// The holders whose facets an action changes, including facets that another facet forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FacetHolders {
    /// Facets of the run.
    pub run: bool,
    /// Facets of the job.
    pub job: bool,
    /// Facets of every dataset: of a DatasetEvent, of inputs and of outputs, `inputFacets` and `outputFacets` included.
    pub dataset: bool,
    /// Facets of inputs, `inputFacets` included.
    pub input: bool,
    /// Facets of outputs, `outputFacets` included.
    pub output: bool,
}

/// The facets that make the graph. `parentRun` is the name of `parent` in old clients.
const IDENTITY: [&str; 4] = ["parent", "parentRun", "jobDependencies", "symlinks"];

impl FacetHolders {
    /// Returns all holders.
    pub fn all() -> FacetHolders {
        FacetHolders {
            run: true,
            job: true,
            dataset: true,
            input: true,
            output: true,
        }
    }

    /// Whether facets of that holder are selected.
    fn means(self, holder: &Holder<'_>) -> bool {
        match (holder.kind, holder.place) {
            (Kind::Run, _) => self.run,
            (Kind::Job, _) => self.job,
            (Kind::Dataset | Kind::Input | Kind::Output, "inputs") => self.input || self.dataset,
            (Kind::Dataset | Kind::Input | Kind::Output, "outputs") => self.output || self.dataset,
            (Kind::Dataset | Kind::Input | Kind::Output, _) => self.dataset,
        }
    }

    /// Returns the run, the job and the datasets of the event itself, with the member for facets of that kind, for
    /// adding facets. Forwarded facets describe other runs and jobs, so nothing is added to them.
    fn own<'t>(self, root: Json<'t>) -> Vec<(Json<'t>, &'static str, Kind)> {
        let mut found = Vec::new();
        for member in root.members() {
            let (holder, each) = (member.value, member.value.items());
            match member.key.string().as_deref() {
                Some("run") if self.run => found.push((holder, "facets", Kind::Run)),
                Some("job") if self.job => found.push((holder, "facets", Kind::Job)),
                Some("dataset") if self.dataset => found.push((holder, "facets", Kind::Dataset)),
                Some("inputs") if self.input || self.dataset => {
                    for dataset in each {
                        found.push((dataset, "facets", Kind::Dataset));
                        found.push((dataset, "inputFacets", Kind::Input));
                    }
                }
                Some("outputs") if self.output || self.dataset => {
                    for dataset in each {
                        found.push((dataset, "facets", Kind::Dataset));
                        found.push((dataset, "outputFacets", Kind::Output));
                    }
                }
                Some(_) | None => {}
            }
        }
        found
    }
}

impl FacetsAction {
    /// Returns the text of `event` without the removed facets; `None` if all are kept.
    pub fn apply(&self, event: &Event, on: FacetHolders) -> Option<String> {
        let mut edits = Edits::new(event.text());
        // Facets inside a removed facet need no edit.
        let mut gone: Vec<Range<usize>> = Vec::new();
        let walk = match on.dataset || on.input || on.output {
            true => holders,
            false => runs_and_jobs,
        };
        let indexed = event.indexed();
        walk(indexed.json(), &mut |holder, _| {
            if !on.means(holder) {
                return;
            }
            for set in holder.facet_sets() {
                let span = set.object.span(event.text()).unwrap_or_default();
                let within = |gone: &Range<usize>| gone.start <= span.start && span.end <= gone.end;
                if holder.forwarded && gone.iter().any(within) {
                    continue;
                }
                let going = self.going(set.members());
                if !going.is_empty() {
                    edits.remove_members(set.object, |name| going.contains(name));
                    let goes = |member: &&Member<'_>| {
                        let name = member.key.string();
                        name.is_some_and(|name| going.contains(&*name))
                    };
                    let members = set.members().iter().filter(goes);
                    gone.extend(members.filter_map(|member| member.value.span(event.text())));
                }
            }
        });
        match edits.is_empty() {
            true => None,
            false => Some(edits.apply()),
        }
    }

    fn going(&self, facets: &[Member<'_>]) -> BTreeSet<String> {
        // The sizes of duplicates are added up, and all are removed together.
        let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
        for member in facets {
            if let Some(name) = member.key.string() {
                *sizes.entry(name.into_owned()).or_default() += member.value.text().len();
            }
        }
        let goes = |(name, bytes): &(String, usize)| match self {
            FacetsAction::Keep(patterns) => {
                !IDENTITY.contains(&name.as_str()) && !patterns.iter().any(|p| p.is_match(name))
            }
            FacetsAction::Remove(patterns) => patterns.iter().any(|p| means(p, name)),
            FacetsAction::Cap(caps) => {
                let cap = caps.iter().find(|(pattern, _)| means(pattern, name));
                cap.is_some_and(|(_, most)| bytes > most)
            }
        };
        let going = sizes.into_iter().filter(goes);
        going.map(|(name, _)| name).collect()
    }
}

fn means(pattern: &Glob, name: &str) -> bool {
    pattern.is_match(name) && (!IDENTITY.contains(&name) || pattern.as_str() == name)
}

#[cfg(test)]
mod tests;
