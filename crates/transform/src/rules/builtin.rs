//! The built-in rules: what a target needs. They follow the rules of the file, except the one that selects events for the
//! target, which comes first.
//!
//! They are run, counted and explained like the rules of a user.

use std::sync::Arc;

use openlineage::{Event, EventType};

use super::conditions::Conditions;
use super::when::When;
use super::{Context, OnFailure, Rule, RuleSet, Selection};
use crate::action::{Action, ActionOutput, Effect};
use crate::fit::fit;
use crate::redshift::Redshift;
use crate::run_event::run_event;

/// What the names of these rules begin with, and those of no other rules: logs, metrics and the treatment of a dead letter
/// tell the rules apart by name.
pub const BUILTIN: &str = "builtin/";

/// Drops events that do not meet the conditions of a target.
pub const TARGET_WHEN: &str = "builtin/when";

/// Rewrites the names of Redshift datasets.
pub const REDSHIFT_NAMES: &str = "builtin/redshift_names";

/// Drops DatasetEvents where a target accepts only RunEvents.
pub const DATASET_EVENTS: &str = "builtin/dataset_events";

/// Converts JobEvents to RunEvents, or drops them, where a target accepts only RunEvents.
pub const JOB_EVENTS: &str = "builtin/job_events";

/// Drops RunEvents of types that a target does not use.
pub const EVENT_TYPES: &str = "builtin/event_types";

/// Drops events that lack the datasets that a target requires.
pub const DATASETS: &str = "builtin/datasets";

/// Cuts facets of events that are larger than a target accepts.
pub const SIZE_LIMIT: &str = "builtin/size_limit";

/// The built-in rules that a target needs.
#[derive(Debug, Clone, Default)]
pub struct Builtins {
    /// The events that the target gets, as they were accepted; `None` if it gets all.
    pub when: Option<Conditions>,
    /// The form of Redshift names; `None` leaves them unchanged.
    pub redshift: Option<Redshift>,
    /// What happens to JobEvents, if only RunEvents are accepted; `None` if all events are.
    pub job_events: Option<JobEventAction>,
    /// The types of RunEvents that are used; `None` if all are.
    pub event_types: Option<Vec<EventType>>,
    /// The datasets that an event has to have; `None` if it need not have any.
    pub datasets: Option<DatasetRequirement>,
    /// The largest event that the target accepts, in bytes.
    pub max_event_bytes: Option<usize>,
}

/// The datasets that an event has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetRequirement {
    /// An input or an output.
    InputsOrOutputs,
    /// An input and an output.
    InputsAndOutputs,
}

/// What happens to JobEvents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEventAction {
    /// Converts JobEvents with inputs or outputs to RunEvents, and drops the others.
    Convert,
    /// Drops all JobEvents.
    Drop,
}

impl Builtins {
    /// The rule that comes before those of the file.
    fn selection(&self) -> Option<Selection> {
        let conditions = self.when.clone()?;
        let rule = rule(TARGET_WHEN, conditions.negated(), Arc::new(DropEvent));
        Some(Selection { conditions, rule })
    }

    /// The rules that follow those of the file.
    fn rules(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        if let Some(redshift) = &self.redshift {
            let action = Arc::new(redshift.clone());
            rules.push(Rule {
                on_failure: OnFailure::Keep,
                ..rule(REDSHIFT_NAMES, When::default(), action)
            });
        }
        if let Some(job_events) = self.job_events {
            rules.push(rule(
                DATASET_EVENTS,
                When::dataset_event(),
                Arc::new(DropEvent),
            ));
            let action: Arc<dyn Action> = match job_events {
                JobEventAction::Convert => Arc::new(JobToRun),
                JobEventAction::Drop => Arc::new(DropEvent),
            };
            rules.push(rule(JOB_EVENTS, When::job_event(), action));
        }
        if let Some(types) = &self.event_types {
            let when = When::other_event_types(types);
            rules.push(rule(EVENT_TYPES, when, Arc::new(DropEvent)));
        }
        if let Some(required) = self.datasets {
            let when = When::without_datasets(match required {
                DatasetRequirement::InputsOrOutputs => false,
                DatasetRequirement::InputsAndOutputs => true,
            });
            rules.push(rule(DATASETS, when, Arc::new(DropEvent)));
        }
        if let Some(limit) = self.max_event_bytes {
            rules.push(rule(SIZE_LIMIT, When::default(), Arc::new(Fit(limit))));
        }
        rules
    }
}

fn rule(name: &str, when: When, action: Arc<dyn Action>) -> Rule {
    Rule {
        name: Arc::from(name),
        when,
        action,
        // An event that cannot be adapted would be rejected by the target.
        on_failure: OnFailure::DeadLetter,
        warnings: Vec::new(),
    }
}

/// Drops the event.
#[derive(Debug)]
struct DropEvent;

impl Action for DropEvent {
    fn apply(&self, _: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        Ok(Effect::Drop.into())
    }

    fn renames(&self) -> bool {
        false
    }
}

/// Converts a JobEvent to a RunEvent; drops one without inputs and outputs.
#[derive(Debug)]
struct JobToRun;

impl Action for JobToRun {
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        Ok(run_event(event)
            .map_or(Effect::Drop, Effect::Changed)
            .into())
    }

    fn renames(&self) -> bool {
        false
    }
}

/// Cuts facets until the event has at most that many bytes.
#[derive(Debug)]
struct Fit(usize);

impl Action for Fit {
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        let fitted = fit(event, self.0).map_err(|too_large| {
            let (size, smallest, limit) = (event.text().len(), too_large.smallest, self.0);
            format!(
                "{size} bytes, and {smallest} without every facet that may be cut; the target accepts {limit}"
            )
        })?;
        let effect = match fitted.cut.is_empty() {
            true => Effect::Unchanged,
            false => Effect::Changed(fitted.event),
        };
        Ok(effect.into())
    }

    fn renames(&self) -> bool {
        false
    }
}

impl RuleSet {
    /// Returns these rules with those that a target needs.
    #[must_use]
    pub fn with_builtins(self, builtins: &Builtins) -> RuleSet {
        RuleSet {
            selection: builtins.selection(),
            builtins: builtins.rules(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use openlineage::{Event, Level, Subject};

    use super::*;
    use crate::plugin::Transforms;
    use crate::rules::{Context, RuleResources, StepOutcome, Verdict};

    const HEAD: &str = r#""eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent""#;
    const JOB: &str = r#""job":{"namespace":"n","name":"j"}"#;

    fn event(members: &str) -> Event {
        let text = format!("{{{HEAD},{members}}}");
        Event::read(text.as_bytes(), Level::Strict).unwrap().event
    }

    fn verdict(builtins: &Builtins, event: &Event) -> Verdict {
        let context = Context {
            target: "catalog",
            lookups: &HashMap::new(),
        };
        let rules = RuleSet::default().with_builtins(builtins);
        rules.apply(event, &context).verdict
    }

    fn runs_only(job_events: JobEventAction) -> Builtins {
        Builtins {
            job_events: Some(job_events),
            ..Builtins::default()
        }
    }

    fn dropped_by(rule: &str) -> Verdict {
        Verdict::Drop { rule: rule.into() }
    }

    #[test]
    fn a_job_event_that_moves_data_becomes_a_run_event_and_others_are_dropped() {
        let builtins = runs_only(JobEventAction::Convert);
        let moving = event(&format!(
            r#"{JOB},"outputs":[{{"namespace":"s","name":"t"}}]"#
        ));
        let Verdict::Keep(run) = verdict(&builtins, &moving) else {
            panic!("not kept");
        };
        assert!(matches!(run.subject(), Subject::Run { .. }));
        assert_eq!(verdict(&builtins, &event(JOB)), dropped_by(JOB_EVENTS));
        let skip = runs_only(JobEventAction::Drop);
        assert_eq!(verdict(&skip, &moving), dropped_by(JOB_EVENTS));
    }

    #[test]
    fn a_dataset_event_is_dropped_and_a_run_event_is_left_alone() {
        let builtins = runs_only(JobEventAction::Convert);
        let dataset = event(r#""dataset":{"namespace":"n","name":"d"}"#);
        assert_eq!(verdict(&builtins, &dataset), dropped_by(DATASET_EVENTS));
        let run = event(&format!(
            r#"{JOB},"run":{{"runId":"01a1faa6-e194-708b-a993-000000000001"}}"#
        ));
        assert_eq!(verdict(&builtins, &run), Verdict::Keep(run));
    }

    #[test]
    fn run_events_of_other_types_are_dropped() {
        let builtins = Builtins {
            event_types: Some(vec![EventType::Complete]),
            ..Builtins::default()
        };
        let run = |event_type: &str| {
            event(&format!(
                r#"{JOB},"run":{{"runId":"01a1faa6-e194-708b-a993-000000000001"}}{event_type}"#
            ))
        };
        let complete = run(r#","eventType":"COMPLETE""#);
        assert_eq!(verdict(&builtins, &complete), Verdict::Keep(complete));
        for other in [r#","eventType":"START""#, ""] {
            let dropped = verdict(&builtins, &run(other));
            assert_eq!(dropped, dropped_by(EVENT_TYPES), "{other}");
        }
        let dataset = event(r#""dataset":{"namespace":"n","name":"d"}"#);
        assert_eq!(verdict(&builtins, &dataset), Verdict::Keep(dataset));
    }

    #[test]
    fn events_without_the_required_datasets_are_dropped() {
        let (inputs, outputs) = (
            r#","inputs":[{"namespace":"s","name":"t"}]"#,
            r#","outputs":[{"namespace":"s","name":"t"}]"#,
        );
        let both = format!("{inputs}{outputs}");
        for (datasets, either, all) in [
            ("", false, false),
            (r#","inputs":[],"outputs":[]"#, false, false),
            (inputs, true, false),
            (outputs, true, false),
            (&both, true, true),
        ] {
            let job = event(&format!("{JOB}{datasets}"));
            for (required, is_kept) in [
                (DatasetRequirement::InputsOrOutputs, either),
                (DatasetRequirement::InputsAndOutputs, all),
            ] {
                let builtins = Builtins {
                    datasets: Some(required),
                    ..Builtins::default()
                };
                let kept = verdict(&builtins, &job) == Verdict::Keep(job.clone());
                assert_eq!(kept, is_kept, "{datasets} {required:?}");
            }
        }
    }

    #[test]
    fn an_event_that_does_not_fit_is_a_dead_letter_with_both_sizes() {
        let builtins = Builtins {
            max_event_bytes: Some(100),
            ..Builtins::default()
        };
        let Verdict::DeadLetter { rule, reason } = verdict(&builtins, &event(JOB)) else {
            panic!("it fits");
        };
        assert_eq!(&*rule, SIZE_LIMIT);
        assert!(reason.contains("the target accepts 100"), "{reason}");
    }

    #[test]
    fn a_target_gets_what_meets_its_conditions_as_it_was_accepted() {
        let file = "rules: [{name: rename, rename: {of: job, name: {map: {j: other}}}}]";
        let sources = RuleResources {
            file: &|_| Err(String::new()),
            transforms: &Transforms::new(),
            hash_key: None,
            targets: &[],
        };
        let rules = |conditions: &str| {
            let builtins = Builtins {
                when: Some(Conditions::parse(conditions).unwrap()),
                ..Builtins::default()
            };
            let rules = RuleSet::read(file, &sources).unwrap();
            rules.with_builtins(&builtins)
        };
        let context = Context {
            target: "catalog",
            lookups: &HashMap::new(),
        };
        // Before the rule of the file, which renames the job.
        let kept = rules("job: {name: j}").apply(&event(JOB), &context).verdict;
        assert!(matches!(kept, Verdict::Keep(_)), "{kept:?}");
        let other = rules("job: {name: other}");
        assert_eq!(
            other.apply(&event(JOB), &context).verdict,
            dropped_by(TARGET_WHEN)
        );
        let names: Vec<&str> = other.names().collect();
        assert_eq!((names, other.len()), (vec![TARGET_WHEN, "rename"], 1));
        let explained = other.explain(&event(JOB), &context);
        assert!(matches!(explained.steps[0].outcome, StepOutcome::Dropped));
        let unselected = explained.steps[0].unselected.as_ref().unwrap();
        assert_eq!(unselected.condition, "job");
        let explained = rules("job: {name: j}").explain(&event(JOB), &context);
        assert!(matches!(explained.steps[0].outcome, StepOutcome::Unchanged));
    }

    #[test]
    fn explain_shows_each_of_them() {
        let rules = RuleSet::default().with_builtins(&runs_only(JobEventAction::Convert));
        let context = Context {
            target: "catalog",
            lookups: &HashMap::new(),
        };
        let explained = rules.explain(&event(JOB), &context);
        let names: Vec<&str> = explained.steps.iter().map(|step| &*step.rule).collect();
        assert_eq!(names, [DATASET_EVENTS, JOB_EVENTS]);
        assert!(matches!(
            explained.steps[0].outcome,
            StepOutcome::ConditionUnmet(_)
        ));
    }
}
