//! Adapts the received events of a run to the target: applies the rules, including those that the target needs, and merges.
//!
//! Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use openlineage::EventType;
use targets::{
    AcceptedEvents, Capabilities, EventTypes, JobEvents, Reason, RequiredDatasets, TargetName,
};
use transform::{
    Builtins, Conditions, Context, DatasetRequirement, JobEventAction, Lookup, Redshift, RuleSet,
    SIZE_LIMIT, ShortName, StepOutcome, Style, UnresolvedName, Verdict, cut_facets,
};

use super::outbound::{MergedEvent, OutboundEvent, TransformedEvent};
use super::outcome::{DecidedRecord, Outcome, PendingEvent};
use super::panics::isolate;
use super::renames::{Rename, renames};

/// The results of lookups.
pub(super) type LookupResults = HashMap<ShortName, Lookup>;

/// What the rules did to an event.
#[derive(Debug, Clone, Default)]
pub struct TransformLog {
    /// The rules that changed it, in order.
    pub changed_by: Vec<Arc<str>>,
    /// The rules that failed, and why; the event went on as it was before them.
    pub failures: Vec<(Arc<str>, String)>,
    /// The names that the rules changed.
    pub renames: Vec<Rename>,
    /// The namespaces that could not be resolved.
    pub unresolved: Vec<UnresolvedName>,
    /// How many facets were cut to fit the target's limit.
    pub cut_facets: usize,
}

/// The events of a run to deliver, and those that are already decided.
#[derive(Debug)]
pub(super) struct AdaptedRun {
    pub(super) outbound: VecDeque<OutboundEvent>,
    pub(super) decided: Vec<DecidedRecord>,
}

/// The target that events are adapted to.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// The name of the target.
    pub target: TargetName,
    /// What it accepts.
    pub capabilities: Capabilities,
}

impl Adapter {
    /// Adapts the events of a run, given in the order of delivery. `expired` is the outcome of an event for which there is
    /// no time left.
    pub(super) fn adapt(
        &self,
        rules: &RuleSet,
        events: Vec<PendingEvent>,
        lookups: &LookupResults,
        mut expired: impl FnMut(u32) -> Option<Outcome>,
    ) -> AdaptedRun {
        let (mut parts, mut decided) = (Vec::with_capacity(events.len()), Vec::new());
        for (index, pending) in events.into_iter().enumerate() {
            let adapted = match expired(pending.attempts()) {
                Some(outcome) => Err(Box::new(pending.decide(outcome))),
                None => self.apply(rules, pending, lookups, index),
            };
            match adapted {
                Ok(part) => parts.push(part),
                Err(already) => decided.push(*already),
            }
        }
        AdaptedRun {
            outbound: self.merge(rules, parts),
            decided,
        }
    }

    /// Applies the rules to one event.
    fn apply(
        &self,
        rules: &RuleSet,
        pending: PendingEvent,
        lookups: &LookupResults,
        index: usize,
    ) -> Result<TransformedEvent, Box<DecidedRecord>> {
        let context = Context {
            target: self.target.as_str(),
            lookups,
        };
        let applied = isolate(|| {
            let transformation = rules.apply(&pending.event, &context);
            let mut log = TransformLog {
                unresolved: transformation.unresolved,
                ..TransformLog::default()
            };
            for step in transformation.steps {
                match step.outcome {
                    StepOutcome::Changed { after, .. } => {
                        if *step.rule == *SIZE_LIMIT {
                            log.cut_facets = cut_facets(&after);
                        }
                        log.changed_by.push(step.rule);
                    }
                    StepOutcome::Failed(error) => log.failures.push((step.rule, error)),
                    StepOutcome::ConditionUnmet(_)
                    | StepOutcome::Unchanged
                    | StepOutcome::Dropped => {}
                }
            }
            if let Verdict::Keep(after) = &transformation.verdict {
                log.renames = renames(&pending.event, after);
            }
            (transformation.verdict, log)
        });
        let (outcome, log) = match applied {
            Ok((Verdict::Keep(transformed), log)) => {
                return Ok(TransformedEvent {
                    pending,
                    transformed,
                    log,
                    index,
                });
            }
            Ok((Verdict::Drop { rule }, log)) => (Outcome::Dropped { rule }, log),
            Ok((Verdict::DeadLetter { rule, reason }, mut log)) if *rule == *SIZE_LIMIT => {
                // The target's limit, and not a rule that failed.
                log.failures.retain(|(failed, _)| **failed != *SIZE_LIMIT);
                (Outcome::dead_letter(Reason::TooLarge, reason), log)
            }
            Ok((Verdict::DeadLetter { rule, reason }, log)) => {
                let error = format!("{rule:?} failed: {reason}");
                (Outcome::dead_letter(Reason::Rule, error), log)
            }
            Err(panicked) => (panicked, TransformLog::default()),
        };
        Err(Box::new(DecidedRecord {
            log,
            ..pending.decide(outcome)
        }))
    }

    /// Merges the events of a run that may become one.
    fn merge(&self, rules: &RuleSet, parts: Vec<TransformedEvent>) -> VecDeque<OutboundEvent> {
        // The result is that of the code below, which builds several lists for each event.
        if !rules.merges() {
            return parts.into_iter().map(OutboundEvent::Single).collect();
        }
        let events: Vec<_> = parts
            .iter()
            .map(|part| (&part.pending.event, &part.transformed))
            .collect();
        let limit = self.capabilities.max_event_bytes;
        // After a panic in merging, the events are delivered separately.
        let merged = isolate(|| rules.merge_run(&events, self.target.as_str(), limit));
        let merged = merged.unwrap_or_default();
        let mut parts: Vec<Option<TransformedEvent>> = parts.into_iter().map(Some).collect();
        let mut outbound = VecDeque::new();
        for merged in merged {
            let mut group: Vec<TransformedEvent> = (merged.parts.iter())
                .filter_map(|index| parts.get_mut(*index)?.take())
                .collect();
            let is_single = match group.as_slice() {
                [part] => part.transformed.has_text_of(&merged.event),
                _ => false,
            };
            outbound.extend(match is_single {
                true => group.pop().map(OutboundEvent::Single),
                false => MergedEvent::new(merged.event, group).map(OutboundEvent::Merged),
            });
        }
        // All of them after a panic, and none otherwise: each part is in exactly one group.
        outbound.extend(parts.into_iter().flatten().map(OutboundEvent::Single));
        outbound
    }
}

/// Returns the rules that a target needs besides those of the file. `when` selects the events that it gets.
pub fn builtins(
    capabilities: Capabilities,
    redshift: &Redshift,
    when: Option<&Conditions>,
) -> Builtins {
    Builtins {
        when: when.cloned(),
        redshift: (redshift.style != Style::None).then(|| redshift.clone()),
        job_events: match capabilities.events {
            AcceptedEvents::All => None,
            AcceptedEvents::RunEvents { job_events } => Some(match job_events {
                JobEvents::Convert => JobEventAction::Convert,
                JobEvents::Drop => JobEventAction::Drop,
            }),
        },
        event_types: match capabilities.event_types {
            EventTypes::All => None,
            EventTypes::Ends => Some(vec![EventType::Complete, EventType::Fail, EventType::Abort]),
            EventTypes::Complete => Some(vec![EventType::Complete]),
        },
        datasets: match capabilities.datasets {
            RequiredDatasets::None => None,
            RequiredDatasets::InputsOrOutputs => Some(DatasetRequirement::InputsOrOutputs),
            RequiredDatasets::InputsAndOutputs => Some(DatasetRequirement::InputsAndOutputs),
        },
        max_event_bytes: capabilities.max_event_bytes,
    }
}
