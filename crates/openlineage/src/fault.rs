//! A fault: a finding together with the edit that would put it right, if there is one.
//!
//! `check.rs` collects faults; strict refuses at the first, repair makes their edits. What is repaired besides, inside
//! facets that the core schema lets through, is collected apart: it never refuses. Bounded in number.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use crate::Level;
use crate::check::RunIds;
use crate::edit::Edits;
use crate::finding::{Finding, Findings, MAX_FINDINGS, Place, Severity, excerpt};
use crate::json::Json;

/// Faults that are kept of one event. More than any real event has to repair; past it the event is refused, so that
/// a hostile one (five million bad facets in 32 MB) does not grow in memory.
const MAX_FAULTS: usize = 10_000;

/// Edits inside facets after which no further object is looked into. Past them nulls and ids stay as they came: the schema has nothing
/// against them, so they are no reason to refuse, and a million edits take more memory than the event.
const MAX_INNER: usize = 100_000;

/// A finding and what would put it right.
pub(crate) struct Fault<'t> {
    finding: Finding,
    mend: Mend<'t>,
    /// Whether the core schema has nothing against it.
    is_untyped: bool,
}

/// The faults of one branch, bounded in number.
pub(crate) struct Faults<'t> {
    level: Level,
    list: Vec<Fault<'t>>,
    /// How many were found past those that are kept.
    more: usize,
    inner: Inner<'t>,
    run_ids: RunIds,
}

/// Repairs of what the core schema accepts: the first findings, each with what cures it, and every edit.
#[derive(Default)]
struct Inner<'t> {
    first: Vec<(Finding, String)>,
    more: usize,
    mends: Vec<Mend<'t>>,
    /// How many values those edits put right.
    size: usize,
}

/// What would put a fault right.
pub(crate) enum Mend<'t> {
    None,
    /// Puts another value there.
    Value(Json<'t>, String),
    /// Takes the members of those names out of the object.
    Remove(Json<'t>, Vec<Cow<'t, str>>),
    /// Takes what is null out of the list.
    RemoveNulls(Json<'t>),
    /// Adds members to the object.
    Add(Json<'t>, Vec<(Cow<'static, str>, String)>),
}

/// What becomes of the members of one object: one edit, since edits must not overlap.
struct Change<'t> {
    object: Json<'t>,
    gone: HashSet<Cow<'t, str>>,
    added: Vec<(Cow<'static, str>, String)>,
}

impl<'t> Faults<'t> {
    pub(crate) fn new(level: Level) -> Faults<'t> {
        Faults {
            level,
            list: Vec::new(),
            more: 0,
            inner: Inner::default(),
            run_ids: RunIds::default(),
        }
    }

    /// Whether repairs are made, so that it is worth looking for what the core schema has nothing against.
    pub(crate) fn repairs(&self) -> bool {
        match self.level {
            Level::Strict => false,
            Level::Repair | Level::RepairRewritten => true,
        }
    }

    /// Whether the run of the event may be named by any text.
    pub(crate) fn names_run(&self) -> bool {
        self.level == Level::Repair
    }

    pub(crate) fn push(&mut self, fault: Fault<'t>) {
        if fault.is_untyped {
            self.push_inner(fault);
        } else if self.list.len() < MAX_FAULTS {
            self.list.push(fault);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn extend(&mut self, fault: Option<Fault<'t>>) {
        if let Some(fault) = fault {
            self.push(fault);
        }
    }

    /// A fault that is repaired if it can be, and no reason to refuse if not.
    pub(crate) fn push_inner(&mut self, fault: Fault<'t>) {
        if !self.repairs() || self.is_full() || matches!(fault.mend, Mend::None) {
            return;
        }
        let Fault { finding, mend, .. } = fault;
        self.note(|| finding, || mend.cure());
        self.mend_inner(mend, 1);
    }

    /// Whether what is found inside facets from now on stays as it came.
    pub(crate) fn is_full(&self) -> bool {
        self.inner.size >= MAX_INNER
    }

    /// Says of one of the nulls that are taken out together.
    pub(crate) fn note_null(&mut self, place: Place<'_>, name: &str) {
        self.note(|| null(place, name), || REMOVED.to_owned());
    }

    /// Takes members out of an object that the core schema lets through.
    pub(crate) fn remove_inner(&mut self, object: Json<'t>, names: Vec<Cow<'t, str>>) {
        let size = names.len();
        if size > 0 {
            self.mend_inner(Mend::Remove(object, names), size);
        }
    }

    /// Takes the nulls out of a list that the core schema lets through.
    pub(crate) fn remove_nulls_inner(&mut self, list: Json<'t>) {
        self.mend_inner(Mend::RemoveNulls(list), 1);
    }

    /// Adds a member, which is no repair of its own.
    pub(crate) fn add(&mut self, object: Json<'t>, name: Cow<'static, str>, value: String) {
        let mend = Mend::Add(object, vec![(name, value)]);
        self.inner.mends.push(mend);
    }

    /// Puts `new` where `value` stands, which is being replaced.
    pub(crate) fn fill(&mut self, value: Json<'t>, new: String) {
        let is_it = |old: &Json<'_>| old.text().as_ptr() == value.text().as_ptr();
        for fault in &mut self.list {
            match &mut fault.mend {
                Mend::Value(old, replaced) if is_it(old) => {
                    *replaced = new;
                    return;
                }
                _ => {}
            }
        }
    }

    /// The texts that became run ids.
    pub(crate) fn run_ids(&mut self) -> &mut RunIds {
        &mut self.run_ids
    }

    /// Whether the core schema has nothing against the event.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether there is anything to repair besides.
    pub(crate) fn has_inner(&self) -> bool {
        !self.inner.mends.is_empty()
    }

    /// Whether every fault can be put right.
    pub(crate) fn mend(&self) -> bool {
        self.more == 0
            && self
                .list
                .iter()
                .all(|fault| !matches!(fault.mend, Mend::None))
    }

    /// What is wrong: errors first, then what would have been repaired if they were not there.
    pub(crate) fn findings(self) -> Findings {
        let mut findings = Findings::default();
        let is_strict = !self.repairs();
        let (fatal, mended): (Vec<_>, Vec<_>) = (self.list.into_iter())
            .partition(|fault| is_strict || matches!(fault.mend, Mend::None));
        let has_error = !fatal.is_empty();
        if !has_error && self.more > 0 {
            let message = format!("more than {MAX_FAULTS} findings: so many are not repaired");
            findings.say(|| at(Place::ROOT, "more", message));
        }
        for fault in fatal {
            findings.say(|| fault.finding);
        }
        let severity = match has_error {
            true => Severity::Error,
            false => Severity::Repairable,
        };
        findings.and_more(self.more, severity);
        for fault in mended {
            findings.say(|| {
                let cure = fault.mend.cure();
                repairable(fault.finding, &cure)
            });
        }
        for (finding, cure) in self.inner.first {
            findings.say(|| repairable(finding, &cure));
        }
        findings.and_more(self.inner.more, Severity::Repairable);
        findings
    }

    /// Makes the edits: what was put right, and the text that gives.
    pub(crate) fn repair(self, text: &str) -> (Vec<Finding>, String) {
        let mut repairs = Findings::default();
        let mut mends = Vec::with_capacity(self.list.len());
        for Fault { finding, mend, .. } in self.list {
            let cure = mend.cure();
            repairs.say(|| repaired(finding, &cure));
            mends.push(mend);
        }
        for (finding, cure) in self.inner.first {
            repairs.say(|| repaired(finding, &cure));
        }
        repairs.and_more(self.more + self.inner.more, Severity::Repaired);
        (
            repairs.told(),
            applied(text, mends.into_iter().chain(self.inner.mends)),
        )
    }

    fn mend_inner(&mut self, mend: Mend<'t>, size: usize) {
        self.inner.size += size;
        self.inner.mends.push(mend);
    }

    fn note(&mut self, finding: impl FnOnce() -> Finding, cure: impl FnOnce() -> String) {
        if self.inner.first.len() < MAX_FINDINGS {
            self.inner.first.push((finding(), cure()));
        } else {
            self.inner.more += 1;
        }
    }
}

impl<'t> Fault<'t> {
    /// The same, where the core schema has nothing against it.
    pub(crate) fn untyped(self) -> Fault<'t> {
        Fault {
            is_untyped: true,
            ..self
        }
    }
}

const REMOVED: &str = "removed";

impl Mend<'_> {
    /// What is done, after "would be" or by itself.
    fn cure(&self) -> String {
        match self {
            Mend::None => String::new(),
            Mend::Value(_, new) => format!("repaired to {}", excerpt(new)),
            Mend::Remove(..) | Mend::RemoveNulls(_) => REMOVED.to_owned(),
            Mend::Add(_, members) => {
                let added: Vec<String> = members.iter().map(|(_, value)| excerpt(value)).collect();
                format!("repaired by adding {}", added.join(", "))
            }
        }
    }
}

/// All edits of a text; what is done to the members of one object is one of them.
fn applied<'t>(text: &str, mends: impl Iterator<Item = Mend<'t>>) -> String {
    let mut edits = Edits::of(text);
    let mut changes: BTreeMap<usize, Change<'t>> = BTreeMap::new();
    let mut lists: BTreeMap<usize, Json<'t>> = BTreeMap::new();
    let start = |value: Json<'_>| value.span(text).map(|span| span.start);
    let change_of = |object: Json<'t>| Change {
        object,
        gone: HashSet::new(),
        added: Vec::new(),
    };
    for mend in mends {
        match mend {
            Mend::None => {}
            Mend::Value(old, new) => edits.replace(old, new),
            Mend::Remove(object, names) => {
                if let Some(start) = start(object) {
                    let change = changes.entry(start).or_insert_with(|| change_of(object));
                    change.gone.extend(names);
                }
            }
            Mend::Add(object, members) => {
                if let Some(start) = start(object) {
                    let change = changes.entry(start).or_insert_with(|| change_of(object));
                    change.added.extend(members);
                }
            }
            Mend::RemoveNulls(list) => {
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

fn null(place: Place<'_>, name: &str) -> Finding {
    at(place, "type", format!("{name} is null: leave it out"))
}

pub(crate) fn at(place: Place<'_>, rule: &'static str, message: String) -> Finding {
    Finding {
        severity: Severity::Error,
        pointer: place.pointer(),
        rule,
        message,
    }
}

pub(crate) fn fault<'t>(
    place: Place<'_>,
    rule: &'static str,
    message: String,
    mend: Mend<'t>,
) -> Fault<'t> {
    Fault {
        finding: at(place, rule, message),
        mend,
        is_untyped: false,
    }
}

/// Null where something may be missing.
pub(crate) fn null_fault<'t>(place: Place<'_>, name: &str, mend: Mend<'t>) -> Fault<'t> {
    Fault {
        finding: null(place, name),
        mend,
        is_untyped: false,
    }
}
