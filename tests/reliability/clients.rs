//! Clients that send numbered events in every way that there is, and enter into the ledger what was accepted.
//!
//! The cases of kills, stops and power cuts use them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use testing::events::{gzip, numbered};
use testing::ledger::Ledger;

/// Clients have a timeout. Without one, a post to a process that is killed sometimes never ends for this client, though
/// no connection is left.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Clients that send until the proxy is gone or they are stopped.
pub(crate) struct Clients {
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    tasks: tokio::task::JoinSet<()>,
}

impl Clients {
    /// Starts `count` clients, each with a pause of up to `pause` after each request. `next` numbers the events of all.
    pub(crate) fn start(
        (http, url): (&reqwest::Client, &str),
        ledger: &Arc<Mutex<Ledger>>,
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
                ledger: ledger.clone(),
                next: next.clone(),
                random,
            };
            tasks.spawn(sending.run(stop.clone(), pause));
        }
        let ledger = ledger.clone();
        Clients {
            ledger,
            stop,
            tasks,
        }
    }

    /// Waits until more than `before` events were answered 200.
    pub(crate) async fn have_accepted(&self, before: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.ledger.lock().unwrap().accepted.len() <= before {
            assert!(Instant::now() < deadline, "no event is accepted");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Stops them, and waits for their last responses.
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
    ledger: Arc<Mutex<Ledger>>,
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

    /// Sends one request. Returns whether the proxy is still there.
    async fn send(&mut self) -> bool {
        let is_batch = self.random.u8(0..10) == 0;
        let count = if is_batch { self.random.u64(2..20) } else { 1 };
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let texts: Vec<String> = (first..first + count).map(numbered).collect();
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
            post.header("content-encoding", "gzip")
                .body(gzip(body.as_bytes()))
        } else {
            post.body(body)
        };
        let Ok(response) = post.send().await else {
            return false;
        };
        let status = response.status();
        // A response whose end is missing promises nothing.
        let Ok(text) = response.text().await else {
            return false;
        };
        let mut ledger = self.ledger.lock().unwrap();
        let all_accepted =
            !is_batch || text.contains(r#""failed_events":[]"#) && text.contains("success");
        if status == 200 && all_accepted {
            ledger.accepted.extend(first..first + count);
        } else {
            ledger.unexpected.push(format!("{status}: {text}"));
        }
        true
    }
}
