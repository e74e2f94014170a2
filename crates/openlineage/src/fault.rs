//! A fault: a finding together with the edit that would put it right, if there is one.
//!
//! `check.rs` collects faults; strict refuses at the first, repair makes their edits. Bounded in number.

use crate::edit::Edits;
use crate::finding::{Finding, Findings, Place, excerpt};
use crate::json::Json;

/// Faults that are kept of one event. More than any real event has to repair; past it the event is refused, so that
/// a hostile one (five million bad facets in 32 MB) does not grow in memory.
const MAX_FAULTS: usize = 10_000;

/// A finding and what would put it right.
pub(crate) struct Fault<'t> {
    finding: Finding,
    mend: Mend<'t>,
}

/// The faults of one branch, bounded in number.
#[derive(Default)]
pub(crate) struct Faults<'t> {
    list: Vec<Fault<'t>>,
    /// How many were found past those that are kept.
    more: usize,
}

/// What would put a fault right.
pub(crate) enum Mend<'t> {
    None,
    /// Puts another value there.
    Value(Json<'t>, String),
    /// Takes the member of that name out of the object.
    Remove(Json<'t>, &'static str),
    /// Adds members to the object: one edit for all that it lacks.
    Add(Json<'t>, Vec<(&'static str, String)>),
}

impl<'t> Faults<'t> {
    pub(crate) fn push(&mut self, fault: Fault<'t>) {
        if self.list.len() < MAX_FAULTS {
            self.list.push(fault);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether every fault can be put right.
    pub(crate) fn mend(&self) -> bool {
        self.more == 0
            && self
                .list
                .iter()
                .all(|fault| !matches!(fault.mend, Mend::None))
    }

    pub(crate) fn findings(self) -> Findings {
        let mut findings = Findings::default();
        for fault in self.list {
            findings.say(|| fault.finding);
        }
        findings.and_more(self.more);
        findings
    }

    /// Makes the edits: what was put right, and the text that gives.
    pub(crate) fn repair(self, text: &str) -> (Vec<Finding>, String) {
        let mut edits = Edits::of(text);
        let mut repairs = Findings::default();
        for Fault { mut finding, mend } in self.list {
            finding.message = mend.describe(&finding.message);
            mend.apply(&mut edits);
            repairs.say(|| finding);
        }
        repairs.and_more(self.more);
        (repairs.told(), edits.apply())
    }
}

impl Mend<'_> {
    fn describe(&self, fault: &str) -> String {
        match self {
            Mend::None => fault.to_owned(),
            Mend::Value(_, new) => format!("{fault}; repaired to {}", excerpt(new)),
            Mend::Remove(..) => format!("{fault}; removed"),
            Mend::Add(_, members) => {
                let added: Vec<String> = members.iter().map(|(_, value)| excerpt(value)).collect();
                format!("{fault}; added {}", added.join(", "))
            }
        }
    }

    fn apply(self, edits: &mut Edits<'_>) {
        match self {
            Mend::None => {}
            Mend::Value(old, new) => edits.replace(old, new),
            Mend::Remove(object, name) => edits.remove_members(object, |member| member == name),
            Mend::Add(object, members) => edits.add_members(object, &members),
        }
    }
}

pub(crate) fn at(place: Place<'_>, rule: &'static str, message: String) -> Finding {
    Finding {
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
    }
}
