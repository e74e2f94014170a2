use super::*;
use crate::queue::TokenSalt;
use openlineage::{Event, Level};

const WINDOW: Duration = Duration::from_secs(60);

fn event(id: &str, job: &str) -> PendingEvent {
    altered(id, job, |_| {})
}

/// An event whose record differs.
fn altered(id: &str, job: &str, alter: impl FnOnce(&mut Record)) -> PendingEvent {
    let body = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","eventType":"START",
        "run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"}},"job":{{"namespace":"n","name":"{job}"}}}}"#
    );
    let event = Event::read(body.as_bytes(), Level::Strict).unwrap().event;
    let mut record = Record {
        body: body.into(),
        queue_id: id.into(),
        ..Record::unqueued(id.into())
    };
    alter(&mut record);
    PendingEvent::new(record.into(), event)
}

/// Processes events; each unique one gets that outcome.
fn process(
    cache: &DedupeCache,
    events: Vec<PendingEvent>,
    outcome: &Outcome,
    version: &str,
) -> Vec<DecidedRecord> {
    let (unique, duplicates) = cache.partition(events, version, Instant::now());
    let decided = unique
        .into_iter()
        .map(|event| event.decide(outcome.clone()));
    cache.resolve(duplicates, decided.collect(), Instant::now())
}

/// Returns the outcomes of the messages, all of which are published.
fn outcomes(
    cache: &DedupeCache,
    events: Vec<PendingEvent>,
    outcome: &Outcome,
    version: &str,
) -> Vec<(String, Outcome)> {
    let publish = |decided: DecidedRecord| {
        if let Some(mark) = decided.mark {
            mark.keep();
        }
        (decided.record.id.to_string(), decided.outcome)
    };
    let decided = process(cache, events, outcome, version);
    decided.into_iter().map(publish).collect()
}

fn delivered() -> Outcome {
    Outcome::Delivered {
        id: None,
        already_there: false,
    }
}

#[test]
fn an_event_sent_twice_is_delivered_once_within_a_batch_and_across_batches() {
    let cache = DedupeCache::new(WINDOW);
    let twice = vec![event("1", "a"), event("2", "a"), event("3", "b")];
    let expected = [("1", delivered()), ("3", delivered()), ("2", dropped())];
    let expected = expected.map(|(id, outcome)| (id.to_owned(), outcome));
    assert_eq!(outcomes(&cache, twice, &delivered(), "v"), expected);
    let again = vec![event("4", "a"), event("5", "a")];
    let expected = ["4", "5"].map(|id| (id.to_owned(), dropped()));
    assert_eq!(outcomes(&cache, again, &delivered(), "v"), expected);
}

#[test]
fn an_event_that_was_not_delivered_is_attempted_whenever_it_is_received() {
    let cache = DedupeCache::new(WINDOW);
    let rejected = Outcome::dead_letter(Reason::Invalid, "no");
    let twins = || vec![event("1", "a"), event("2", "a")];
    let expected = ["1", "2"].map(|id| (id.to_owned(), rejected.clone()));
    assert_eq!(outcomes(&cache, twins(), &rejected, "v"), expected);
    let expected = [("1".into(), delivered()), ("2".into(), dropped())];
    assert_eq!(outcomes(&cache, twins(), &delivered(), "v"), expected);
}

#[test]
fn a_message_that_is_received_again_is_not_published_again() {
    let cache = DedupeCache::new(WINDOW);
    outcomes(&cache, vec![event("1", "a")], &delivered(), "v");
    let again = process(
        &cache,
        vec![event("1", "a"), event("2", "a")],
        &delivered(),
        "v",
    );
    let repeats: Vec<bool> = again.iter().map(|decided| decided.is_repeat).collect();
    assert_eq!(repeats, [true, false]);
}

#[test]
fn a_message_with_the_queue_id_of_an_earlier_one_is_published() {
    let cache = DedupeCache::new(WINDOW);
    outcomes(&cache, vec![event("1", "a")], &delivered(), "v");
    let second = altered("1", "a", |record| record.id = "another".into());
    let again = process(&cache, vec![second], &delivered(), "v");
    assert!(!again[0].is_repeat);
}

#[test]
fn a_message_whose_outcome_was_not_published_is_published_when_it_is_received_again() {
    let cache = DedupeCache::new(WINDOW);
    // The batch ends before it publishes its outcomes.
    drop(process(&cache, vec![event("1", "a")], &delivered(), "v"));
    let again = process(&cache, vec![event("1", "a")], &delivered(), "v");
    assert_eq!((again[0].is_repeat, &again[0].outcome), (false, &dropped()));
}

#[test]
fn after_the_window_and_with_other_rules_it_is_another_event() {
    let cache = DedupeCache::new(WINDOW);
    let first = Instant::now();
    let attempt = |version, now| {
        let (unique, duplicates) = cache.partition(vec![event("1", "a")], version, now);
        let decided = unique.into_iter().map(|event| event.decide(delivered()));
        let mut decided = cache.resolve(duplicates, decided.collect(), now);
        decided.remove(0).outcome
    };
    assert_eq!(attempt("v", first), delivered());
    assert_eq!(attempt("w", first), delivered());
    let last = first + WINDOW - Duration::from_nanos(1);
    assert_eq!(attempt("v", last), dropped());
    assert_eq!(attempt("v", first + WINDOW), delivered());
}

#[test]
fn what_a_replay_asks_to_be_taken_again_is_a_duplicate_of_the_same_replay_alone() {
    let cache = DedupeCache::new(WINDOW);
    let salted = |id: &str, salt: &str| {
        altered(id, "a", |record| {
            record.token_salt = TokenSalt::read(salt);
        })
    };
    let events = vec![event("1", "a"), salted("2", "s"), salted("3", "s")];
    let events = outcomes(&cache, events, &delivered(), "v");
    let expected = [("1", delivered()), ("2", delivered()), ("3", dropped())];
    assert_eq!(
        events,
        expected.map(|(id, outcome)| (id.to_owned(), outcome))
    );
    let later = vec![salted("4", "s"), salted("5", "t")];
    let later = outcomes(&cache, later, &delivered(), "v");
    let expected = [("5", delivered()), ("4", dropped())];
    assert_eq!(
        later,
        expected.map(|(id, outcome)| (id.to_owned(), outcome))
    );
}

#[test]
fn without_a_window_nothing_is_a_duplicate() {
    let cache = DedupeCache::new(Duration::ZERO);
    for _ in 0..2 {
        let expected = [("1".to_owned(), delivered())];
        let one = vec![event("1", "a")];
        assert_eq!(outcomes(&cache, one, &delivered(), "v"), expected);
    }
}

#[test]
fn two_caches_have_different_hashes_of_an_event() {
    let [one, other] =
        [(); 2].map(|()| DedupeCache::new(WINDOW).fingerprint("1", &event("a", "j").into_record()));
    assert_ne!(one.content, other.content);
    assert_ne!(one.message, other.message);
}

#[test]
fn the_cache_is_bounded_and_forgets_the_oldest() {
    let cache = DedupeCache::new(WINDOW);
    let now = Instant::now();
    let hash = |n: u32| {
        let mut hash = TruncatedHash::default();
        hash[..4].copy_from_slice(&n.to_le_bytes());
        hash
    };
    for n in 0..CAPACITY + 100 {
        cache.contents.insert(hash(n), (now, hash(n)));
    }
    assert_eq!(cache.contents.len(), CAPACITY as usize);
    assert!(cache.delivered(&hash(0), now).is_none());
    assert!(cache.delivered(&hash(CAPACITY + 99), now).is_some());
}

#[test]
fn the_store_gets_a_message_again_that_was_not_settled_and_no_copy_of_it() {
    let cache = DedupeCache {
        delivers_again: true,
        ..DedupeCache::new(WINDOW)
    };
    let delivered = Outcome::Delivered {
        id: None,
        already_there: false,
    };
    let process = |id: &str| {
        let decided = process(&cache, vec![event(id, "a")], &delivered, "v");
        let first = decided.into_iter().next().unwrap();
        if let Some(mark) = first.mark {
            mark.keep();
        }
        (first.outcome, first.is_repeat)
    };
    assert_eq!(process("1"), (delivered.clone(), false));
    assert_eq!(process("1"), (delivered.clone(), true));
    assert_eq!(process("2"), (dropped(), false));
}
