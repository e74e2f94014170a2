//! Events that are told apart, clients that send them in every way there is, and a book of what was answered and what
//! was delivered.
//!
//! Event `n` has the same text whenever it is made, so that only numbers are kept. The cases of kills, stops and power
//! cuts use this.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One event in so many is large, of so many bytes.
const LARGE: (u64, usize) = (60, 200_000);

/// Rules under which one run of five goes out as one event.
pub(crate) const COALESCE: &str =
    "coalesce: {when: {job: {namespace: together}}, window: 1s, keep_start: false}";

/// The text of event `n`. Four make a run; all events of every fifth run may be merged.
pub(crate) fn event(n: u64) -> String {
    let run = n / 4;
    let (kind, second) = match n % 4 {
        0 => ("START", 1),
        1 => ("RUNNING", 2),
        2 => ("RUNNING", 3),
        _ => ("COMPLETE", 4),
    };
    let namespace = if is_merged(n) { "together" } else { "apart" };
    let filler = match n % LARGE.0 {
        7 => LARGE.1,
        rest => usize::try_from(rest).unwrap() * 20,
    };
    let filler: String = (0..filler)
        .map(|place| char::from(b'a' + u8::try_from((place as u64 * 7 + n) % 26).unwrap()))
        .collect();
    format!(
        r#"{{ "eventTime":"2026-11-20T10:00:0{second}.10Z","producer":"urn:test","schemaURL":"urn:schema","eventType":"{kind}","run":{{"runId":"01a1faa6-e194-708b-a993-{run:012x}"}},"job":{{"namespace":"{namespace}","name":"job {run}"}},"inputs":[{{"namespace":"s","name":"in {n} é"}}],"x":1.0,"filler":"{filler}" }}"#
    )
}

fn is_merged(n: u64) -> bool {
    (n / 4).is_multiple_of(5)
}

/// What was answered 200, and what came out.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) accepted: HashSet<u64>,
    /// How often.
    pub(crate) delivered: HashMap<u64, u64>,
    /// What is none of what was sent: the beginning of each.
    wrong: Vec<String>,
    /// Lines of a file that are no JSON: a cut may leave of unsynced lines what it likes.
    pub(crate) torn: u64,
    /// Answers that a proxy that is well does not give.
    pub(crate) odd: Vec<String>,
}

impl Book {
    /// Takes down one delivery: an event exactly as it was sent, or, where rules merge, the whole of some of one run.
    pub(crate) fn deliver(&mut self, text: &str) {
        let names: Vec<u64> = text
            .split(r#""name":"in "#)
            .skip(1)
            .filter_map(|rest| rest.split(' ').next()?.parse().ok())
            .collect();
        let is_right = match names.as_slice() {
            [] => false,
            [n] if text == event(*n) => true,
            [first, ..] => {
                is_merged(*first)
                    && names.iter().all(|n| n / 4 == first / 4)
                    && serde_json::from_str::<Value>(text).is_ok()
            }
        };
        if !is_right {
            self.wrong.push(text.chars().take(400).collect());
        }
        for n in names {
            *self.delivered.entry(n).or_default() += 1;
        }
    }

    /// The law: what was answered 200 came out, and nothing that was not sent. Gives the duplicates.
    pub(crate) fn check(&self, told: &str) -> u64 {
        let lost: Vec<_> = self
            .accepted
            .iter()
            .filter(|n| !self.delivered.contains_key(n))
            .collect();
        assert!(
            lost.is_empty(),
            "{told}: {} of {} lost: {lost:?}",
            lost.len(),
            self.accepted.len()
        );
        assert!(self.wrong.is_empty(), "{told}: {:#?}", self.wrong);
        assert!(self.odd.is_empty(), "{told}: {:#?}", self.odd);
        self.delivered.values().sum::<u64>() - self.delivered.len() as u64
    }
}

/// Takes what it is sent, gzip or not, into the book. Slow where told to be.
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) slow: Arc<Mutex<Duration>>,
    pub(crate) taken: Arc<AtomicU64>,
}

impl Target {
    pub(crate) async fn start(book: Arc<Mutex<Book>>) -> Target {
        let slow = Arc::new(Mutex::new(Duration::ZERO));
        let taken = Arc::new(AtomicU64::new(0));
        let (pause, count) = (slow.clone(), taken.clone());
        let take = async move |body: String| {
            count.fetch_add(1, Ordering::Relaxed);
            book.lock().unwrap().deliver(&body);
            let pause = *pause.lock().unwrap();
            tokio::time::sleep(pause).await;
            axum::http::StatusCode::CREATED
        };
        let router = axum::Router::new().route("/api/v1/lineage", axum::routing::post(take));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Target { url, slow, taken }
    }
}

/// As clients have one. Without it, now and then a post to a process that is killed is never over for this one, though no
/// connection is left.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Clients that send until the proxy is gone or they are told to stop.
pub(crate) struct Clients {
    book: Arc<Mutex<Book>>,
    stop: Arc<AtomicBool>,
    tasks: tokio::task::JoinSet<()>,
}

impl Clients {
    /// `count` of them, each with a pause of up to `pause` after each request; `next` numbers the events of them all.
    pub(crate) fn start(
        (http, url): (&reqwest::Client, &str),
        book: &Arc<Mutex<Book>>,
        next: &Arc<AtomicU64>,
        (count, pause): (u64, Duration),
        seed: u64,
    ) -> Clients {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..count {
            let random = fastrand::Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(client));
            let sending = Sending {
                http: http.clone(),
                url: url.to_owned(),
                book: book.clone(),
                next: next.clone(),
                random,
            };
            tasks.spawn(sending.run(stop.clone(), pause));
        }
        let book = book.clone();
        Clients { book, stop, tasks }
    }

    /// Waits until more than `before` events were answered 200.
    pub(crate) async fn are_answered(&self, before: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.book.lock().unwrap().accepted.len() <= before {
            assert!(Instant::now() < deadline, "no event is taken");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

struct Sending {
    http: reqwest::Client,
    url: String,
    book: Arc<Mutex<Book>>,
    next: Arc<AtomicU64>,
    random: fastrand::Rng,
}

impl Sending {
    async fn run(mut self, stop: Arc<AtomicBool>, pause: Duration) {
        while !stop.load(Ordering::Relaxed) {
            if !self.send().await {
                return;
            }
            let pause = pause.mul_f64(self.random.f64());
            tokio::time::sleep(pause).await;
        }
    }

    /// One request; whether the proxy is still there.
    async fn send(&mut self) -> bool {
        let is_batch = self.random.u8(0..10) == 0;
        let count = if is_batch { self.random.u64(2..20) } else { 1 };
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let texts: Vec<String> = (first..first + count).map(event).collect();
        let (path, body) = match is_batch {
            true => ("/api/v1/lineage/batch", format!("[{}]", texts.join(","))),
            false => ("/api/v1/lineage", texts.join("")),
        };
        let mut post = self
            .http
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .timeout(TIMEOUT);
        post = if self.random.u8(0..4) == 0 {
            post.header("content-encoding", "gzip").body(gzip(&body))
        } else {
            post.body(body)
        };
        let Ok(answer) = post.send().await else {
            return false;
        };
        let status = answer.status();
        // An answer whose end is missing may have been one to anything: it promises nothing.
        let Ok(text) = answer.text().await else {
            return false;
        };
        let mut book = self.book.lock().unwrap();
        let all_taken =
            !is_batch || text.contains(r#""failed_events":[]"#) && text.contains("success");
        if status == 200 && all_taken {
            book.accepted.extend(first..first + count);
        } else {
            book.odd.push(format!("{status}: {text}"));
        }
        true
    }
}

fn gzip(body: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

/// A database of the data folder, to be looked into.
pub(crate) fn database(data_dir: &Path, name: &str) -> rusqlite::Connection {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(data_dir.join(name), flags).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

/// Waits until nothing is in the queue any more. Nothing may have been given up.
pub(crate) async fn drained(data_dir: &Path) {
    let queue = database(data_dir, "queue.db");
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        queue.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let (mut left, mut idle) = (i64::MAX, 0);
    loop {
        let now = count("messages");
        if now == 0 {
            break;
        }
        idle = if now < left { 0 } else { idle + 1 };
        left = now;
        assert!(idle < 1_200, "{now} events do not leave the queue");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count("dead_letters"), 0);
}

/// Takes down all that the store holds.
pub(crate) fn read_store(data_dir: &Path, book: &mut Book) {
    let store = database(data_dir, "store.db");
    let mut events = store.prepare("SELECT event FROM events").unwrap();
    let mut rows = events.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        book.deliver(row.get_ref(0).unwrap().as_str().unwrap());
    }
}

/// Each database of the data folder is whole.
pub(crate) fn are_whole(data_dir: &Path, names: &[&str]) {
    for name in names {
        let check = database(data_dir, name)
            .query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(check.unwrap(), "ok", "{name}");
    }
}

/// Takes down all lines of a file and of those that were renamed to make room for it.
pub(crate) fn read_file(path: &Path, book: &mut Book) {
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let found = entry.unwrap().path();
        if found.to_str().unwrap().starts_with(path.to_str().unwrap()) {
            let bytes = std::fs::read(found).unwrap();
            assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "half a line");
            for line in bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                match serde_json::from_slice::<Value>(line) {
                    Ok(_) => book.deliver(std::str::from_utf8(line).unwrap()),
                    Err(_) => book.torn += 1,
                }
            }
        }
    }
}
