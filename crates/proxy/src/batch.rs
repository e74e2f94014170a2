//! The batch: records in, one settlement each out.
//!
//! Parse, hold, transform, deliver. Events of one run go one after another in their order, different runs side by side;
//! a deadline ends it in time, and what was not tried goes back. The worker of `serve` and the batch function call
//! [`run`]; what is decided is decided in `batch/plan.rs`, what is told is told in `batch/report.rs`.

mod hold;
mod plan;
mod prepare;
mod preview;
#[cfg(test)]
mod protocol;
mod report;
mod together;
mod twins;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::StreamExt;
use openlineage::Event;
use targets::{Delivery, Failure, Scope, Target};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::config;
use crate::lookup::Lookups;
use crate::queue::{Queue, Record};
use crate::rules::{LiveRules, Loaded};

pub use hold::Hold;
use plan::Tried;
pub(crate) use plan::after_panic;
pub use prepare::{Prepare, Told};
pub use preview::{Preview, preview};
pub use report::{Outcome, Report, Settled};
use together::{Parcel, Run};
use twins::Delivered;

/// Everything a batch needs, set up once.
#[derive(Debug)]
pub struct Batch {
    /// Where events go.
    pub target: Target,
    /// The rules file.
    pub rules: LiveRules,
    /// What is done to them besides.
    pub prepare: Arc<Prepare>,
    /// The look-ups of Redshift names.
    pub lookups: Lookups,
    /// Posts under way at once.
    pub in_flight: usize,
    /// After how many tries an event becomes a dead letter.
    pub max_receives: u32,
    /// What was delivered a moment ago, and is not to be again.
    pub delivered: Delivered,
}

impl Batch {
    /// Puts the parts together as they are configured.
    pub fn new(
        config: &config::Config,
        target: Target,
        lookups: Lookups,
        rules: LiveRules,
    ) -> Batch {
        let job_events = match &config.target {
            config::Target::DataZone { job_events, .. } => *job_events,
            config::Target::Store
            | config::Target::File(_)
            | config::Target::OpenLineage { .. } => Default::default(),
        };
        let prepare = Prepare {
            target: target.name(),
            redshift: config.redshift.clone(),
            takes: target.takes(),
            job_events,
        };
        let (in_flight, max_receives) = (config.batch.in_flight, config.queue.max_receives);
        Batch {
            target,
            rules,
            prepare: Arc::new(prepare),
            lookups,
            in_flight,
            max_receives,
            delivered: Delivered::within(config.batch.deduplication),
        }
    }
}

/// Handles a batch and settles it with its queue, telling each outcome once. What `hold` keeps for later is not among
/// them; what it lets go of is.
pub async fn run(
    batch: &Batch,
    queue: &Queue,
    hold: &mut Hold,
    records: Vec<Record>,
    deadline: Instant,
) -> Report {
    batch.rules.refresh().await;
    let rules = batch.rules.current();
    let (records, unread) = queue.bodies(records).await;
    let mut report = Report::default();
    for (record, why) in unread {
        let outcome = plan::unread(why, &record, batch.max_receives);
        report.push(record, None, outcome);
    }
    let mut events = Vec::new();
    for record in records {
        match plan::read(&record) {
            Ok(event) => events.push((record, event)),
            Err(outcome) => report.push(record, None, outcome),
        }
    }
    let passed = hold.pass(events, &rules.rules, batch.prepare.target, hold.clock());
    let deadline = passed.in_time(deadline);
    let mut apart = (batch.delivered).apart(passed.events, &rules.version, Instant::now());
    let events = std::mem::take(&mut apart.events);
    let handled = handle(batch, &rules, events, deadline).await;
    report
        .settled
        .extend(batch.delivered.together(apart, handled, Instant::now()));
    let settlements: Vec<_> = report
        .settled
        .iter()
        .map(|settled| (&settled.record, settled.settlement()))
        .collect();
    let answers = queue.settle_until(&settlements, deadline + SETTLE).await;
    report.conclude(answers, batch.target.name());
    report
}

/// Transforms and delivers. Settles nothing.
async fn handle(
    batch: &Batch,
    rules: &Arc<Loaded>,
    events: Vec<(Record, Event)>,
    deadline: Instant,
) -> Vec<Settled> {
    let wanted: BTreeSet<_> = events
        .iter()
        .filter_map(|(_, event)| plan::guarded(|| batch.prepare.wanted(&rules.rules, event)).ok())
        .flatten()
        .collect();
    let answers = Arc::new(batch.lookups.resolve(wanted).await);
    let halt = OnceLock::new();
    let runs = plan::runs(events);
    let delivered = futures::stream::iter(runs)
        .map(|run| deliver_run(batch, rules, run, &answers, &halt, deadline))
        .buffer_unordered(batch.in_flight)
        .collect::<Vec<_>>();
    delivered.await.into_iter().flatten().collect()
}

/// Delivers the events of one run, one after another.
async fn deliver_run(
    batch: &Batch,
    rules: &Arc<Loaded>,
    run: Vec<(Record, Event)>,
    answers: &Arc<prepare::Answers>,
    halt: &OnceLock<Failure>,
    deadline: Instant,
) -> Vec<Settled> {
    let mut run = transformed(batch, rules, run, answers, deadline).await;
    let mut held: Option<Failure> = None;
    while let Some(parcel) = run.parcels.pop_front() {
        let started = Instant::now();
        let tried = match held.as_ref().or(halt.get()) {
            Some(failure) => Tried::Untried(failure.clone()),
            None if started >= deadline => Tried::OutOfTime,
            None => {
                let post = batch.target.deliver(&parcel.id, &parcel.event, deadline);
                let tries = tokio::time::timeout_at(deadline, post).await;
                report::tries(batch.target.name(), &tries);
                let delivery = tries.ok().and_then(|tries| tries.delivery);
                delivery.map_or(Tried::OutOfTime, Tried::Answered)
            }
        };
        if let Some(why) = plan::goes_apart(&tried, parcel.carries, parcel.receives()) {
            warn!(
                id = parcel.id,
                reason = why,
                "not taken together: each goes alone"
            );
            batch.prepare.apart(parcel, &mut run);
            continue;
        }
        note_failure(&tried, &parcel, halt, &mut held);
        let pace = plan::wait(&parcel.id, parcel.receives());
        for item in parcel.items {
            let outcome = plan::outcome(&tried, &item.record, pace, batch.max_receives);
            run.settled.push(Settled {
                took: started.elapsed(),
                ..Settled::new(item.record, Some(item.event), outcome).told(item.told)
            });
        }
    }
    run.settled
}

/// The run as what is to be delivered. Rules that are code may take their time: they get a thread of their own, so that
/// deliveries of other runs go on.
async fn transformed(
    batch: &Batch,
    rules: &Arc<Loaded>,
    run: Vec<(Record, Event)>,
    answers: &Arc<prepare::Answers>,
    deadline: Instant,
) -> Run {
    let max_receives = batch.max_receives;
    let late = move |record: &Record| {
        let is_late = Instant::now() >= deadline;
        is_late.then(|| plan::rules_slow(record, max_receives))
    };
    if !rules.rules.run_code() {
        return batch.prepare.run(&rules.rules, run, answers, late);
    }
    let (prepare, rules, answers) = (batch.prepare.clone(), rules.clone(), answers.clone());
    let running =
        tokio::task::spawn_blocking(move || prepare.run(&rules.rules, run, &answers, late));
    match running.await {
        Ok(run) => run,
        Err(error) => {
            // Unsettled, they come again. What can panic is caught event by event.
            error!(%error, "a run was not transformed; its events will come again");
            Run::default()
        }
    }
}

/// Remembers a failure that others would only share: all of the batch, or the rest of this run.
fn note_failure(
    tried: &Tried,
    parcel: &Parcel,
    halt: &OnceLock<Failure>,
    held: &mut Option<Failure>,
) {
    let Tried::Answered(Delivery::Transient(failure)) = tried else {
        return;
    };
    match failure.scope {
        Scope::Target => {
            let _ = halt.set(failure.clone()); // the first reason is as good as the second
        }
        Scope::Event if plan::holds_its_run(parcel.receives()) => *held = Some(failure.clone()),
        Scope::Event => {}
    }
}

/// How long before a function's time is over its batch has to stop: to hand back and send dead letters.
pub const MARGIN: Duration = Duration::from_secs(3);

/// What of that margin the queue may take, however slow it is: the rest is for the answer to Lambda.
const SETTLE: Duration = Duration::from_secs(2);
