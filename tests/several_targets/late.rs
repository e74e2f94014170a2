//! A target that cannot be opened when `serve` starts: the others deliver, its events wait, and it is opened later. What
//! keeps `serve` from starting all the same.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use testing::serve::aws;

const NOT_OPEN: &str = "target cannot be opened; its events are kept";

/// The targets `lake`, a file in a folder, and `catalog`, an endpoint with the key in `key`.
fn configure(setup: &Setup, catalog: &FaultyTarget, lake: &str, more: &str) -> PathBuf {
    let folder = setup.0.path();
    let (lake, key) = (folder.join(lake), folder.join("key"));
    let targets = format!(
        "targets:\n  lake: {{type: file, path: {}}}\n  catalog: {{type: openlineage, url: '{}', api_key_file: {}}}\n{more}",
        lake.display(),
        catalog.url,
        key.display(),
    );
    write(folder, "proxy.yaml", &targets)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_whose_secret_is_missing_at_the_start_delivers_once_it_is_there() {
    let setup = Setup::new();
    let catalog = FaultyTarget::start(Fault::None).await;
    let config = configure(&setup, &catalog, "lake.jsonl", "");
    let serve = Serve::start_configured(&setup.data(), &config);
    let line = serve.logged(NOT_OPEN);
    assert_eq!(line["target"], "catalog");
    let error = line["error"].as_str().unwrap();
    assert!(error.contains("targets.catalog.api_key_file"), "{error}");

    post(&serve, 0..3).await;
    assert_eq!(jobs(&setup.lake_when(3)).len(), 3);
    assert_eq!(serve.status("/readyz").await, 200);
    let gauge = async |name: &str, target: &str| {
        let name = format!("lineage_proxy_{name}{{target=\"{target}\"}}");
        serve.counter(&name).await
    };
    until(async || (gauge("queue_events", "catalog").await == 3).then_some(())).await;
    let up = (
        gauge("target_up", "lake").await,
        gauge("target_up", "catalog").await,
    );
    assert_eq!(up, (1, 0));

    write(setup.0.path(), "key", "k3y");
    assert_eq!(jobs(&catalog.accepted_when(3).await).len(), 3);
    assert_eq!(serve.logged("target opened")["target"], "catalog");
    until(async || (gauge("target_up", "catalog").await == 1).then_some(())).await;
    assert_eq!(serve.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_opens_a_target_at_once() {
    let setup = Setup::new();
    write(setup.0.path(), "key", "k3y");
    let catalog = FaultyTarget::start(Fault::None).await;
    let config = configure(&setup, &catalog, "disk/lake.jsonl", "");
    let serve = Serve::start_configured(&setup.data(), &config);
    post(&serve, 0..2).await;
    assert_eq!(jobs(&catalog.accepted_when(2).await).len(), 2);
    // After 7 s of attempts, the next one by itself is at 15 s.
    std::thread::sleep(Duration::from_secs(8));
    let disk = setup.0.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let begun = Instant::now();
    serve.signal("HUP");
    serve.logged("target opened");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let lines = eventually(|| {
        let text = fs::read_to_string(disk.join("lake.jsonl")).ok()?;
        Some(text.lines().count()).filter(|lines| *lines == 2)
    });
    assert_eq!(lines, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_target_that_is_not_open_and_its_events_outlast_it() {
    let setup = Setup::new();
    let catalog = FaultyTarget::start(Fault::None).await;
    let config = configure(&setup, &catalog, "lake.jsonl", "");
    let serve = Serve::start_configured(&setup.data(), &config);
    post(&serve, 0..3).await;
    setup.lake_when(3);
    assert_eq!(serve.terminate(), Some(0));
    write(setup.0.path(), "key", "k3y");
    let _serve = Serve::start_configured(&setup.data(), &config);
    assert_eq!(jobs(&catalog.accepted_when(3).await).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_is_refused_with_all_errors_where_one_has_to_be_corrected() {
    let setup = Setup::new();
    let catalog = FaultyTarget::start(Fault::None).await;
    let start = |lake: &str, more: &str| {
        let config = configure(&setup, &catalog, lake, more);
        let (status, _, err) = setup.run(&["serve", "--config", config.to_str().unwrap()]);
        (status, err)
    };
    write(setup.0.path(), "rules.yaml", "rules: [{drop: maybe}]");
    let (status, err) = start("lake.jsonl", "rules: {file: rules.yaml}\n");
    assert_eq!(status, Some(64), "{err}");
    for part in ["rules.yaml:1", "targets.catalog.api_key_file"] {
        assert!(err.contains(part), "{part} in {err}");
    }
    // Nothing would be delivered before somebody has done something.
    let (status, err) = start("disk/lake.jsonl", "");
    assert_eq!(status, Some(64), "{err}");
    for part in ["targets.lake.path", "targets.catalog.api_key_file"] {
        assert!(err.contains(part), "{part} in {err}");
    }
    assert!(!setup.data().exists());
}

/// Secrets Manager, which fails until `works`.
fn secrets_manager(works: &Arc<AtomicBool>) -> String {
    let (listener, works) = (TcpListener::bind("127.0.0.1:0").unwrap(), works.clone());
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 9_000]);
            let (status, body) = match works.load(Ordering::Relaxed) {
                true => ("200 OK", r#"{"SecretString": "k3y"}"#),
                false => ("503 Service Unavailable", "{}"),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = connection.write_all((head + body).as_bytes());
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_target_is_opened_when_the_service_with_its_secret_is_back() {
    let setup = Setup::new();
    let works = Arc::new(AtomicBool::new(false));
    let url = secrets_manager(&works);
    let catalog = FaultyTarget::start(Fault::None).await;
    let settings = [
        ("TARGET", "openlineage"),
        ("OPENLINEAGE_URL", &*catalog.url),
        ("OPENLINEAGE_API_KEY_SECRET_ID", "catalog"),
    ];
    let serve = Serve::start_with(&setup.data(), &settings, &aws(&url));
    assert_eq!(serve.logged(NOT_OPEN)["target"], "openlineage");
    post(&serve, 0..3).await;
    works.store(true, Ordering::Relaxed);
    assert_eq!(jobs(&catalog.accepted_when(3).await).len(), 3);
}
