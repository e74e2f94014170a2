//! The batch: records in, one settlement each out.
//!
//! Parse, hold, transform, deliver. Events of one run go one after another in their order, different runs side by side;
//! a deadline ends it in time, and what was not tried goes back. The worker of `serve` and the batch function call
//! [`run`]; what is decided is decided in `batch/plan.rs`, what is told is told in `batch/report.rs`.

mod health;
mod hold;
mod order;
mod plan;
mod prepare;
mod preview;
#[cfg(test)]
mod protocol;
mod renamed;
mod report;
mod together;
mod twins;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use openlineage::{Event, Level};
use targets::{Delivery, Failure, Scope, Target};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::config;
use crate::lookup::Lookups;
use crate::queue::{Queue, Record};
use crate::rules::{LiveRules, Loaded};
use crate::telemetry::metric::Metric;

use health::Health;
pub use hold::Hold;
use order::{Held, Order, Turn};
use plan::Tried;
pub(crate) use plan::after_panic;
pub use prepare::{Prepare, Told};
pub use preview::{Preview, preview};
use report::Pace;
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
    /// Posts under way at once, of all batches together.
    in_flight: Semaphore,
    order: Order,
    /// After how many tries an event becomes a dead letter.
    pub max_receives: u32,
    /// How ingest judges.
    level: Level,
    /// What was delivered a moment ago, and is not to be again.
    delivered: Delivered,
    /// Whether the target takes events.
    health: Mutex<Health>,
    /// Somebody looks at it by the clock: what lasts is not told with every batch.
    watched: bool,
    /// The process is about to end.
    stopping: AtomicBool,
    /// It ends now, whatever the target does.
    cut_off: CancellationToken,
}

impl Batch {
    /// Puts the parts together as they are configured.
    pub fn new(
        config: &config::Config,
        target: Target,
        lookups: Lookups,
        rules: LiveRules,
    ) -> Batch {
        let prepare = Prepare {
            target: target.name().clone(),
            redshift: config.redshift.clone(),
            capabilities: target.capabilities(),
        };
        let max_receives = config.queue.max_attempts;
        Batch {
            target,
            rules,
            prepare: Arc::new(prepare),
            lookups,
            in_flight: Semaphore::new(config.batch.concurrency),
            order: Order::default(),
            max_receives,
            level: config.ingest.level,
            delivered: Delivered::within(config.batch.deduplication_window),
            health: Mutex::default(),
            watched: false,
            stopping: AtomicBool::new(false),
            cut_off: CancellationToken::new(),
        }
    }

    /// The same in a process that calls [`watch`](Self::watch) now and then.
    #[must_use]
    pub(crate) fn watched(self) -> Batch {
        Batch {
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
            report::health(&notice, self.target.name(), waiting);
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
            (false, _) => Pace::EachBatch,
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
pub struct Taken {
    report: Report,
    rules: Arc<Loaded>,
    runs: Vec<Waiting>,
    deadline: Instant,
}

#[derive(Debug)]
struct Waiting {
    turn: Turn,
    events: Vec<(Record, Event)>,
    /// Given back when they are dealt with.
    _room: Option<OwnedSemaphorePermit>,
}

/// A run of which something waits for another try: its turn is not over before the queue knows.
struct HeldUp {
    turn: Turn,
    after: Duration,
    by: String,
    failure: Failure,
}

impl Taken {
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
    pub fn with_room(mut self, mut room: OwnedSemaphorePermit) -> Taken {
        for run in &mut self.runs {
            run._room = room.split(run.events.len().min(room.num_permits()));
        }
        self
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
    let taken = take(batch, queue, hold, records, deadline).await;
    finish(batch, queue, taken).await
}

/// The first half of [`run`]: what is taken before stays before, whenever it is [finished](finish).
pub async fn take(
    batch: &Batch,
    queue: &Queue,
    hold: &mut Hold,
    records: Vec<Record>,
    deadline: Instant,
) -> Taken {
    batch.rules.refresh().await;
    let rules = batch.rules.current();
    let (records, unread) = queue.fetch_bodies(records).await;
    let mut report = Report::default();
    for (record, why) in unread {
        let outcome = plan::unread(why, &record, batch.max_receives);
        report.push(record, None, outcome);
    }
    let mut events = Vec::new();
    for record in records {
        match plan::read(&record, batch.level) {
            Ok(event) => events.push((record, event)),
            Err(outcome) => report.push(record, None, outcome),
        }
    }
    let passed = hold.pass(
        events,
        &rules.rules,
        batch.prepare.target.as_str(),
        hold.clock(),
    );
    let deadline = passed.in_time(deadline);
    let runs = plan::runs(passed.events).into_iter();
    let runs = runs.map(|(key, events)| Waiting {
        turn: batch.order.turn(key),
        events,
        _room: None,
    });
    Taken {
        report,
        rules,
        runs: runs.collect(),
        deadline,
    }
}

/// The second half of [`run`]: transforms, delivers, settles, tells.
pub async fn finish(batch: &Batch, queue: &Queue, taken: Taken) -> Report {
    let Taken {
        mut report,
        rules,
        runs,
        deadline,
    } = taken;
    let halt = OnceLock::new();
    let runs = runs
        .into_iter()
        .map(|run| deliver_run(batch, &rules, run, &halt, deadline));
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
        held.turn.hold(Held {
            until: Instant::now() + held.after,
            by: held.by,
            failure: held.failure,
        });
    }
    report.conclude(answers, batch.target.name(), batch.pace());
    report
}

/// Delivers the events of one run, one after another. With the turn, where later ones of the run have to wait.
async fn deliver_run(
    batch: &Batch,
    rules: &Arc<Loaded>,
    run: Waiting,
    halt: &OnceLock<Failure>,
    deadline: Instant,
) -> (Vec<Settled>, Option<HeldUp>) {
    let Waiting {
        turn,
        events,
        _room,
    } = run;
    let answers = Arc::new(look_up(batch, rules, &events).await);
    if !turn.comes(deadline).await {
        let late = |(record, event)| {
            let outcome = plan::out_of_time(&record, batch.max_receives);
            Settled::new(record, Some(event), outcome)
        };
        return (events.into_iter().map(late).collect(), None);
    }
    let earlier = turn.held(events.iter().map(|(record, _)| record.queue_id.clone()));
    // In its turn, so that what was sent again finds its first one delivered.
    let mut apart = (batch.delivered).apart(events, &rules.version, Instant::now());
    let events = std::mem::take(&mut apart.events);
    let mut run = transformed(batch, rules, events, &answers, deadline).await;
    let (mut held, mut by) = earlier.map(|held| (held.failure, held.by)).unzip();
    let mut held_up: Option<(Duration, Failure)> = None;
    while let Some(parcel) = run.parcels.pop_front() {
        let started = Instant::now();
        let tried = match held.as_ref().or(halt.get()) {
            Some(failure) => Tried::Untried(failure.clone()),
            None => post(batch, &parcel, halt, deadline).await,
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
        let holds = plan::holds(&tried, parcel.receives());
        let pace = plan::wait(&parcel.id, parcel.receives());
        for item in parcel.items {
            let mut outcome = plan::outcome(&tried, &item.record, pace, batch.max_receives);
            if let (Outcome::HandedBack { after, .. }, Some(failure)) = (&mut outcome, &holds) {
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
    let held_up = held_up.zip(by).map(|((after, failure), by)| HeldUp {
        turn,
        after,
        by,
        failure,
    });
    let settled = (batch.delivered).together(apart, run.settled, Instant::now());
    (settled, held_up)
}

/// The answers to the look-ups of a run: slow ones hold up no other.
async fn look_up(
    batch: &Batch,
    rules: &Arc<Loaded>,
    events: &[(Record, Event)],
) -> prepare::Answers {
    let wanted: BTreeSet<_> = events
        .iter()
        .filter_map(|(_, event)| plan::guarded(|| batch.prepare.wanted(&rules.rules, event)).ok())
        .flatten()
        .collect();
    batch.lookups.resolve(wanted).await
}

/// Posts one parcel, when there is room for it.
async fn post(
    batch: &Batch,
    parcel: &Parcel,
    halt: &OnceLock<Failure>,
    deadline: Instant,
) -> Tried {
    let Ok(Ok(_room)) = timeout_at(deadline, batch.in_flight.acquire()).await else {
        return Tried::OutOfTime;
    };
    if let Some(failure) = halt.get() {
        return Tried::Untried(failure.clone());
    }
    let post = batch.target.deliver(&parcel.id, &parcel.event, deadline);
    let tries = tokio::select! {
        tries = timeout_at(deadline, post) => tries,
        () = batch.cut_off.cancelled() => return Tried::Stopped,
    };
    report::tries(batch.target.name(), &tries);
    let delivery = tries.ok().and_then(|tries| tries.delivery);
    match delivery {
        Some(delivery) => {
            let notice = (batch.health()).saw(&delivery, &parcel.id, Instant::now());
            if let Some(notice) = notice {
                report::health(&notice, batch.target.name(), None);
            }
            Tried::Answered(delivery)
        }
        None if batch.stopping.load(Ordering::Acquire) => Tried::Stopped,
        None => Tried::OutOfTime,
    }
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
