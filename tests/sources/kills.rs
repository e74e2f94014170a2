//! Sources of services with pages and positions through `kill -9`: Redshift and Glue crawlers. What an undisturbed extraction
//! finds, and nothing else, is in the store once, wherever in a poll the process dies.

use aws_stand_in::Crawlers;
use serde_json::json;

use super::*;

/// The fixtures of the sources.
pub(super) const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sources/tests/fixtures");

/// The results of a history of Redshift that are saved there.
pub(super) const HISTORY: [&str; 12] = [
    "sys_query_history.page-1",
    "sys_query_history.page-2",
    "sys_query_history.page-3",
    "sys_query_text.page-1",
    "sys_query_text.page-2",
    "sys_query_detail",
    "sys_procedure_call",
    "sys_transaction_history",
    "svv_all_columns",
    "svv_redshift_databases",
    "svv_external_schemas",
    "svv_user_info",
];

pub(super) fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{FIXTURES}/{name}")).unwrap()
}

/// A warehouse whose history of 111 statements is one day old.
fn warehouse() -> Settings {
    let yesterday = time::OffsetDateTime::now_utc()
        .date()
        .previous_day()
        .unwrap();
    Settings::with_history(HISTORY.map(|name| {
        let text = fixture(&format!("redshift/{name}.json"));
        let page = text.replace("2026-05-13", &yesterday.to_string());
        let view = name.split('.').next().unwrap();
        (view.to_owned(), serde_json::from_str(&page).unwrap())
    }))
    .unwrap()
}

/// Crawlers with tables of every kind, two on a page.
fn crawlers() -> Settings {
    let crawlers = Crawlers {
        page: Some(2),
        ..Crawlers::of_answers(&fixture("crawler/answers.jsonl")).unwrap()
    };
    Settings {
        crawlers,
        ..Settings::default()
    }
}

/// What the events of a source are, sorted: run, type and job of each.
fn identities<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<String> {
    let identity = |text: &str| {
        let event: Value = serde_json::from_str(text).unwrap();
        let (run, kind) = (&event["run"]["runId"], &event["eventType"]);
        format!("{run} {kind} {}", event["job"]["name"])
    };
    let mut all: Vec<String> = texts.map(identity).collect();
    all.sort();
    all
}

/// What an undisturbed extraction finds.
fn extracted(service: &StandIn, kind: &str, settings: &Value) -> Vec<String> {
    let set = settings.as_object().unwrap().iter();
    let set = set.flat_map(|(name, value)| {
        [
            "--set".to_owned(),
            format!("{name}={}", value.as_str().unwrap()),
        ]
    });
    let output = Command::new(binary())
        .args(["extract", kind])
        .args(set)
        .envs(testing::serve::aws(&service.url()))
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    // The warehouse has statements that nobody understands: status 1 says so.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{errors}");
    identities(String::from_utf8(output.stdout).unwrap().lines())
}

/// Kills `serve` after each of these numbers of answers to `operation`, and once more before the position is written, and
/// compares what is in the store in the end with what an undisturbed extraction finds.
async fn survives(
    settings: Settings,
    kind: &str,
    of_source: Value,
    operation: &str,
    kills: &[u64],
) {
    let address = "127.0.0.1:0".parse().unwrap();
    let service = StandIn::start(address, settings).await.unwrap();
    let expected = extracted(&service, kind, &of_source);
    assert!(expected.len() > 20, "{expected:?}");
    let folder = tempfile::tempdir().unwrap();
    let mut source = of_source;
    source["type"] = json!(kind);
    source["interval"] = json!("1s");
    let text = json!({"sources": {"found": source}}).to_string();
    let config = write(folder.path(), "proxy.yaml", &text);
    let url = service.url();
    let aws = testing::serve::aws(&url);
    let data = folder.path().join("data");
    let start = || Serve::start_configured_with(&data, &config, &[], &aws);
    let answers = || {
        let calls = service.calls();
        calls.get(&format!("{operation} 200")).copied().unwrap_or(0)
    };
    for kill in kills {
        let before = answers();
        let serve = start();
        until(async || (answers() >= before + kill).then_some(())).await;
        serve.kill();
    }
    let serve = start();
    until(async || (!serve.stored().await.is_empty()).then_some(())).await;
    serve.kill();
    // As if it had been killed between the queue and the position.
    let database = rusqlite::Connection::open(data.join("sources.db")).unwrap();
    database.execute("DELETE FROM positions", []).unwrap();
    database.close().unwrap();
    let serve = start();
    until(async || (serve.stored().await.len() >= expected.len()).then_some(())).await;
    polls(&serve, "found").await;
    let stored = serve.stored().await;
    assert_eq!(identities(stored.iter().map(String::as_str)), expected);
    let known = "lineage_proxy_source_events_total{source=\"found\",result=\"known\"}";
    assert!(serve.counter(known).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_of_redshift_is_queued_once_although_the_process_is_killed() {
    let settings = json!({"workgroup": "corp-wg", "database": "dev", "lookback": "3d"});
    let kills = [1, 9, 17, 25];
    survives(
        warehouse(),
        "redshift",
        settings,
        "GetStatementResult",
        &kills,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crawls_are_queued_once_although_the_process_is_killed() {
    let settings = json!({"account": "111122223333", "lookback": "366d"});
    let kills = [1, 4, 7, 10];
    survives(crawlers(), "glue-crawlers", settings, "ListCrawls", &kills).await;
}
