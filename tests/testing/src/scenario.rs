//! `serve` in front of a target, on a data folder of its own, and what holds whatever the target does: no event is lost,
//! each has one outcome, and none is posted while an earlier post of it is under way.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::serve::{Serve, aws, queued, run};
use crate::target::FaultyTarget;

/// What the proxy takes the target for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// Amazon DataZone, at that URL instead of AWS's.
    DataZone,
    /// An OpenLineage endpoint.
    OpenLineage,
}

/// A proxy, its data folder and its target.
#[derive(Debug)]
pub struct Scenario {
    /// The data folder.
    pub folder: TempDir,
    /// The proxy.
    pub serve: Serve,
}

/// Longer than any case needs that succeeds: a slow machine is not a failure.
const PATIENCE: Duration = Duration::from_secs(400);

impl Scenario {
    /// Starts a proxy in a new data folder, for the target at that URL.
    pub fn start(kind: TargetKind, url: &str, settings: &[(&str, &str)]) -> Scenario {
        Scenario::start_in(tempfile::tempdir().unwrap(), kind, url, settings)
    }

    /// Starts a proxy in a data folder that was used before.
    pub fn start_in(
        folder: TempDir,
        kind: TargetKind,
        url: &str,
        settings: &[(&str, &str)],
    ) -> Scenario {
        let target: &[(&str, &str)] = match kind {
            TargetKind::DataZone => &[
                ("TARGET", "datazone"),
                ("DATAZONE_DOMAIN_ID", "dzd_standin"),
            ],
            TargetKind::OpenLineage => &[("TARGET", "openlineage"), ("OPENLINEAGE_URL", url)],
        };
        let settings = [target, settings].concat();
        let serve = Serve::start_with(folder.path(), &settings, &aws(url));
        Scenario { folder, serve }
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

    /// Returns the outcome of each event by its id, once there are `count`. No event may have two.
    pub async fn outcomes(&self, count: usize) -> BTreeMap<String, Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let outcomes = self.serve.outcomes();
            let by_id: BTreeMap<String, Value> = outcomes
                .iter()
                .map(|outcome| (outcome["id"].as_str().unwrap().to_owned(), outcome.clone()))
                .collect();
            assert_eq!(by_id.len(), outcomes.len(), "two outcomes of one event");
            if by_id.len() >= count {
                assert_eq!(by_id.len(), count);
                return by_id;
            }
            assert!(Instant::now() < deadline, "{} of {count}", by_id.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns the dead letters.
    pub fn dead_letters(&self) -> Vec<Value> {
        let out = self.command(&["dead-letters", "list", "--output", "json"]);
        serde_json::from_str(&out).unwrap()
    }

    /// Returns the number of events in the queue, visible or not.
    pub fn queued(&self) -> u64 {
        queued(self.folder.path()).unwrap()
    }

    /// Runs a command on the data folder, and returns what it prints.
    pub fn command(&self, arguments: &[&str]) -> String {
        let folder = self.folder.path().to_str().unwrap();
        let (status, out, err) = run(&[arguments, &["--data-dir", folder]].concat(), &[]);
        assert!(
            status.is_some_and(|status| status < 2),
            "{arguments:?}: {err}"
        );
        out
    }
}

/// Checks that the target accepted each of these events once and nothing else, and never had two posts of one at a time.
pub fn once_each(target: &FaultyTarget, events: &[String]) {
    let times = target.times();
    let lost = events.iter().filter(|event| !times.contains_key(*event));
    assert_eq!(lost.count(), 0, "events are lost");
    let sent: HashSet<&String> = events.iter().collect();
    assert_eq!(sent.len(), times.len(), "events that nobody sent");
    let twice = times.values().filter(|times| **times > 1).count();
    assert_eq!(twice, 0, "events were delivered twice");
    assert_eq!(
        target.figures().overlaps,
        0,
        "posts of an event while an earlier one was under way"
    );
}
