//! Processes to measure: `serve`, and a function behind a Lambda Runtime API of our own.
//!
//! `build.rs` builds them, `delivery.rs` and `latency.rs` measure `serve`; `line.rs` has the rest.

pub(crate) mod build;
pub(crate) mod delivery;
pub(crate) mod latency;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::{Value, json};
use testing::measure::{cpu, peak_memory};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify, mpsc};

use crate::PATIENCE;

/// The part of a run id that differs between the events of a benchmark.
const NOBODY: &str = "000000000000";

/// A RunEvent of about `size` bytes.
pub(crate) fn event(n: u32, size: usize) -> String {
    let head = format!(
        r#"{{"eventTime":"2026-11-20T10:00:00.1Z","producer":"urn:bench","schemaURL":"urn:schema","eventType":"COMPLETE","run":{{"runId":"01a1faa6-e194-708b-a993-{n:012x}"}},"job":{{"namespace":"bench","name":"job"}},"outputs":[{{"namespace":"s3://bucket","name":"table","facets":{{"schema":{{"_producer":"urn:p","_schemaURL":"urn:s","fields":["#
    );
    let field =
        r#"{"name":"a_column_of_some_name","type":"varchar(255)","description":"what it holds"}"#;
    let count = size.saturating_sub(head.len() + 10) / (field.len() + 1);
    format!("{head}{}]}}}}}}]}}", vec![field; count.max(1)].join(","))
}

/// An SQS event of `count` events, each of a run of its own.
pub(crate) fn sqs_event(batch: u32, count: u32, size: usize) -> Value {
    let record = |n: u32| {
        json!({
            "messageId": format!("{batch}-{n}"), "receiptHandle": "r", "body": event(batch * 1000 + n, size),
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1"}, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:0:q", "awsRegion": "eu-west-1",
        })
    };
    json!({"Records": (0..count).map(record).collect::<Vec<_>>()})
}

/// An API Gateway v2 event without a body.
pub(crate) fn http_event(method: &str, path: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": {"host": "x"},
        "requestContext": {"accountId": "0", "apiId": "a", "domainName": "x", "domainPrefix": "x", "requestId": "r",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "b"},
            "routeKey": "$default", "stage": "$default", "time": "", "timeEpoch": 0},
        "isBase64Encoded": false,
    })
}

/// Posts `count` events, no two the same, from `clients` clients, each waiting for its answer. Clients that do next to
/// nothing: on a machine of two cores a full HTTP client would take more of them than the proxy does. Returns how long each
/// answer took.
pub(crate) async fn post_all(
    url: &str,
    clients: usize,
    count: usize,
    size: usize,
) -> Vec<Duration> {
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let (address, body) = (address.clone(), event(0, size));
        tasks.spawn(async move {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.set_nodelay(true).unwrap();
            let head = "POST /api/v1/lineage HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n";
            let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            let number = request.find(NOBODY).unwrap()..request.find(NOBODY).unwrap() + NOBODY.len();
            let mut request = request.into_bytes();
            let mut answer = [0; 4_096];
            let mut took = Vec::with_capacity(count / clients);
            for n in 0..count / clients {
                request[number.clone()].copy_from_slice(format!("{client:04x}{n:08x}").as_bytes());
                let sent = Instant::now();
                connection.write_all(&request).await.unwrap();
                // The answer is small enough to come in one piece.
                let read = connection.read(&mut answer).await.unwrap();
                assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
                took.push(sent.elapsed());
            }
            took
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(took) = tasks.join_next().await {
        all.extend(took.unwrap());
    }
    all
}

pub(crate) struct Process {
    child: Child,
    pub(crate) url: String,
}

impl Process {
    /// Starts `serve` with the store as its target and these settings. Needs a folder for its data.
    pub(crate) fn serve_in(
        build: &std::path::Path,
        folder: &std::path::Path,
        settings: &[(&str, &str)],
    ) -> Process {
        let data_dir = folder.to_str().unwrap();
        let own = [
            ("LINEAGE_PROXY_DATA_DIR", data_dir),
            ("LINEAGE_PROXY_LISTEN", "127.0.0.1:0"),
        ];
        Process::serve(build, &[settings, &own].concat()).expect("it listens")
    }

    /// Starts `serve` with these settings. Returns nothing if it does not start, as an older build with newer settings.
    pub(crate) fn serve(build: &std::path::Path, settings: &[(&str, &str)]) -> Option<Process> {
        let mut command = Command::new(build.join("lineage-proxy"));
        command.arg("serve");
        Process::start(command, settings)
    }

    /// The same with a command that runs it.
    pub(crate) fn start(mut command: Command, settings: &[(&str, &str)]) -> Option<Process> {
        command
            .envs(credentials())
            .envs(settings.iter().copied())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut process = Process {
            child,
            url: String::new(),
        };
        let line = lines.find(|line| line.contains("listening"))?;
        std::thread::spawn(move || lines.for_each(drop));
        let line: Value = serde_json::from_str(&line).unwrap();
        process.url = format!("http://{}", line["fields"]["address"].as_str().unwrap());
        Some(process)
    }

    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.child.id())
    }

    /// The bytes that it has caused to be written to disk
    /// (`write_bytes`, <https://man7.org/linux/man-pages/man5/proc_pid_io.5.html>): whole pages, each time one is changed.
    pub(crate) fn written(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.child.id())).unwrap();
        let line = io
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes: "));
        line.unwrap().parse().unwrap()
    }

    /// How many events have been delivered to its store.
    pub(crate) async fn stored(&self) -> usize {
        let address = self.url.strip_prefix("http://").unwrap();
        let request = "GET /api/v1/events/lineage?limit=0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (_, count) = answer.rsplit_once("\"totalCount\":").unwrap();
        let end = count.find(|c: char| !c.is_ascii_digit()).unwrap();
        count[..end].parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A bootstrap, and the Runtime API that it polls.
pub(crate) struct Function {
    child: Child,
    api: Arc<RuntimeApi>,
    answers: mpsc::UnboundedReceiver<String>,
    started: Instant,
    answered: Duration,
}

struct RuntimeApi {
    waiting: Mutex<VecDeque<Value>>,
    arrived: Notify,
    answers: mpsc::UnboundedSender<String>,
}

impl Function {
    pub(crate) async fn start(bootstrap: &std::path::Path, settings: &[(&str, &str)]) -> Function {
        let (answers, received) = mpsc::unbounded_channel();
        let api = Arc::new(RuntimeApi {
            waiting: Mutex::default(),
            arrived: Notify::new(),
            answers,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{result}", post(result))
            .layer(axum::extract::DefaultBodyLimit::max(16 << 20))
            .with_state(api.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let started = Instant::now();
        let child = Command::new(bootstrap)
            .envs(credentials())
            .envs(settings.iter().copied())
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ])
            .envs([
                ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Function {
            child,
            api,
            answers: received,
            started,
            answered: Duration::ZERO,
        }
    }

    pub(crate) async fn invoke(&mut self, event: Value) {
        self.api.waiting.lock().await.push_back(event);
        self.api.arrived.notify_one();
        let answer = tokio::time::timeout(PATIENCE, self.answers.recv())
            .await
            .unwrap()
            .unwrap();
        assert!(!answer.contains("itemIdentifier"), "{answer}");
        self.answered = self.started.elapsed();
    }

    /// From the start of the process to the last answer.
    pub(crate) fn since_exec(&self) -> Duration {
        self.answered
    }

    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.child.id())
    }

    /// The peak of the resident memory, in MB.
    pub(crate) fn peak_mb(&self) -> f64 {
        peak_memory(self.child.id()) as f64 / 1024.0
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> impl IntoResponse {
    let event = loop {
        let arrived = api.arrived.notified();
        if let Some(event) = api.waiting.lock().await.pop_front() {
            break event;
        }
        arrived.await;
    };
    let deadline = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        + PATIENCE;
    let mut headers = HeaderMap::new();
    headers.insert(
        "lambda-runtime-aws-request-id",
        HeaderValue::from_static("r"),
    );
    headers.insert(
        "lambda-runtime-deadline-ms",
        HeaderValue::from_str(&deadline.as_millis().to_string()).unwrap(),
    );
    headers.insert(
        "lambda-runtime-invoked-function-arn",
        HeaderValue::from_static("arn:aws:lambda:eu-west-1:0:function:f"),
    );
    headers.insert(
        "lambda-runtime-trace-id",
        HeaderValue::from_static("Root=1-0-0"),
    );
    (headers, event.to_string())
}

async fn result(
    State(api): State<Arc<RuntimeApi>>,
    Path((_, result)): Path<(String, String)>,
    body: String,
) {
    assert_eq!(result, "response", "{body}");
    let _ = api.answers.send(body);
}

fn credentials() -> [(&'static str, &'static str); 3] {
    [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
    ]
}
