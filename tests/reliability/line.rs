//! `serve` in front of a target of one kind, and what has to hold whatever the target did: nothing lost, one outcome
//! each, no post begun while another of the same event is under way.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rough::Rough;
use crate::support::{Serve, queued, run};

/// What the proxy takes the target for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    DataZone,
    OpenLineage,
}

pub struct Line {
    pub folder: tempfile::TempDir,
    pub serve: Serve,
}

/// Longer than any case needs that comes out well: a slow machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(400);

impl Line {
    pub fn start(kind: Kind, url: &str, more: &[(&str, &str)]) -> Line {
        Line::start_in(tempfile::tempdir().unwrap(), kind, url, more)
    }

    pub fn start_in(
        folder: tempfile::TempDir,
        kind: Kind,
        url: &str,
        more: &[(&str, &str)],
    ) -> Line {
        let settings: &[(&str, &str)] = match kind {
            Kind::DataZone => &[
                ("TARGET", "datazone"),
                ("DATAZONE_DOMAIN_ID", "dzd_standin"),
            ],
            Kind::OpenLineage => &[("TARGET", "openlineage"), ("OPENLINEAGE_URL", url)],
        };
        let aws = [
            ("AWS_ENDPOINT_URL", url),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        let settings = [settings, more].concat();
        let serve = Serve::start_with(folder.path(), &settings, &aws);
        Line { folder, serve }
    }

    /// Sends events, some hundred a request, and sees them accepted.
    pub async fn send(&self, events: &[String]) {
        for some in events.chunks(200) {
            let array = format!("[{}]", some.join(","));
            let answer = self.serve.post_to("/api/v1/lineage/batch", &array).await;
            let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            assert_eq!(told["summary"]["successful"], some.len(), "{told}");
        }
    }

    /// The outcome of each event by id, once there are `count`; none may have two.
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

    pub fn dead_letters(&self) -> Vec<Value> {
        let out = self.command(&["dead-letters", "list", "--output", "json"]);
        serde_json::from_str(&out).unwrap()
    }

    /// Waiting and out of sight.
    pub fn queued(&self) -> u64 {
        queued(self.folder.path()).unwrap()
    }

    /// What a command on the data folder prints.
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

/// All of `events` are at the target once, and were never on the way there twice at a time.
pub fn once_each(target: &Rough, events: &[String]) {
    let times = target.times();
    let lost: Vec<_> = events
        .iter()
        .filter(|event| !times.contains_key(*event))
        .collect();
    assert!(lost.is_empty(), "{} lost", lost.len());
    let sent: HashSet<&String> = events.iter().collect();
    assert_eq!(sent.len(), times.len(), "events that nobody sent");
    let twice = times.values().filter(|times| **times > 1).count();
    assert_eq!(twice, 0, "delivered twice");
    assert_eq!(target.figures().overlaps, 0, "posted while under way");
}
