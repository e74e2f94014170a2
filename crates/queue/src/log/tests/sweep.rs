//! Deleting beside many events that have to stay.

use tokio_util::sync::CancellationToken;

use super::*;
use crate::free_space::FreeSpace;

/// Appends many events, and lets one statement say what became of them.
async fn filled(log: &Log, events: i64, then: &'static str) {
    log.consumer("target", Start::Oldest).await.unwrap();
    let fill = move |c: &Connection| {
        let events = format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {events})
             INSERT INTO events (received_at, id, body) SELECT 1, 'event ' || n, '' FROM n;
             UPDATE cursors SET settled = {events}, received = {events};"
        );
        c.execute_batch(&events)?;
        c.execute_batch(then)
    };
    log.journal.write(fill).await.unwrap();
}

#[tokio::test]
async fn no_statement_of_the_sweep_reads_all_of_a_table_that_grows() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let plans = |c: &Connection| {
        let mut plans = Vec::new();
        for sql in [retention::SELECT, retention::DELETE] {
            let mut plan = c.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let none = rusqlite::params_from_iter(vec![0; plan.parameter_count()]);
            let steps = plan.query_map(none, |row| row.get::<_, String>(3))?;
            plans.extend(steps.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        Ok(plans)
    };
    let plans = log.journal.read(plans).await.unwrap();
    let grows = |plan: &&String| {
        let tables = ["events", "pending", "dead_letters"];
        tables
            .iter()
            .any(|it| plan.starts_with(&format!("SCAN {it}")))
    };
    assert_eq!(plans.iter().find(grows), None, "{plans:?}");
    assert!(plans.len() > 4, "{plans:?}");
}

#[tokio::test]
async fn settled_events_are_deleted_behind_a_hundred_thousand_that_are_pending() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let pending = "INSERT INTO pending (consumer, seq, attempts, receipt, visible_at)
                   SELECT 1, seq, 1, 1, 0 FROM events WHERE seq <= 100000";
    filled(&log, 101_000, pending).await;
    assert_eq!(log.sweep().await.unwrap(), 999, "all but the last");
}

#[tokio::test]
async fn on_a_full_disk_settled_events_are_deleted_behind_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_with(folder.path(), Retention::default()).await;
    let dead = "INSERT INTO dead_letters (consumer, seq, id, received_at, dead_at, attempts, receipt, reason)
                SELECT 1, seq, id, 1, 1, 1, 1, '' FROM events WHERE seq <= 600";
    filled(&log, 1_000, dead).await;
    let never = CancellationToken::new();
    let sweep = log.sweep_until(&never, FreeSpace::none);
    let deleted = tokio::time::timeout(MINUTE, sweep).await.expect("it ends");
    assert_eq!(deleted.unwrap(), 399, "all but the last");
}

#[tokio::test]
async fn an_event_of_the_future_keeps_no_other_one() {
    let future = "UPDATE events SET received_at = 9000000000000 WHERE seq IN (1, 500)";
    let hour = Duration::from_secs(3_600);
    for (age, expected) in [(hour, 997), (NOW, 999)] {
        let folder = tempfile::tempdir().unwrap();
        let bytes = u64::MAX;
        let log = log_with(folder.path(), Retention { age, bytes }).await;
        filled(&log, 1_000, future).await;
        assert_eq!(log.sweep().await.unwrap(), expected, "but for the last");
    }
}

#[tokio::test]
async fn a_sweep_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    filled(&log, 1_000, "").await;
    let stop = CancellationToken::new();
    stop.cancel();
    let deleted = log.sweep_until(&stop, FreeSpace::none).await.unwrap();
    assert_eq!(deleted, 256, "one step");
}
