//! Three targets of one `serve`: one that is healthy, one that is down, and one that accepts two events a second.
//!
//! What one of them does must not be noticed at another. `FanOut` starts them, and `serve` in front of them; a case sets
//! their faults, and looks at each.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::ledger::Ledger;
use crate::scenario::TargetKind;
use crate::serve::{Serve, aws, run};
use crate::target::{Fault, FaultKind, FaultyTarget};
use crate::write;

/// Longer than any case needs that succeeds: a slow machine is not a failure.
const PATIENCE: Duration = Duration::from_secs(400);

/// The names of the three in the configuration.
pub const NAMES: [&str; 3] = ["healthy", "down", "limited"];

/// The three targets.
#[derive(Debug)]
pub struct Trio {
    /// What the proxy takes the healthy one for; the others are OpenLineage endpoints.
    pub kind: TargetKind,
    /// It accepts every event, unless a case sets a fault.
    pub healthy: FaultyTarget,
    /// It answers every event with 503.
    pub down: FaultyTarget,
    /// It accepts two events a second, and answers the others with 429.
    pub limited: FaultyTarget,
}

/// Two events a second.
fn limit() -> Fault {
    Fault::Rate(2, FaultKind::Status(429, None))
}

impl Trio {
    /// Starts targets that remember what they accept.
    pub async fn start(kind: TargetKind) -> Trio {
        Trio {
            kind,
            healthy: FaultyTarget::start(Fault::None).await,
            down: FaultyTarget::start(Fault::status(503)).await,
            limited: FaultyTarget::start(limit()).await,
        }
    }

    /// Starts targets that enter what they accept into ledgers, in the order of [`NAMES`].
    pub async fn with_ledgers(ledgers: &[Arc<Mutex<Ledger>>; 3]) -> Trio {
        let [healthy, down, limited] = ledgers;
        let start = FaultyTarget::with_ledger_of_accepted;
        Trio {
            kind: TargetKind::OpenLineage,
            healthy: start(Fault::None, healthy.clone()).await,
            down: start(Fault::status(503), down.clone()).await,
            limited: start(limit(), limited.clone()).await,
        }
    }

    /// Returns them, in the order of [`NAMES`].
    pub fn all(&self) -> [&FaultyTarget; 3] {
        [&self.healthy, &self.down, &self.limited]
    }

    /// From now on, each accepts every event.
    pub fn heal(&self) {
        for target in self.all() {
            target.set(Fault::None);
        }
    }

    /// Writes a configuration with those of them that are `wanted`, and these lines besides.
    pub fn configure(&self, folder: &Path, wanted: [bool; 3], lines: &str) -> PathBuf {
        let mut targets = String::new();
        for ((name, target), _) in NAMES.iter().zip(self.all()).zip(wanted).filter(|it| it.1) {
            let url = &target.url;
            let is_datazone = *name == NAMES[0] && self.kind == TargetKind::DataZone;
            let settings = match is_datazone {
                true => "type: datazone, domain_id: dzd_standin, posts_per_second: 200".to_owned(),
                false => format!("type: openlineage, url: '{url}', timeout: 5s"),
            };
            targets += &format!("  {name}: {{{settings}}}\n");
        }
        let config = format!("targets:\n{targets}{lines}");
        write(folder, "proxy.yaml", &config)
    }
}

/// `serve` in front of the three, with a data folder of its own.
#[derive(Debug)]
pub struct FanOut {
    /// The targets.
    pub targets: Trio,
    /// The proxy.
    pub serve: Serve,
    folder: TempDir,
}

impl FanOut {
    /// Starts the targets, and a proxy for those that are `wanted`.
    pub async fn start(wanted: [bool; 3], settings: &[(&str, &str)]) -> FanOut {
        FanOut::with_healthy(TargetKind::OpenLineage, wanted, settings).await
    }

    /// The same, with a healthy target of that kind.
    pub async fn with_healthy(
        kind: TargetKind,
        wanted: [bool; 3],
        settings: &[(&str, &str)],
    ) -> FanOut {
        let (targets, folder) = (Trio::start(kind).await, tempfile::tempdir().unwrap());
        let config = targets.configure(folder.path(), wanted, "");
        let data = folder.path().join("data");
        let aws = aws(&targets.healthy.url);
        let serve = Serve::start_configured_with(&data, &config, settings, &aws);
        FanOut {
            targets,
            serve,
            folder,
        }
    }

    /// Stops the proxy, lets `change` set the targets, and starts it again with the same configuration.
    pub async fn restarted(self, change: impl FnOnce(&Trio)) -> FanOut {
        let FanOut {
            targets,
            serve,
            folder,
        } = self;
        let status = tokio::task::spawn_blocking(|| serve.terminate()).await;
        assert_eq!(status.unwrap(), Some(0));
        change(&targets);
        let config = folder.path().join("proxy.yaml");
        let data = folder.path().join("data");
        let aws = aws(&targets.healthy.url);
        let serve = Serve::start_configured_with(&data, &config, &[], &aws);
        FanOut {
            targets,
            serve,
            folder,
        }
    }

    /// Returns the data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Sends events in arrays, and checks that each is accepted.
    pub async fn send(&self, events: &[String]) {
        for some in events.chunks(200) {
            let array = format!("[{}]", some.join(","));
            let response = self.serve.post_to("/api/v1/lineage/batch", &array).await;
            let summary: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert_eq!(summary["summary"]["successful"], some.len(), "{summary}");
        }
    }

    /// Returns the outcomes at a target by the id of the event, once there are `count`. No event may have two.
    pub async fn outcomes(&self, target: &str, count: usize) -> BTreeMap<String, Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut outcomes = self.serve.outcomes();
            outcomes.retain(|outcome| outcome["target"] == target);
            let by_id = outcomes.iter().map(|outcome| {
                let id = outcome["id"].as_str().unwrap().to_owned();
                (id, outcome.clone())
            });
            let by_id: BTreeMap<String, Value> = by_id.collect();
            assert_eq!(by_id.len(), outcomes.len(), "two outcomes at {target}");
            if by_id.len() >= count {
                assert_eq!(by_id.len(), count, "{target}");
                return by_id;
            }
            let is_late = Instant::now() > deadline;
            assert!(!is_late, "{target}: {} of {count}", by_id.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until nothing waits for a target.
    pub async fn settled(&self, target: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.queued(target);
            if left == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{target}: {left} are left");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Returns the dead letters of a target.
    pub fn dead_letters(&self, target: &str) -> Vec<Value> {
        let list = ["dead-letters", "list", "--target", target, "--output"];
        let list = [&list[..], &["json"]].concat();
        serde_json::from_str(&self.command(&list)).unwrap()
    }

    /// Runs a command on the data folder, and returns what it prints.
    pub fn command(&self, arguments: &[&str]) -> String {
        let data = self.data();
        let place = ["--data-dir", data.to_str().unwrap()];
        let (status, out, err) = run(&[arguments, &place].concat(), &[]);
        assert_eq!(status, Some(0), "{arguments:?}: {err}");
        out
    }

    /// Returns what waits for a target: events that are visible or not, without dead letters.
    pub fn queued(&self, target: &str) -> u64 {
        let status = ["queue", "status", "--target", target, "--output", "json"];
        let status: Value = serde_json::from_str(&self.command(&status)).unwrap();
        status["waiting"].as_u64().unwrap() + status["in_flight"].as_u64().unwrap()
    }
}

/// Returns how long each of the events took from the moment when it was sent until the target had accepted it, sorted.
pub fn latencies(sent: &[(String, Instant)], target: &FaultyTarget) -> Vec<Duration> {
    let mut accepted: HashMap<String, Instant> = HashMap::new();
    for (event, at) in target.accepted_at() {
        accepted.entry(event).or_insert(at);
    }
    let took = |(event, at): &(String, Instant)| Some(*accepted.get(event)? - *at);
    let mut latencies: Vec<Duration> = sent.iter().filter_map(took).collect();
    latencies.sort_unstable();
    latencies
}
