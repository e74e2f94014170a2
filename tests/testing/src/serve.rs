//! The real binary: `serve` as a child process that is killed at the end of its test, and commands that run to their end.
//!
//! Only the tests of the package `lineage-proxy` use this: for those, cargo builds the binary first.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::command::outcome;
use crate::wait::{PATIENCE, eventually, until};

/// `lineage-proxy serve`, and what it has logged.
#[derive(Debug)]
pub struct Serve {
    child: Child,
    /// Where it listens, without a path; empty until it does.
    pub url: String,
    /// The lines of its log so far.
    pub log: Arc<Mutex<Vec<Value>>>,
    /// A client for further requests.
    pub http: reqwest::Client,
}

impl Serve {
    /// Starts it on a free port with that data folder and these settings, and waits until it listens.
    pub fn start(data_dir: &Path, settings: &[(&str, &str)]) -> Serve {
        Serve::start_with(data_dir, settings, &[])
    }

    /// The same, with further environment variables, such as AWS's own.
    pub fn start_with(
        data_dir: &Path,
        settings: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Serve {
        let mut serve = Serve::spawn(data_dir, settings, variables);
        let listening = serve.logged("lineage-proxy is listening");
        serve.url = format!("http://{}", listening["address"].as_str().unwrap());
        serve
    }

    /// The same, with a configuration file.
    pub fn start_configured(data_dir: &Path, config: &Path) -> Serve {
        Serve::start_configured_with(data_dir, config, &[], &[])
    }

    /// The same, with settings that go before those of the file, and further environment variables.
    pub fn start_configured_with(
        data_dir: &Path,
        config: &Path,
        settings: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Serve {
        let arguments = ["--config", config.to_str().unwrap()];
        let mut serve = Serve::spawn_with(data_dir, &arguments, settings, variables);
        let listening = serve.logged("lineage-proxy is listening");
        serve.url = format!("http://{}", listening["address"].as_str().unwrap());
        serve
    }

    /// The same, without waiting until it listens.
    pub fn spawn(data_dir: &Path, settings: &[(&str, &str)], variables: &[(&str, &str)]) -> Serve {
        Serve::spawn_with(data_dir, &[], settings, variables)
    }

    fn spawn_with(
        data_dir: &Path,
        arguments: &[&str],
        settings: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Serve {
        let mut child = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args(arguments)
            .env("LINEAGE_PROXY_BATCH_WINDOW", "50ms")
            .envs(named(settings))
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log: Arc<Mutex<Vec<Value>>> = Arc::default();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                written.lock().unwrap().push(line);
            }
        });
        Serve {
            child,
            url: String::new(),
            log,
            http: reqwest::Client::new(),
        }
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the fields of all log lines after the first `skip`.
    pub fn lines_after(&self, skip: usize) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        let lines = log.iter().skip(skip);
        lines.map(|line| line["fields"].clone()).collect()
    }

    /// Returns the fields of all log lines with that message.
    pub fn lines(&self, message: &str) -> Vec<Value> {
        let mut lines = self.lines_after(0);
        lines.retain(|fields| fields["message"] == message);
        lines
    }

    /// Returns the fields of the first log line with that message, once there is one.
    pub fn logged(&self, message: &str) -> Value {
        let lines = self.lines_when(message, |_| true);
        lines[0].clone()
    }

    /// Returns the fields of all log lines with that message, once one of them is `wanted`.
    pub fn lines_when(&self, message: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.lines(message);
            if lines.iter().any(&wanted) {
                return lines;
            }
            let is_late = Instant::now() > deadline;
            assert!(!is_late, "no {message:?} in {:#?}", self.lines_after(0));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns the fields of all log lines of outcomes.
    pub fn outcomes(&self) -> Vec<Value> {
        let mut lines = self.lines_after(0);
        lines.retain(|fields| {
            let outcome = fields["outcome"].as_str();
            outcome.is_some_and(|outcome| outcome != "retry")
        });
        lines
    }

    /// Returns all outcomes, once there are `count` or more.
    pub fn outcomes_when(&self, count: usize) -> Vec<Value> {
        eventually(|| Some(self.outcomes()).filter(|outcomes| outcomes.len() >= count))
    }

    /// Posts an event.
    pub async fn post(&self, body: &str) -> reqwest::Response {
        self.post_to("/api/v1/lineage", body).await
    }

    /// Posts a body to a path.
    pub async fn post_to(&self, path: &str, body: &str) -> reqwest::Response {
        let post = self
            .http
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        post.body(body.to_owned()).send().await.unwrap()
    }

    /// Returns the body of the response to a GET.
    pub async fn get(&self, path: &str) -> String {
        let response = self.http.get(format!("{}{path}", self.url)).send().await;
        response.unwrap().text().await.unwrap()
    }

    /// Returns the status of the response to a GET.
    pub async fn status(&self, path: &str) -> u16 {
        let response = self.http.get(format!("{}{path}", self.url)).send().await;
        response.unwrap().status().as_u16()
    }

    /// Returns a counter of `/metrics`, named with its labels as they are written there; 0 while it is not there.
    pub async fn counter(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics").await;
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Returns what the process has in memory now, in MB.
    pub fn memory_mb(&self) -> u64 {
        self.status_mb("VmRSS:")
    }

    /// Returns the most that the process ever had in memory, in MB.
    pub fn peak_mb(&self) -> u64 {
        self.status_mb("VmHWM:")
    }

    fn status_mb(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        let kilobytes = value.unwrap().split_whitespace().next().unwrap();
        kilobytes.parse::<u64>().unwrap() / 1_024
    }

    /// Returns the texts of all events in the store, oldest first, byte for byte.
    pub async fn stored(&self) -> Vec<String> {
        let text = self
            .get("/api/v1/events/lineage?sortDirection=asc&limit=1000")
            .await;
        let list = text
            .strip_prefix(r#"{"events":"#)
            .unwrap()
            .rsplit_once(r#","totalCount""#)
            .unwrap()
            .0;
        let events = openlineage::split_array(list.as_bytes()).unwrap();
        events.into_iter().map(str::to_owned).collect()
    }

    /// Returns all events in the store, once there are `count`. There must not be more.
    pub async fn stored_when(&self, count: usize) -> Vec<String> {
        let stored =
            until(async || Some(self.stored().await).filter(|stored| stored.len() >= count)).await;
        assert_eq!(stored.len(), count);
        stored
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and returns its exit status.
    pub fn terminate(self) -> Option<i32> {
        self.signal("TERM");
        self.ended()
    }

    /// Sends it a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let signal = format!("-{name}");
        let sent = Command::new("kill").args([&signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Returns its exit status, if it has ended by itself.
    pub fn exit_status(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap()?.code()
    }

    /// Waits until it has ended, and returns its exit status.
    pub fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `serve` in a new data folder, which is removed when it is dropped.
pub fn start_serve(settings: &[(&str, &str)]) -> (TempDir, Serve) {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), settings);
    (folder, serve)
}

/// Runs a command to its end. Returns its exit status, standard output and standard error.
pub fn run(arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary());
    outcome(command.args(arguments).envs(named(settings)))
}

/// Returns the number of events in the embedded queue, visible or not; nothing when the command fails.
pub fn queued(data_dir: &Path) -> Option<u64> {
    let place = ["--output", "json", "--data-dir", data_dir.to_str().unwrap()];
    let (status, text, _) = run(&[&["queue", "status"], &place[..]].concat(), &[]);
    let queue: Value = (status == Some(0)).then(|| serde_json::from_str(&text).unwrap())?;
    Some(queue["waiting"].as_u64().unwrap() + queue["in_flight"].as_u64().unwrap())
}

/// Returns the path of `lineage-proxy`.
///
/// Cargo names it to the tests that it runs, at run time since 1.94. A test that is started by hand stands in
/// `target/PROFILE/deps`, and the binary in the folder above.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo names the binary in the environment"
)]
pub fn binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| {
        std::env::var("CARGO_BIN_EXE_lineage-proxy").unwrap_or_else(|_| {
            let test = std::env::current_exe().unwrap();
            let profile = test.ancestors().nth(2).unwrap();
            let binary = profile.join("lineage-proxy");
            assert!(binary.exists(), "{} is not built", binary.display());
            binary.to_str().unwrap().to_owned()
        })
    })
}

/// Settings as environment variables.
fn named<'a>(settings: &'a [(&str, &str)]) -> impl Iterator<Item = (String, &'a str)> {
    settings
        .iter()
        .map(|(name, value)| (format!("LINEAGE_PROXY_{name}"), *value))
}

/// Returns the credentials and the endpoint of an AWS stand-in.
pub fn aws(endpoint: &str) -> [(&'static str, &str); 4] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]
}
