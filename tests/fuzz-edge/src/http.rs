//! The law of HTTP: every request has a response, `200` means that the event is in the queue and can be read there, and any
//! other status that it is not. `http/gateway.rs` has the law of requests that come through a gateway.

mod gateway;

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use openlineage::{Event, Level};
use proxy::config::{self, Config, Layers, Role};
use proxy::http::{Guard, Keys};
use proxy::ingest::{Ingest, router};
use proxy::queue::{Embedded, Queue, Settlement};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) use gateway::gateway;

/// The application, small: one thread, a queue in memory as far as the machine has some.
struct App {
    runtime: Runtime,
    router: Router,
    queue: Queue,
    _folder: tempfile::TempDir,
}

thread_local! {
    static APP: RefCell<Option<App>> = const { RefCell::new(None) };
}

const MAX_BODY_SIZE: usize = 8_192;
const MAX_DECOMPRESSED_SIZE: usize = 32_768;

/// Answers that the contract has.
const STATUSES: [u16; 10] = [200, 204, 400, 401, 403, 404, 405, 413, 415, 503];

fn with<T>(work: impl FnOnce(&App) -> T) -> T {
    APP.with_borrow_mut(|app| work(app.get_or_insert_with(App::new)))
}

impl App {
    fn new() -> App {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let folder = folder.unwrap();
        let opening = Embedded::own(folder.path(), Duration::from_secs(60));
        let queue = Queue::Embedded(runtime.block_on(opening).unwrap());
        let mut config = Config::read(Layers::default(), Role::Serve).unwrap().ingest;
        (config.max_body_size, config.max_decompressed_size) =
            (MAX_BODY_SIZE, MAX_DECOMPRESSED_SIZE);
        let router = app(&config, queue.clone());
        App {
            runtime,
            router,
            queue,
            _folder: folder,
        }
    }

    fn answer(&self, request: Request<Body>) -> (StatusCode, Vec<u8>) {
        self.runtime.block_on(async {
            let answer: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
            let status = answer.status();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, body.to_vec())
        })
    }

    /// Everything that is in the queue, which is empty afterwards.
    fn queued(&self, expected: usize) -> Vec<String> {
        if expected == 0 {
            return Vec::new(); // what should not be there is found when something is
        }
        self.runtime.block_on(async {
            let records = self
                .queue
                .receive(expected + 1, Duration::ZERO, &CancellationToken::new())
                .await
                .unwrap();
            let done: Vec<_> = records
                .iter()
                .map(|record| (record, Settlement::Acknowledge))
                .collect();
            let until = tokio::time::Instant::now() + Duration::from_secs(5);
            self.queue.settle(&done, until).await;
            records
                .iter()
                .map(|record| record.body.to_string())
                .collect()
        })
    }
}

fn app(config: &config::Ingest, queue: Queue) -> Router {
    let keys = Keys::new(
        &config::Auth {
            anonymous: true,
            ..Default::default()
        },
        &aws::Aws::new(),
    );
    let ingest = Ingest::new(config, queue.clone(), Guard::new(keys));
    router(ingest, queue, &config.path_prefix)
}

/// A router can be made of this.
pub(crate) fn serves(config: &config::Ingest) {
    with(|app_| drop(app(config, app_.queue.clone())));
}

const PATHS: [&str; 8] = [
    "/api/v1/lineage",
    "/api/v1/lineage/batch",
    "/api/v1/lineage/validate",
    "/api/v1/lineage/validate?level=strict",
    "/",
    "/post-lineage-event",
    "/api/v1/events/lineage?limit=1",
    "/nowhere",
];

const TYPES: [&str; 8] = [
    "application/json",
    "application/json; charset=utf-8",
    "application/openlineage+json",
    "text/plain",
    "application/json; charset=\"latin1\"",
    "",
    ";;",
    "APPLICATION/JSON;CHARSET=UTF8",
];

const ENCODINGS: [&str; 5] = ["gzip", "identity", "x-gzip", "br", "gzip, gzip"];

/// A request: two bytes choose path, headers and whether the body is packed; the rest is the body.
struct RawRequest<'b> {
    path: &'static str,
    method: Method,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    rest: &'b [u8],
}

impl RawRequest<'_> {
    fn of(bytes: &[u8]) -> Option<RawRequest<'_>> {
        let ([place, how], rest) = bytes.split_first_chunk::<2>()?;
        let mut headers = Vec::new();
        // Half of the requests are as most clients send them.
        if place & 8 > 0 {
            headers.push(("content-type", TYPES[usize::from(place >> 5)]));
        }
        if how & 1 > 0 {
            headers.push((
                "content-encoding",
                ENCODINGS[usize::from(how >> 5) % ENCODINGS.len()],
            ));
        }
        if how & 2 > 0 {
            headers.push(("prefer", "return=minimal"));
        }
        let body = match how & 12 {
            4 => packed(rest),
            8 => packed(&packed(rest)),
            12 => packed(&rest.repeat(200)),
            _ => rest.to_vec(),
        };
        let method = if how & 16 > 0 && place & 16 > 0 {
            Method::GET
        } else {
            Method::POST
        };
        Some(RawRequest {
            path: PATHS[usize::from(place & 7)],
            method,
            headers,
            body,
            rest,
        })
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.uri_mut() = Uri::from_static(self.path);
        *request.method_mut() = self.method.clone();
        for (name, value) in &self.headers {
            request.headers_mut().append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        request
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Any request.
pub(crate) fn ingest(bytes: &[u8]) {
    let Some(sent) = RawRequest::of(bytes) else {
        return;
    };
    with(|app| {
        let (status, answer) = app.answer(sent.request());
        assert!(STATUSES.contains(&status.as_u16()), "{status}");
        let json: Option<Value> = serde_json::from_slice(&answer).ok();
        let expected = accepted(&sent, status, json.as_ref());
        let queued = app.queued(expected);
        assert_eq!(queued.len(), expected, "{status}");
        for text in &queued {
            let read =
                Event::read(text.as_bytes(), Level::Strict).expect("what was accepted can be read");
            assert_eq!(read.event.text(), text);
        }
        // A plain body of one event is answered as the reader of events says.
        let plain =
            sent.headers.is_empty() && sent.body == sent.rest && sent.method == Method::POST;
        if plain
            && sent.path == PATHS[0]
            && sent.rest.len() <= MAX_BODY_SIZE
            && !sent.rest.starts_with(b"\x1f")
        {
            match Event::read(sent.rest, Level::Repair) {
                Ok(read) => assert_eq!(queued, [read.event.text()]),
                Err(_) => assert_eq!(status, StatusCode::BAD_REQUEST),
            }
        }
    });
}

/// How many events the answer says to be in the queue.
fn accepted(sent: &RawRequest<'_>, status: StatusCode, answer: Option<&Value>) -> usize {
    let one = matches!(sent.path, "/api/v1/lineage" | "/" | "/post-lineage-event");
    match status {
        StatusCode::OK if one && sent.method == Method::POST => 1,
        StatusCode::OK if sent.path.ends_with("/batch") => {
            let summary = &answer.expect("JSON")["summary"];
            let count = |name: &str| summary[name].as_u64().expect("a count");
            assert_eq!(count("received"), count("successful") + count("failed"));
            let failed = answer.expect("JSON")["failed_events"]
                .as_array()
                .expect("a list");
            assert_eq!(failed.len() as u64, count("failed"));
            assert!(
                failed
                    .iter()
                    .all(|failed| !failed["findings"].as_array().expect("findings").is_empty())
            );
            usize::try_from(count("successful")).unwrap()
        }
        StatusCode::NO_CONTENT => {
            let body = unpacked(&sent.body);
            openlineage::split_array(&body).expect("an array").len()
        }
        _ => {
            if !status.is_success() {
                assert!(
                    answer.is_some_and(|answer| answer["title"].is_string()),
                    "{status} without a reason"
                );
            }
            0
        }
    }
}

fn unpacked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match body.starts_with(b"\x1f\x8b") {
        true => drop(
            std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(body), &mut bytes)
                .unwrap(),
        ),
        false => bytes.extend_from_slice(body),
    }
    bytes
}
