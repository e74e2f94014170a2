//! The batch: records in, one settlement each out.
//!
//! Parse, hold, transform, deliver. Events of one run go one after another in their order, different runs side by side;
//! a deadline ends it in time, and what was not tried goes back. The worker of `serve` and the batch function call
//! [`run`]; what is decided is decided in `batch/plan.rs`, what is told is told in `batch/report.rs`.

mod hold;
mod plan;
mod prepare;
mod preview;
mod report;

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use futures::StreamExt;
use openlineage::Event;
use targets::{Delivery, Failure, Scope, Target};
use tokio::time::Instant;
use tracing::warn;
use transform::Rules;

use crate::config;
use crate::lookup::Lookups;
use crate::queue::{Queue, Record};
use crate::rules::LiveRules;

pub use hold::Hold;
use plan::Tried;
use prepare::Parcel;
pub use prepare::{Prepare, Told};
pub use preview::{Preview, preview};
pub use report::{Outcome, Report, Settled};

/// Everything a batch needs, set up once.
#[derive(Debug)]
pub struct Batch {
    /// Where events go.
    pub target: Target,
    /// The rules file.
    pub rules: LiveRules,
    /// What is done to them besides.
    pub prepare: Prepare,
    /// The look-ups of Redshift names.
    pub lookups: Lookups,
    /// Posts under way at once.
    pub in_flight: usize,
    /// After how many tries an event becomes a dead letter.
    pub max_receives: u32,
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
            prepare,
            lookups,
            in_flight,
            max_receives,
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
    let now = hold.clock();
    let events = hold.pass(events, &rules.rules, batch.prepare.target, now);
    let handled = handle(batch, &rules.rules, events, deadline).await;
    report.settled.extend(handled);
    let settlements: Vec<_> = report
        .settled
        .iter()
        .map(|settled| (&settled.record, settled.settlement()))
        .collect();
    let answers = queue.settle(&settlements).await;
    report.conclude(answers, batch.target.name());
    report
}

/// Transforms and delivers. Settles nothing.
async fn handle(
    batch: &Batch,
    rules: &Rules,
    events: Vec<(Record, Event)>,
    deadline: Instant,
) -> Vec<Settled> {
    let wanted: BTreeSet<_> = events
        .iter()
        .filter_map(|(_, event)| plan::guarded(|| batch.prepare.wanted(rules, event)).ok())
        .flatten()
        .collect();
    let answers = batch.lookups.resolve(wanted).await;
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
    rules: &Rules,
    run: Vec<(Record, Event)>,
    answers: &prepare::Answers,
    halt: &OnceLock<Failure>,
    deadline: Instant,
) -> Vec<Settled> {
    let (mut settled, mut parcels) = batch.prepare.parcels(rules, run, answers);
    let mut held: Option<Failure> = None;
    while let Some(parcel) = parcels.pop_front() {
        let started = Instant::now();
        let tried = match held.as_ref().or(halt.get()) {
            Some(failure) => Tried::Untried(failure.clone()),
            None if started >= deadline => Tried::OutOfTime,
            None => {
                let post = batch.target.deliver(&parcel.id, &parcel.event);
                match tokio::time::timeout_at(deadline, post).await {
                    Ok(delivery) => Tried::Answered(delivery),
                    Err(_) => Tried::OutOfTime,
                }
            }
        };
        if let (Tried::Answered(Delivery::Permanent(failure)), true) =
            (&tried, parcel.items.len() > 1)
        {
            let (id, events, reason) = (&parcel.id, parcel.items.len(), &failure.message);
            warn!(id, events, reason, "refused together: each goes alone");
            batch
                .prepare
                .alone(parcel.items, &mut settled, &mut parcels);
            continue;
        }
        note_failure(&tried, &parcel, halt, &mut held);
        for item in parcel.items {
            let outcome = plan::outcome(&tried, &item.record, batch.max_receives);
            settled.push(Settled {
                took: started.elapsed(),
                ..Settled::new(item.record, Some(item.event), outcome).told(item.told)
            });
        }
    }
    settled
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
    let holds = || {
        let mut records = parcel.items.iter().map(|item| &item.record);
        records.all(plan::holds_its_run)
    };
    match failure.scope {
        Scope::Target => {
            let _ = halt.set(failure.clone()); // the first reason is as good as the second
        }
        Scope::Event if holds() => *held = Some(failure.clone()),
        Scope::Event => {}
    }
}

/// How long before a function's time is over its batch has to stop: to hand back and send dead letters.
pub const MARGIN: Duration = Duration::from_secs(3);
