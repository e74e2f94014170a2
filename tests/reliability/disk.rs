//! Bad disks: `serve` reports them, and loses nothing that it answered `200`. It accepts again by itself where the disk was
//! full or read-only (`disk/full.rs`), and after a restart by its supervisor where files were damaged (`disk/damaged.rs`).
//! This file has what both use.

mod damaged;
mod full;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use testing::events::event;
use testing::{FaultyTarget, Serve, eventually_within};

pub(crate) fn start(folder: &Path, target: &FaultyTarget) -> Serve {
    Serve::start(folder, &target.settings())
}

/// The numbers of the events that have arrived.
pub(crate) fn arrived(target: &FaultyTarget) -> BTreeSet<u32> {
    let number = |event: &String| {
        let event: Value = serde_json::from_str(event).unwrap();
        event["job"]["name"].as_str().unwrap()[4..].parse().unwrap()
    };
    target.accepted().iter().map(number).collect()
}

/// Posts an event until it is accepted.
pub(crate) async fn accepted_again(serve: &Serve, n: u32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while serve.post(&event(n, "START")).await.status() != 200 {
        assert!(Instant::now() < deadline, "{:#?}", serve.lines_after(0));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The status with which `serve` asks its supervisor to start it again: `EX_TEMPFAIL`.
pub(crate) const RESTART: i32 = 75;

/// Posts an event. Returns the status, or nothing if `serve` has ended meanwhile.
pub(crate) async fn offer(serve: &Serve, n: u32) -> Option<u16> {
    let post = serve.http.post(format!("{}/api/v1/lineage", serve.url));
    let answer = post
        .body(event(n, "START"))
        .header("content-type", "application/json");
    Some(answer.send().await.ok()?.status().as_u16())
}

/// Plays the supervisor: waits until `serve` has ended with the status that asks for it, and starts it again.
pub(crate) fn restarted(mut serve: Serve, start: impl FnOnce() -> Serve) -> Serve {
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = serve.exit_status() {
            break status;
        }
        assert!(Instant::now() < deadline, "{:#?}", serve.lines_after(0));
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status, RESTART, "{:#?}", serve.lines_after(0));
    start()
}

/// Sends an event until it is accepted, and restarts `serve` once when it ends. Returns the process that accepted it.
pub(crate) async fn accepted_after_restart(
    mut serve: Serve,
    start: impl FnOnce() -> Serve,
    n: u32,
) -> Serve {
    while serve.exit_status().is_none() {
        if let Some(status) = offer(&serve, n).await {
            assert_eq!(status, 503);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let serve = restarted(serve, start);
    assert_eq!(offer(&serve, n).await, Some(200));
    serve
}

/// Waits as long as a case of full size may take on a slow machine.
pub(crate) fn patiently<T>(ready: impl FnMut() -> Option<T>) -> T {
    eventually_within(Duration::from_secs(300), ready)
}

pub(crate) fn does(command: &str, arguments: &[&str]) -> bool {
    let output = Command::new(command).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
