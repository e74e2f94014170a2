//! The law of outcomes, of the real pipeline with a queue on disk and a target that fails: whatever happens, each record
//! ends once, and its caller, its observers and its queue agree on how.
//!
//! Batches overlap, run out of time, panic and are cut off. Some targets take a run in order, others any event at any time.

mod endpoint;

use std::path::Path;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use openlineage::Event;
use transform::{Transform, TransformError, TransformOutput, Transforms};

use super::process::{ATTEMPT, pipeline_with};
use super::*;
use crate::queue::Message;
use endpoint::{Answer, Endpoint};

/// The rules of these tests. They run code, so that they run beside other runs.
pub(super) const FAULTY: &str = "coalesce: {window: 10s}\nrules:\n  - name: faulty\n    transform: {name: faulty}\n    on_failure: dead_letter\n";

/// How long one of the jobs keeps the rules busy, and how much time a batch has that runs out of it there.
const SLOW: Duration = Duration::from_millis(20);

/// Panics on some jobs, fails on others, drops them, or takes its time.
#[derive(Debug)]
struct FaultyTransform;

impl Transform for FaultyTransform {
    fn apply(&self, event: &Event) -> Result<TransformOutput, TransformError> {
        let job = event.job().map(|job| job.name.as_str());
        match job {
            Some("panics") => panic!("a bug"),
            Some("fails") => Err(TransformError("no".to_owned())),
            Some("dropped") => Ok(TransformOutput::Drop),
            Some("slow") => {
                std::thread::sleep(SLOW);
                Ok(TransformOutput::Unchanged)
            }
            Some(_) | None => Ok(TransformOutput::Unchanged),
        }
    }
}

pub(super) fn faulty() -> Transforms {
    Transforms::new().with("faulty", |_| Ok(Arc::new(FaultyTransform)))
}

const TYPES: [&str; 4] = ["START", "RUNNING", "COMPLETE", "FAIL"];
const JOBS: [&str; 6] = ["a", "b", "panics", "fails", "dropped", "slow"];

/// A record: run, type, job, attempts, and whether it is no event at all.
type Input = (u8, usize, usize, u32, bool);

/// How a batch ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Completes,
    /// Its time ends while the rules are applied.
    IsLate,
    /// Its time has ended.
    HasNoTime,
    Panics,
    /// Its deliveries are cancelled, and those of all batches after it.
    IsCutOff,
}

#[derive(Debug, Clone)]
struct Batch {
    inputs: Vec<Input>,
    answers: Vec<Answer>,
    end: End,
}

/// The names of outcomes by the id of the record.
#[derive(Default)]
struct OutcomeRecorder(Mutex<BTreeMap<String, Vec<&'static str>>>);

impl Observer for OutcomeRecorder {
    fn observe(&self, outcomes: &[OutcomeRecord]) {
        let mut observed = self.0.lock().unwrap();
        for outcome in outcomes {
            let names = observed.entry(outcome.id.to_string()).or_default();
            names.push(outcome.outcome.name());
        }
    }
}

/// What became of the records of all batches.
#[derive(Default)]
struct RecordEnds {
    /// Whether the record is done, for each time that it ended.
    by_id: BTreeMap<String, Vec<bool>>,
    /// Those that ended without an outcome: their batch panicked, or they are still held back.
    unobserved: BTreeSet<String>,
}

impl RecordEnds {
    fn add(&mut self, id: &str, is_done: bool) {
        self.by_id.entry(id.to_owned()).or_default().push(is_done);
    }
}

/// Sends the records of a batch, and receives them.
async fn received(queue: &Queue, inputs: &[Input], sent: &mut Vec<String>) -> Vec<Arc<Record>> {
    let message = |(run, event_type, job, _, is_broken): &Input| {
        let body = match is_broken {
            true => "{".to_owned(),
            false => text(*run, TYPES[*event_type], 0, JOBS[*job]),
        };
        sent.push(format!("{:03}", sent.len()));
        Message {
            id: sent.last().unwrap().clone(),
            body: body.into(),
            received_at: 0,
            group: run.to_string(),
            identity: None,
            memory_permit: None,
            trace: None,
            event: Default::default(),
        }
    };
    let messages: Vec<Message> = inputs.iter().map(message).collect();
    let accepted = queue.send(messages).await;
    assert!(accepted.iter().all(Result::is_ok));
    let (mut records, never) = (Vec::<Record>::new(), CancellationToken::new());
    while records.len() < inputs.len() {
        let left = inputs.len() - records.len();
        let more = queue.receive(left, Duration::ZERO, &never);
        records.extend(more.await.unwrap());
    }
    for (record, (_, _, _, attempts, _)) in records.iter_mut().zip(inputs) {
        record.attempts = *attempts;
    }
    records.into_iter().map(Arc::new).collect()
}

/// Ends a batch. Returns whether each of its records is done, by its id in the queue, and whether outcomes were published.
async fn end(
    pipeline: &Pipeline,
    batch: InFlightBatch,
    end: End,
    endpoint: &Endpoint,
) -> (Vec<(String, bool)>, bool) {
    let records = batch.records();
    let batch = match end {
        End::HasNoTime => batch.without_time(),
        End::Completes | End::IsLate | End::Panics | End::IsCutOff => batch,
    };
    let settled = guard(async {
        assert!(end != End::Panics, "a bug");
        let cut_off = async {
            while end == End::IsCutOff && endpoint.hanging.load(Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            match end {
                End::IsCutOff => pipeline.cut_off(),
                End::Completes | End::IsLate | End::HasNoTime | End::Panics => {}
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            settled = pipeline.complete(batch) => settled,
            () = cut_off => unreachable!(),
        }
    });
    match settled.await {
        Some(settled) => {
            let ended = settled.into_iter();
            (
                ended
                    .map(|it| (it.queue_id.to_string(), it.is_done))
                    .collect(),
                true,
            )
        }
        None => {
            let ids: Vec<String> = records.iter().map(|it| it.queue_id.to_string()).collect();
            let again = pipeline.recover(records).await;
            let is_done = |id: &String| again.iter().all(|it| *it.queue_id != **id);
            let ended = ids.into_iter().map(|id| (id.clone(), is_done(&id)));
            (ended.collect(), false)
        }
    }
}

/// Processes batches: one after the other, or admitted one after the other and completed at once.
async fn process(
    pipeline: &Pipeline,
    batches: &[Batch],
    endpoint: &Endpoint,
    overlap: bool,
) -> (Vec<String>, RecordEnds) {
    let (mut sent, mut ended) = (Vec::new(), RecordEnds::default());
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let mut all_records = Vec::new();
    // All at first: what a batch returns to the queue is not received again here.
    for batch in batches {
        let records = received(&pipeline.queue, &batch.inputs, &mut sent).await;
        let named = records
            .iter()
            .map(|it| (it.queue_id.to_string(), it.id.to_string()));
        ids.extend(named);
        all_records.push(records);
    }
    let mut admitted = Vec::new();
    for (index, (batch, records)) in batches.iter().zip(all_records).enumerate() {
        let time = match batch.end {
            End::IsLate => SLOW,
            End::Completes | End::HasNoTime | End::Panics | End::IsCutOff => 20 * ATTEMPT,
        };
        endpoint.answers.lock().unwrap().extend(&batch.answers);
        admitted.push((
            pipeline.admit(records, Instant::now() + time).await,
            batch.end,
        ));
        if overlap && index + 1 < batches.len() {
            continue;
        }
        let ends = admitted
            .drain(..)
            .map(|(batch, how)| end(pipeline, batch, how, endpoint));
        for (of_batch, is_observed) in join_all(ends).await {
            for (queue_id, is_done) in of_batch {
                ended.add(&ids[&queue_id], is_done);
                if !is_observed {
                    ended.unobserved.insert(ids[&queue_id].clone());
                }
            }
        }
    }
    for held in pipeline.drain() {
        ended.add(&held.id, false);
        ended.unobserved.insert(held.id.to_string());
    }
    (sent, ended)
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let input = (
        0u8..3,
        0usize..4,
        0usize..6,
        1u32..7,
        proptest::bool::weighted(0.1),
    );
    let answer = prop_oneof![
        4 => Just(Answer::Status(201)),
        1 => Just(Answer::Status(422)),
        1 => Just(Answer::Status(500)),
        1 => Just(Answer::Status(503)),
        1 => Just(Answer::Closes),
    ];
    let end = prop_oneof![
        4 => Just(End::Completes),
        1 => Just(End::IsLate),
        1 => Just(End::HasNoTime),
        1 => Just(End::Panics),
        1 => Just(End::IsCutOff),
    ];
    let batch = (
        prop::collection::vec(input, 0..12),
        prop::collection::vec(answer, 0..6),
        end,
    );
    let batch = batch.prop_map(|(inputs, mut answers, end)| {
        if end == End::IsCutOff {
            answers.push(Answer::Hangs);
        }
        Batch {
            inputs,
            answers,
            end,
        }
    });
    prop::collection::vec(batch, 1..4)
}

async fn target(folder: &Path, ordered: bool, endpoint: Arc<Endpoint>) -> String {
    match ordered {
        true => {
            let url = format!("http://{}", endpoint.listen().await);
            format!("target: openlineage\nopenlineage: {{url: {url:?}}}")
        }
        false => {
            let lake = folder.join("lake");
            format!("target: archive\narchive: {{location: {lake:?}, apply_rules: true}}")
        }
    }
}

proptest! {
    // Each case opens a queue on disk.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn each_record_ends_in_exactly_one_outcome(
        batches in batches(),
        holds_back in any::<bool>(),
        overlap in any::<bool>(),
        ordered in proptest::bool::weighted(0.7),
        is_down in proptest::bool::weighted(0.3),
    ) {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {})); // rules and batches panic here, many times
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (sent, ended, observed, depth) = runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (endpoint, observed) = <(Arc<Endpoint>, Arc<OutcomeRecorder>)>::default();
            let settings = target(folder.path(), ordered, endpoint.clone()).await;
            let buffer = match holds_back {
                true => CoalesceBuffer::new(Duration::from_secs(60), Duration::ZERO),
                false => CoalesceBuffer::disabled(),
            };
            let pipeline = pipeline_with(folder.path(), &settings, FAULTY, faulty()).await;
            let pipeline = pipeline.long_lived(buffer, vec![observed.clone()]);
            if is_down && !ordered {
                // No object can be written any more.
                let lake = folder.path().join("lake");
                std::fs::remove_dir_all(&lake).unwrap();
                std::fs::write(&lake, "").unwrap();
            }
            let (sent, ended) = process(&pipeline, &batches, &endpoint, overlap).await;
            let depth = pipeline.queue.depth().await.unwrap();
            let observed = std::mem::take(&mut *observed.0.lock().unwrap());
            (sent, ended, observed, depth)
        });
        std::panic::set_hook(hook);

        let ids: Vec<String> = ended.by_id.keys().cloned().collect();
        prop_assert_eq!(ids, sent);
        let (mut again, mut dead) = (0, 0);
        for (id, ends) in &ended.by_id {
            prop_assert_eq!(ends.len(), 1, "{} ended {:?}", id, ends);
            let is_done = ends[0];
            again += u64::from(!is_done);
            let outcomes = observed.get(id).map(Vec::as_slice).unwrap_or_default();
            match (ended.unobserved.contains(id), outcomes) {
                (true, []) => dead += u64::from(is_done), // it was alone in a batch that panicked
                (false, [outcome]) => {
                    prop_assert_eq!(is_done, *outcome != "retry", "{}: {}", id, outcome);
                    dead += u64::from(*outcome == "dead_lettered");
                }
                (_, outcomes) => prop_assert!(false, "{}: {:?}", id, outcomes),
            }
        }
        prop_assert_eq!((depth.events, depth.dead_letters), (again, Some(dead)));
    }
}
