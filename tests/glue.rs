//! From HTTP to the Glue Data Catalog: `serve` with the stand-in behind it, which replaces tables and checks their versions
//! as the service does. `tests/real/test_glue.py` does the same with an emulator.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use aws_stand_in::{GlueFault, Settings, StandIn};
use serde_json::{Value, json};
use tempfile::TempDir;
use testing::{Serve, until};

/// A proxy in front of a catalog.
struct Scenario {
    catalog: StandIn,
    serve: Serve,
    folder: TempDir,
}

const CREATE: [(&str, &str); 2] = [("GLUE_CREATE_TABLES", "true"), ("GLUE_DATABASE", "lineage")];

impl Scenario {
    async fn start(settings: Settings, proxy: &[(&str, &str)]) -> Scenario {
        let catalog = StandIn::start("127.0.0.1:0".parse().unwrap(), settings)
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let serve = serve(&folder, &catalog, proxy);
        Scenario {
            catalog,
            serve,
            folder,
        }
    }

    /// Puts a table there as Spark would.
    fn table_of_spark(&self, name: &str) {
        let input = json!({
            "Name": name, "Owner": "hadoop", "Retention": 0, "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {"Columns": [{"Name": "id", "Type": "bigint"}], "Location": "s3://lake/t", "NumberOfBuckets": -1},
            "Parameters": {"classification": "parquet"},
        });
        let Value::Object(input) = input else {
            panic!();
        };
        self.catalog.put_table("shop", input);
    }

    async fn send(&self, event: &Value) {
        assert_eq!(self.serve.post(&event.to_string()).await.status(), 200);
    }

    /// The outcomes of that many events.
    fn outcomes(&self, count: usize) -> Vec<String> {
        let outcomes = self.serve.outcomes_when(count).into_iter();
        outcomes
            .map(|outcome| outcome["outcome"].as_str().unwrap().to_owned())
            .collect()
    }

    /// How often an operation was answered with that status.
    fn calls(&self, call: &str) -> u64 {
        self.catalog.calls().get(call).copied().unwrap_or_default()
    }

    /// The parameters of a table of the database `shop`.
    fn parameters(&self, name: &str) -> BTreeMap<String, String> {
        let table = self.catalog.table("shop", name).unwrap();
        serde_json::from_value(table["Parameters"].clone()).unwrap()
    }
}

fn serve(folder: &TempDir, catalog: &StandIn, proxy: &[(&str, &str)]) -> Serve {
    // What an event waits for in the queue after a failure is for the tests of the queue.
    let settings = [
        &[("TARGET", "glue"), ("GLUE_TABLES_PER_SECOND", "1000")],
        proxy,
    ]
    .concat();
    Serve::start_with(
        folder.path(),
        &settings,
        &testing::serve::aws(&catalog.url()),
    )
}

/// The completion of run `n`, which reads one dataset and writes the others.
fn event(n: u32, input: &str, outputs: &[Value]) -> Value {
    json!({
        "eventTime": format!("2026-01-01T00:{:02}:{:02}Z", n / 60, n % 60), "eventType": "COMPLETE",
        "producer": "urn:test", "schemaURL": "urn:schema",
        "run": {"runId": format!("01a1faa6-e194-708b-a993-{n:012x}")}, "job": {"namespace": "test", "name": format!("job {n}")},
        "inputs": [{"namespace": "s3://lake", "name": input}], "outputs": outputs,
    })
}

/// A table of the database `shop`, as OpenLineage names it.
fn table(name: &str) -> Value {
    json!({"namespace": "arn:aws:glue:eu-west-1:123456789012", "name": format!("table/shop/{name}")})
}

/// A table of PostgreSQL with one column.
fn postgres(host: &str) -> Value {
    json!({"namespace": format!("postgres://{host}:5432"), "name": "public.Orders", "facets": {"schema": {
        "_producer": "urn:test", "_schemaURL": "urn:schema", "fields": [{"name": "id", "type": "int8"}]}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn lineage_becomes_parameters_of_the_table_and_is_written_only_when_it_changes() {
    let line = Scenario::start(Settings::default(), &[]).await;
    line.table_of_spark("orders");
    let before = line.catalog.table("shop", "orders").unwrap();
    for n in 0..3 {
        let mut event = event(n, "raw", &[table("orders")]);
        event["job"]["name"] = "load".into(); // three runs of one job
        line.send(&event).await;
        assert_eq!(line.outcomes(n as usize + 1).last().unwrap(), "delivered");
    }
    assert_eq!(
        (line.calls("GetTable 200"), line.calls("UpdateTable 200")),
        (3, 1)
    );
    assert_eq!(line.catalog.archived_tables(), 0);
    let parameters = line.parameters("orders");
    assert_eq!(parameters["classification"], "parquet");
    assert_eq!(
        parameters["openlineage.producer_job"],
        r#"{"name":"load","namespace":"test"}"#
    );
    assert_eq!(
        parameters["openlineage.upstream"],
        r#"{"datasets":[{"name":"raw","namespace":"s3://lake"}]}"#
    );
    let after = line.catalog.table("shop", "orders").unwrap();
    for member in ["Owner", "Retention", "TableType", "StorageDescriptor"] {
        assert_eq!(after[member], before[member], "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_without_inputs_keeps_those_of_the_start_in_every_run() {
    let line = Scenario::start(Settings::default(), &[]).await;
    line.table_of_spark("orders");
    for run in 0..2 {
        let mut start = event(run, "raw", &[table("orders")]);
        start["eventType"] = "START".into();
        let mut complete = start.clone();
        complete["eventType"] = "COMPLETE".into();
        complete["eventTime"] = format!("2026-01-01T00:{:02}:00Z", 10 + run).into();
        complete["inputs"] = json!([]);
        for event in [&start, &complete] {
            line.send(event).await;
        }
        line.outcomes(2 * (run as usize + 1));
        assert_eq!(
            line.parameters("orders")["openlineage.upstream"],
            r#"{"datasets":[{"name":"raw","namespace":"s3://lake"}]}"#,
            "{run}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_writes_at_the_same_time_is_not_lost() {
    let settings = Settings {
        glue_writers: 3,
        ..Settings::default()
    };
    let line = Scenario::start(settings, &[]).await;
    line.table_of_spark("orders");
    line.send(&event(1, "raw", &[table("orders")])).await;
    assert_eq!(line.outcomes(1), ["delivered"]);
    let parameters = line.parameters("orders");
    for name in [
        "writer 1",
        "writer 2",
        "writer 3",
        "classification",
        "openlineage.upstream",
    ] {
        assert!(parameters.contains_key(name), "{name}: {parameters:?}");
    }
    assert_eq!(
        (line.calls("UpdateTable 400"), line.calls("UpdateTable 200")),
        (3, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_runs_in_two_processes_the_newest_event_wins() {
    let line = Scenario::start(Settings::default(), &[]).await;
    line.table_of_spark("orders");
    let other = tempfile::tempdir().unwrap();
    let other = serve(&other, &line.catalog, &[]);
    let post = async |n: u32| {
        let event = event(n, &format!("input {n}"), &[table("orders")]).to_string();
        let serve = if n.is_multiple_of(2) {
            &line.serve
        } else {
            &other
        };
        assert_eq!(serve.post(&event).await.status(), 200);
    };
    futures_util::future::join_all((0..40).map(post)).await;
    line.serve.outcomes_when(20);
    other.outcomes_when(20);
    let upstream = line.parameters("orders")["openlineage.upstream"].clone();
    assert!(upstream.contains("input 39"), "{upstream}");
    // Within a process one event waits for the other, so that only the two processes conflict.
    assert!(
        line.calls("UpdateTable 400") <= 40,
        "{:?}",
        line.catalog.calls()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_created_on_request_one_for_each_dataset() {
    let line = Scenario::start(Settings::default(), &CREATE).await;
    line.send(&event(1, "raw", &[postgres("a")])).await;
    line.send(&event(2, "raw", &[postgres("b"), postgres("a")]))
        .await;
    assert_eq!(line.outcomes(2), ["delivered", "delivered"]);
    let created = |name: &str| line.catalog.table("lineage", name);
    let first = created("public_orders").unwrap();
    assert_eq!(
        first["Parameters"]["openlineage.managed_by"],
        "lineage-proxy"
    );
    assert_eq!(
        first["Parameters"]["openlineage.dataset"],
        r#"{"name":"public.Orders","namespace":"postgres://a:5432"}"#
    );
    assert_eq!(
        first["StorageDescriptor"]["Columns"],
        json!([{"Name": "id", "Type": "tinyint"}])
    );
    assert_eq!(
        (
            line.calls("CreateDatabase 200"),
            line.calls("CreateTable 200")
        ),
        (1, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_created_without_request_and_a_table_that_is_gone_stops_nothing() {
    let line = Scenario::start(Settings::default(), &[]).await;
    line.table_of_spark("orders");
    line.send(&event(
        1,
        "raw",
        &[table("gone"), postgres("a"), table("orders")],
    ))
    .await;
    assert_eq!(line.outcomes(1), ["delivered"]);
    assert!(
        line.parameters("orders")
            .contains_key("openlineage.upstream")
    );
    assert_eq!(
        line.serve.logged("table left alone")["reason"],
        "it does not exist"
    );
    line.send(&event(2, "raw", &[table("gone")])).await;
    assert_eq!(line.outcomes(2), ["delivered", "unchanged"]);
    let calls = line.catalog.calls();
    assert!(
        calls.keys().all(|call| !call.starts_with("Create")),
        "{calls:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_datasets_has_an_outcome_and_makes_no_request() {
    let line = Scenario::start(Settings::default(), &[]).await;
    let mut start = event(1, "raw", &[]);
    start["inputs"] = json!([]);
    start["eventType"] = "START".into();
    line.send(&start).await;
    assert_eq!(line.outcomes(1), ["dropped"]);
    assert!(line.catalog.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_retried_or_a_dead_letter_and_harms_no_other_event() {
    let fault = |table: &str, code: &str, times| GlueFault {
        operation: "UpdateTable".to_owned(),
        matches: format!(r#""Name":"{table}""#),
        code: code.to_owned(),
        times,
    };
    let transient = [
        ("t1", "ThrottlingException"),
        ("t2", "InternalServiceException"),
        ("t3", "OperationTimeoutException"),
        ("t4", "AccessDeniedException"),
        ("t5", "GlueEncryptionException"),
        ("t6", "ResourceNumberLimitExceededException"),
    ];
    let mut faults = vec![fault("t0", "InvalidInputException", u32::MAX)];
    faults.extend(transient.map(|(table, code)| fault(table, code, 2)));
    let settings = Settings {
        glue_faults: faults,
        ..Settings::default()
    };
    let line = Scenario::start(settings, &[]).await;
    for n in 0..8 {
        line.table_of_spark(&format!("t{n}"));
        line.send(&event(n, "raw", &[table(&format!("t{n}")), table("t7")]))
            .await;
    }
    until(async || {
        let done = |n: &u32| {
            line.parameters(&format!("t{n}"))
                .contains_key("openlineage.upstream")
        };
        (1..8).all(|n| done(&n)).then_some(())
    })
    .await;
    line.serve.outcomes_when(8);
    assert!(!line.parameters("t0").contains_key("openlineage.upstream"));
    let folder = line.folder.path().to_str().unwrap();
    let list = [
        "dead-letters",
        "list",
        "--output",
        "json",
        "--data-dir",
        folder,
    ];
    let (_, letters, _) = testing::run(&list, &[]);
    let letters: Vec<Value> = serde_json::from_str(&letters).unwrap();
    let reasons: Vec<&str> = letters
        .iter()
        .map(|letter| letter["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["invalid: 400 InvalidInputException"]);
}
