//! An object of facets, and its exact size after [`Edits::remove_members_at`] has removed some of them. `plan.rs` decides
//! which.

use std::collections::{BTreeMap, BTreeSet};

#[cfg(doc)]
use openlineage::Edits;
use openlineage::Json;

/// An object of facets.
pub(super) struct Set<'t> {
    pub(super) object: Json<'t>,
    /// The facet around it: the index of its set, and of the member in that set.
    pub(super) inside: Option<(usize, usize)>,
    pub(super) members: Vec<Facet>,
    pub(super) kept: BTreeSet<usize>,
    /// The size of the braces and the white space inside them.
    frame: usize,
    /// The size of the kept members, with the gap before each.
    pub(super) sum: usize,
}

/// A member of a set.
pub(super) struct Facet {
    /// Where it starts.
    pub(super) start: usize,
    /// The size from key to value, without what is cut inside.
    pub(super) bytes: usize,
    /// The size of the comma and white space before it.
    gap: usize,
}

impl<'t> Set<'t> {
    /// Returns the set, and its members by name, in order.
    pub(super) fn of(
        text: &str,
        object: Json<'t>,
        inside: Option<(usize, usize)>,
    ) -> (Set<'t>, BTreeMap<String, Vec<usize>>) {
        let (mut members, mut names) = (Vec::new(), BTreeMap::<String, Vec<usize>>::new());
        let mut end = None;
        for member in object.members() {
            let (Some(key), Some(value)) = (member.key.span(text), member.value.span(text)) else {
                continue;
            };
            if let Some(name) = member.key.string() {
                let named = names.entry(name.into_owned()).or_default();
                named.push(members.len());
            }
            let gap = end.map_or(0, |end| key.start.saturating_sub(end));
            let bytes = value.end.saturating_sub(key.start);
            members.push(Facet {
                start: key.start,
                bytes,
                gap,
            });
            end = Some(value.end);
        }
        let sum = members.iter().map(|member| member.bytes + member.gap).sum();
        let set = Set {
            object,
            inside,
            kept: (0..members.len()).collect(),
            members,
            frame: object.text().len().saturating_sub(sum),
            sum,
        };
        (set, names)
    }

    /// Returns its size after [`Edits::remove_members_at`], which removes the gap before the first kept member.
    pub(super) fn bytes(&self) -> usize {
        if self.members.is_empty() {
            return self.frame;
        }
        match self.kept.first().and_then(|first| self.members.get(*first)) {
            Some(first) => (self.frame + self.sum).saturating_sub(first.gap),
            None => "{}".len(),
        }
    }

    pub(super) fn keep(&mut self, member: usize, keep: bool) {
        let Some(facet) = self.members.get(member) else {
            return;
        };
        let bytes = facet.bytes + facet.gap;
        if keep && self.kept.insert(member) {
            self.sum += bytes;
        } else if !keep && self.kept.remove(&member) {
            self.sum = self.sum.saturating_sub(bytes);
        }
    }
}
