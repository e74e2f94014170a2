//! Finds conditions that no event meets, or that every event meets, for warnings.
//!
//! Only finds contradictions in the file itself, not those that depend on data.

use super::{Condition, Kind, Side, When};

impl When {
    /// Whether every event meets it.
    pub(in crate::rules) fn is_always(&self) -> bool {
        self.0.iter().all(Condition::is_always)
    }

    /// Why no event can meet it.
    pub(in crate::rules) fn never(&self) -> Option<String> {
        let of_one = self.0.iter().find_map(Condition::never);
        of_one.or_else(|| {
            let pairs = self.0.iter().enumerate();
            let mut pairs = pairs
                .flat_map(|(index, one)| self.0.iter().skip(index + 1).map(move |two| (one, two)));
            pairs.find_map(|(one, two)| contradict(one, two).or_else(|| contradict(two, one)))
        })
    }
}

impl Condition {
    fn is_always(&self) -> bool {
        match self {
            Condition::Kind(kinds) => [Kind::Run, Kind::Job, Kind::Dataset]
                .iter()
                .all(|kind| kinds.contains(kind)),
            Condition::Target(patterns) | Condition::Producer(patterns) => patterns.match_all(),
            Condition::All(all) => all.iter().all(When::is_always),
            Condition::Any(any) => any.iter().any(When::is_always),
            Condition::Not(when) => when.never().is_some(),
            Condition::EventType(_)
            | Condition::LargerThan(_)
            | Condition::SmallerThan(_)
            | Condition::Job(_)
            | Condition::Has(..)
            | Condition::Dataset(..)
            | Condition::Facet(_) => false,
        }
    }

    fn never(&self) -> Option<String> {
        match self {
            Condition::SmallerThan(0) => Some("no event has less than 0 bytes".to_owned()),
            Condition::Not(when) if when.is_always() => {
                Some("every event meets the conditions under not".to_owned())
            }
            Condition::Any(any) => {
                let reasons: Option<Vec<String>> = any.iter().map(When::never).collect();
                reasons?.into_iter().next()
            }
            Condition::All(all) => all.iter().find_map(When::never),
            Condition::Kind(_)
            | Condition::EventType(_)
            | Condition::Target(_)
            | Condition::LargerThan(_)
            | Condition::SmallerThan(_)
            | Condition::Job(_)
            | Condition::Producer(_)
            | Condition::Has(..)
            | Condition::Dataset(..)
            | Condition::Facet(_)
            | Condition::Not(_) => None,
        }
    }
}

/// Why no event meets both.
fn contradict(one: &Condition, two: &Condition) -> Option<String> {
    let reason = match (one, two) {
        (Condition::LargerThan(least), Condition::SmallerThan(most))
            if *most <= least.saturating_add(1) =>
        {
            "larger_than leaves no size for smaller_than"
        }
        (Condition::Kind(kinds), Condition::EventType(_)) if !kinds.contains(&Kind::Run) => {
            "only run events have an event_type"
        }
        (Condition::Kind(kinds), Condition::Job(_)) if kinds.as_slice() == [Kind::Dataset] => {
            "dataset events have no job"
        }
        (Condition::Kind(kinds), Condition::Dataset(Side::Inputs | Side::Outputs, _))
        | (Condition::Kind(kinds), Condition::Has(Side::Inputs | Side::Outputs, true))
            if kinds.as_slice() == [Kind::Dataset] =>
        {
            "dataset events have neither inputs nor outputs"
        }
        (Condition::Has(side, false), Condition::Dataset(other, _))
        | (Condition::Has(side, false), Condition::Has(other, true))
            if side == other || *side == Side::Any =>
        {
            "it asks for datasets where there are to be none"
        }
        _ => return None,
    };
    Some(reason.to_owned())
}
