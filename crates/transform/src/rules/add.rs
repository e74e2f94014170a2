//! The action `add`: what a catalogue's people say of events centrally, one thing after the other.

use openlineage::Event;

use super::action::{ActionOutput, no_event};
use crate::action::{Documentation, Facet, JobType, On, Owner, Tag, add_owners, add_tags};

/// What is added, and to what.
#[derive(Debug, Clone)]
pub(super) struct Add {
    pub(super) on: On,
    /// Whether documentation and facets that are there are replaced.
    pub(super) overwrite: bool,
    pub(super) tags: Vec<Tag>,
    pub(super) owners: Vec<Owner>,
    pub(super) job_type: Option<JobType>,
    pub(super) documentation: Option<Documentation>,
    pub(super) facets: Vec<Facet>,
}

/// One thing that is added.
type Addition<'a> = Box<dyn Fn(&Event) -> Option<String> + 'a>;

impl Add {
    /// `event` with all of it; `None` when it has all of it.
    pub(super) fn to(&self, event: &Event) -> Result<Option<ActionOutput>, String> {
        let mut current = event.clone();
        for addition in self.additions() {
            if let Some(text) = addition(&current) {
                let changed = current.rewritten(text);
                current = changed.map_err(|refused| no_event(&refused))?;
            }
        }
        let changed = current.text() != event.text();
        Ok(changed.then_some(ActionOutput::Changed(current)))
    }

    fn additions(&self) -> Vec<Addition<'_>> {
        let (on, overwrite) = (self.on, self.overwrite);
        let mut additions: Vec<Addition<'_>> = Vec::new();
        if !self.tags.is_empty() {
            additions.push(Box::new(move |event| add_tags(event, on, &self.tags)));
        }
        if !self.owners.is_empty() {
            additions.push(Box::new(move |event| add_owners(event, on, &self.owners)));
        }
        if let Some(job_type) = &self.job_type {
            additions.push(Box::new(|event| job_type.add(event)));
        }
        if let Some(documentation) = &self.documentation {
            additions.push(Box::new(move |event| {
                documentation.add(event, on, overwrite)
            }));
        }
        for facet in &self.facets {
            additions.push(Box::new(move |event| facet.add(event, on, overwrite)));
        }
        additions
    }
}
