//! A proxy, ordinary clients that must not notice anything, and raw connections for the hostile client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use testing::events::event;
use testing::{Serve, size, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

pub(super) const KEY: &str = "a-key-of-the-neighbour";

/// Held by the case that runs.
static TURN: Mutex<()> = Mutex::const_new(());

pub(super) struct Neighbourhood {
    pub(super) serve: Serve,
    pub(super) address: SocketAddr,
    neighbours: Vec<JoinHandle<()>>,
    seen: Arc<Observations>,
    /// Whether the neighbour's connection may be closed between two events; it then sends again, as clients do.
    pub(super) allows_resend: bool,
    before: Duration,
    began: Instant,
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// What the neighbours observed.
#[derive(Default)]
struct Observations {
    over: AtomicBool,
    accepted: AtomicU32,
    healthy: AtomicU32,
    slowest_us: AtomicU64,
    resent: AtomicU32,
}

impl Neighbourhood {
    /// Starts a proxy with these settings, and its neighbours.
    pub(super) async fn start(settings: &[(&str, &str)]) -> Neighbourhood {
        let turn = TURN.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let both = format!(r#"{{"neighbour": {{"key": "{KEY}", "roles": ["send", "read"]}}}}"#);
        let keys = ("AUTH_KEYS", both.as_str());
        let settings: Vec<_> = settings.iter().copied().chain([keys]).collect();
        let serve = Serve::start(folder.path(), &settings);
        let address = serve.url.trim_start_matches("http://").parse().unwrap();
        let seen = Arc::new(Observations::default());
        let neighbours = vec![
            tokio::spawn(post(serve.url.clone(), seen.clone())),
            tokio::spawn(probe(serve.url.clone(), seen.clone())),
        ];
        Neighbourhood {
            allows_resend: false,
            before: cpu(&serve),
            began: Instant::now(),
            serve,
            address,
            neighbours,
            seen,
            _folder: folder,
            _turn: turn,
        }
    }

    /// Checks that the neighbours noticed nothing, that all their events are in the store, that memory stayed below `max_mb`,
    /// and that the log contains nothing of what was sent.
    pub(super) async fn end(self, case: &str, max_mb: u64, figures: &str) {
        // On a busy machine, an attack may be over before a neighbour has its first response.
        until(async || self.seen.is_complete().then_some(())).await;
        self.seen.over.store(true, Ordering::Relaxed);
        for neighbour in self.neighbours {
            neighbour.await.unwrap();
        }
        let resent = self.seen.resent.load(Ordering::Relaxed);
        assert!(
            resent == 0 || self.allows_resend,
            "{case}: {resent} sent again"
        );
        let accepted = self.seen.accepted.load(Ordering::Relaxed);
        let healthy = self.seen.healthy.load(Ordering::Relaxed);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let stored = total(&self.serve).await;
            if stored >= u64::from(accepted) {
                break;
            }
            assert!(Instant::now() < deadline, "{case}: {stored} of {accepted}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let peak = self.serve.peak_mb();
        let cpu = cpu(&self.serve).saturating_sub(self.before).as_secs_f64();
        let slowest = self.seen.slowest_us.load(Ordering::Relaxed) / 1_000;
        let wall = self.began.elapsed().as_secs_f64();
        size::measured(
            case,
            &format!(
                "{figures} | peak {peak} MB | neighbours: {accepted} events, {healthy} /healthz, all 200, {resent} sent again, slowest {slowest} ms | CPU {cpu:.1} s in {wall:.1} s"
            ),
        );
        assert!(peak < max_mb, "{case}: {peak} MB");
        for line in self.serve.log.lock().unwrap().iter() {
            let mut line = line.clone();
            // The line of a rejected event names its producer; nothing else of the event may be in it.
            if let Some(fields) = line["fields"].as_object_mut() {
                fields.remove("producer");
            }
            let text = line.to_string();
            let sent = [KEY, "Bearer", "urn:", "2026-11-20T10:00"];
            assert!(
                !sent.iter().any(|sent| text.contains(sent)),
                "{case}: {text}"
            );
        }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes and returns all that is received until the connection is closed, or silent for a second.
    pub(super) async fn raw(&self, bytes: &[u8]) -> String {
        self.read(bytes, Duration::from_secs(1), usize::MAX).await
    }

    /// Sends these bytes and returns what is received until it contains `count` responses, however slowly they come.
    pub(super) async fn answers(&self, bytes: &[u8], count: usize) -> String {
        self.read(bytes, Duration::from_secs(30), count).await
    }

    async fn read(&self, bytes: &[u8], silence: Duration, count: usize) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes).await; // it may be closed before all is sent
        let (mut answer, mut text) = (Vec::new(), String::new());
        let mut piece = vec![0; 65_536];
        let mut patience = Duration::from_secs(30);
        while statuses(&text).len() < count
            && let Ok(Ok(length @ 1..)) =
                tokio::time::timeout(patience, stream.read(&mut piece)).await
        {
            answer.extend_from_slice(&piece[..length]);
            text = String::from_utf8_lossy(&answer).into_owned();
            patience = silence;
        }
        text
    }

    /// The CPU time of the proxy so far.
    pub(super) fn cpu(&self) -> Duration {
        cpu(&self.serve)
    }

    /// The number of open file descriptors of the proxy.
    pub(super) fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.serve.id());
        std::fs::read_dir(folder).unwrap().count()
    }
}

/// The statuses of the responses in a text.
pub(super) fn statuses(answer: &str) -> Vec<u16> {
    answer
        .match_indices("HTTP/1.1 ")
        .filter_map(|(at, found)| answer.get(at + found.len()..)?.get(..3)?.parse().ok())
        .collect()
}

/// How long a client waits: longer on a slow machine with other tests.
fn patience() -> Duration {
    Duration::from_secs(size::of(30, 5))
}

async fn post(url: String, seen: Arc<Observations>) {
    let http = reqwest::Client::builder()
        .timeout(patience())
        .build()
        .unwrap();
    for n in 0.. {
        if seen.over.load(Ordering::Relaxed) {
            return;
        }
        let began = Instant::now();
        let send = || {
            http.post(format!("{url}/api/v1/lineage"))
                .bearer_auth(KEY)
                .header("content-type", "application/json")
                .body(event(n, "COMPLETE"))
                .send()
        };
        let answer = answered(&seen, send).await;
        assert_eq!(answer.status(), 200, "a neighbour's event");
        seen.took(began);
        seen.accepted.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Requests `/healthz` on a new connection each time, as orchestrators do.
async fn probe(url: String, seen: Arc<Observations>) {
    let http = reqwest::Client::builder()
        .timeout(patience())
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    while !seen.over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = answered(&seen, || http.get(format!("{url}/healthz")).send()).await;
        assert_eq!(answer.status(), 200, "/healthz");
        seen.took(began);
        seen.healthy.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends a request until it is answered. A connection may be closed before its request is read, where that is allowed: the
/// listener needs the descriptor, and a busy machine has not come to the request yet. Each time is counted.
async fn answered<F>(seen: &Observations, mut send: impl FnMut() -> F) -> reqwest::Response
where
    F: Future<Output = reqwest::Result<reqwest::Response>>,
{
    let until = Instant::now() + patience();
    loop {
        match send().await {
            Err(error) if !error.is_timeout() && Instant::now() < until => {
                seen.resent.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answer => return answer.expect("a neighbour is answered"),
        }
    }
}

impl Observations {
    /// Whether each neighbour had a response.
    fn is_complete(&self) -> bool {
        self.accepted.load(Ordering::Relaxed) > 0 && self.healthy.load(Ordering::Relaxed) > 0
    }

    fn took(&self, since: Instant) {
        let took = u64::try_from(since.elapsed().as_micros()).unwrap();
        self.slowest_us.fetch_max(took, Ordering::Relaxed);
    }
}

/// How many events the store holds.
async fn total(serve: &Serve) -> u64 {
    let url = format!("{}/api/v1/events/lineage?limit=1", serve.url);
    let answer = serve.http.get(url).bearer_auth(KEY).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let (_, total) = text.rsplit_once(r#""totalCount":"#).unwrap();
    let end = total.find(|c: char| !c.is_ascii_digit()).unwrap();
    total[..end].parse().unwrap()
}

fn cpu(serve: &Serve) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", serve.id())).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // utime and stime, in hundredths of a second.
    let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}
