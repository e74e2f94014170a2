use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;

use super::*;
use crate::queue::{Message, Record, Settlement, Status};

async fn queue_of(folder: &std::path::Path) -> (ProxyQueue, Embedded, CancellationToken) {
    let embedded = Embedded::own(folder, Duration::from_secs(60))
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let target = TargetQueue {
        name: embedded.target().to_owned(),
        kind: Kind::Store,
        queue: Queue::Embedded(embedded.clone()),
        letters: None,
        is_ours: true,
    };
    let queue = ProxyQueue::new(vec![target], Arc::default(), Vec::new(), stop.clone());
    (queue, embedded, stop)
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Makes so many dead letters, each for a reason of its own.
async fn die(embedded: &Embedded, count: usize, reason: &str) {
    let queue = Queue::Embedded(embedded.clone());
    let message = |_| {
        Message::new(
            NUMBER.fetch_add(1, Ordering::Relaxed).to_string(),
            "{}",
            now(),
        )
    };
    let sent = queue.send((0..count).map(message).collect()).await;
    assert!(sent.iter().all(Result::is_ok));
    settle(&queue, count, reason).await;
}

/// Makes what can be received dead letters.
async fn settle(queue: &Queue, count: usize, reason: &str) {
    let mut left = count;
    while left > 0 {
        let stop = CancellationToken::new();
        let received = queue.receive(100, Duration::ZERO, &stop).await.unwrap();
        left = left.saturating_sub(received.len());
        let letter = |it: &Record| Settlement::DeadLetter(format!("{reason} {}", it.id));
        let letters: Vec<_> = received.iter().map(|it| (it, letter(it))).collect();
        let until = Instant::now() + Duration::from_secs(10);
        let answers = queue.settle(&letters, until).await;
        assert!(answers.iter().all(Result::is_ok));
    }
}

async fn group(queue: &ProxyQueue) -> Group {
    let letters = queue.dead_letters().await.unwrap();
    Group {
        target: letters.groups[0].target.clone().unwrap(),
        key: letters.groups[0].key.clone(),
    }
}

async fn ended(queue: &ProxyQueue) -> page::line::queue::RedriveState {
    loop {
        let redrive = queue.state().await.redrives.remove(0);
        if redrive.end.is_some() {
            return redrive;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn status(embedded: &Embedded) -> Status {
    embedded.status().await.unwrap()
}

#[tokio::test]
async fn a_group_is_listed_as_the_command_line_lists_it() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, embedded, _stop) = queue_of(folder.path()).await;
    die(&embedded, 3, "invalid: 400 Bad Request").await;
    let found = embedded.dead_letter_groups(Duration::MAX, |_| true).await;
    let shown = queue.dead_letters().await.unwrap();
    let json = |it: serde_json::Result<serde_json::Value>| it.unwrap();
    assert_eq!(
        json(serde_json::to_value(&shown)),
        json(serde_json::to_value(found.unwrap()))
    );
    assert_eq!(shown.groups[0].count, 3);
}

#[tokio::test]
async fn a_group_is_redriven_at_its_rate_and_another_waits_for_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, embedded, _stop) = queue_of(folder.path()).await;
    die(&embedded, 7, "invalid: refused").await;
    die(&embedded, 2, "too_large: as large as").await;
    let invalid = group(&queue).await;
    let begun = Instant::now();
    let started = queue.redrive(invalid.clone(), 10, &None).await.unwrap();
    assert_eq!(
        (started.count, started.shape.as_deref()),
        (7, Some("invalid: refused …"))
    );
    let again = queue.redrive(invalid.clone(), 10, &None).await;
    assert!(matches!(again, Err(QueueFailure::Conflict(_))), "{again:?}");
    let redrive = ended(&queue).await;
    assert!(
        begun.elapsed() >= Duration::from_millis(500),
        "7 at 10 a second"
    );
    assert_eq!((redrive.done, redrive.total), (7, 7));
    assert_eq!(redrive.end, Some(page::line::queue::RedriveEnd::Finished));
    let left = status(&embedded).await;
    assert_eq!((left.dead_letters, left.waiting), (2, 7));
    let none = queue.redrive(invalid, 10, &None).await;
    assert!(matches!(none, Err(QueueFailure::NotFound(_))), "{none:?}");
}

#[tokio::test]
async fn a_redrive_that_is_cancelled_leaves_the_rest_and_a_stop_ends_all() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, embedded, stop) = queue_of(folder.path()).await;
    die(&embedded, 50, "invalid: refused").await;
    let all = group(&queue).await;
    queue.redrive(all.clone(), 20, &None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(queue.cancel(&all.target, &None).await);
    let redrive = ended(&queue).await;
    assert_eq!(redrive.end, Some(page::line::queue::RedriveEnd::Cancelled));
    assert!(redrive.done > 0 && redrive.done < 50, "{redrive:?}");
    let left = status(&embedded).await.dead_letters;
    assert_eq!(left, 50 - redrive.done, "what was written is counted");
    assert!(!queue.cancel(&all.target, &None).await);
    queue.redrive(all, 20, &None).await.unwrap();
    stop.cancel();
    let redrive = ended(&queue).await;
    assert_eq!(redrive.end, Some(page::line::queue::RedriveEnd::Cancelled));
}

#[tokio::test]
async fn what_became_a_dead_letter_since_is_not_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, embedded, _stop) = queue_of(folder.path()).await;
    die(&embedded, 4, "invalid: refused").await;
    let selection = queue.select(group(&queue).await).await.unwrap();
    assert_eq!(selection.count, 4);
    tokio::time::sleep(Duration::from_millis(5)).await; // the clock of dead letters
    die(&embedded, 3, "invalid: refused").await;
    let wrong = Selection {
        count: 7,
        ..selection.clone()
    };
    let refused = queue.delete(wrong, &None).await;
    assert!(
        matches!(refused, Err(QueueFailure::Conflict(_))),
        "{refused:?}"
    );
    assert_eq!(queue.delete(selection, &None).await, Ok(Deletion::Done(4)));
    assert_eq!(status(&embedded).await.dead_letters, 3);
}

#[tokio::test]
async fn the_count_of_the_navigation_is_known_a_moment_after_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, embedded, stop) = queue_of(folder.path()).await;
    die(&embedded, 2, "invalid: refused").await;
    let queue = Arc::new(queue);
    assert_eq!(queue.dead_letter_count(), None);
    let counting = tokio::spawn(queue.clone().count(stop.clone()));
    while queue.dead_letter_count() != Some(2) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    counting.await.unwrap();
}

#[tokio::test]
async fn dead_letters_are_deleted_to_the_last_although_nobody_waits_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, embedded, _stop) = queue_of(folder.path()).await;
    die(&embedded, 5, "invalid: refused").await;
    let selection = queue.select(group(&queue).await).await.unwrap();
    let by = None;
    let deleting = queue.delete(selection, &by);
    // Polled once, and dropped.
    let left = deleting.now_or_never();
    assert!(left.is_none(), "it is not done at once");
    let deleted = async {
        while status(&embedded).await.dead_letters > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, deleted).await.unwrap();
}

#[tokio::test]
async fn a_redrive_that_finds_nothing_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, embedded, stop) = queue_of(folder.path()).await;
    die(&embedded, 1, "invalid: refused").await;
    let mut selection = queue.select(group(&queue).await).await.unwrap();
    selection.key = "another".to_owned();
    stop.cancel();
    let letters = Letters::Embedded(Box::new(embedded));
    let started = queue.redrives.redrive(letters, selection, 10, &None, now());
    assert!(started);
    let end = ended(&queue).await.end;
    assert_eq!(end, Some(page::line::queue::RedriveEnd::Cancelled));
}

#[tokio::test]
async fn dead_letters_of_sqs_are_looked_at_by_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, _embedded, _stop) = queue_of(folder.path()).await;
    let _turn = queue.looking.lock().await;
    let second = queue.look(&None).await;
    assert!(
        matches!(second, Err(QueueFailure::Conflict(_))),
        "{second:?}"
    );
}
