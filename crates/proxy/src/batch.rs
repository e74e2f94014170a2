//! The batch: records in, one settlement each out.
//!
//! Parse, transform, deliver. Events of one run go one after another in their order, different runs side by side; a
//! deadline ends it in time, and what was not tried goes back. The worker of `serve` and the batch function call
//! [`run`]; what is decided is decided in `batch/plan.rs`, what is told is told in `batch/report.rs`.

mod plan;
mod prepare;
mod report;

use std::sync::OnceLock;
use std::time::Duration;

use futures::StreamExt;
use openlineage::Event;
use targets::{Delivery, Failure, Scope, Target};
use tokio::time::Instant;

use crate::config;
use crate::lookup::Lookups;
use crate::queue::{Queue, Record};

pub use prepare::Rules;
pub use report::{Outcome, Report, Settled};

/// Everything a batch needs, set up once.
#[derive(Debug)]
pub struct Batch {
    /// Where events go.
    pub target: Target,
    /// What is done to them before.
    pub rules: Rules,
    /// The look-ups of Redshift names.
    pub lookups: Lookups,
    /// Posts under way at once.
    pub in_flight: usize,
    /// After how many tries an event becomes a dead letter.
    pub max_receives: u32,
}

impl Batch {
    /// Puts the parts together as they are configured.
    pub fn new(config: &config::Config, target: Target, lookups: Lookups) -> Batch {
        let job_events = match &config.target {
            config::Target::DataZone { job_events, .. } => *job_events,
            config::Target::Store
            | config::Target::File(_)
            | config::Target::OpenLineage { .. } => Default::default(),
        };
        let rules = Rules {
            redshift: config.redshift.clone(),
            takes: target.takes(),
            job_events,
        };
        let (in_flight, max_receives) = (config.batch.in_flight, config.queue.max_receives);
        Batch {
            target,
            rules,
            lookups,
            in_flight,
            max_receives,
        }
    }
}

/// Handles a batch and settles it with its queue, telling each outcome once.
pub async fn run(batch: &Batch, queue: &Queue, records: Vec<Record>, deadline: Instant) -> Report {
    let (records, unread) = queue.bodies(records).await;
    let mut report = handle(batch, records, deadline).await;
    for (record, why) in unread {
        let outcome = plan::unread(why, &record, batch.max_receives);
        report.push(record, None, outcome);
    }
    let settlements: Vec<_> = report
        .settled
        .iter()
        .map(|settled| (&settled.record, settled.settlement()))
        .collect();
    let answers = queue.settle(&settlements).await;
    report.conclude(answers, batch.target.name());
    report
}

/// Handles a batch: parse, transform, deliver. Settles nothing.
pub async fn handle(batch: &Batch, records: Vec<Record>, deadline: Instant) -> Report {
    let mut report = Report::default();
    let mut events = Vec::new();
    for record in records {
        match plan::read(&record) {
            Ok(event) => events.push((record, event)),
            Err(outcome) => report.push(record, None, outcome),
        }
    }
    let wanted = events
        .iter()
        .filter_map(|(_, event)| plan::guarded(|| batch.rules.redshift.wanted(event)).ok())
        .flatten()
        .collect();
    let answers = batch.lookups.resolve(wanted).await;
    let halt = OnceLock::new();
    let runs = plan::runs(events);
    let delivered = futures::stream::iter(runs)
        .map(|run| deliver_run(batch, run, &answers, &halt, deadline))
        .buffer_unordered(batch.in_flight)
        .collect::<Vec<_>>();
    for settled in delivered.await.into_iter().flatten() {
        report.settled.push(settled);
    }
    report
}

/// Delivers the events of one run, one after another.
async fn deliver_run(
    batch: &Batch,
    run: Vec<(Record, Event)>,
    answers: &prepare::Answers,
    halt: &OnceLock<Failure>,
    deadline: Instant,
) -> Vec<Settled> {
    let mut settled: Vec<Settled> = Vec::with_capacity(run.len());
    let mut held: Option<Failure> = None;
    for (record, event) in run {
        let started = Instant::now();
        let prepared = match plan::guarded(|| batch.rules.prepare(&event, answers)) {
            Ok(prepared) => prepared,
            Err(outcome) => {
                settled.push(Settled::new(record, Some(event), outcome));
                continue;
            }
        };
        let outcome = match (&prepared.verdict, held.as_ref().or(halt.get())) {
            (prepare::Verdict::Drop(rule), _) => Outcome::Dropped { rule },
            (prepare::Verdict::DeadLetter(class, reason), _) => Outcome::DeadLettered {
                class,
                reason: reason.clone(),
            },
            (prepare::Verdict::Deliver(_), Some(failure)) => {
                plan::untried(failure, &record, batch.max_receives)
            }
            (prepare::Verdict::Deliver(_), None) if Instant::now() >= deadline => {
                plan::out_of_time(&record, batch.max_receives)
            }
            (prepare::Verdict::Deliver(event), None) => {
                let post = batch.target.deliver(&record.id, event);
                match tokio::time::timeout_at(deadline, post).await {
                    Ok(delivery) => {
                        note_failure(&delivery, &record, halt, &mut held);
                        plan::outcome(delivery, &record, batch.max_receives)
                    }
                    Err(_) => plan::out_of_time(&record, batch.max_receives),
                }
            }
        };
        settled.push(Settled {
            took: started.elapsed(),
            prepared: Some(prepared.told()),
            ..Settled::new(record, Some(event), outcome)
        });
    }
    settled
}

/// Remembers a failure that others would only share: all of the batch, or the rest of this run.
fn note_failure(
    delivery: &Delivery,
    record: &Record,
    halt: &OnceLock<Failure>,
    held: &mut Option<Failure>,
) {
    let Delivery::Transient(failure) = delivery else {
        return;
    };
    match failure.scope {
        Scope::Target => {
            let _ = halt.set(failure.clone()); // the first reason is as good as the second
        }
        Scope::Event if plan::holds_its_run(record) => *held = Some(failure.clone()),
        Scope::Event => {}
    }
}

/// How long before a function's time is over its batch has to stop: to hand back and send dead letters.
pub const MARGIN: Duration = Duration::from_secs(3);
