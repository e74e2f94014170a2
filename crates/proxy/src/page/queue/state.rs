//! What is queued for a target, and what the target answers. Called by `page/queue.rs`.

use std::sync::Arc;
use std::time::Duration;

use page::line::queue::{Counted, Counts, Health, Pace, TargetState};
use tokio::time::Instant;

use super::TargetQueue;
use crate::page::time_text;
use crate::pipeline::{Pipeline, TargetHealth};
use crate::queue::{Queue, QueueError, Status, now};
use crate::topology::OpenPipelines;

/// Returns the state of a target.
pub(super) async fn target_state(target: &TargetQueue, open: &OpenPipelines) -> TargetState {
    let pipelines = open.all();
    let pipeline = pipelines
        .iter()
        .find(|pipeline| pipeline.target.name().as_str() == target.name);
    let (health, ago) = health(target, open, pipeline.map(Arc::as_ref));
    let now = now();
    TargetState {
        name: target.name.clone(),
        kind: target.kind.name(),
        health,
        counts: match counts(target).await {
            Ok(counts) => Counted::Known(counts),
            Err(QueueError(error)) => Counted::Unknown { error },
        },
        last_delivery: ago.map(|ago| time_text(now.saturating_sub(millis(ago)))),
        pace: pipeline.and_then(|pipeline| pace(pipeline)),
    }
}

fn health(
    target: &TargetQueue,
    open: &OpenPipelines,
    pipeline: Option<&Pipeline>,
) -> (Health, Option<Duration>) {
    let Some(pipeline) = pipeline else {
        let unopened = open.unopened(&target.name);
        let health = match unopened {
            Some(unopened) => Health::NotOpen {
                next_seconds: unopened
                    .next
                    .saturating_duration_since(Instant::now())
                    .as_secs(),
                error: unopened.error,
            },
            None if target.is_ours => Health::NotOpen {
                next_seconds: 0,
                error: "it is being opened".to_owned(),
            },
            None => Health::Elsewhere,
        };
        return (health, None);
    };
    let (health, ago) = pipeline.target_health();
    let health = match health {
        TargetHealth::Up => Health::Up,
        TargetHealth::Failing { ago, failures } => Health::Failing {
            seconds: ago.as_secs(),
            failures,
        },
        TargetHealth::Down {
            ago,
            failures,
            reason,
            error,
        } => Health::Down {
            seconds: ago.as_secs(),
            failures,
            error: format!("{}: {error}", reason.name()),
        },
    };
    (health, ago)
}

/// Returns the dead letters of all targets, if those of each are known.
pub(super) fn dead_letters_of(targets: &[TargetState]) -> Option<u64> {
    let counts = targets.iter().map(|target| match &target.counts {
        Counted::Known(counts) => counts.dead_letters,
        Counted::Unknown { .. } => None,
    });
    counts.sum()
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

async fn counts(target: &TargetQueue) -> Result<Counts, QueueError> {
    if let Some(letters) = &target.letters {
        return Ok(known(&letters.status().await?));
    }
    match &target.queue {
        Queue::Embedded(queue) => {
            let status = queue.status().await?;
            Ok(known(&status))
        }
        Queue::Sqs(_) | Queue::Memory(_) | Queue::Log(_) => {
            let depth = target.queue.depth().await?;
            Ok(Counts {
                waiting: depth.events,
                in_flight: 0, // among those that wait
                retrying: None,
                dead_letters: depth.dead_letters,
                oldest_seconds: depth.oldest_seconds,
            })
        }
    }
}

fn known(status: &Status) -> Counts {
    Counts {
        waiting: status.waiting,
        in_flight: status.in_flight,
        retrying: status.retrying,
        dead_letters: Some(status.dead_letters),
        oldest_seconds: status.oldest_seconds,
    }
}

fn pace(pipeline: &Pipeline) -> Option<Pace> {
    let pace = pipeline.target.pace(Instant::now())?;
    Some(Pace {
        budget: pace.budget,
        rate: pace.rate,
        is_refusing: pace.is_refusing,
        // A pause of less than a second is one.
        paused_seconds: pace
            .paused
            .map(|paused| paused.as_millis().div_ceil(1_000))
            .and_then(|seconds| u64::try_from(seconds).ok()),
    })
}
