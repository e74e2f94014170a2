//! Batches that overlap, with a queue and a target: what is processed together, and what waits for what.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use transform::Transforms;

use super::outcomes::{FAULTY, faulty};
use super::*;
use crate::config::{Config, Layers, Role};
use crate::queue::Embedded;
use crate::rules::RuleOptions;
use crate::topology::TargetPlan;

/// Enough time for an attempt: with less than a second left a target begins none (`targets/src/rate.rs`).
pub(super) const ATTEMPT: Duration = Duration::from_secs(3);

/// How long an event is postponed that was not attempted in time.
const POSTPONED: Duration = Duration::from_secs(1);

/// A pipeline in a folder, with that target, that holds back events of runs that have not ended.
async fn pipeline(folder: &Path, settings: &str) -> Pipeline {
    let rules = "coalesce: {window: 10s}";
    let pipeline = pipeline_with(folder, settings, rules, Transforms::new()).await;
    let buffer = CoalesceBuffer::new(Duration::from_secs(60), Duration::ZERO);
    pipeline.long_lived(buffer, Vec::new())
}

/// A pipeline in a folder, with that target and those rules.
pub(super) async fn pipeline_with(
    folder: &Path,
    settings: &str,
    text: &str,
    transforms: Transforms,
) -> Pipeline {
    let rules = folder.join("rules.yaml");
    std::fs::write(&rules, text).unwrap();
    let settings = format!("{settings}\nrules: {{file: {}}}", rules.display());
    let config = Config::read(Layers::yaml("proxy.yaml", &settings), Role::Serve).unwrap();
    let queue = Embedded::own(folder, Duration::from_secs(60)).await;
    let queue = Queue::Embedded(queue.unwrap());
    let aws = aws::Aws::new();
    let options = RuleOptions {
        transforms,
        ..RuleOptions::default()
    };
    let plan = TargetPlan::read(&config.pipeline, &aws, options).await;
    let pipeline = plan.unwrap().open(&config, &aws, queue).await;
    pipeline.unwrap()
}

/// A target that takes connections and never answers by itself, and a pipeline to it.
async fn before_silence(folder: &Path) -> (TcpListener, Arc<Pipeline>) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let settings = format!("target: openlineage\nopenlineage: {{url: {url:?}}}");
    (silent, Arc::new(pipeline(folder, &settings).await))
}

/// Waits for a connection.
async fn accepted(silent: TcpListener) -> (TcpListener, TcpStream) {
    let accepted = tokio::task::spawn_blocking(move || silent.accept().map(|it| (silent, it)));
    let (silent, (connection, _)) = accepted.await.unwrap().unwrap();
    (silent, connection)
}

fn assert_not_called(silent: &TcpListener) {
    silent.set_nonblocking(true).unwrap();
    let next = silent.accept().map_err(|error| error.kind());
    assert_eq!(next.err(), Some(std::io::ErrorKind::WouldBlock));
}

/// Admits the end of the run.
async fn admit_end(pipeline: &Pipeline, queue_id: &str, time: Duration) -> InFlightBatch {
    let records = vec![received(queue_id, 1, "COMPLETE")];
    pipeline.admit(records, Instant::now() + time).await
}

fn received(queue_id: &str, run: u8, event_type: &str) -> Arc<Record> {
    record(queue_id, 1, &text(run, event_type, 0, queue_id))
}

fn ids(records: &[Arc<Record>]) -> Vec<&str> {
    let ids = records.iter().map(|record| &*record.queue_id);
    ids.collect()
}

#[tokio::test]
async fn a_suspect_is_processed_alone_while_events_are_held_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let settings = format!("target: file\nfile: {{path: {}}}", file.display());
    let pipeline = pipeline(folder.path(), &settings).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let starts = vec![received("1", 1, "START"), received("2", 2, "START")];
    let held = pipeline.admit(starts, deadline).await;
    assert!(held.records().is_empty());

    // The one that is held back of its run goes ahead of it; the one of another run goes on waiting.
    let suspect = received("suspect", 1, "RUNNING");
    let batches = pipeline.admit_alone(suspect, deadline).await;
    let records: Vec<_> = batches.iter().map(InFlightBatch::records).collect();
    let records: Vec<_> = records.iter().map(|records| ids(records)).collect();
    assert_eq!(records, [["1"], ["suspect"]]);
    for batch in batches {
        let settled = pipeline.complete(batch).await;
        assert!(settled.iter().all(|settled| settled.is_done));
    }
    assert_eq!(ids(&pipeline.drain()), ["2"]);
    let delivered = std::fs::read_to_string(&file).unwrap();
    let jobs = |line: &str| line.contains(r#""name":"suspect""#);
    assert_eq!(
        delivered.lines().map(jobs).collect::<Vec<_>>(),
        [false, true]
    );
}

#[tokio::test]
async fn a_batch_without_time_is_returned_to_the_queue_without_an_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let settings = format!("target: file\nfile: {{path: {}}}", file.display());
    let pipeline = pipeline(folder.path(), &settings).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let batch = pipeline.admit(vec![received("1", 1, "COMPLETE")], deadline);
    let settled = pipeline.complete(batch.await.without_time()).await;
    assert!(settled.iter().all(|settled| !settled.is_done));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
}

#[tokio::test]
async fn no_event_goes_ahead_of_one_of_its_run_that_is_still_being_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let (silent, pipeline) = before_silence(folder.path()).await;
    let hanging = admit_end(&pipeline, "1", Duration::from_secs(60)).await;
    let delivering = tokio::spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.complete(hanging).await }
    });
    let (silent, _connection) = accepted(silent).await;

    // The second waits for it in vain. The third, which would have time for an attempt, waits for both.
    for (queue_id, after) in [("2", Duration::ZERO), ("3", ATTEMPT)] {
        let late = admit_end(&pipeline, queue_id, after).await;
        let settled = pipeline.complete(late).await;
        assert!(settled.iter().all(|settled| !settled.is_done));
    }
    assert_not_called(&silent);
    pipeline.cut_off();
    delivering.await.unwrap();
}

#[tokio::test]
async fn no_event_goes_ahead_of_one_of_its_run_that_was_postponed_while_it_waited() {
    let folder = tempfile::tempdir().unwrap();
    let (silent, pipeline) = before_silence(folder.path()).await;
    let complete = |batch| {
        let pipeline = pipeline.clone();
        tokio::spawn(async move { pipeline.complete(batch).await })
    };
    let first = complete(admit_end(&pipeline, "1", 6 * ATTEMPT).await);
    let (silent, mut connection) = accepted(silent).await;
    let second = admit_end(&pipeline, "2", POSTPONED / 20).await;
    let third = complete(admit_end(&pipeline, "3", 2 * ATTEMPT).await);

    // The second waits in vain, and may be received again before the first is answered.
    let postponed = pipeline.complete(second).await;
    assert!(postponed.iter().all(|settled| !settled.is_done));
    tokio::time::sleep(POSTPONED + POSTPONED / 20).await;
    let response = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    connection.write_all(response).unwrap();
    assert!(first.await.unwrap().iter().all(|settled| settled.is_done));
    assert!(third.await.unwrap().iter().all(|settled| !settled.is_done));
    assert_not_called(&silent);
}

#[test]
fn events_whose_rules_can_no_longer_be_run_return_to_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let (living, ending) = (runtime(), runtime());
    let handle = ending.handle().clone();
    ending.shutdown_background();
    let decided = living.block_on(async {
        let file = folder.path().join("events.jsonl");
        let settings = format!("target: file\nfile: {{path: {}}}", file.display());
        let pipeline = pipeline_with(folder.path(), &settings, FAULTY, faulty()).await;
        let context = BatchContext {
            rules: pipeline.rules.current(),
            deadline: Instant::now() + 20 * ATTEMPT,
            deliveries_end: CancellationToken::new(),
            halt: OnceLock::new(),
        };
        let event = decode(received("1", 1, "START"), Provenance::Intake).unwrap();
        let _entered = handle.enter();
        let adapted = pipeline.adapt(vec![event], HashMap::new(), &context).await;
        assert!(adapted.outbound.is_empty());
        adapted.decided
    });
    let outcomes: Vec<_> = decided.iter().map(|it| it.outcome.name()).collect();
    assert_eq!(outcomes, ["retry"]);
}

/// One is allocated and moved for each run of a batch, for each target. A request takes several times as much: those of the
/// kinds that make some, and of lookups, are boxed.
const SMALL: usize = 2_048;

#[tokio::test]
async fn the_delivery_of_a_run_takes_little_memory_whatever_kinds_of_targets_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path(), "target: store").await;
    let rules = pipeline.rules.current();
    let event = decode(received("1", 1, "START"), Provenance::Intake).unwrap();
    let deadline = Instant::now() + ATTEMPT;
    let mut batch = pipeline.in_flight(vec![event], Vec::new(), rules, deadline);
    let delivery = pipeline.deliver_run(batch.runs.remove(0), &batch.context);
    let size = size_of_val(&delivery);
    assert!(size <= SMALL, "{size} bytes");
}
