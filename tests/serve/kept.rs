//! What the data folder keeps: the store of an older version, and events as they were accepted.

use std::fs;
use std::path::Path;

use rusqlite::params;
use serde_json::Value;
use testing::events::event;
use testing::{Serve, old_folder, until};

/// How many events the older version has delivered: the take-over needs some hundred steps.
const OLD: u32 = 10_000;

/// The data folder of the version that kept a store beside its log: events up to `OLD` were delivered, of which the last has no answer, and one waits.
fn old_folder(folder: &Path) {
    let text = |n| event(n, "COMPLETE").trim().to_owned();
    old_folder::write_store(folder, |store| {
        let sql = "INSERT INTO events (id, event) VALUES (?1, ?2)";
        let mut insert = store.prepare(sql).unwrap();
        for n in 1..=OLD {
            insert.execute(params![n.to_string(), text(n)]).unwrap();
        }
    });
    old_folder::write_log(folder, |log| {
        let sql = "INSERT INTO events (seq, received_at, id, body)
                   VALUES (?1, unixepoch() * 1000, ?2, ?3)";
        for n in OLD - 1..=OLD + 1 {
            log.execute(sql, params![n, n.to_string(), text(n)])
                .unwrap();
        }
        let cursor = "INSERT INTO cursors (target, settled, received) VALUES ('store', ?1, ?2)";
        log.execute(cursor, params![OLD - 1, OLD]).unwrap();
    });
}

async fn page(serve: &Serve, query: &str) -> (Vec<Value>, u64) {
    let page = serve.get(&format!("/api/v1/events/lineage?{query}")).await;
    let mut page: Value = serde_json::from_str(&page).unwrap();
    let Value::Array(events) = page["events"].take() else {
        panic!("no events");
    };
    (events, page["totalCount"].as_u64().unwrap())
}

#[tokio::test]
async fn the_store_of_an_older_version_is_read_back_although_the_first_start_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    old_folder(folder.path());
    let serve = Serve::start(folder.path(), &[]);
    let total = async |serve: &Serve| page(serve, "limit=0").await.1;
    until(async || (total(&serve).await > 300).then_some(())).await;
    serve.kill();
    assert!(folder.path().join("store.db").exists(), "killed in between");

    let serve = Serve::start(folder.path(), &[]);
    serve.logged("took over the store of an older version");
    let all = u64::from(OLD) + 1;
    until(async || (total(&serve).await >= all).then_some(())).await;
    let mut found = Vec::new();
    for offset in (0..=OLD).step_by(1_000) {
        let query = format!("sortDirection=asc&limit=1000&offset={offset}");
        let (events, total) = page(&serve, &query).await;
        assert_eq!(total, all);
        found.extend(events);
    }
    let sent = (1..=OLD + 1).map(|n| event(n, "COMPLETE"));
    let sent: Vec<Value> = sent.map(|it| serde_json::from_str(&it).unwrap()).collect();
    assert!(found == sent, "each once, in their order");
    assert!(!folder.path().join("store.db").exists());
}

#[test]
fn a_start_warns_where_nobody_has_chosen_how_long_unredacted_events_are_kept() {
    let warning = "retained events are not redacted: they are kept as they were accepted";
    let redact = "{name: hide, redact: {connection_secrets: true}}";
    let rename = "{name: rename, rename: {of: job, namespace: n}}";
    for (rule, settings, is_warned) in [
        (redact, &[][..], true),
        (redact, &[("RETENTION_AGE", "0")], false),
        (redact, &[("RETENTION_AGE", "30days")], false),
        (rename, &[], false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules.yaml");
        fs::write(&rules, format!("rules: [{rule}]\n")).unwrap();
        let rules = [("RULES_FILE", rules.to_str().unwrap())];
        let serve = Serve::start(&folder.path().join("data"), &[&rules, settings].concat());
        let lines = serve.lines(warning);
        assert_eq!(lines.len(), usize::from(is_warned), "{rule} {settings:?}");
        assert!(lines.iter().all(|line| line["target"] == "store"));
    }
}
