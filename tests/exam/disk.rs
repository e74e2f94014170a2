//! Bad disks: `serve` says so, takes again by itself, and loses nothing that it answered `200`.
//!
//! Full ones and read-only ones are in `disk/full.rs`, damaged files in `disk/damaged.rs`; here is what both use.

mod damaged;
mod full;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Serve, Target, event};

pub(crate) fn start(folder: &Path, target: &Target) -> Serve {
    Serve::start(
        folder,
        &[("TARGET", "openlineage"), ("OPENLINEAGE_URL", &target.url)],
    )
}

/// The numbers of the events that have arrived.
pub(crate) fn arrived(target: &Target) -> BTreeSet<u32> {
    let taken = target.taken.lock().unwrap();
    let number = |event: &String| {
        let event: Value = serde_json::from_str(event).unwrap();
        event["job"]["name"].as_str().unwrap()[4..].parse().unwrap()
    };
    taken.iter().map(number).collect()
}

/// Sends one until it is taken.
pub(crate) async fn taken_again(serve: &Serve, n: u32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while serve.post(&event(n, "START")).await.status() != 200 {
        assert!(Instant::now() < deadline, "{:#?}", lines(serve, 0));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// For as long as a full-sized case may take on a slow machine.
pub(crate) fn patiently<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "in vain");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The fields of all log lines after the first so many.
fn lines(serve: &Serve, after: usize) -> Vec<Value> {
    let log = serve.log.lock().unwrap();
    log.iter()
        .skip(after)
        .map(|line| line["fields"].clone())
        .collect()
}

pub(crate) fn does(command: &str, arguments: &[&str]) -> bool {
    let output = Command::new(command).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
