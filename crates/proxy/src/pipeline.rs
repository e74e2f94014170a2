//! The batch: records in, one settlement each out.
//!
//! Parse, hold, transform, deliver. Events of one run go one after another in their order, different runs side by side;
//! a deadline ends it in time, and what was not tried goes back. The worker of `serve` and the batch function call
//! [`run`]; what is decided is decided in `pipeline/plan.rs`, what is told is told in `pipeline/outcome.rs`.

mod adapt;
mod coalesce_buffer;
mod dedupe;
mod health;
mod ordering;
mod outbound;
mod outcome;
mod plan;
mod preview;
#[cfg(test)]
mod protocol;
mod renamed;
mod retry_log;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use openlineage::{Event, Level};
use targets::{Delivery, Failure, Scope, Target};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::config;
use crate::lookup::Lookups;
use crate::queue::{Queue, Record};
use crate::rules::{LoadedRules, RuleStore};
use crate::telemetry::metric::Metric;

pub use adapt::{Adapter, TransformLog};
pub use coalesce_buffer::CoalesceBuffer;
use dedupe::DedupeCache;
use health::Health;
use ordering::{Block, RunOrder, RunTicket};
use outbound::{OutboundEvent, Run};
pub use outcome::{Outcome, Report, Settled};
use plan::Attempt;
pub(crate) use plan::after_panic;
pub use preview::{Preview, preview};
use retry_log::Pace;

/// Everything a batch needs, set up once.
#[derive(Debug)]
pub struct Pipeline {
    /// Where events go.
    pub target: Target,
    /// The rules file.
    pub rules: RuleStore,
    /// What is done to them besides.
    pub prepare: Arc<Adapter>,
    /// The look-ups of Redshift names.
    pub lookups: Lookups,
    /// Posts under way at once, of all batches together.
    in_flight: Semaphore,
    order: RunOrder,
    /// After how many tries an event becomes a dead letter.
    pub max_receives: u32,
    /// How ingest judges.
    level: Level,
    /// What was delivered a moment ago, and is not to be again.
    delivered: DedupeCache,
    /// Whether the target takes events.
    health: Mutex<Health>,
    /// Somebody looks at it by the clock: what lasts is not told with every batch.
    watched: bool,
    /// The process is about to end.
    stopping: AtomicBool,
    /// It ends now, whatever the target does.
    cut_off: CancellationToken,
}

impl Pipeline {
    /// Puts the parts together as they are configured.
    pub fn new(
        config: &config::Config,
        target: Target,
        lookups: Lookups,
        rules: RuleStore,
    ) -> Pipeline {
        let prepare = Adapter {
            target: target.name().clone(),
            redshift: config.redshift.clone(),
            capabilities: target.capabilities(),
        };
        let max_receives = config.queue.max_attempts();
        Pipeline {
            target,
            rules,
            prepare: Arc::new(prepare),
            lookups,
            in_flight: Semaphore::new(config.batch.concurrency),
            order: RunOrder::default(),
            max_receives,
            level: config.ingest.level,
            delivered: DedupeCache::within(config.batch.deduplication_window),
            health: Mutex::default(),
            watched: false,
            stopping: AtomicBool::new(false),
            cut_off: CancellationToken::new(),
        }
    }

    /// The same in a process that calls [`watch`](Self::watch) now and then.
    #[must_use]
    pub(crate) fn watched(self) -> Pipeline {
        Pipeline {
            watched: true,
            ..self
        }
    }

    /// Tells what is due of the target's health. `waiting` is how many events wait in the queue, if that is known.
    pub(crate) fn watch(&self, waiting: Option<u64>) {
        let (notice, is_down) = {
            let mut health = self.health();
            (health.tick(Instant::now()), health.is_down())
        };
        let up = if is_down { 0.0 } else { 1.0 };
        Metric::TargetUp.set([self.target.name().shared().into()], up);
        if let Some(notice) = notice {
            retry_log::health(&notice, self.target.name(), waiting);
        }
    }

    /// Begins the counters of the rules in use at zero.
    pub(crate) fn begin_rules(&self) {
        for rule in self.rules.current().rules.names() {
            for metric in [Metric::Dropped, Metric::RuleFailures] {
                metric.add(
                    [self.target.name().shared().into(), rule.to_owned().into()],
                    0,
                );
            }
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the tries of a batch that will be repeated are told.
    fn pace(&self) -> Pace {
        match (self.watched, self.health().is_down()) {
            (false, _) => Pace::EveryBatch,
            (true, false) => Pace::Limited,
            (true, true) => Pace::Down,
        }
    }

    /// Ends what waits for its turn to be posted: the process is about to end. What is on its way is not disturbed.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.target.stop();
    }

    /// Ends what is on its way, too: there is no more time to wait for its answer.
    pub fn cut_off(&self) {
        self.cut_off.cancel();
    }

    /// Takes in that a batch with `records` ended in a panic, before it was told what became of them.
    pub(crate) fn not_told(&self, records: &[Record]) {
        self.delivered.not_told(records);
    }
}

/// Records that were taken in, on their way to the target: each run has its place behind those taken before.
#[derive(Debug)]
pub struct InFlightBatch {
    report: Report,
    rules: Arc<LoadedRules>,
    runs: Vec<RunBatch>,
    deadline: Instant,
}

#[derive(Debug)]
struct RunBatch {
    turn: RunTicket,
    events: Vec<(Record, Event)>,
    /// Given back when they are dealt with.
    _room: Option<OwnedSemaphorePermit>,
}

/// A run of which something waits for another try: its turn is not over before the queue knows.
struct BlockedRun {
    turn: RunTicket,
    after: Duration,
    by: String,
    failure: Failure,
}

impl InFlightBatch {
    /// All of it that is not yet settled.
    pub fn records(&self) -> Vec<Record> {
        let settled = self.report.settled.iter().map(|settled| &settled.record);
        let events = self.runs.iter().flat_map(|run| &run.events);
        let events = events.map(|(record, _)| record);
        settled.chain(events).cloned().collect()
    }

    /// When it has to be done.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Gives each run its share of the room that its caller has for events in hand.
    #[must_use]
    pub fn with_room(mut self, mut room: OwnedSemaphorePermit) -> InFlightBatch {
        for run in &mut self.runs {
            run._room = room.split(run.events.len().min(room.num_permits()));
        }
        self
    }
}

/// Handles a batch and settles it with its queue, telling each outcome once. What `hold` keeps for later is not among
/// them; what it lets go of is.
pub async fn run(
    pipeline: &Pipeline,
    queue: &Queue,
    hold: &mut CoalesceBuffer,
    records: Vec<Record>,
    deadline: Instant,
) -> Report {
    let taken = take(pipeline, queue, hold, records, deadline).await;
    finish(pipeline, queue, taken).await
}

/// The first half of [`run`]: what is taken before stays before, whenever it is [finished](finish).
pub async fn take(
    pipeline: &Pipeline,
    queue: &Queue,
    hold: &mut CoalesceBuffer,
    records: Vec<Record>,
    deadline: Instant,
) -> InFlightBatch {
    pipeline.rules.refresh().await;
    let rules = pipeline.rules.current();
    let (records, unread) = queue.fetch_bodies(records).await;
    let mut report = Report::default();
    for (record, why) in unread {
        let outcome = plan::unread(why, &record, pipeline.max_receives);
        report.push(record, None, outcome);
    }
    let mut events = Vec::new();
    for record in records {
        match plan::read(&record, pipeline.level) {
            Ok(event) => events.push((record, event)),
            Err(outcome) => report.push(record, None, outcome),
        }
    }
    let passed = hold.pass(
        events,
        &rules.rules,
        pipeline.prepare.target.as_str(),
        hold.clock(),
    );
    let deadline = passed.in_time(deadline);
    let runs = plan::runs(passed.events).into_iter();
    let runs = runs.map(|(key, events)| RunBatch {
        turn: pipeline.order.turn(key),
        events,
        _room: None,
    });
    InFlightBatch {
        report,
        rules,
        runs: runs.collect(),
        deadline,
    }
}

/// The second half of [`run`]: transforms, delivers, settles, tells.
pub async fn finish(pipeline: &Pipeline, queue: &Queue, taken: InFlightBatch) -> Report {
    let InFlightBatch {
        mut report,
        rules,
        runs,
        deadline,
    } = taken;
    let halt = OnceLock::new();
    let runs = runs
        .into_iter()
        .map(|run| deliver_run(pipeline, &rules, run, &halt, deadline));
    let mut held_up = Vec::new();
    for (settled, held) in join_all(runs).await {
        report.settled.extend(settled);
        held_up.extend(held);
    }
    let settlements: Vec<_> = report
        .settled
        .iter()
        .map(|settled| (&settled.record, settled.settlement()))
        .collect();
    let answers = queue.settle(&settlements, deadline + SETTLE).await;
    // Only now: the time out of sight counts from the settlement.
    for held in held_up {
        held.turn.hold(Block {
            until: Instant::now() + held.after,
            by: held.by,
            failure: held.failure,
        });
    }
    report.conclude(answers, pipeline.target.name(), pipeline.pace());
    report
}

/// Delivers the events of one run, one after another. With the turn, where later ones of the run have to wait.
async fn deliver_run(
    pipeline: &Pipeline,
    rules: &Arc<LoadedRules>,
    run: RunBatch,
    halt: &OnceLock<Failure>,
    deadline: Instant,
) -> (Vec<Settled>, Option<BlockedRun>) {
    let RunBatch {
        turn,
        events,
        _room,
    } = run;
    let answers = Arc::new(look_up(pipeline, rules, &events).await);
    if !turn.ready(deadline).await {
        let late = |(record, event)| {
            let outcome = plan::out_of_time(&record, pipeline.max_receives);
            Settled::new(record, Some(event), outcome)
        };
        return (events.into_iter().map(late).collect(), None);
    }
    let earlier = turn.held(events.iter().map(|(record, _)| record.queue_id.clone()));
    // In its turn, so that what was sent again finds its first one delivered.
    let mut apart = (pipeline.delivered).apart(events, &rules.version, Instant::now());
    let events = std::mem::take(&mut apart.events);
    let mut run = transformed(pipeline, rules, events, &answers, deadline).await;
    let (mut held, mut by) = earlier.map(|held| (held.failure, held.by)).unzip();
    let mut held_up: Option<(Duration, Failure)> = None;
    while let Some(parcel) = run.parcels.pop_front() {
        let started = Instant::now();
        let tried = match held.as_ref().or(halt.get()) {
            Some(failure) => Attempt::Untried(failure.clone()),
            None => post(pipeline, &parcel, halt, deadline).await,
        };
        if let Some(why) = plan::goes_apart(&tried, parcel.carries, parcel.receives()) {
            warn!(
                id = parcel.id,
                reason = why,
                "target rejected merged event; delivering its parts separately"
            );
            pipeline.prepare.apart(parcel, &mut run);
            continue;
        }
        note_failure(&tried, &parcel, halt, &mut held);
        let holds = plan::holds(&tried, parcel.receives());
        let pace = plan::wait(&parcel.id, parcel.receives());
        for item in parcel.items {
            let mut outcome = plan::outcome(&tried, &item.record, pace, pipeline.max_receives);
            if let (Outcome::Retry { after, .. }, Some(failure)) = (&mut outcome, &holds) {
                // Not before what it waits for.
                *after = held_up.map_or(*after, |(before, _)| before.max(*after));
                held_up = Some((*after, failure.clone()));
                by.get_or_insert_with(|| item.record.queue_id.clone());
            }
            run.settled.push(Settled {
                took: started.elapsed(),
                ..Settled::new(item.record, Some(item.event), outcome).told(item.told)
            });
        }
    }
    let held_up = held_up.zip(by).map(|((after, failure), by)| BlockedRun {
        turn,
        after,
        by,
        failure,
    });
    let settled = (pipeline.delivered).together(apart, run.settled, Instant::now());
    (settled, held_up)
}

/// The answers to the look-ups of a run: slow ones hold up no other.
async fn look_up(
    pipeline: &Pipeline,
    rules: &Arc<LoadedRules>,
    events: &[(Record, Event)],
) -> adapt::Answers {
    let wanted: BTreeSet<_> = events
        .iter()
        .filter_map(|(_, event)| {
            plan::guarded(|| pipeline.prepare.wanted(&rules.rules, event)).ok()
        })
        .flatten()
        .collect();
    pipeline.lookups.resolve(wanted).await
}

/// Posts one parcel, when there is room for it.
async fn post(
    pipeline: &Pipeline,
    parcel: &OutboundEvent,
    halt: &OnceLock<Failure>,
    deadline: Instant,
) -> Attempt {
    let Ok(Ok(_room)) = timeout_at(deadline, pipeline.in_flight.acquire()).await else {
        return Attempt::OutOfTime;
    };
    if let Some(failure) = halt.get() {
        return Attempt::Untried(failure.clone());
    }
    let post = pipeline.target.deliver(&parcel.id, &parcel.event, deadline);
    let tries = tokio::select! {
        tries = timeout_at(deadline, post) => tries,
        () = pipeline.cut_off.cancelled() => return Attempt::Stopped,
    };
    outcome::tries(pipeline.target.name(), &tries);
    let delivery = tries.ok().and_then(|tries| tries.delivery);
    match delivery {
        Some(delivery) => {
            let notice = (pipeline.health()).saw(&delivery, &parcel.id, Instant::now());
            if let Some(notice) = notice {
                retry_log::health(&notice, pipeline.target.name(), None);
            }
            Attempt::Answered(delivery)
        }
        None if pipeline.stopping.load(Ordering::Acquire) => Attempt::Stopped,
        None => Attempt::OutOfTime,
    }
}

/// The run as what is to be delivered. Rules that are code may take their time: they get a thread of their own, so that
/// deliveries of other runs go on.
async fn transformed(
    pipeline: &Pipeline,
    rules: &Arc<LoadedRules>,
    run: Vec<(Record, Event)>,
    answers: &Arc<adapt::Answers>,
    deadline: Instant,
) -> Run {
    let max_receives = pipeline.max_receives;
    let late = move |record: &Record| {
        let is_late = Instant::now() >= deadline;
        is_late.then(|| plan::rules_slow(record, max_receives))
    };
    if !rules.rules.run_code() {
        return pipeline.prepare.run(&rules.rules, run, answers, late);
    }
    let (prepare, rules, answers) = (pipeline.prepare.clone(), rules.clone(), answers.clone());
    let running =
        tokio::task::spawn_blocking(move || prepare.run(&rules.rules, run, &answers, late));
    match running.await {
        Ok(run) => run,
        Err(error) => {
            // Unsettled, they come again. What can panic is caught event by event.
            error!(%error, "transform task panicked; events will be redelivered");
            Run::default()
        }
    }
}

/// Remembers a failure that others would only share: all of the batch, or the rest of this run.
fn note_failure(
    tried: &Attempt,
    parcel: &OutboundEvent,
    halt: &OnceLock<Failure>,
    held: &mut Option<Failure>,
) {
    let Attempt::Answered(Delivery::Transient(failure)) = tried else {
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
