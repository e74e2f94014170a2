//! A log that cannot be written must not end `serve`: each line of it was once a panic. How parts are supervised is tested
//! where they are (`serve.rs`, `journal`).

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testing::binary;
use testing::events::event;
use testing::size;

use crate::data_folder::{count_store, drained};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_on_a_full_disk_harms_nobody() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    survives("log on a full disk", || full.try_clone().unwrap().into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_any_more_harms_nobody() {
    survives("log closed", Stdio::piped).await;
}

async fn survives(case: &str, log: impl Fn() -> Stdio) {
    let events = size::of(20, 2_000);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let http = reqwest::Client::new();
    let (mut serve, address) = listening(data, log, &http).await;
    for n in 0..events {
        let post = http
            .post(format!("http://{address}/api/v1/lineage"))
            .header("content-type", "application/json");
        let answer = post.body(event(n, "START")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    drained(data).await;
    assert_eq!(count_store(data), events);
    let id = serve.id().to_string();
    let stop = Command::new("kill").args(["-TERM", &id]).status();
    assert!(stop.unwrap().success());
    assert_eq!(serve.wait().unwrap().code(), Some(0));
    size::measured(
        case,
        &format!("{events} events answered 200 and delivered, then stopped with 0"),
    );
}

/// Starts a proxy whose log cannot be read, and returns it with its address. Another process may take its port first: then
/// another port is tried.
async fn listening(
    data: &Path,
    log: impl Fn() -> Stdio,
    http: &reqwest::Client,
) -> (Child, String) {
    for _ in 0..5 {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let mut serve = Command::new(binary())
            .args(["serve", "--listen", &address, "--data-dir"])
            .arg(data)
            .env("LINEAGE_PROXY_BATCH_WINDOW", "50ms")
            .stderr(log())
            .spawn()
            .unwrap();
        drop(serve.stderr.take());
        let deadline = Instant::now() + Duration::from_secs(60);
        while serve.try_wait().unwrap().is_none() {
            let healthy = http.get(format!("http://{address}/healthz")).send().await;
            // Alive before and after: the response is not that of another process on this port.
            if healthy.is_ok() && serve.try_wait().unwrap().is_none() {
                return (serve, address);
            }
            assert!(Instant::now() < deadline, "not listening");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    panic!("five ports were taken by others");
}
