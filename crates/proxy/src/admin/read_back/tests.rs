//! What is read for an answer, and the memory that it takes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::queue::{LogOptions, Message, Retention, now};
use journal::Claim;

fn places(sizes: &[usize]) -> Vec<EventPlace> {
    let places = sizes.iter().enumerate().map(|(n, size)| EventPlace {
        id: n.to_string(),
        accepted_at: 0,
        size: *size,
    });
    places.collect()
}

proptest! {
    #[test]
    fn events_are_read_in_their_order_within_the_memory_that_is_reserved(
        sizes in vec(prop_oneof![0..2_000usize, 0..2 * PIECE], 0..200),
    ) {
        let places = places(&sizes);
        let reserved = size_of_fold(sizes.iter().copied(), PIECE, 0);
        let pieces: Vec<Vec<EventPlace>> = pieces(places.clone()).collect();
        for piece in &pieces {
            let size: usize = piece.iter().map(|place| place.size).sum();
            prop_assert!(size <= reserved && !piece.is_empty() && piece.len() <= MAX_LOOKED_UP);
        }
        prop_assert_eq!(pieces.concat(), places);
    }
}

/// A log that accepted events with these ids now, with their ids as their texts.
async fn read_back(folder: &std::path::Path, ids: &[&str]) -> ReadBack {
    let claim = Arc::new(Claim::take(folder).unwrap());
    let options = LogOptions {
        visibility_timeout: Duration::from_secs(60),
        retention: Retention::NONE,
    };
    let log = Log::claimed(claim, options).await.unwrap();
    let message = |id: &&str| Message::new(*id, *id, now());
    let sent = log.append(ids.iter().map(message).collect()).await;
    assert!(sent.iter().all(Result::is_ok));
    ReadBack::new(log, Form::Accepted)
}

fn joined(all: String, _: &EventPlace, text: &str) -> String {
    all + text
}

#[tokio::test]
async fn an_event_that_the_log_accepted_at_another_time_is_folded_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let read_back = read_back(folder.path(), &["a", "b", "c", "d"]).await;
    let places = [
        ("a", 0),
        ("b", 30_000),
        ("none", 0),
        ("c", -30_000),
        ("d", 0),
    ];
    let places = places.map(|(id, late)| EventPlace {
        id: id.to_owned(),
        accepted_at: now() + late,
        size: 1,
    });
    let kept = (String::new(), 9);
    let folded = read_back.fold_places(places.into(), MEMORY_TIMEOUT, kept, joined);
    assert_eq!(folded.await.unwrap().0, "abcd");
}

#[tokio::test]
async fn who_waits_for_memory_waits_no_longer_than_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let read_back = read_back(folder.path(), &[]).await;
    let all = read_back.memory(MAX_MEMORY as usize, MEMORY_TIMEOUT).await;
    let kept = (String::new(), 9);
    let begin = Instant::now();
    let wait = Duration::from_millis(10);
    let folded = read_back.fold_places(places(&[1]), wait, kept, joined);
    assert!(folded.await.is_err() && begin.elapsed() < MEMORY_TIMEOUT / 2);
    drop(all);
}

#[tokio::test]
async fn an_answer_keeps_no_more_memory_than_it_has_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let read_back = read_back(folder.path(), &[]).await;
    let memory = read_back.memory(1_000, MEMORY_TIMEOUT).await.unwrap();
    let body = read_back.clone().body("x".repeat(10), memory);
    let left = read_back.memory.available_permits();
    assert_eq!(left, MAX_MEMORY as usize - 10);
    drop(body);
}

#[test]
fn small_events_are_looked_up_together() {
    let pieces = pieces(places(&[1_000; 2 * MAX_LOOKED_UP + 1]));
    let counts: Vec<usize> = pieces.map(|piece| piece.len()).collect();
    assert_eq!(counts, [MAX_LOOKED_UP, MAX_LOOKED_UP, 1]);
}
