//! Events that are valid and unusual, and invalid messages that another writer has put into the queue.

use rusqlite::types::Value as Sql;
use serde_json::json;
use testing::events::{event, event_with, gzip};
use testing::{Fault, FaultyTarget, Scenario, TargetKind, size};

const HEAD: &str = r#""eventTime":"2026-11-20T10:00:00Z","producer":"urn:p","schemaURL":"urn:s""#;

/// Events that ingest accepts as they are: each is delivered unchanged, or dropped by a rule of the target.
fn odd() -> Vec<String> {
    let run = |n: u32, members: &str| event_with(1_000 + n, "COMPLETE", members);
    let no_type = event(1_001, "COMPLETE").replace(r#""eventType":"COMPLETE","#, "");
    let datasets: Vec<_> = (0..300)
        .map(|n| json!({"namespace": "fäß://数据", "name": format!("таблица \u{1F4A5} {n} \u{202E}")}))
        .collect();
    let custom = |n: u32, value: &str| {
        let facet =
            format!(r#""custom":{{"_producer":"urn:p","_schemaURL":"urn:s","value":{value}}}"#);
        run(
            n,
            &format!(r#""outputs":[{{"namespace":"s","name":"t","facets":{{{facet}}}}}]"#),
        )
    };
    vec![
        no_type,
        run(2, r#""inputs":[],"outputs":[]"#),
        run(3, r#""unknown":{"a":[1,{"b":null}]}"#),
        run(4, r#""unknown":1,"unknown":2"#),
        run(5, r#""inputs":[{"namespace":"","name":""}]"#),
        run(6, &format!(r#""inputs":{}"#, json!(datasets))),
        custom(7, "1180591620717411303424"),
        custom(8, "1e400"),
        custom(9, "-0.0"),
        custom(10, r#""a\u0000b""#),
        custom(11, "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"),
        custom(12, r#"{"":"","":""}"#),
        run(13, r#""inputs":[{"namespace":"s","name":"t","facets":{}}]"#),
        run(14, r#""inputs":[{"namespace":"s","name":"a\u0000b"}]"#),
        format!(
            r#"{{{HEAD},"job":{{"namespace":"n","name":"a job"}},"outputs":[{{"namespace":"s","name":"t"}}]}}"#
        ),
        format!(r#"{{{HEAD},"job":{{"namespace":"n","name":"idle"}}}}"#),
        format!(r#"{{{HEAD},"dataset":{{"namespace":"n","name":"d"}}}}"#),
    ]
}

/// Events that are valid only after a repair.
fn repaired() -> Vec<String> {
    vec![
        event_with(
            2_001,
            "COMPLETE",
            r#""inputs":[{"namespace":"s","name":"t","facets":null}]"#,
        ),
        event_with(2_002, "complete", r#""outputs":null"#),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_events_have_one_outcome_each_and_are_delivered_unchanged() {
    let illegal = [
        event_with(
            3_001,
            "COMPLETE",
            r#""inputs":[{"namespace":"s","name":["t"]}]"#,
        ),
        event_with(
            3_002,
            "COMPLETE",
            r#""outputs":[{"namespace":{},"name":"t"}]"#,
        ),
    ];
    for kind in [TargetKind::DataZone, TargetKind::OpenLineage] {
        let target = FaultyTarget::start(Fault::None).await;
        let more = [("DATAZONE_POSTS_PER_SECOND", "1000")];
        let scenario = Scenario::start(kind, &target.url, &more);
        let (odd, mended) = (odd(), repaired());
        let usual = 100 - u32::try_from(odd.len() + mended.len()).unwrap();
        let usual: Vec<String> = (0..usual).map(|n| event(n, "COMPLETE")).collect();
        let mut all: Vec<&String> = usual.iter().chain(&odd).chain(&mended).collect();
        all.sort_by_key(|event| event.len() * 7_919 % 101); // mixed, the same each time
        for event in &all {
            let answer = scenario.serve.post(event).await;
            let status = answer.status();
            assert_eq!(status, 200, "{event}: {}", answer.text().await.unwrap());
        }
        for event in &illegal {
            assert_eq!(scenario.serve.post(event).await.status(), 400, "{event}");
        }
        let outcomes = scenario.outcomes(all.len()).await;
        let of = |kind: &str| {
            outcomes
                .values()
                .filter(|outcome| outcome["outcome"] == kind)
                .count()
        };
        // DataZone has no place for a DatasetEvent, or a JobEvent of nothing; the other JobEvent becomes a run.
        let (dropped, changed) = match kind {
            TargetKind::DataZone => (2, 1),
            TargetKind::OpenLineage => (0, 0),
        };
        assert_eq!(
            (of("delivered"), of("dropped")),
            (all.len() - dropped, dropped)
        );
        let times = target.times();
        assert_eq!(times.len(), all.len() - dropped);
        assert!(times.values().all(|times| *times == 1));
        let as_they_came = usual
            .iter()
            .chain(&odd)
            .filter(|event| times.contains_key(*event));
        assert_eq!(
            as_they_came.count(),
            usual.len() + odd.len() - dropped - changed
        );
        size::measured(
            &format!("legal but odd, {kind:?}"),
            &format!(
                "{} events, {} delivered, {dropped} dropped by rule",
                all.len(),
                of("delivered")
            ),
        );
    }
}

/// What another writer may have put into the queue: a name, the body, and what the reason of the dead letter contains. `None`
/// for an event in which only the checks at ingest find what is wrong: nobody else is to write there, so it is delivered.
fn invalid() -> Vec<(&'static str, Sql, Option<&'static str>)> {
    let good = event(9_999, "COMPLETE");
    let latin = event_with(9_998, "COMPLETE", r#""x":"?""#).replace('?', "é");
    let latin: Vec<u8> = latin.chars().map(|c| c as u8).collect();
    let utf16 = |mark: &[u8]| {
        let units = good.encode_utf16().flat_map(u16::to_le_bytes);
        Sql::Blob(mark.iter().copied().chain(units).collect())
    };
    let base64 = "eyJldmVudFR5cGUiOiJDT01QTEVURSJ9";
    let text = |text: &str| Sql::Text(text.to_owned());
    vec![
        ("array", Sql::Text(format!("[{good}]")), Some("invalid:")),
        ("gzip", Sql::Blob(gzip(good.as_bytes())), Some("not UTF-8")),
        ("malformed", text(&good[..good.len() / 2]), Some("invalid:")),
        ("empty", text(""), Some("invalid:")),
        ("blank", text(" \n "), Some("invalid:")),
        ("latin-1", Sql::Blob(latin), Some("not UTF-8")),
        ("UTF-16", utf16(&[]), Some("invalid:")),
        (
            "UTF-16 with a mark",
            utf16(&[0xff, 0xfe]),
            Some("not UTF-8"),
        ),
        (
            "a surrogate in bytes",
            Sql::Blob(b"{\"a\":\"\xed\xa0\x80\"}".to_vec()),
            Some("not UTF-8"),
        ),
        ("deep", Sql::Text("[".repeat(200_000)), Some("invalid:")),
        (
            "deep in an event",
            Sql::Text(event_with(
                9_997,
                "START",
                &format!(r#""x":{}{}"#, "[".repeat(100_000), "]".repeat(100_000)),
            )),
            None,
        ),
        ("base64", text(base64), Some("invalid:")),
        (
            "an SQS message",
            Sql::Text(json!({"Body": base64}).to_string()),
            Some("invalid:"),
        ),
        ("a number", Sql::Integer(7), Some("invalid:")),
        ("a real", Sql::Real(1.5), Some("invalid:")),
        ("no bytes", Sql::Blob(Vec::new()), Some("invalid:")),
        (
            "a name that is a list",
            Sql::Text(event_with(
                9_996,
                "START",
                r#""inputs":[{"namespace":"s","name":["t"]}]"#,
            )),
            None,
        ),
    ]
}

/// Inserts rows into the queue in one transaction.
fn put(scenario: &Scenario, rows: &[(Sql, Sql, Sql)]) {
    let mut queue = rusqlite::Connection::open(scenario.folder.path().join("events.db")).unwrap();
    queue
        .busy_timeout(std::time::Duration::from_secs(20))
        .unwrap();
    let transaction = queue.transaction().unwrap();
    for (id, body, count) in rows {
        let sql = "INSERT INTO events (id, body, received_at) VALUES (?1, ?2, ?3)";
        transaction
            .execute(sql, rusqlite::params![id, body, count])
            .unwrap();
        // A row of its own, as for an event that is to be retried.
        for sql in [
            "INSERT INTO pending (consumer, seq, attempts, receipt, visible_at)
             SELECT consumer, last_insert_rowid(), ?1, 0, 0 FROM cursors",
            "UPDATE cursors SET (settled, received) = (SELECT max(seq), max(seq) FROM events) WHERE ?1 IS ?1",
        ] {
            transaction.execute(sql, [count]).unwrap();
        }
    }
    transaction.commit().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_message_in_the_queue_is_one_dead_letter_and_harms_nobody() {
    let target = FaultyTarget::start(Fault::None).await;
    let scenario = Scenario::start(TargetKind::OpenLineage, &target.url, &[]);
    let good = size::of(19, 99);
    let (mut sent, mut dead) = (Vec::new(), 0);
    for (n, (_, body, reason)) in (0..).zip(invalid()) {
        let mut rows: Vec<_> = (0..good)
            .map(|k| {
                let event = event(n * 1_000 + k, "COMPLETE");
                sent.push(event.clone());
                (
                    Sql::Text(format!("{n}-{k}")),
                    Sql::Text(event),
                    Sql::Integer(0),
                )
            })
            .collect();
        rows.insert(
            rows.len() / 2,
            (Sql::Text(format!("bad {n}")), body, Sql::Integer(0)),
        );
        match (reason, &rows[rows.len() / 2].1) {
            (None, Sql::Text(event)) => sent.push(event.clone()),
            (None | Some(_), _) => dead += 1,
        }
        put(&scenario, &rows);
        scenario.outcomes(sent.len() + dead).await;
    }
    let letters = scenario.dead_letters();
    assert_eq!(letters.len(), dead);
    let reasons = (0..).zip(invalid());
    let reasons = reasons.filter_map(|(n, (name, _, part))| Some((n, name, part?)));
    for ((n, name, part), letter) in reasons.zip(&letters) {
        assert_eq!(letter["id"], format!("bad {n}"), "{name}");
        let reason = letter["reason"].as_str().unwrap();
        assert!(
            reason.starts_with("invalid:") && reason.contains(part),
            "{name}: {reason}"
        );
        assert_eq!(letter["attempts"], 1, "{name}");
    }
    let gzip = scenario.command(&["dead-letters", "show", "bad 1"]);
    assert!(gzip.contains('\u{fffd}'), "what can be shown of it");
    assert_eq!(scenario.queued(), 0);
    assert!(target.times().values().all(|times| *times == 1));
    let taken = target.accepted();
    assert_eq!(taken.len(), sent.len());
    assert!(sent.iter().all(|event| taken.contains(event)));
    size::measured(
        "illegal in the queue",
        &format!(
            "{dead} kinds, each among {good} good: {} delivered once, {dead} dead letters, each received once, queue empty",
            sent.len()
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_invalid_other_columns_is_delivered_and_harms_nobody() {
    let target = FaultyTarget::start(Fault::None).await;
    let scenario = Scenario::start(TargetKind::OpenLineage, &target.url, &[]);
    let text = |text: &str| Sql::Text(text.to_owned());
    let columns = [
        (Sql::Blob(vec![0xff, 0xfe]), Sql::Integer(0)),
        (Sql::Integer(5), text("many")),
        (text(""), Sql::Integer(-7)),
        (Sql::Real(0.5), Sql::Integer(i64::MAX)),
        (text("a\nb"), Sql::Real(2.5)),
        (text("blob"), Sql::Blob(vec![1])),
        (text("fine"), Sql::Integer(0)),
    ];
    let rows: Vec<_> = (0..)
        .zip(columns)
        .map(|(n, (id, count))| (id, Sql::Blob(event(n, "COMPLETE").into_bytes()), count))
        .collect();
    let bad = (Sql::Blob(vec![0xff]), Sql::Blob(vec![0xff]), text("many"));
    put(&scenario, &[&rows[..], &[bad]].concat());
    let outcomes = scenario.outcomes(rows.len() + 1).await;
    let of = |kind: &str| {
        outcomes
            .values()
            .filter(|outcome| outcome["outcome"] == kind)
            .count()
    };
    assert_eq!((of("delivered"), of("dead_lettered")), (rows.len(), 1));
    assert_eq!(target.accepted().len(), rows.len());
    assert_eq!((scenario.dead_letters().len(), scenario.queued()), (1, 0));
}
