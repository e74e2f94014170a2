//! Delivers events that are kept elsewhere to one target, with the parts that `serve` delivers with: its worker, pipeline,
//! rules, order, rate and retries.
//!
//! The queue is in memory (`queue::Memory`). Where the events come from, and what is recorded of their progress, is up to the
//! caller, the command `replay`. `replay/enqueue.rs` sends them to the queue of a stack instead.

mod enqueue;

use std::sync::Arc;
use std::time::Duration;

use aws::Aws;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use transform::Transforms;

use crate::config::{Config, PipelineConfig};
use crate::pipeline::{CoalesceBuffer, Observer};
use crate::queue::{DoneEvent, Memory, MemoryLimits, Queue};
use crate::rules::{LoadedRules, RuleStore};
use crate::serve::{self, WorkerResources};
use crate::topology::{StartErrors, TargetPlan, read_all_rules, rule_options};

pub use enqueue::{EnqueueReport, Enqueued};

/// The longest wait for a batch to fill: events are read faster than they are delivered.
const LONGEST_WINDOW: Duration = Duration::from_millis(200);

/// The events that are on their way to a target, or to a queue.
pub struct Replay {
    queue: Memory,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Replay {
    /// Opens the target and begins to deliver. Also returns the events that need no further attempt: each has to be confirmed
    /// once that is recorded. `observer` learns the outcomes.
    pub async fn start(
        config: &Config,
        target: &PipelineConfig,
        transforms: Transforms,
        limits: MemoryLimits,
        observer: Arc<dyn Observer>,
    ) -> Result<(Replay, UnboundedReceiver<DoneEvent>), StartErrors> {
        let aws = Aws::new();
        let options = rule_options(config, target, transforms);
        let plan = TargetPlan::read(target, &aws, options).await?;
        // The rules were checked against it: what they coalesce is held back for up to half of it.
        let visibility_timeout = config.queue.visibility_timeout();
        let (queue, done) = Memory::new(limits, visibility_timeout);
        let pipeline = plan
            .open(config, &aws, Queue::Memory(queue.clone()))
            .await?;
        let buffer = CoalesceBuffer::new(visibility_timeout, Duration::ZERO);
        let pipeline = Arc::new(pipeline.reporting_to(buffer, observer));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut batch = target.batch.clone();
        batch.window = batch.window.min(LONGEST_WINDOW);
        tasks.spawn(serve::work(WorkerResources {
            pipeline: pipeline.clone(),
            batch,
            visibility_timeout,
            stop: stop.clone(),
        }));
        let (watched, until) = (pipeline.clone(), stop.clone());
        tasks.spawn(serve::watch_target(watched, until));
        let replay = Replay { queue, tasks, stop };
        Ok((replay, done))
    }

    /// Where events are pushed.
    pub fn queue(&self) -> &Memory {
        &self.queue
    }

    /// Stops: deliveries in progress are finished, or given up after some seconds. The reader of the events that are done has
    /// to go on meanwhile.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Reads the rules of a target, with those that it needs, for a replay that delivers nothing.
pub async fn rules(
    config: &Config,
    target: &PipelineConfig,
    transforms: Transforms,
) -> Result<Arc<LoadedRules>, StartErrors> {
    let options = rule_options(config, target, transforms);
    let rules: RuleStore = read_all_rules(target, &Aws::new(), options).await?;
    Ok(rules.current())
}
