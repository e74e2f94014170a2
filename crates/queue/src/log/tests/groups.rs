//! Dead letters by reason: counted, and redriven or deleted as they were at a moment.

use std::time::Instant;

use rusqlite::params;

use super::*;
use crate::{DeadLetterGroups, ReasonShape};

/// Makes every event that can be received a dead letter, each for its own reason.
async fn die(consumer: &Consumer, reason: impl Fn(&str) -> String) {
    let records = receive(consumer, 100).await;
    let letters: Vec<_> = records
        .iter()
        .map(|it| (it, Settlement::DeadLetter(reason(&it.id))))
        .collect();
    let answers = consumer.settle(&letters).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

fn refused(id: &str) -> String {
    format!("invalid: 400 Bad Request: no place for '{id}'")
}

async fn groups(consumer: &Consumer) -> DeadLetterGroups {
    let groups = consumer.dead_letter_groups(MINUTE, |_| true).await;
    groups.unwrap()
}

fn key(reason: &str) -> String {
    ReasonShape::of(reason).key()
}

async fn found(consumer: &Consumer, until: LettersUntil) -> Vec<FoundLetter> {
    let (mut all, mut after, key) = (Vec::new(), None, key(&refused("a")));
    loop {
        let step = consumer.letters_of_group(&key, until, after, 2);
        let step = step.await.unwrap();
        all.extend(step.found);
        after = step.next;
        if after.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn a_dead_letter_that_was_redriven_and_died_again_has_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let consumer = log.consumer("catalog", Start::Next).await.unwrap();
    append(&log, &["a", "b", "c"]).await;
    die(&consumer, refused).await;
    assert!(consumer.redrive("b").await.unwrap());
    die(&consumer, refused).await;
    let groups = groups(&consumer).await;
    assert!(groups.is_complete);
    let [group] = &groups.groups[..] else {
        panic!("{groups:?}");
    };
    assert_eq!((group.count, group.came_back), (3, Some(1)));
    assert_eq!(group.target.as_deref(), Some("catalog"));
}

#[tokio::test]
async fn a_retry_is_not_a_redrive() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let consumer = log.consumer("catalog", Start::Next).await.unwrap();
    append(&log, &["a"]).await;
    for _ in 0..3 {
        let records = receive(&consumer, 1).await;
        let again = (&records[0], Settlement::Retry(NOW));
        consumer.settle(&[again]).await[0].clone().unwrap();
    }
    die(&consumer, refused).await;
    let groups = groups(&consumer).await;
    let group = &groups.groups[0];
    assert_eq!((group.came_back, group.example.attempts), (Some(0), 4));
}

#[tokio::test]
async fn what_came_back_or_came_later_is_not_of_the_moment() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let consumer = log.consumer("catalog", Start::Next).await.unwrap();
    append(&log, &["a", "b", "c"]).await;
    die(&consumer, refused).await;
    let until = consumer.dead_letters_until(now()).await.unwrap();
    let all = found(&consumer, until).await;
    assert_eq!(all.len(), 3);
    tokio::time::sleep(Duration::from_millis(5)).await; // the clock of dead letters
    assert_eq!(consumer.redrive_found(all.clone()).await.unwrap(), 3);
    append(&log, &["d"]).await;
    die(&consumer, refused).await;
    assert_eq!(
        found(&consumer, until).await,
        [],
        "rows are given out again"
    );
    assert_eq!(consumer.delete_found(all.clone()).await.unwrap(), 0);
    assert_eq!(consumer.redrive_found(all).await.unwrap(), 0);
    let later = consumer.dead_letters_until(now()).await.unwrap();
    let four = found(&consumer, later).await;
    assert_eq!(consumer.delete_found(four).await.unwrap(), 4);
    assert_eq!(consumer.status().await.unwrap().dead_letters, 0);
}

#[tokio::test]
async fn a_group_has_the_dead_letters_of_its_target_and_its_reason_alone() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let catalog = log.consumer("catalog", Start::Next).await.unwrap();
    let lake = log.consumer("lake", Start::Next).await.unwrap();
    append(&log, &["a", "b", "c"]).await;
    die(&lake, refused).await;
    let reason = |id: &str| match id {
        "b" => "too_large: larger than 10 bytes".to_owned(),
        id => refused(id),
    };
    die(&catalog, reason).await;
    let until = catalog.dead_letters_until(now()).await.unwrap();
    let two = found(&catalog, until).await;
    assert_eq!(catalog.delete_found(two).await.unwrap(), 2);
    let left = |consumer: Consumer| async move { consumer.status().await.unwrap().dead_letters };
    assert_eq!((left(catalog).await, left(lake).await), (1, 3));
}

#[tokio::test]
async fn a_hundred_thousand_dead_letters_are_grouped_and_the_newest_are_if_that_takes_too_long() {
    const MANY: i64 = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let consumer = log.consumer("catalog", Start::Next).await.unwrap();
    let number = consumer.state.number;
    let insert = move |connection: &Connection| {
        let mut insert = connection.prepare(
            "INSERT INTO dead_letters (consumer, seq, id, received_at, dead_at, attempts, receipt, reason)
             VALUES (?1, ?2, ?2, 1, ?2, 1, 1, ?3)",
        )?;
        for seq in 0..MANY {
            let reason = format!(
                "invalid: 400 Bad Request: name {seq} of 's3://lake/{seq}' in reason{}",
                seq % 3
            );
            insert.execute(params![number, seq, reason])?;
        }
        Ok(())
    };
    log.journal().write(insert).await.unwrap();
    let begun = Instant::now();
    let all = groups(&consumer).await;
    println!("{MANY} dead letters grouped in {:?}", begun.elapsed());
    assert_eq!(
        (all.groups.len(), all.groups[0].count),
        (1, MANY.unsigned_abs())
    );
    let begun = Instant::now();
    let some = consumer.dead_letter_groups(Duration::from_millis(50), |_| true);
    let some = some.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(!some.is_complete && some.groups[0].count < MANY.unsigned_abs());
    assert_eq!(some.groups[0].last_dead_at, MANY - 1, "the newest first");
}
