//! What a rule can do: the built-in actions, and plug-ins.
//!
//! Each gives a new text, which is read as an event again before anyone sees it: whatever an action does wrong ends
//! here. The texts themselves are made in `rename.rs`, in `crate::action`, and by plug-ins.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use openlineage::{Edits, Event, Identity, InvalidEvent, Json, Level, Role};

use super::Context;
use super::add::Add;
use super::distinct::{Judged, rewrite_apart};
use super::pattern::Patterns;
use super::rename::{Rename, rewrite};
use super::when::Named;
use crate::action::{FacetsAction, Normalise, On, Redact, Strip, one_catalogue, redact_text};
use crate::endpoint::ShortName;
use crate::mentions::{Moves, Uris};
use crate::plugin::{Transform, TransformOutput};
use crate::redshift::{Redshift, Unresolved};

/// What a rule does.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Rename(Rename),
    Normalise(Named, Normalise),
    Redshift(Redshift),
    SymlinkToPrimary(Symlink),
    Strip(Role, Named, Strip),
    Facets(FacetsAction, On),
    Redact(Box<Redact>),
    Add(Add),
    /// Takes datasets out of inputs and outputs.
    DropDatasets(Named),
    Drop,
    Plugin(Arc<dyn Transform>),
}

/// Which symlink becomes the primary name.
#[derive(Debug, Clone)]
pub(super) struct Symlink {
    pub(super) only: Named,
    /// The symlink's `type`: `TABLE`, `LOCATION`.
    pub(super) kind: Option<Patterns>,
    /// Where the type alone says which symlink is meant: the type of what was first until then.
    pub(super) other: Option<&'static str>,
}

/// What an action did.
#[derive(Debug)]
pub(super) enum ActionOutput {
    Changed(Event),
    Drop,
}

impl Action {
    /// Whether it needs answers from outside.
    pub(super) fn looks_up(&self) -> bool {
        matches!(self, Action::Redshift(_))
    }

    /// Whether it can change the name of a dataset or job.
    pub(super) fn names(&self) -> bool {
        match self {
            Action::Rename(_)
            | Action::Normalise(..)
            | Action::Redshift(_)
            | Action::SymlinkToPrimary(_)
            | Action::Strip(..)
            | Action::Redact(_) // the user in a namespace
            | Action::Plugin(_) => true,
            Action::Facets(..)
            | Action::Add(_)
            | Action::DropDatasets(_)
            | Action::Drop => false,
        }
    }

    /// Whether it is code of a user's.
    pub(super) fn is_code(&self) -> bool {
        matches!(self, Action::Plugin(_))
    }

    /// What it needs to know for `event`.
    pub(super) fn lookups(&self, event: &Event) -> BTreeSet<ShortName> {
        match self {
            Action::Redshift(redshift) => redshift.wanted(event),
            Action::Rename(_)
            | Action::Normalise(..)
            | Action::SymlinkToPrimary(_)
            | Action::Strip(..)
            | Action::Facets(..)
            | Action::Redact(_)
            | Action::Add(_)
            | Action::DropDatasets(_)
            | Action::Drop
            | Action::Plugin(_) => BTreeSet::new(),
        }
    }

    /// What it makes of `event`; `None` when there is nothing to do.
    pub(super) fn on(
        &self,
        event: &Event,
        context: &Context<'_>,
        unresolved: &mut Vec<Unresolved>,
    ) -> Result<Option<ActionOutput>, String> {
        let text = match self {
            Action::Rename(rename) => rename.apply(event),
            Action::Normalise(only, normalise) => {
                let (text, left) = normalised(event, only, normalise);
                unresolved.extend(left);
                text
            }
            Action::Redshift(redshift) => {
                let rewritten = redshift.rewrite(event, context.lookups);
                unresolved.extend(rewritten.unresolved);
                let changed = !rewritten.changes.is_empty();
                return Ok(changed.then_some(ActionOutput::Changed(rewritten.event)));
            }
            Action::SymlinkToPrimary(symlink) => symlink.swapped(event),
            Action::Strip(Role::Job, only, strip) => rewrite(event, Role::Job, |name| {
                only.matches(name)
                    .then(|| named(name, strip.job(&name.name)))
            }),
            Action::Strip(Role::Dataset, only, strip) => {
                let new =
                    |name: &Identity| only.matches(name).then(|| named(name, strip.dataset(name)));
                let renamed = rewrite_apart(event, new, |name| {
                    if !only.matches(name) {
                        return Judged::as_it_is(name);
                    }
                    let judged = strip.judged(name);
                    Judged {
                        apart: named(name, judged.apart),
                        kin: Some(judged.kin),
                        directed: true,
                        part: judged.part,
                    }
                });
                unresolved.extend(renamed.left);
                renamed.text
            }
            Action::Facets(action, on) => action.apply(event, *on),
            Action::Redact(redact) => redact.redact(event),
            Action::Add(add) => return add.to(event),
            Action::DropDatasets(named) => without_datasets(event, named),
            Action::Drop => return Ok(Some(ActionOutput::Drop)),
            Action::Plugin(transform) => match transform.apply(event) {
                Ok(TransformOutput::Unchanged) => None,
                Ok(TransformOutput::Changed(text)) => Some(text),
                Ok(TransformOutput::Drop) => return Ok(Some(ActionOutput::Drop)),
                Err(failed) => return Err(failed.0),
            },
        };
        // Who writes code need not know what every facet has to say of itself: that is put right as at ingest.
        let level = match self {
            Action::Plugin(_) => Level::RepairRewritten,
            _ => Level::Strict,
        };
        match text {
            None => Ok(None),
            Some(text) if text == event.text() => Ok(None),
            Some(text) => match Event::read(text.as_bytes(), level) {
                Ok(read) => Ok(Some(ActionOutput::Changed(read.event))),
                Err(refused) => Err(no_event(&refused)),
            },
        }
    }
}

/// Why what an action gave is refused: what was expected where, first of all. Messages that quote the event are said
/// in other words, since these end up in logs.
pub(super) fn no_event(refused: &InvalidEvent) -> String {
    let Some(first) = refused.findings.first() else {
        return format!("what it gave is {refused}");
    };
    let expected = match first.rule {
        "type" | "required" => first.message.as_str(),
        "enum" => "one of the words of the specification is expected",
        "date-time" => "an RFC 3339 date-time is expected",
        "uuid" => "a UUID is expected",
        "uri" => "a URI is expected",
        _ => return format!("what it gave is {refused}"),
    };
    let more = match refused.findings.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let pointer = &first.pointer;
    format!("what it gave is no OpenLineage event: {expected} at '{pointer}'{more}")
}

/// The event with its datasets in one spelling, and those of which a part stays where it does not belong.
fn normalised(
    event: &Event,
    only: &Named,
    normalise: &Normalise,
) -> (Option<String>, Vec<Unresolved>) {
    let mut left = BTreeSet::new();
    let new = |name: &Identity| {
        let done = only.matches(name).then(|| normalise.normalised(name))?;
        if let Some(reason) = done.left {
            left.insert(Unresolved {
                namespace: redact_text(&done.dataset.namespace),
                reason: reason.to_owned(),
            });
        }
        Some(done.dataset)
    };
    // A short form does not say which account a warehouse is in: two of one name keep their addresses.
    let long = Normalise {
        redshift: false,
        ..*normalise
    };
    let renamed = rewrite_apart(event, new, |name| {
        let matches = only.matches(name);
        Judged {
            apart: match matches {
                true => long.normalise(name),
                false => name.clone(),
            },
            kin: normalise.warehouse(name).filter(|_| matches),
            directed: false,
            part: false,
        }
    });
    left.extend(renamed.left);
    (renamed.text, left.into_iter().collect())
}

impl Symlink {
    /// The event with the name in the symlink first, and the one that was first as the symlink: of each dataset by its
    /// own symlink. Wherever else a dataset of that name is named, it gets the new name too, if there is only one.
    fn swapped(&self, event: &Event) -> Option<String> {
        let root = event.json()?;
        let mut edits = Edits::new(event.text());
        let mut changed: Vec<Json<'_>> = Vec::new();
        let found = openlineage::positions(root);
        let mut moves = Moves::default();
        // `None` where datasets of one name have got different ones: then nobody can say which is meant elsewhere.
        let mut renamed: HashMap<Identity, Option<Identity>> = HashMap::new();
        for dataset in datasets(root) {
            let fits = |name: &Identity| self.other.is_none() && self.only.matches(name);
            let Some(primary) = Identity::of(dataset).filter(|name| !fits(name)) else {
                continue;
            };
            let identifiers = dataset.at(&["facets", "symlinks", "identifiers"]);
            let identifiers = identifiers.map(Json::items).unwrap_or_default().into_iter();
            let Some((place, symlink)) = identifiers.filter_map(|id| self.fitting(id)).next()
            else {
                continue;
            };
            put(&mut edits, place, &primary);
            // Or the rule would swap them again the next time.
            if let (Some(other), Some(kind)) = (self.other, place.get("type")) {
                edits.replace_string(kind, other);
            }
            put(&mut edits, dataset, &symlink);
            changed.extend(dataset.get("name"));
            if let Some(namespace) = dataset.get("namespace") {
                moves.add(namespace, &primary.namespace, &symlink.namespace);
            }
            let new = Some(symlink);
            let known = renamed.entry(primary).or_insert_with(|| new.clone());
            if *known != new {
                *known = None;
            }
        }
        for name in found.names {
            let done = || {
                changed
                    .iter()
                    .any(|own| std::ptr::eq(own.text(), name.name.text()))
            };
            if name.role != Role::Dataset || name.place == "symlinks" || done() {
                continue;
            }
            let (Some(namespace), Some(own)) = (name.namespace.string(), name.name.string()) else {
                continue;
            };
            let old = Identity {
                namespace: namespace.into_owned(),
                name: own.into_owned(),
            };
            if let Some(Some(new)) = renamed.get(&old) {
                edits.replace_string(name.namespace, &new.namespace);
                edits.replace_string(name.name, &new.name);
            }
        }
        moves.follow(&found.mentions, Uris::Stay, |_| None, &mut edits);
        (!edits.is_empty()).then(|| edits.apply())
    }

    /// The symlink as a name for its dataset. An empty one names nothing, so the dataset keeps the name it has.
    pub(super) fn fitting<'t>(&self, symlink: Json<'t>) -> Option<(Json<'t>, Identity)> {
        let kind = symlink.get("type").and_then(Json::string);
        let kind = kind.as_deref().unwrap_or_default();
        if (self.kind.as_ref()).is_some_and(|wanted| !wanted.matches(kind)) {
            return None;
        }
        let whole = |name: &Identity| !name.namespace.is_empty() && !name.name.is_empty();
        let name = Identity::of(symlink).filter(|name| self.only.matches(name) && whole(name))?;
        // The catalogue's own form, so that its table is found.
        let name = one_catalogue(&name, true, true).unwrap_or(name);
        Some((symlink, name))
    }
}

/// The same namespace with another name.
fn named(identity: &Identity, name: String) -> Identity {
    Identity {
        namespace: identity.namespace.clone(),
        name,
    }
}

fn put(edits: &mut Edits<'_>, place: Json<'_>, name: &Identity) {
    if let (Some(namespace), Some(own)) = (place.get("namespace"), place.get("name")) {
        edits.replace_string(namespace, &name.namespace);
        edits.replace_string(own, &name.name);
    }
}

pub(super) fn datasets(root: Json<'_>) -> Vec<Json<'_>> {
    let lists = ["inputs", "outputs"].iter();
    let mut found: Vec<Json<'_>> = lists
        .filter_map(|list| root.get(list))
        .flat_map(Json::items)
        .collect();
    found.extend(root.get("dataset"));
    found
}

/// Takes the datasets out of inputs and outputs; what other datasets say about them stays.
fn without_datasets(event: &Event, named: &Named) -> Option<String> {
    let root = event.json()?;
    let mut edits = Edits::new(event.text());
    let lists = root.members().into_iter();
    for list in lists.filter(|member| member.is("inputs") || member.is("outputs")) {
        edits.remove_items(list.value, |item| {
            Identity::of(item).is_some_and(|name| named.matches(&name))
        });
    }
    (!edits.is_empty()).then(|| edits.apply())
}
