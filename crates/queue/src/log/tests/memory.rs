//! What is in memory stands in for rows.

use super::*;

async fn received(consumer: &Consumer, enough: i64) -> Vec<usize> {
    let mut batches = Vec::new();
    loop {
        let records = consumer.receive_visible(enough, 8 * enough).await.unwrap();
        if records.is_empty() {
            return batches;
        }
        batches.push(records.len());
    }
}

#[tokio::test]
async fn the_same_batches_are_received_from_memory_and_from_rows() {
    for (count, size, expected) in [
        (50, 10, vec![40, 10]),
        // What is beyond a batch is bounded in bytes.
        (30, 1_000_000, vec![13, 13, 4]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path()).await;
        let in_memory = log.consumer("in memory", Start::Next).await.unwrap();
        log.consumer("rows", Start::Next).await.unwrap();
        let message = |n: usize| Message::new(n.to_string(), "x".repeat(size), now());
        let sent = log.append((0..count).map(message).collect()).await;
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
        assert!(log.recent.following(0, 1, i64::MAX).is_some());
        assert_eq!(received(&in_memory, 5).await, expected);

        drop(in_memory);
        end(log).await;
        let log = super::log(folder.path()).await;
        let rows = log.consumer("rows", Start::Next).await.unwrap();
        assert!(log.recent.following(0, 1, i64::MAX).is_none());
        assert_eq!(received(&rows, 5).await, expected);
    }
}
