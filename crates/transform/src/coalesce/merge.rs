//! Writes the text of a merged event: the union of several events of one run, based on one of them.
//!
//! Works on the texts. Only the parts of the base that others change are edited, and values of others are copied as they
//! are written, so that numbers, escapes and the order of keys stay. `coalesce` decides which events are merged.

use std::borrow::Cow;
use std::collections::HashMap;

use openlineage::{Edits, Event, Indexed, InvalidEvent, Json, Member, Subject};

/// Why events cannot be merged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MergeError {
    /// The index of the base is out of range.
    #[error("there is no event to merge into")]
    NoBase,
    /// Only RunEvents of one run and one job can be merged.
    #[error("the events are not RunEvents of one run and one job")]
    Unrelated,
    /// The merged text is not an event: a bug.
    #[error(transparent)]
    InvalidEvent(#[from] InvalidEvent),
}

/// Merges `events`, the earlier ones first, into the one at index `base`.
///
/// `eventType`, `eventTime`, `producer`, `schemaURL` and the names of run and job are the base's. Facets are merged by
/// key, datasets by namespace and name in the order of their first appearance. Of two values for one key the later one is
/// used; a facet is always used as a whole, `_deleted` or not. If the parent stays the same, the facets that it forwards
/// are merged, too. If the others add nothing, returns the base byte for byte.
pub fn merge(events: &[&Event], base: usize) -> Result<Event, MergeError> {
    let upon = *events.get(base).ok_or(MergeError::NoBase)?;
    if events.len() == 1 {
        return Ok(upon.clone());
    }
    if !events.iter().all(|event| related(event, upon)) {
        return Err(MergeError::Unrelated);
    }
    let indexed: Vec<Indexed<'_>> = events.iter().map(|event| event.indexed()).collect();
    let layers: Vec<Json<'_>> = indexed.iter().map(Indexed::json).collect();
    match object(&layers, base, Object::Event) {
        text if text == upon.text() => Ok(upon.clone()),
        text => Ok(upon.rewritten(text.into_owned())?),
    }
}

fn related(event: &Event, other: &Event) -> bool {
    match (event.subject(), other.subject()) {
        (Subject::Run { id, job, .. }, Subject::Run { id: i, job: j, .. }) => id == i && job == j,
        _ => false,
    }
}

/// The kind of an object, which decides how its members are merged.
#[derive(Debug, Clone, Copy)]
enum Object {
    Event,
    Run,
    Job,
    Dataset,
    Facets,
    /// Facets of a run, which can refer to other runs.
    RunFacets,
    /// A reference to a run and its job, with forwarded facets of both.
    Reference,
}

/// How the values of several objects for one key are merged.
#[derive(Debug, Clone, Copy)]
enum Union {
    /// Uses that of the base, also if it is missing.
    Base,
    /// Uses the last one as a whole.
    Later,
    /// Member by member.
    Members(Object),
    /// Dataset by dataset.
    Datasets,
    /// Uses the last one, with the facets that earlier references to the same run forward.
    Reference,
}

impl Object {
    fn member(self, name: &str) -> Union {
        match (self, name) {
            (Object::Event, "eventType" | "eventTime" | "producer" | "schemaURL")
            | (Object::Run, "runId")
            | (Object::Job | Object::Dataset, "namespace" | "name") => Union::Base,
            (Object::Event, "run") => Union::Members(Object::Run),
            (Object::Event, "job") => Union::Members(Object::Job),
            (Object::Event, "inputs" | "outputs") => Union::Datasets,
            (Object::Run, "facets") => Union::Members(Object::RunFacets),
            (Object::Job, "facets")
            | (Object::Dataset, "facets" | "inputFacets" | "outputFacets") => {
                Union::Members(Object::Facets)
            }
            (Object::RunFacets, "parent" | "parentRun") | (Object::Reference, "root") => {
                Union::Reference
            }
            (Object::Reference, "run") => Union::Members(Object::Run),
            (Object::Reference, "job") => Union::Members(Object::Job),
            (
                Object::Event
                | Object::Run
                | Object::Job
                | Object::Dataset
                | Object::Facets
                | Object::RunFacets
                | Object::Reference,
                _unknown,
            ) => Union::Later,
        }
    }
}

impl Union {
    /// Returns the merged text of `values`, of which the one at `base` is the base's.
    fn of<'t>(self, values: &[Json<'t>], base: usize) -> Cow<'t, str> {
        match self {
            Union::Base => text_at(values, base),
            Union::Later => text_at(values, values.len().saturating_sub(1)),
            Union::Members(kind) => {
                // An input's `outputFacets` is held to nothing. Objects count before anything else, whatever the
                // order, so that it does not matter which events are merged first.
                let is_object = |value: &Json<'t>| value.is_object();
                if values.iter().all(is_object) {
                    return object(values, base, kind);
                }
                let objects: Vec<Json<'t>> = values.iter().copied().filter(is_object).collect();
                match objects.len().checked_sub(1) {
                    Some(last) => object(&objects, last, kind),
                    None => Union::Later.of(values, base),
                }
            }
            Union::Datasets => datasets(values, base),
            Union::Reference => {
                let last = values.last().and_then(|last| referred(*last));
                if last.is_none() {
                    return Union::Later.of(values, base);
                }
                let same = values.iter().rev();
                let same = same.take_while(|value| referred(**value) == last);
                let first = values.len().saturating_sub(same.count());
                let same = values.get(first..).unwrap_or_default();
                object(same, same.len().saturating_sub(1), Object::Reference)
            }
        }
    }
}

/// The run and the job that are referred to; nothing of what is no reference.
fn referred(value: Json<'_>) -> Option<[String; 3]> {
    let text = |path: &[&str]| value.at(path).and_then(Json::string).map(Cow::into_owned);
    let run = text(&["run", "runId"])?;
    Some([run, text(&["job", "namespace"])?, text(&["job", "name"])?])
}

/// The union of objects, written on top of the one at `base`; members that it does not have come after its own.
fn object<'t>(layers: &[Json<'t>], base: usize, kind: Object) -> Cow<'t, str> {
    let upon = text_at(layers, base);
    if layers.iter().all(|layer| layer.text() == upon) {
        return upon;
    }
    let mut slots: Ordered<Cow<'t, str>, Slot<'t>> = Ordered::new();
    for (layer, value) in layers.iter().enumerate() {
        for Member { key, value } in value.members() {
            // Decodes always: a text with lone surrogates is no event.
            let Some(name) = key.string() else { continue };
            let order = slots.len();
            let (_, slot) = slots.entry(name).or_insert_with(|| (order, Slot::of(key)));
            slot.set(layer, value);
        }
    }
    let own = layers.get(base).map_or("", |own| own.text());
    let (mut edits, mut added) = (Edits::new(own), String::new());
    for (name, slot) in in_order(slots) {
        let union = kind.member(&name);
        let last = slot.values.len().saturating_sub(1);
        match (slot.layers.iter().position(|layer| *layer == base), union) {
            (Some(place), _) => {
                let new = union.of(&slot.values, place);
                if let Some(old) = slot.values.get(place).filter(|old| old.text() != new) {
                    edits.replace(*old, new.into_owned());
                }
            }
            (None, Union::Base) => {}
            (None, Union::Later | Union::Members(_) | Union::Datasets | Union::Reference) => {
                // Not by `add_members`: the key stays as it was written, too.
                for part in [",", slot.key.text(), ":", &union.of(&slot.values, last)] {
                    added.push_str(part);
                }
            }
        }
    }
    if edits.is_empty() && added.is_empty() {
        return upon;
    }
    let mut text = edits.apply();
    if !added.is_empty() {
        text.pop(); // the closing brace
        let first = text.trim_end().ends_with('{');
        text.push_str(if first {
            added.get(1..).unwrap_or_default()
        } else {
            &added
        });
        text.push('}');
    }
    Cow::Owned(text)
}

/// The union of lists of datasets. A list stays as it is unless another one differs from it; then each dataset is
/// there once, those that one list names twice included.
fn datasets<'t>(lists: &[Json<'t>], base: usize) -> Cow<'t, str> {
    let own = text_at(lists, base);
    let mut filled = lists.iter().filter(|list| !list.items().is_empty());
    let Some(first) = filled.next() else {
        return own;
    };
    if filled.all(|list| list.text() == first.text()) {
        return Cow::Borrowed(first.text());
    }
    let mut slots: Ordered<(Cow<'t, str>, Cow<'t, str>), Vec<Json<'t>>> = Ordered::new();
    for dataset in lists.iter().flat_map(|list| list.items()) {
        let string = |name| dataset.get(name).and_then(Json::string).unwrap_or_default();
        let (order, identity) = (slots.len(), (string("namespace"), string("name")));
        let (_, same) = slots.entry(identity).or_insert((order, Vec::new()));
        same.push(dataset);
    }
    let union = |same: &[Json<'t>]| object(same, same.len().saturating_sub(1), Object::Dataset);
    let united: Vec<Cow<'t, str>> = in_order(slots)
        .iter()
        .map(|(_, same)| union(same))
        .collect();
    let items = lists.get(base).map(|list| list.items()).unwrap_or_default();
    if items.iter().map(|item| item.text()).eq(united.iter()) {
        return own;
    }
    Cow::Owned(format!("[{}]", united.join(",")))
}

fn text_at<'t>(values: &[Json<'t>], index: usize) -> Cow<'t, str> {
    Cow::Borrowed(values.get(index).map_or("", |value| value.text()))
}

/// Values by key, each with its place in the order in which the keys first came.
type Ordered<K, V> = HashMap<K, (usize, V)>;

fn in_order<K, V>(slots: Ordered<K, V>) -> Vec<(K, V)> {
    let mut slots: Vec<_> = slots.into_iter().collect();
    slots.sort_unstable_by_key(|(_, (order, _))| *order);
    slots
        .into_iter()
        .map(|(key, (_, value))| (key, value))
        .collect()
}

/// One key in all the objects that have it: which these are, and its value in each.
struct Slot<'t> {
    key: Json<'t>,
    layers: Vec<usize>,
    values: Vec<Json<'t>>,
}

impl<'t> Slot<'t> {
    fn of(key: Json<'t>) -> Self {
        Slot {
            key,
            layers: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Of a key that stands twice in one object the last value counts.
    fn set(&mut self, layer: usize, value: Json<'t>) {
        if self.layers.last() == Some(&layer) {
            self.values.pop();
        } else {
            self.layers.push(layer);
        }
        self.values.push(value);
    }
}
