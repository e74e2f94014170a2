//! Plans which facets to cut. Counts the exact size of the result without writing it, so that trying a facet costs no more
//! than its own size.
//!
//! Facets are members of sets, and a set can be inside a facet of another set (`parent` forwards some). A change inside is
//! added to the sizes of all sets around it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use openlineage::{Edits, Json, holders, quote};

use super::set::Set;
use super::{CutFacet, Rank, rank};

/// The most facets that the note lists, which keeps it small; the others are only counted.
const MAX_LISTED: usize = 50;

pub(super) const NOTE: &str = "lineageProxy_cut";

/// The most passes over the cut facets to restore them. One is nearly always enough: another can restore more only after
/// a facet that is smaller than its line in the note.
const MAX_PASSES: usize = 16;

pub(super) struct Plan<'t> {
    text: &'t str,
    sets: Vec<Set<'t>>,
    /// The facets that may be cut, in the order of cutting.
    candidates: Vec<Candidate>,
    /// The indices of those that are cut.
    cut: BTreeSet<usize>,
    /// The size of the event without the note.
    bytes: usize,
    note: NotePosition,
}

/// Where the note is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotePosition {
    /// To the facets of the run, which are this set.
    In(usize),
    /// To the run, with `facets`, which it does not have.
    NewFacets,
    /// Nowhere: the event has no run.
    None,
}

struct Candidate {
    set: usize,
    /// Its members of the set: a facet that is there twice is cut as one.
    members: Vec<usize>,
    rank: Rank,
    forwarded: bool,
    /// For a forwarded identity facet, how many facets it is inside of. The innermost are cut first, so that the facets
    /// around one that is too large stay.
    depth: usize,
    /// Whether it is an earlier note, which the new one replaces.
    stale: bool,
    cut: CutFacet,
    /// The length of its line in the note.
    line: usize,
}

impl<'t> Plan<'t> {
    pub(super) fn of(text: &'t str, root: Json<'t>) -> Plan<'t> {
        let run = root.get("run").filter(|run| run.is_object());
        let facets = run.and_then(|run| run.get("facets"));
        let note_span = facets.and_then(|set| set.span(text));
        let mut plan = Plan {
            text,
            sets: Vec::new(),
            candidates: Vec::new(),
            cut: BTreeSet::new(),
            bytes: text.len(),
            note: match (run, facets) {
                (Some(_), None) => NotePosition::NewFacets,
                (Some(_), Some(_)) | (None, _) => NotePosition::None,
            },
        };
        // From the outside in: a set inside another starts after it.
        let mut found = Vec::new();
        holders(root, &mut |holder, path| {
            for set in holder
                .facet_sets()
                .iter()
                .filter(|set| set.object.is_object())
            {
                if let Some(span) = set.object.span(text) {
                    let pointer = format!("{}/{}", path.pointer(), set.key);
                    found.push((span, set.object, pointer, holder.forwarded));
                }
            }
        });
        found.sort_by_key(|(span, ..)| span.start);
        let mut around: Vec<(usize, usize)> = Vec::new();
        for (span, object, pointer, forwarded) in found {
            while around.last().is_some_and(|(_, end)| *end <= span.start) {
                around.pop();
            }
            let index = plan.sets.len();
            let inside = around.last().and_then(|(outer, _)| {
                let members = &plan.sets.get(*outer)?.members;
                let after = members.partition_point(|member| member.start <= span.start);
                Some((*outer, after.checked_sub(1)?))
            });
            around.push((index, span.end));
            if note_span.as_ref() == Some(&span) {
                plan.note = NotePosition::In(index);
            }
            let (set, names) = Set::of(text, object, inside);
            for (name, members) in names {
                let rank = rank(&name, forwarded);
                if rank != Rank::Never {
                    let depth = match rank == Rank::Forwarded {
                        true => around.len(),
                        false => 0,
                    };
                    let candidate = Candidate {
                        forwarded,
                        depth,
                        stale: name == NOTE && !forwarded,
                        ..Candidate::of(index, &name, members, rank, &set, &pointer)
                    };
                    plan.candidates.push(candidate);
                }
            }
            plan.sets.push(set);
        }
        plan.candidates.sort_by(|a, b| {
            let key = |c: &Candidate| {
                (
                    !c.stale,
                    c.rank,
                    !c.forwarded,
                    Reverse(c.depth),
                    Reverse(c.cut.bytes),
                )
            };
            (key(a).cmp(&key(b))).then_with(|| a.cut.pointer.cmp(&b.cut.pointer))
        });
        plan
    }

    /// Returns the size of the event with the note, in bytes.
    pub(super) fn bytes(&self) -> usize {
        if self.cut.is_empty() {
            return self.bytes;
        }
        let set = match self.note {
            NotePosition::In(set) => self.sets.get(set),
            NotePosition::NewFacets => None,
            NotePosition::None => return self.bytes,
        };
        let lines: usize = self.listed().map(|candidate| candidate.line + 1).sum();
        let note = note(self.cut.len(), std::iter::empty()).len() + lines.saturating_sub(1);
        let member = quote(NOTE).len() + 1 + note;
        self.bytes
            + match set {
                Some(set) => member + usize::from(!set.kept.is_empty()),
                None => member + ",\"facets\":{}".len(),
            }
    }

    /// Cuts facets in order until the event fits or nothing more can be cut. A facet that is smaller than its line in the
    /// note is cut only if all others are not enough.
    pub(super) fn cut_down_to(&mut self, limit: usize) {
        if self.bytes() > limit {
            let stale = self
                .candidates
                .iter()
                .take_while(|candidate| candidate.stale);
            (0..stale.count()).for_each(|index| self.set_cut(index, true));
        }
        for small_too in [false, true] {
            for index in 0..self.candidates.len() {
                let before = self.bytes();
                if before <= limit {
                    return;
                }
                if !self.cut.contains(&index) && self.is_present(index) {
                    self.set_cut(index, true);
                    if !small_too && self.bytes() >= before {
                        self.set_cut(index, false);
                    }
                }
            }
        }
    }

    /// Restores the facets that fit, from the last that was cut to the first.
    pub(super) fn restore_up_to(&mut self, limit: usize) {
        for _ in 0..MAX_PASSES {
            let mut restored = false;
            for index in self.cut.clone().into_iter().rev() {
                let stale = self
                    .candidates
                    .get(index)
                    .is_some_and(|candidate| candidate.stale);
                if stale || !self.is_present(index) {
                    continue;
                }
                let before = self.bytes();
                self.set_cut(index, false);
                let after = self.bytes();
                if after <= limit || after <= before {
                    restored = true;
                } else {
                    self.set_cut(index, true);
                }
            }
            if !restored {
                return;
            }
        }
    }

    /// Returns the cut facets, in the order of cutting.
    pub(super) fn cuts(&self) -> impl Iterator<Item = &CutFacet> {
        let cut = self
            .cut
            .iter()
            .filter_map(|index| self.candidates.get(*index));
        cut.map(|candidate| &candidate.cut)
    }

    /// Returns the text of the event without the cut facets, and with the note.
    pub(super) fn text(&self) -> String {
        let mut edits = Edits::new(self.text);
        for (index, set) in self.sets.iter().enumerate() {
            if set.kept.len() < set.members.len() && self.is_set_present(index) {
                let names = set
                    .kept
                    .iter()
                    .filter_map(|member| set.members.get(*member));
                let kept: BTreeSet<usize> = names.map(|member| member.start).collect();
                edits.remove_members_at(set.object, |start| !kept.contains(&start));
            }
        }
        let text = edits.apply();
        match self.cut.is_empty() {
            true => text,
            false => with_note(&text, &note(self.cut.len(), self.listed().map(|c| &c.cut))),
        }
    }

    fn listed(&self) -> impl Iterator<Item = &Candidate> {
        let listed = self.cut.iter().take(MAX_LISTED);
        listed.filter_map(|index| self.candidates.get(*index))
    }

    /// Whether the facets around the candidate are kept.
    fn is_present(&self, index: usize) -> bool {
        self.candidates
            .get(index)
            .is_some_and(|candidate| self.is_set_present(candidate.set))
    }

    fn is_set_present(&self, set: usize) -> bool {
        let mut inside = self.sets.get(set).and_then(|set| set.inside);
        while let Some((outer, member)) = inside {
            let Some(outer) = self
                .sets
                .get(outer)
                .filter(|outer| outer.kept.contains(&member))
            else {
                return false;
            };
            inside = outer.inside;
        }
        true
    }

    fn set_cut(&mut self, index: usize, cut: bool) {
        let Some(candidate) = self.candidates.get(index) else {
            return;
        };
        let (set, members) = (candidate.set, candidate.members.clone());
        self.keep(set, &members, !cut);
        match cut {
            true => self.cut.insert(index),
            false => self.cut.remove(&index),
        };
    }

    /// Keeps or removes members of a set, and updates the sizes of all sets around it.
    fn keep(&mut self, set: usize, members: &[usize], keep: bool) {
        let Some(inner) = self.sets.get_mut(set) else {
            return;
        };
        let (mut before, inside) = (inner.bytes(), inner.inside);
        for member in members {
            inner.keep(*member, keep);
        }
        let (mut after, mut inside) = (inner.bytes(), inside);
        while let Some((outer, member)) = inside {
            let Some(outer) = self.sets.get_mut(outer) else {
                return;
            };
            let was = outer.bytes();
            let kept = outer.kept.contains(&member);
            if let Some(facet) = outer.members.get_mut(member) {
                facet.bytes = (facet.bytes + after).saturating_sub(before);
            }
            if !kept {
                return; // it counts when that facet is restored
            }
            outer.sum = (outer.sum + after).saturating_sub(before);
            (before, after, inside) = (was, outer.bytes(), outer.inside);
        }
        self.bytes = (self.bytes + after).saturating_sub(before);
    }
}

impl Candidate {
    fn of(
        index: usize,
        name: &str,
        members: Vec<usize>,
        rank: Rank,
        set: &Set<'_>,
        pointer: &str,
    ) -> Candidate {
        let facets = members.iter().filter_map(|member| set.members.get(*member));
        let cut = CutFacet {
            pointer: format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
            bytes: facets.map(|facet| facet.bytes).sum(),
        };
        Candidate {
            set: index,
            members,
            rank,
            forwarded: false,
            depth: 0,
            stale: false,
            line: line(&cut).len(),
            cut,
        }
    }
}

fn line(cut: &CutFacet) -> String {
    format!(
        r#"{{"pointer":{},"bytes":{}}}"#,
        quote(&cut.pointer),
        cut.bytes
    )
}

/// Returns the facet that lists what was cut.
fn note<'c>(count: usize, listed: impl Iterator<Item = &'c CutFacet>) -> String {
    let listed: Vec<String> = listed.map(line).collect();
    format!(
        r#"{{"_producer":"urn:lineage-proxy","_schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet","count":{count},"facets":[{}]}}"#,
        listed.join(",")
    )
}

fn with_note(text: &str, note: &str) -> String {
    let Some(run) = Json::parse(text).ok().and_then(|root| root.get("run")) else {
        return text.to_owned();
    };
    let mut edits = Edits::new(text);
    match run.get("facets") {
        Some(facets) => edits.add_members(facets, &[(NOTE, note.to_owned())]),
        None => edits.add_members(run, &[("facets", format!("{{{}:{note}}}", quote(NOTE)))]),
    }
    edits.apply()
}
