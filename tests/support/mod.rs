//! A real `lineage-proxy serve` as a child process, a target that does what it is told, and events to send.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

pub const BINARY: &str = env!("CARGO_BIN_EXE_lineage-proxy");

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Serve {
    child: Child,
    pub url: String,
    pub log: Arc<Mutex<Vec<Value>>>,
    pub http: reqwest::Client,
}

impl Serve {
    /// Starts on a free port with that data folder and those settings; ready when it listens.
    pub fn start(data_dir: &Path, settings: &[(&str, &str)]) -> Serve {
        Serve::start_with(data_dir, settings, &[])
    }

    /// The same, with further variables, such as AWS's own.
    pub fn start_with(
        data_dir: &Path,
        settings: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Serve {
        let mut serve = Serve::spawn(data_dir, settings, variables);
        let address = serve.logged("listening")["address"]
            .as_str()
            .unwrap()
            .to_owned();
        serve.url = format!("http://{address}");
        serve
    }

    /// The same before it listens: it has no URL yet.
    pub fn spawn(data_dir: &Path, settings: &[(&str, &str)], variables: &[(&str, &str)]) -> Serve {
        let mut child = Command::new(BINARY)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .env("LINEAGE_PROXY_BATCH_WINDOW", "50ms")
            .envs(
                settings
                    .iter()
                    .map(|(name, value)| (format!("LINEAGE_PROXY_{name}"), value)),
            )
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

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The fields of the first log line with that message.
    pub fn logged(&self, message: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log.lock().unwrap().clone();
            if let Some(line) = log.iter().find(|line| line["fields"]["message"] == message) {
                return line["fields"].clone();
            }
            assert!(Instant::now() < deadline, "no {message:?} in {log:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The fields of all outcome lines so far.
    pub fn outcomes(&self) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        let fields = log.iter().map(|line| line["fields"].clone());
        fields
            .filter(|fields| {
                let outcome = fields["outcome"].as_str();
                outcome.is_some_and(|outcome| outcome != "retry")
            })
            .collect()
    }

    pub async fn post(&self, body: &str) -> reqwest::Response {
        self.post_to("/api/v1/lineage", body).await
    }

    pub async fn post_to(&self, path: &str, body: &str) -> reqwest::Response {
        let post = self
            .http
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        post.body(body.to_owned()).send().await.unwrap()
    }

    /// The body of what is answered to a GET.
    pub async fn get(&self, path: &str) -> String {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await;
        answer.unwrap().text().await.unwrap()
    }

    /// A counter of `/metrics`, its labels as they stand there; 0 while it is not there.
    pub async fn counter(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics").await;
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// The most that the process ever had in memory, in MB.
    pub fn peak_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.unwrap().split_whitespace().next().unwrap();
        kilobytes.parse::<u64>().unwrap() / 1_024
    }

    /// The texts of all events in the store, oldest first, byte for byte.
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
        openlineage::split_array(list.as_bytes())
            .unwrap()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    /// The store once it holds `count` events; and it must not hold more.
    pub async fn stored_when(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stored = self.stored().await;
            if stored.len() >= count {
                assert_eq!(stored.len(), count);
                return stored;
            }
            assert!(
                Instant::now() < deadline,
                "{} of {count}: {:#?}",
                stored.len(),
                self.log.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit status.
    pub fn terminate(self) -> Option<i32> {
        self.signal("TERM");
        self.ended()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let signal = format!("-{name}");
        let sent = Command::new("kill").args([&signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// The exit status, if it has ended by itself.
    pub fn exit_status(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap()?.code()
    }

    /// The exit status, once it has ended by itself.
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

/// A command to its end: exit status, standard output, standard error.
pub fn run(arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = Command::new(BINARY)
        .args(arguments)
        .envs(
            settings
                .iter()
                .map(|(name, value)| (format!("LINEAGE_PROXY_{name}"), value)),
        )
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Events in the embedded queue, in sight or not; nothing when the command has no answer.
pub fn queued(data_dir: &Path) -> Option<u64> {
    let place = ["--output", "json", "--data-dir", data_dir.to_str().unwrap()];
    let (status, text, _) = run(&[&["queue", "status"], &place[..]].concat(), &[]);
    let queue: Value = (status == Some(0)).then(|| serde_json::from_str(&text).unwrap())?;
    Some(queue["waiting"].as_u64().unwrap() + queue["not_visible"].as_u64().unwrap())
}

/// A RunEvent of run `n`.
pub fn event(n: u32, event_type: &str) -> String {
    let second = n % 60;
    format!(
        r#"{{ "eventTime":"2026-11-20T10:00:{second:02}.1Z","producer":"urn:test","schemaURL":"urn:schema","eventType":"{event_type}","run":{{"runId":"01a1faa6-e194-708b-a993-{n:012x}"}},"job":{{"namespace":"test","name":"job {n}"}},"x":1.0 }}"#
    )
}

/// An event with further members, as JSON.
pub fn moving(n: u32, event_type: &str, members: &str) -> String {
    let event = event(n, event_type);
    let (head, _) = event.rsplit_once('}').unwrap();
    format!("{head},{members}}}")
}

/// Settings of the stand-in with a Redshift warehouse of each kind: `wg.eu-west-1` and `dwh.us-east-1`.
pub fn warehouses() -> aws_stand_in::Settings {
    let workgroup = aws_stand_in::Workgroup {
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        port: 5439,
    };
    let cluster = aws_stand_in::Cluster {
        address: "dwh.abc123.us-east-1.redshift.amazonaws.com".into(),
        port: 5439,
    };
    aws_stand_in::Settings {
        workgroups: [("wg".to_owned(), workgroup)].into(),
        clusters: [("dwh".to_owned(), cluster)].into(),
        ..aws_stand_in::Settings::default()
    }
}

/// A file in a folder.
pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A target that answers each event as told: with the status that stands behind `"answer":` in it, else with `default`.
pub struct Target {
    pub url: String,
    pub taken: Arc<Mutex<Vec<String>>>,
    pub default: Arc<Mutex<u16>>,
    /// How long each answer takes.
    pub slow: Arc<Mutex<Duration>>,
}

impl Target {
    pub async fn start() -> Target {
        use axum::http::StatusCode;
        let taken: Arc<Mutex<Vec<String>>> = Arc::default();
        let default = Arc::new(Mutex::new(201));
        let slow: Arc<Mutex<Duration>> = Arc::default();
        let (sink, status, pause) = (taken.clone(), default.clone(), slow.clone());
        let answer = async move |body: String| {
            let pause = *pause.lock().unwrap();
            tokio::time::sleep(pause).await;
            let told = body
                .split_once(r#""answer":"#)
                .map(|(_, rest)| rest[..3].parse().unwrap());
            let code = told.unwrap_or(*status.lock().unwrap());
            if code < 300 {
                sink.lock().unwrap().push(body);
            }
            StatusCode::from_u16(code).unwrap()
        };
        let router = axum::Router::new().route("/api/v1/lineage", axum::routing::post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Target {
            url,
            taken,
            default,
            slow,
        }
    }

    pub async fn taken_when(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let taken = self.taken.lock().unwrap().clone();
            if taken.len() >= count {
                return taken;
            }
            assert!(Instant::now() < deadline, "{} of {count}", taken.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Waits until `ready` gives something.
pub fn eventually<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "in vain");
        std::thread::sleep(Duration::from_millis(50));
    }
}
