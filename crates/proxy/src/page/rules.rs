//! The rules, as the page sees them: those in force with what they did, and trials of others on past events.
//!
//! A trial runs on a thread of its own, one at a time, within limits of time and memory. What it is given was redacted by the rules
//! in force of all targets, so that nothing is shown that they hide, whatever the rules that are tried do.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ::history::{Page, Search};
use openlineage::{Event, Level};
use page::Answer;
use page::line::rules::{
    Problem, RuleInForce, RulesLine, TargetRules, TrialFailure, TrialReport, TrialRequest,
};
use targets::Kind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::in_force::in_force;
use super::texts::{self, redacted};
use crate::history::CurrentHistory;
use crate::pipeline::{Pipeline, RuleTally};
use crate::queue::{BodyLimits, Log, LoggedBody, now};
use crate::topology::OpenPipelines;
use crate::trial::{TrialEvent, TrialRules, trial};

/// How long rules are tried, and how long events are looked for before.
const TIME: Duration = Duration::from_secs(2);
const READING: Duration = Duration::from_secs(1);

/// The most bytes of events that a trial reads: with what both rules make of them, several times as much.
const BYTES: usize = 32 << 20;

/// The most events that are found at once.
const FOUND: usize = 1_000;

/// The rules of the process.
pub(crate) struct ProxyRules {
    /// The targets with their kinds.
    pub(crate) targets: Vec<(String, Kind)>,
    pub(crate) pipelines: Arc<OpenPipelines>,
    /// What the rules did.
    pub(crate) tally: RuleTally,
    /// The log, which has the bodies of events.
    pub(crate) log: Option<Log>,
    pub(crate) history: Option<CurrentHistory>,
    /// For one trial at a time.
    pub(crate) turn: Arc<Semaphore>,
}

impl ProxyRules {
    fn pipeline(&self, target: &str) -> Option<Arc<Pipeline>> {
        let pipelines = self.pipelines.all();
        let is_it = |pipeline: &Arc<Pipeline>| pipeline.target.name().as_str() == target;
        pipelines.into_iter().find(is_it)
    }

    fn rules_of(&self, target: &str, kind: Kind) -> TargetRules {
        let Some(pipeline) = self.pipeline(target) else {
            return TargetRules {
                target: target.to_owned(),
                kind: kind.name(),
                file: None,
                version: String::new(),
                rules: Vec::new(),
                error: Some("The target is not open.".to_owned()),
                text: None,
            };
        };
        let loaded = pipeline.rules.current();
        let rule = |name: &str| {
            let totals = self.tally.of(target, name);
            RuleInForce {
                name: name.to_owned(),
                changed: totals.changed,
                dropped: totals.dropped,
                failed: totals.failed,
            }
        };
        let file = loaded.file.as_ref();
        TargetRules {
            target: target.to_owned(),
            kind: kind.name(),
            file: file.map(|file| file.name.clone()),
            version: loaded.version.clone(),
            rules: loaded.rules.names().map(rule).collect(),
            error: None,
            text: file.map(|file| file.text.clone()),
        }
    }

    async fn tried(&self, request: TrialRequest) -> Result<TrialReport, TrialFailure> {
        let Ok(turn) = self.turn.clone().try_acquire_owned() else {
            return Err(TrialFailure::Busy);
        };
        let begun = Instant::now();
        // What one of them hides is not shown, whatever the target that rules are tried for.
        let targets = self
            .targets
            .iter()
            .map(|(target, _)| (target.as_str(), false));
        let hiding = in_force(targets, &self.pipelines).map_err(|why| {
            let why = format!("No event can be shown: {why}.");
            TrialFailure::NoEvents(why)
        })?;
        let pipeline = self.pipeline(&request.target).ok_or_else(|| {
            let why = format!("The target {} is not open.", request.target);
            TrialFailure::NotFound(why)
        })?;
        let (bodies, gone) = self.bodies(&request).await?;
        let trying = move || run(&pipeline, &hiding, &request, bodies, turn);
        let tried = tokio::task::spawn_blocking(trying).await;
        // The rules catch panics themselves.
        let tried = tried.map_err(|panic| TrialFailure::Failed(panic.to_string()))?;
        let mut report = tried?;
        report.left_out += gone;
        report.milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }

    /// Reads the newest events that the search matches. Also returns how many of them have no body any more.
    async fn bodies(
        &self,
        request: &TrialRequest,
    ) -> Result<(Vec<LoggedBody>, usize), TrialFailure> {
        let Some(log) = &self.log else {
            let why = "The queue is SQS, which keeps no events.";
            return Err(TrialFailure::NoEvents(why.to_owned()));
        };
        let limits = BodyLimits {
            events: request.events,
            bytes: BYTES,
            time: READING,
        };
        let failed = |error: crate::queue::QueueError| TrialFailure::Failed(error.to_string());
        // Without a search the log alone is asked: it also has what is not recorded.
        if request.search == Search::default() {
            let bodies = log.newest_bodies(None, limits).await.map_err(failed)?;
            return Ok((bodies, 0));
        }
        let history = match &self.history {
            Some(history) => history.opened().await,
            None => None,
        };
        let history = history.ok_or_else(|| {
            let why =
                "There is no history in which to search: try the rules on the newest events of all.";
            TrialFailure::NoEvents(why.to_owned())
        })?;
        let most = request.events.min(FOUND);
        let found = history.find(request.search.clone(), Page::Before(None), most, now());
        let found = found
            .await
            .map_err(|error| TrialFailure::Failed(error.to_string()))?;
        let ids: HashSet<String> = found.events.into_iter().map(|event| event.id).collect();
        let count = ids.len();
        let bodies = log.newest_bodies(Some(ids), limits).await.map_err(failed)?;
        let gone = count.saturating_sub(bodies.len());
        Ok((bodies, gone))
    }
}

impl RulesLine for ProxyRules {
    fn rules(&self) -> Answer<'_, Vec<TargetRules>> {
        let targets = self.targets.iter();
        let rules: Vec<_> = targets
            .map(|(target, kind)| self.rules_of(target, *kind))
            .collect();
        Box::pin(std::future::ready(rules))
    }

    fn try_rules(&self, request: TrialRequest) -> Answer<'_, Result<TrialReport, TrialFailure>> {
        Box::pin(self.tried(request))
    }
}

/// Tries rules on this thread. Has the turn until it ends, even if nobody waits for it any more.
fn run(
    pipeline: &Pipeline,
    hiding: &[texts::TargetRules],
    request: &TrialRequest,
    bodies: Vec<LoggedBody>,
    _turn: OwnedSemaphorePermit,
) -> Result<TrialReport, TrialFailure> {
    let until = Instant::now() + TIME;
    let problem = |it: &transform::Problem| Problem {
        line: it.line,
        column: it.column,
        message: it.message.clone(),
    };
    let invalid = |problems: Vec<transform::Problem>| {
        TrialFailure::Invalid(problems.iter().map(problem).collect())
    };
    let tried = pipeline.rules.read_trial(&request.rules).map_err(invalid)?;
    let count = bodies.len();
    let is_late = || Instant::now() >= until;
    let mut events = Vec::with_capacity(count);
    for LoggedBody { id, body } in bodies {
        if is_late() {
            break;
        }
        if let Some(event) = shown(&body, hiding) {
            events.push(TrialEvent { id, event });
        }
    }
    if events.is_empty() {
        let why = "No event was found to try the rules on.";
        return Err(TrialFailure::NoEvents(why.to_owned()));
    }
    let current = pipeline.rules.current();
    let rules = TrialRules {
        current: &current.rules,
        tried: &tried,
        target: &request.target,
    };
    let mut report = trial(rules, &events, is_late);
    report.left_out = count.saturating_sub(events.len());
    report.warnings = tried.warnings().iter().map(problem).collect();
    Ok(report)
}

/// Reads an event, and hides what the rules in force hide. `None` if it is no event, or if it cannot be hidden.
fn shown(body: &str, hiding: &[texts::TargetRules]) -> Option<Event> {
    let event = Event::read(body.as_bytes(), Level::Repair).ok()?.event;
    redacted(&event, hiding, None).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> ProxyRules {
        ProxyRules {
            targets: vec![("catalog".to_owned(), Kind::Store)],
            pipelines: Arc::default(),
            tally: RuleTally::default(),
            log: None,
            history: None,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    fn request() -> TrialRequest {
        TrialRequest {
            target: "catalog".to_owned(),
            rules: "rules: []".to_owned(),
            events: 10,
            search: Search::default(),
        }
    }

    #[tokio::test]
    async fn one_trial_runs_at_a_time() {
        let rules = rules();
        let turn = rules.turn.clone().try_acquire_owned().unwrap();
        assert_eq!(rules.try_rules(request()).await, Err(TrialFailure::Busy));
        drop(turn);
        let next = rules.try_rules(request()).await;
        assert!(matches!(next, Err(TrialFailure::NoEvents(_))), "{next:?}");
    }

    #[tokio::test]
    async fn no_rules_are_tried_while_it_is_not_known_what_a_target_redacts() {
        let failure = rules().try_rules(request()).await.unwrap_err();
        let TrialFailure::NoEvents(why) = failure else {
            panic!("{failure:?}");
        };
        assert!(why.contains("the target catalog is not open"), "{why}");
    }

    #[tokio::test]
    async fn a_target_that_is_not_open_has_no_rules_that_are_known() {
        let all = rules().rules().await;
        assert_eq!(all.len(), 1);
        assert!(all[0].error.is_some() && all[0].rules.is_empty());
    }
}
