//! Finding events by their time, where times and numbers do not grow together.

use super::*;

const HOUR: i64 = 3_600_000;

/// Appends `count` events, one accepted each second up to now.
async fn append_aged(log: &Log, count: i64) {
    let begin = now() - count * 1_000;
    let aged = |n| Message {
        received_at: begin + n * 1_000,
        ..message(&format!("{n}"))
    };
    let sent = log.append((0..count).map(aged).collect()).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
}

/// Returns the numbers of all events that were accepted then, in all steps.
async fn found(log: &Log, order: Order, accepted: AcceptedBetween) -> Vec<i64> {
    let search = Search {
        form: Form::Accepted,
        order,
        accepted,
        condition: None,
    };
    let (mut found, mut position) = (Vec::new(), None);
    loop {
        let step = log.search(search.clone(), position).await.unwrap();
        found.extend(step.found.iter().map(|it| it.position()));
        match step.next {
            Some(next) => position = Some(next),
            None => return found,
        }
    }
}

/// Compares searches by time with looking at each event whose time is right.
async fn assert_all_found(log: &Log, is_right: impl Fn(i64) -> bool) {
    let times = |c: &Connection| {
        let mut select = c.prepare("SELECT seq, received_at FROM events ORDER BY seq")?;
        let times = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        times.collect::<rusqlite::Result<Vec<(i64, i64)>>>()
    };
    let times = log.journal.read(times).await.unwrap();
    let now = now();
    for ago in [
        0,
        5 * HOUR / 60,
        HOUR / 4,
        HOUR / 2,
        HOUR,
        30 * HOUR,
        99 * HOUR,
    ] {
        let (since, until) = (now - ago, now - ago / 3);
        let (ever, never) = (i64::MIN, i64::MAX);
        for (since, until) in [(since, never), (ever, since), (since, until)] {
            let accepted = AcceptedBetween { since, until };
            let matches = |(seq, time): &&(i64, i64)| accepted.contains(*time) && is_right(*seq);
            let expected = times.iter().filter(matches).map(|(seq, _)| *seq);
            let mut expected: Vec<i64> = expected.collect();
            let mut ascending = found(log, Order::Asc, accepted).await;
            ascending.retain(|seq| is_right(*seq));
            assert!(ascending == expected, "{ago}");
            expected.reverse();
            let mut descending = found(log, Order::Desc, accepted).await;
            descending.retain(|seq| is_right(*seq));
            assert!(descending == expected, "{ago}");
        }
    }
}

#[tokio::test]
async fn wrong_times_of_single_events_end_no_search() {
    for shift in [-90 * HOUR, 90 * HOUR] {
        let folder = tempfile::tempdir().unwrap();
        let log = log_with(folder.path(), Retention::default()).await;
        append_aged(&log, 4_000).await;
        // Those which halving looks at, too.
        let is_right = |seq: i64| seq % 500 > 1 && seq != 4_000;
        let wrong = move |c: &Connection| {
            let sql = "UPDATE events SET received_at = received_at + ?1 WHERE seq % 500 <= 1 OR seq = 4000";
            c.execute(sql, [shift])
        };
        log.journal.write(wrong).await.unwrap();
        assert_all_found(&log, is_right).await;
    }
}

#[tokio::test]
async fn what_was_taken_over_is_found_by_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_with(folder.path(), Retention::default()).await;
    append_aged(&log, 3_000).await;
    // In front of all, and up to now: what the store got while another target had a backlog.
    let old = |c: &Connection| {
        c.execute_batch(
            "INSERT INTO events (seq, received_at, id, body) SELECT -seq, received_at + 3000000 - 2000 * seq, 'old', 'old' FROM events;
             INSERT INTO stored_ranges (consumer, first, last) VALUES (0, -3000, -1);",
        )
    };
    log.journal.write(old).await.unwrap();
    let times = |c: &Connection| {
        let sql = "SELECT count(*) FROM events WHERE seq < 0 AND received_at > (SELECT min(received_at) FROM events WHERE seq > 0)";
        c.query_row(sql, [], |row| row.get::<_, i64>(0))
    };
    assert!(log.journal.read(times).await.unwrap() > 1_000);
    assert_all_found(&log, |_| true).await;
}

#[tokio::test]
async fn a_log_of_a_version_without_marks_has_no_gap_for_that() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_with(folder.path(), Retention::default()).await;
    append_aged(&log, 9).await;
    let older =
        |c: &Connection| c.execute_batch("DELETE FROM marks; DELETE FROM events WHERE seq = 3;");
    log.journal.write(older).await.unwrap();
    end(log).await;
    let log = log_with(folder.path(), Retention::default()).await;
    let marks = |c: &Connection| {
        c.query_row("SELECT whole_from, below FROM marks", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    };
    assert_eq!(log.journal.read(marks).await.unwrap(), (4, 2));
    assert_eq!(log.count(Form::Accepted).await.unwrap(), 8);
}
