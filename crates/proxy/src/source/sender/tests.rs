//! Each event gets an answer, whatever becomes of the queue, of validation, and of the time.

use openlineage::Level;
use sources::Identity;

use super::super::tests::{StandIn, dead_letters};
use super::*;
use crate::intake::CpuPool;
use crate::queue::{Embedded, Memory, MemoryLimits, Queue};

fn found(n: usize, text: String) -> FoundEvent {
    FoundEvent {
        identity: Identity::of(&[&n.to_string()]),
        text,
    }
}

pub(in super::super) fn valid(n: usize) -> FoundEvent {
    let text = format!(
        r#"{{"eventType":"START","eventTime":"2026-01-01T00:00:00Z","producer":"urn:test","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent","run":{{"runId":"01890000-0000-7000-8000-000000000000"}},"job":{{"namespace":"n","name":"job {n}"}}}}"#
    );
    found(n, text)
}

#[tokio::test]
async fn each_event_is_accepted_known_or_rejected_whatever_stands_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Embedded::own(folder.path(), Duration::from_secs(60)).await;
    let queue = Queue::Embedded(queue.unwrap());
    let intake = Intake::new(queue.clone(), Level::Repair, CpuPool::new());
    let memory = MemoryBudget::new(8 << 20);
    let sender = Sender::new("etl".into(), intake, memory, 1_000_000);
    // More than a group.
    let mut events: Vec<FoundEvent> = (0..2 * GROUP + 1).map(valid).collect();
    events.insert(3, valid(0));
    events.insert(7, found(10_000, "{}".to_owned()));
    events.insert(GROUP, found(10_001, " ".repeat(1_000_001)));
    let first = sender.send(events.clone()).await;
    let accepted = 2 * GROUP as u64 + 1;
    assert_eq!(
        (first.accepted, first.known, first.rejected),
        (accepted, 1, 2)
    );
    let again = sender.send(events).await;
    assert_eq!(
        (again.accepted, again.known, again.rejected),
        (0, accepted + 1, 2)
    );
    assert_eq!(queue.depth().await.unwrap().events, accepted);
}

/// A sender to a queue that is not available: one in memory is given its events in another way.
fn unavailable() -> Sender {
    let limits = MemoryLimits {
        events: 1,
        bytes: 1,
        per_second: None,
    };
    let (queue, _) = Memory::new(limits, Duration::ZERO);
    let intake = Intake::new(Queue::Memory(queue), Level::Repair, CpuPool::new());
    Sender::new("etl".into(), intake, MemoryBudget::new(8 << 20), 1_000_000)
}

#[tokio::test]
async fn a_command_gives_up_a_queue_that_stays_unavailable_and_counts_what_is_unsent() {
    let events: Vec<FoundEvent> = (0..GROUP + 3).map(valid).collect();
    let sent = unavailable().with_attempts(2).send(events).await;
    assert_eq!((sent.accepted, sent.unsent), (0, GROUP as u64 + 3));
}

#[tokio::test]
async fn a_stop_lets_the_group_under_way_have_its_answer_and_sends_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Embedded::own(folder.path(), Duration::from_secs(60)).await;
    let queue = Queue::Embedded(queue.unwrap());
    let intake = Intake::new(queue.clone(), Level::Repair, CpuPool::new());
    let sender = Sender::new("etl".into(), intake, MemoryBudget::new(8 << 20), 1_000_000);
    let stop = CancellationToken::new();
    // Before the first group: while it is under way, a fast queue may have answered all of them.
    stop.cancel();
    let events = (0..GROUP + 3).map(valid).collect();
    let sent = sender.send_until(events, Vec::new(), &stop).await.tally;
    assert_eq!((sent.accepted, sent.unsent), (GROUP as u64, 3));
    assert_eq!(queue.depth().await.unwrap().events, GROUP as u64);
}

async fn log(folder: &Path) -> (Queue, Sender) {
    let queue = Embedded::own(folder, Duration::from_secs(60)).await;
    let queue = Queue::Embedded(queue.unwrap());
    let intake = Intake::new(queue.clone(), Level::Repair, CpuPool::new());
    let sender = Sender::new("etl".into(), intake, MemoryBudget::new(8 << 20), 1_000_000);
    (queue, sender)
}

/// A sender whose validation panics on every event of this job.
pub(in super::super) async fn with_bug(folder: &Path) -> (Queue, Sender) {
    let (queue, sender) = log(folder).await;
    let intake = sender.intake.with_validation(|bytes, level| {
        assert!(!bytes.ends_with(br#""job 7"}}"#), "a bug");
        crate::intake::validate(bytes, level)
    });
    (queue, Sender { intake, ..sender })
}

#[tokio::test]
async fn an_event_that_panics_is_set_aside_and_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, sender) = with_bug(folder.path()).await;
    let sender = sender.with_data_folder(folder.path());
    let events = (0..GROUP + 3).map(valid).collect();
    let sent = sender.send(events).await;
    let others = GROUP as u64 + 2;
    assert_eq!((sent.accepted, sent.set_aside, sent.unsent), (others, 1, 0));
    assert_eq!(queue.depth().await.unwrap().events, others);
    let id = valid(7).identity;
    let file = folder.path().join(format!("set-aside/etl-{id}.json"));
    assert_eq!(std::fs::read_to_string(file).unwrap(), valid(7).text);
}

#[tokio::test]
async fn an_input_that_panics_is_set_aside_or_left_to_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let (_queue, sender) = log(folder.path()).await;
    let input = sources::UnreadInput::new("the queue, message 7", b"body");
    let id = input.identity;
    let nowhere = sender.keep(vec![input.clone()]).await;
    assert_eq!((nowhere.tally.set_aside, nowhere.tally.unkept), (0, 1));
    assert_eq!(nowhere.left, HashSet::from([id.uuid()]));
    let sender = sender.with_data_folder(folder.path());
    let sent = sender.keep(vec![input]).await;
    assert_eq!((sent.tally.set_aside, sent.tally.unkept), (1, 0));
    let file = folder.path().join(format!("set-aside/etl-{id}.input"));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "body");
}

#[tokio::test]
async fn an_event_that_panics_is_not_passed_over_where_it_cannot_be_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (_queue, sender) = with_bug(folder.path()).await;
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let nowhere = sender.clone().with_data_folder(&file);
    let sent = nowhere
        .with_attempts(5)
        .send(vec![valid(7), valid(8)])
        .await;
    assert_eq!((sent.accepted, sent.set_aside, sent.unsent), (1, 0, 1));
    // A function has no disk: its caller is told which event it is.
    let later = Instant::now() + Duration::from_secs(60);
    let sent = sender
        .send_before(vec![valid(7), valid(8)], Vec::new(), later)
        .await;
    let SendReport { tally, left } = sent;
    assert_eq!((tally.known, tally.set_aside, tally.unkept), (1, 0, 1));
    assert_eq!(left, HashSet::from([valid(7).identity.uuid()]));
}

#[tokio::test]
async fn nothing_is_set_aside_while_others_are_left_because_all_of_it_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (_queue, sender) = with_bug(folder.path()).await;
    let sender = Sender {
        max_size: 2 * GROUP_BYTES,
        ..sender.with_data_folder(folder.path()).with_attempts(4)
    };
    let input = sources::UnreadInput::new("the queue, message 7", b"body");
    // A group of its own, for which there is no memory at first.
    let large = found(8, valid(8).text + &" ".repeat(GROUP_BYTES));
    let events = [valid(7), large];
    let stop = CancellationToken::new();
    let small = Sender {
        memory: MemoryBudget::new(GROUP_BYTES),
        ..sender.clone()
    };
    let inputs = vec![input.clone()];
    let sent = small.send_until(events.to_vec(), inputs, &stop).await;
    let set_aside = folder.path().join("set-aside");
    assert_eq!((sent.tally.set_aside, sent.tally.unsent), (0, 3));
    assert!(!set_aside.exists());
    let ids = events.iter().map(|event| event.identity.uuid());
    let ids: HashSet<Uuid> = ids.chain([input.identity.uuid()]).collect();
    assert_eq!(sent.left, ids);
    let inputs = vec![input];
    let sent = sender.send_until(events.to_vec(), inputs, &stop).await;
    assert_eq!((sent.tally.set_aside, sent.tally.accepted), (2, 1));
    assert_eq!(sent.left, HashSet::new());
    assert_eq!(std::fs::read_dir(set_aside).unwrap().count(), 2);
}

#[tokio::test]
async fn nothing_becomes_a_dead_letter_beside_what_never_can_because_all_of_it_is_found_again() {
    let (stand_in, aws, url) = StandIn::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let (_queue, sender) = with_bug(folder.path()).await;
    let sender = sender.with_dead_letters(dead_letters(&aws, &url).await);
    let good = sources::UnreadInput::new("a statement", b"select");
    let impossible = sources::UnreadInput::new("a line", b"a\0");
    let stop = CancellationToken::new();
    for accepted in [(1, 0), (0, 1)] {
        let inputs = vec![good.clone(), impossible.clone()];
        let events = vec![valid(7), valid(8)];
        let sent = sender.send_until(events, inputs, &stop).await;
        assert_eq!((sent.tally.accepted, sent.tally.known), accepted);
        assert_eq!((sent.tally.set_aside, sent.tally.unkept), (0, 3));
        let left = [valid(7).identity, good.identity, impossible.identity];
        assert_eq!(sent.left, left.map(Identity::uuid).into());
        let sent = sender.keep(vec![good.clone(), impossible.clone()]).await;
        assert_eq!((sent.tally.set_aside, sent.tally.unkept), (0, 2));
    }
    assert_eq!(stand_in.sent(), Vec::<String>::new());
    let sent = sender.send_until(vec![valid(7)], vec![good], &stop).await;
    assert_eq!((sent.tally.set_aside, sent.left.len()), (2, 0));
    assert_eq!(stand_in.sent(), [valid(7).text, "select".to_owned()]);
}

#[tokio::test]
async fn nothing_is_begun_after_the_deadline_and_what_was_begun_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, sender) = log(folder.path()).await;
    let sent = sender
        .send_before(vec![valid(0)], Vec::new(), Instant::now())
        .await;
    assert_eq!((sent.tally.accepted, sent.tally.unsent), (0, 1));
    assert_eq!(sent.left, HashSet::from([valid(0).identity.uuid()]));
    assert_eq!(queue.depth().await.unwrap().events, 0);
    let later = Instant::now() + Duration::from_secs(60);
    let sent = sender.send_before(vec![valid(0)], Vec::new(), later).await;
    assert_eq!((sent.tally.accepted, sent.tally.unsent), (1, 0));
    assert!(sent.left.is_empty());
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_a_queue() {
    let stop = CancellationToken::new();
    let sender = unavailable();
    let send = sender.send_until(vec![valid(0)], Vec::new(), &stop);
    let (sent, ()) = tokio::join!(send, async { stop.cancel() });
    assert_eq!((sent.tally.accepted, sent.tally.unsent), (0, 1));
}
