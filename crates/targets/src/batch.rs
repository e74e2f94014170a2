//! Gathers events that are delivered at the same time into one request.
//!
//! A target that accepts several events in a request hands each of them to its [`Batcher`], and the caller gets the
//! result of that event alone. So the pipeline delivers to every target alike: it keeps the order of a run by delivering the
//! next event after the one before, and events of different runs share a request. What a request is, and what its response
//! means for each event, is up to the target.

mod halves;

use std::sync::Arc;
use std::time::Duration;

use openlineage::Event;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::{Delivery, DeliveryReport, Failure, Reason, Scope};

pub(crate) use halves::{BatchReport, Halves};

/// The least time for a request: an event with less is left to the queue, since it would shorten the time of all others.
const MIN_TIME: Duration = Duration::from_secs(1);

/// How many requests with one event are made at once besides those with several.
const REQUESTS_ALONE: usize = 20;

/// The limits of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    /// The most events.
    pub(crate) events: usize,
    /// The most bytes of their texts together; an event that is larger makes a batch of its own.
    pub(crate) bytes: usize,
    /// How long the first event waits for others.
    pub(crate) linger: Duration,
    /// How many batches are delivered at once.
    pub(crate) requests: usize,
}

/// An event of a batch.
#[derive(Debug, Clone)]
pub(crate) struct BatchEvent {
    pub(crate) event: Event,
    /// How often it was attempted, this time included.
    pub(crate) attempts: u32,
}

/// Gathers events into batches. Its task ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Batcher {
    waiting: mpsc::Sender<Waiting>,
}

/// Gathers events that are attempted for the first time. One that was attempted before has a request of its own: it may be the
/// reason why a request failed, and would make the others of its request fail again.
#[derive(Debug, Clone)]
pub(crate) struct Batches {
    together: Batcher,
    alone: Batcher,
}

/// An event that waits for its batch.
#[derive(Debug)]
struct Waiting {
    event: BatchEvent,
    deadline: Instant,
    report: oneshot::Sender<DeliveryReport>,
}

impl Batcher {
    /// Starts to gather. `send` delivers a batch until a deadline, and returns a report for each event, in order. Has to be
    /// called within a runtime.
    pub(crate) fn start<F, R>(limits: BatchLimits, send: F) -> Batcher
    where
        F: Fn(Vec<BatchEvent>, Instant) -> R + Send + Sync + 'static,
        R: Future<Output = Vec<DeliveryReport>> + Send + 'static,
    {
        let (waiting, events) = mpsc::channel(limits.events.max(1));
        tokio::spawn(run(limits, events, Arc::new(send)));
        Batcher { waiting }
    }

    /// Delivers an event in the next batch. Nothing is attempted for an event whose caller gave up before.
    pub(crate) async fn deliver(
        &self,
        event: &Event,
        attempts: u32,
        deadline: Instant,
    ) -> DeliveryReport {
        let (report, answer) = oneshot::channel();
        let waiting = Waiting {
            event: BatchEvent {
                event: event.clone(),
                attempts,
            },
            deadline,
            report,
        };
        let answer = match self.waiting.send(waiting).await {
            Ok(()) => answer.await.ok(),
            Err(_) => None,
        };
        // There is always a report, unless delivering the batch panicked.
        answer.unwrap_or_else(|| {
            let message = "the batch ended without a result";
            let failure = Failure::new(Reason::Unavailable, Scope::Event, message);
            DeliveryReport::once(Delivery::Transient(failure))
        })
    }
}

impl Batches {
    /// Starts to gather, as [`Batcher::start`] does.
    pub(crate) fn start<F, R>(limits: BatchLimits, send: F) -> Batches
    where
        F: Fn(Vec<BatchEvent>, Instant) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Vec<DeliveryReport>> + Send + 'static,
    {
        let alone = BatchLimits {
            events: 1,
            linger: Duration::ZERO,
            requests: REQUESTS_ALONE,
            ..limits
        };
        Batches {
            together: Batcher::start(limits, send.clone()),
            alone: Batcher::start(alone, send),
        }
    }

    /// Delivers an event in the next batch, or in a request of its own if it was attempted before.
    pub(crate) async fn deliver(
        &self,
        event: &Event,
        attempts: u32,
        deadline: Instant,
    ) -> DeliveryReport {
        let batcher = match attempts > 1 {
            true => &self.alone,
            false => &self.together,
        };
        batcher.deliver(event, attempts, deadline).await
    }
}

async fn run<F, R>(limits: BatchLimits, mut events: mpsc::Receiver<Waiting>, send: Arc<F>)
where
    F: Fn(Vec<BatchEvent>, Instant) -> R + Send + Sync + 'static,
    R: Future<Output = Vec<DeliveryReport>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limits.requests.max(1)));
    let mut next = None; // the event that did not fit the batch before
    // While all slots are in use, events gather in the channel.
    while let Ok(slot) = slots.clone().acquire_owned().await {
        let first = match next.take() {
            Some(first) => first,
            None => match events.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        let batch;
        (batch, next) = gather(first, &mut events, limits).await;
        let send = send.clone();
        tokio::spawn(async move {
            deliver(batch, &*send).await;
            drop(slot);
        });
    }
}

/// Gathers a batch: until it is full, or its first event has waited long enough. Returns the event that did not fit, too.
async fn gather(
    first: Waiting,
    events: &mut mpsc::Receiver<Waiting>,
    limits: BatchLimits,
) -> (Vec<Waiting>, Option<Waiting>) {
    let until = Instant::now() + limits.linger;
    let mut bytes = first.event.event.text().len();
    let mut batch = vec![first];
    while batch.len() < limits.events && bytes < limits.bytes {
        let Ok(Some(event)) = timeout_at(until, events.recv()).await else {
            break;
        };
        bytes = bytes.saturating_add(event.event.event.text().len());
        if bytes > limits.bytes {
            return (batch, Some(event));
        }
        batch.push(event);
    }
    (batch, None)
}

/// Delivers a batch, and reports to each caller that still waits.
async fn deliver<F, R>(batch: Vec<Waiting>, send: &F)
where
    F: Fn(Vec<BatchEvent>, Instant) -> R,
    R: Future<Output = Vec<DeliveryReport>>,
{
    let least = Instant::now() + MIN_TIME;
    let (mut events, mut reports, mut deadline) = (Vec::new(), Vec::new(), None);
    for waiting in batch {
        if waiting.report.is_closed() {
            continue;
        }
        if waiting.deadline < least {
            let _ = waiting.report.send(DeliveryReport::default()); // the caller may have gone
            continue;
        }
        let before = deadline.unwrap_or(waiting.deadline);
        deadline = Some(before.min(waiting.deadline));
        events.push(waiting.event);
        reports.push(waiting.report);
    }
    let Some(deadline) = deadline else {
        return;
    };
    for (report, delivered) in reports.into_iter().zip(send(events, deadline).await) {
        let _ = report.send(delivered);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::join_all;
    use openlineage::{Level, Subject};

    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        events: 3,
        bytes: 100_000,
        linger: Duration::from_millis(100),
        requests: 1,
    };

    fn event(name: &str) -> Event {
        let text = format!(
            r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","dataset":{{"namespace":"n","name":"{name}"}}}}"#
        );
        Event::read(text.as_bytes(), Level::Strict).unwrap().event
    }

    fn delivered(id: &str) -> DeliveryReport {
        let id = Some(id.to_owned());
        DeliveryReport::once(Delivery::Delivered { id })
    }

    fn name(event: &BatchEvent) -> String {
        let Subject::Dataset { dataset } = event.event.subject() else {
            panic!("{event:?}");
        };
        dataset.name.clone()
    }

    /// A batcher whose target delivers every event under its name, and the names of each batch.
    fn batcher(limits: BatchLimits) -> (Batcher, Arc<Mutex<Vec<Vec<String>>>>) {
        let batches: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let log = batches.clone();
        let batcher = Batcher::start(limits, move |events, _| {
            let names: Vec<String> = events.iter().map(name).collect();
            log.lock().unwrap().push(names.clone());
            async move { names.iter().map(|name| delivered(name)).collect() }
        });
        (batcher, batches)
    }

    async fn deliver_all(batcher: &Batcher, names: &[&str]) -> Vec<DeliveryReport> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let events: Vec<Event> = names.iter().map(|name| event(name)).collect();
        join_all(
            events
                .iter()
                .map(|event| batcher.deliver(event, 1, deadline)),
        )
        .await
    }

    #[tokio::test]
    async fn events_that_are_delivered_together_share_batches_and_each_gets_its_own_result() {
        let (batcher, batches) = batcher(LIMITS);
        let ids = ["a", "b", "c", "d"];
        let reports = deliver_all(&batcher, &ids).await;
        assert_eq!(reports, ids.map(delivered));
        assert_eq!(*batches.lock().unwrap(), [&["a", "b", "c"][..], &["d"]]);
    }

    #[tokio::test]
    async fn a_batch_ends_before_the_event_that_would_make_it_too_large() {
        let size = event("d").text().len();
        let (batcher, batches) = batcher(BatchLimits {
            bytes: size * 2 - 1,
            ..LIMITS
        });
        deliver_all(&batcher, &["a", "b"]).await;
        assert_eq!(*batches.lock().unwrap(), [["a"], ["b"]]);
    }

    #[tokio::test]
    async fn an_event_without_time_shortens_the_time_of_no_other() {
        let (batcher, batches) = batcher(LIMITS);
        let (a, b, now) = (event("a"), event("b"), Instant::now());
        let (soon, late) = (MIN_TIME / 2, Duration::from_secs(60));
        let (first, second) = tokio::join!(
            batcher.deliver(&a, 1, now + soon),
            batcher.deliver(&b, 1, now + late)
        );
        assert_eq!(first, DeliveryReport::default());
        assert_eq!(second, delivered("b"));
        assert_eq!(*batches.lock().unwrap(), [["b"]]);
    }

    #[tokio::test]
    async fn an_event_whose_caller_gave_up_is_not_attempted() {
        let (batcher, batches) = batcher(LIMITS);
        let event = event("a");
        let deadline = Instant::now() + Duration::from_secs(60);
        tokio::select! {
            biased;
            report = batcher.deliver(&event, 1, deadline) => panic!("{report:?}"),
            () = tokio::task::yield_now() => {} // gives up once the event waits for its batch
        }
        deliver_all(&batcher, &["b"]).await;
        assert_eq!(*batches.lock().unwrap(), [["b"]]);
    }

    #[tokio::test]
    async fn a_panic_in_one_batch_is_a_failure_of_its_events_and_of_no_other() {
        let batcher = Batcher::start(LIMITS, |events: Vec<BatchEvent>, _| async move {
            assert!(events.iter().all(|event| name(event) != "bad"), "as wanted");
            events.iter().map(|event| delivered(&name(event))).collect()
        });
        let reports = deliver_all(&batcher, &["bad"]).await;
        let [report] = reports.as_slice() else {
            panic!("{reports:?}");
        };
        let Some(Delivery::Transient(failure)) = &report.delivery else {
            panic!("{report:?}");
        };
        assert_eq!(failure.scope, Scope::Event);
        assert_eq!(deliver_all(&batcher, &["b"]).await, [delivered("b")]);
    }
}
