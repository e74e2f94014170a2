//! A violation: a finding together with the edit that repairs it, if one exists.
//!
//! `check.rs` collects violations. The strict level rejects the event; the repair level applies the edits. Repairs inside
//! facets, which the core schema accepts, are collected separately and never cause a rejection. Bounded in number.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use crate::Level;
use crate::check::RunIds;
use crate::edit::Edits;
use crate::finding::{Finding, Findings, Location, MAX_FINDINGS, Severity, excerpt};
use crate::json::Json;

/// The most violations kept for one event: more than any real event needs. Beyond it the event is rejected, so that
/// a hostile event (five million bad facets in 32 MB) cannot exhaust memory.
const MAX_VIOLATIONS: usize = 10_000;

/// The most edits inside facets. Beyond it nulls and ids stay unchanged: the core schema accepts
/// them, so the event is still valid, and a million edits take more memory than the event.
const MAX_INNER: usize = 100_000;

/// A finding and the edit that repairs it.
pub(crate) struct Violation<'t> {
    finding: Finding,
    repair: Repair<'t>,
    /// Whether the core schema accepts the value.
    is_untyped: bool,
}

/// The violations of one branch, bounded in number.
pub(crate) struct Violations<'t> {
    level: Level,
    list: Vec<Violation<'t>>,
    /// How many more were found than are kept.
    more: usize,
    inner: Inner<'t>,
    run_ids: RunIds,
}

/// Repairs of values that the core schema accepts: the first findings, each with a description of its repair, and all edits.
#[derive(Default)]
struct Inner<'t> {
    first: Vec<(Finding, String)>,
    more: usize,
    repairs: Vec<Repair<'t>>,
    /// How many values those edits repair.
    size: usize,
}

/// The edit that repairs a violation.
pub(crate) enum Repair<'t> {
    None,
    /// Replaces the value.
    Value(Json<'t>, String),
    /// Removes the members with these names from the object.
    Remove(Json<'t>, Vec<Cow<'t, str>>),
    /// Removes the nulls from the list.
    RemoveNulls(Json<'t>),
    /// Adds members to the object.
    Add(Json<'t>, Vec<(Cow<'static, str>, String)>),
}

/// All changes to the members of one object, as one edit: edits must not overlap.
struct Change<'t> {
    object: Json<'t>,
    gone: HashSet<Cow<'t, str>>,
    added: Vec<(Cow<'static, str>, String)>,
}

impl<'t> Violations<'t> {
    pub(crate) fn new(level: Level) -> Violations<'t> {
        Violations {
            level,
            list: Vec::new(),
            more: 0,
            inner: Inner::default(),
            run_ids: RunIds::default(),
        }
    }

    /// Whether repairs are made, and so whether to look for values to repair that the core schema accepts.
    pub(crate) fn repairs_allowed(&self) -> bool {
        match self.level {
            Level::Strict => false,
            Level::Repair | Level::RepairRewritten => true,
        }
    }

    /// Whether any text may be the run id.
    pub(crate) fn names_run(&self) -> bool {
        self.level == Level::Repair
    }

    pub(crate) fn push(&mut self, violation: Violation<'t>) {
        if violation.is_untyped {
            self.push_inner(violation);
        } else if self.list.len() < MAX_VIOLATIONS {
            self.list.push(violation);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn extend(&mut self, violation: Option<Violation<'t>>) {
        if let Some(violation) = violation {
            self.push(violation);
        }
    }

    /// Adds a violation that is repaired where possible and never rejects the event.
    pub(crate) fn push_inner(&mut self, violation: Violation<'t>) {
        if !self.repairs_allowed() || self.is_full() || matches!(violation.repair, Repair::None) {
            return;
        }
        let Violation {
            finding, repair, ..
        } = violation;
        self.note(|| finding, || repair.cure());
        self.repair_inner(repair, 1);
    }

    /// Whether further findings inside facets are left unrepaired.
    pub(crate) fn is_full(&self) -> bool {
        self.inner.size >= MAX_INNER
    }

    /// Reports one of the nulls that are removed together.
    pub(crate) fn note_null(&mut self, location: Location<'_>, name: &str) {
        self.note(|| null(location, name), || REMOVED.to_owned());
    }

    /// Removes members from an object that the core schema accepts.
    pub(crate) fn remove_inner(&mut self, object: Json<'t>, names: Vec<Cow<'t, str>>) {
        let size = names.len();
        if size > 0 {
            self.repair_inner(Repair::Remove(object, names), size);
        }
    }

    /// Removes the nulls from a list that the core schema accepts.
    pub(crate) fn remove_nulls_inner(&mut self, list: Json<'t>) {
        self.repair_inner(Repair::RemoveNulls(list), 1);
    }

    /// Adds a member as part of another repair; it is not reported itself.
    pub(crate) fn add(&mut self, object: Json<'t>, name: Cow<'static, str>, value: String) {
        let repair = Repair::Add(object, vec![(name, value)]);
        self.inner.repairs.push(repair);
    }

    /// Replaces `value` by `new`.
    pub(crate) fn fill(&mut self, value: Json<'t>, new: String) {
        let is_it = |old: &Json<'_>| old.text().as_ptr() == value.text().as_ptr();
        for violation in &mut self.list {
            if let Repair::Value(old, replaced) = &mut violation.repair
                && is_it(old)
            {
                *replaced = new;
                return;
            }
        }
    }

    /// The texts that were replaced by UUIDs.
    pub(crate) fn run_ids(&mut self) -> &mut RunIds {
        &mut self.run_ids
    }

    /// Whether the core schema accepts the event.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether anything inside facets is to be repaired.
    pub(crate) fn has_inner(&self) -> bool {
        !self.inner.repairs.is_empty()
    }

    /// Whether every violation has a repair.
    pub(crate) fn are_repairable(&self) -> bool {
        self.more == 0
            && self
                .list
                .iter()
                .all(|violation| !matches!(violation.repair, Repair::None))
    }

    /// Returns the findings: errors first, then the repairs that would have been made without them.
    pub(crate) fn findings(self) -> Findings {
        let mut findings = Findings::default();
        let is_strict = !self.repairs_allowed();
        let (fatal, mended): (Vec<_>, Vec<_>) = (self.list.into_iter())
            .partition(|violation| is_strict || matches!(violation.repair, Repair::None));
        let has_error = !fatal.is_empty();
        if !has_error && self.more > 0 {
            let message = format!("more than {MAX_VIOLATIONS} findings: so many are not repaired");
            findings.push_with(|| at(Location::ROOT, "more", message));
        }
        for violation in fatal {
            findings.push_with(|| violation.finding);
        }
        let severity = match has_error {
            true => Severity::Error,
            false => Severity::Repairable,
        };
        findings.and_more(self.more, severity);
        for violation in mended {
            findings.push_with(|| {
                let cure = violation.repair.cure();
                repairable(violation.finding, &cure)
            });
        }
        for (finding, cure) in self.inner.first {
            findings.push_with(|| repairable(finding, &cure));
        }
        findings.and_more(self.inner.more, Severity::Repairable);
        findings
    }

    /// Applies the edits. Returns a finding per repair and the new text.
    pub(crate) fn repair(self, text: &str) -> (Vec<Finding>, String) {
        let mut reported = Findings::default();
        let mut repairs = Vec::with_capacity(self.list.len());
        for Violation {
            finding, repair, ..
        } in self.list
        {
            let cure = repair.cure();
            reported.push_with(|| repaired(finding, &cure));
            repairs.push(repair);
        }
        for (finding, cure) in self.inner.first {
            reported.push_with(|| repaired(finding, &cure));
        }
        reported.and_more(self.more + self.inner.more, Severity::Repaired);
        (
            reported.into_vec(),
            applied(text, repairs.into_iter().chain(self.inner.repairs)),
        )
    }

    fn repair_inner(&mut self, repair: Repair<'t>, size: usize) {
        self.inner.size += size;
        self.inner.repairs.push(repair);
    }

    fn note(&mut self, finding: impl FnOnce() -> Finding, cure: impl FnOnce() -> String) {
        if self.inner.first.len() < MAX_FINDINGS {
            self.inner.first.push((finding(), cure()));
        } else {
            self.inner.more += 1;
        }
    }
}

impl<'t> Violation<'t> {
    /// Marks the violation as one that the core schema accepts.
    pub(crate) fn untyped(self) -> Violation<'t> {
        Violation {
            is_untyped: true,
            ..self
        }
    }
}

const REMOVED: &str = "removed";

impl Repair<'_> {
    /// Describes the repair, to follow "would be" or to stand alone.
    fn cure(&self) -> String {
        match self {
            Repair::None => String::new(),
            Repair::Value(_, new) => format!("repaired to {}", excerpt(new)),
            Repair::Remove(..) | Repair::RemoveNulls(_) => REMOVED.to_owned(),
            Repair::Add(_, members) => {
                let added: Vec<String> = members.iter().map(|(_, value)| excerpt(value)).collect();
                format!("repaired by adding {}", added.join(", "))
            }
        }
    }
}

/// Applies all repairs to a text, with one edit per object.
fn applied<'t>(text: &str, repairs: impl Iterator<Item = Repair<'t>>) -> String {
    let mut edits = Edits::new(text);
    let mut changes: BTreeMap<usize, Change<'t>> = BTreeMap::new();
    let mut lists: BTreeMap<usize, Json<'t>> = BTreeMap::new();
    let start = |value: Json<'_>| value.span(text).map(|span| span.start);
    let change_of = |object: Json<'t>| Change {
        object,
        gone: HashSet::new(),
        added: Vec::new(),
    };
    for repair in repairs {
        match repair {
            Repair::None => {}
            Repair::Value(old, new) => edits.replace(old, new),
            Repair::Remove(object, names) => {
                if let Some(start) = start(object) {
                    let change = changes.entry(start).or_insert_with(|| change_of(object));
                    change.gone.extend(names);
                }
            }
            Repair::Add(object, members) => {
                if let Some(start) = start(object) {
                    let change = changes.entry(start).or_insert_with(|| change_of(object));
                    change.added.extend(members);
                }
            }
            Repair::RemoveNulls(list) => {
                if let Some(start) = start(list) {
                    lists.insert(start, list);
                }
            }
        }
    }
    for change in changes.into_values() {
        let added: Vec<(&str, String)> = (change.added.iter())
            .map(|(name, value)| (&**name, value.clone()))
            .collect();
        edits.change_members(change.object, |name| change.gone.contains(name), &added);
    }
    for list in lists.into_values() {
        edits.remove_items(list, |item| item.kind() == "null");
    }
    edits.apply()
}

fn repairable(finding: Finding, cure: &str) -> Finding {
    Finding {
        severity: Severity::Repairable,
        message: format!("{}; would be {cure}", finding.message),
        ..finding
    }
}

fn repaired(finding: Finding, cure: &str) -> Finding {
    Finding {
        severity: Severity::Repaired,
        message: format!("{}; {cure}", finding.message),
        ..finding
    }
}

fn null(location: Location<'_>, name: &str) -> Finding {
    at(location, "type", format!("{name} is null: leave it out"))
}

pub(crate) fn at(location: Location<'_>, rule: &'static str, message: String) -> Finding {
    Finding {
        severity: Severity::Error,
        pointer: location.pointer(),
        rule,
        message,
    }
}

pub(crate) fn violation<'t>(
    location: Location<'_>,
    rule: &'static str,
    message: String,
    repair: Repair<'t>,
) -> Violation<'t> {
    Violation {
        finding: at(location, rule, message),
        repair,
        is_untyped: false,
    }
}

/// A finding for null where a member may be absent.
pub(crate) fn null_violation<'t>(
    location: Location<'_>,
    name: &str,
    repair: Repair<'t>,
) -> Violation<'t> {
    Violation {
        finding: null(location, name),
        repair,
        is_untyped: false,
    }
}
