//! A target with faults: it answers as DataZone and as an OpenLineage endpoint do, over bare TCP, and each post has the
//! fault that was set.
//!
//! It knows what it accepted, and whether a post began while the one before of the same event was still under way. An
//! event may choose its own response: `"answer":422` in it is answered with that status, whatever the fault is.
//! `target/fault.rs` has the faults, and `target/connection.rs` reads requests and writes responses.

mod connection;
mod fault;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use connection::Request;
pub use fault::{Fault, FaultKind};

use crate::ledger::Ledger;
use crate::wait::until;

/// What a target keeps of the events that it accepts.
#[derive(Debug)]
enum Record {
    /// Each event, and when it was accepted.
    Bodies(Vec<(String, Instant)>),
    /// Nothing: a million bodies would be much memory.
    Nothing,
    /// The ledger, at once when a post arrives: that it was answered may not be known where processes are killed.
    Ledger(Arc<Mutex<Ledger>>),
    /// The ledger, when a post is accepted, just before the response: for targets that do not accept everything.
    LedgerOfAccepted(Arc<Mutex<Ledger>>),
}

/// A target whose faults a test sets.
#[derive(Debug)]
pub struct FaultyTarget {
    /// Where it listens, without a path.
    pub url: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// What was counted.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Connections, also those without a post.
    pub connections: u32,
    /// Posts that arrived.
    pub posts: u32,
    /// Posts of an event while another of the same event was under way.
    pub overlaps: u32,
    /// When the first post arrived.
    pub first: Option<Instant>,
    /// When the last event was accepted.
    pub last_accepted: Option<Instant>,
    /// Bytes of endless responses that were written.
    pub endless_bytes: u64,
}

type Script = Box<dyn Fn(&Request) -> FaultKind + Send + Sync>;

struct State {
    /// Decides for each request, if it is there.
    script: Option<Script>,
    inside: Mutex<Inside>,
    /// Changes with the fault.
    fault: watch::Sender<Fault>,
}

#[derive(Debug)]
struct Inside {
    delay: Duration,
    random: u32,
    tokens: f64,
    filled: Instant,
    record: Record,
    accepted: usize,
    ignores_own_answers: bool,
    answered: Vec<Instant>,
    under_way: HashMap<String, u32>,
    figures: Figures,
}

impl FaultyTarget {
    /// Starts a target on a free port of this machine.
    pub async fn start(fault: Fault) -> FaultyTarget {
        FaultyTarget::on(free_port().await, fault)
    }

    /// Starts a target on a port that is already open.
    pub fn on(listener: TcpListener, fault: Fault) -> FaultyTarget {
        FaultyTarget::serve(listener, fault, Record::Bodies(Vec::new()), None)
    }

    /// Starts a target that keeps no bodies, for very many events.
    pub async fn counting(fault: Fault) -> FaultyTarget {
        FaultyTarget::serve(free_port().await, fault, Record::Nothing, None)
    }

    /// Starts a target that enters what arrives into a ledger.
    pub async fn with_ledger(ledger: Arc<Mutex<Ledger>>) -> FaultyTarget {
        let record = Record::Ledger(ledger);
        FaultyTarget::serve(free_port().await, Fault::None, record, None)
    }

    /// Starts a target with that fault that enters what it accepts into a ledger.
    pub async fn with_ledger_of_accepted(fault: Fault, ledger: Arc<Mutex<Ledger>>) -> FaultyTarget {
        let record = Record::LedgerOfAccepted(ledger);
        FaultyTarget::serve(free_port().await, fault, record, None)
    }

    /// Starts a target whose response depends on the request.
    pub async fn scripted(
        script: impl Fn(&Request) -> FaultKind + Send + Sync + 'static,
    ) -> FaultyTarget {
        let record = Record::Bodies(Vec::new());
        let script: Script = Box::new(script);
        FaultyTarget::serve(free_port().await, Fault::None, record, Some(script))
    }

    fn serve(
        listener: TcpListener,
        fault: Fault,
        record: Record,
        script: Option<Script>,
    ) -> FaultyTarget {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inside = Inside {
            delay: Duration::ZERO,
            random: 7,
            tokens: 1.0,
            filled: Instant::now(),
            record,
            accepted: 0,
            ignores_own_answers: false,
            answered: Vec::new(),
            under_way: HashMap::new(),
            figures: Figures::default(),
        };
        let state = Arc::new(State {
            script,
            inside: Mutex::new(inside),
            fault: watch::Sender::new(fault),
        });
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(connection::serve(connection, shared.clone()));
            }
        });
        FaultyTarget {
            url,
            state,
            accepting,
        }
    }

    /// Returns the settings of a proxy that delivers to it.
    pub fn settings(&self) -> [(&'static str, &str); 2] {
        [("TARGET", "openlineage"), ("OPENLINEAGE_URL", &self.url)]
    }

    /// Changes the fault, from the next post on; posts on hold are decided again.
    pub fn set(&self, fault: Fault) {
        self.state.fault.send_replace(fault);
    }

    /// Delays each response that is not a fault of the connection.
    pub fn delay(&self, delay: Duration) {
        self.state.lock().delay = delay;
    }

    /// Returns what was counted so far.
    pub fn figures(&self) -> Figures {
        self.state.lock().figures.clone()
    }

    /// Returns the time of each response so far.
    pub fn answered(&self) -> Vec<Instant> {
        self.state.lock().answered.clone()
    }

    /// Forgets the times of responses.
    pub fn forget_answered(&self) {
        self.state.lock().answered.clear();
    }

    /// Returns the events that it accepted, in order.
    pub fn accepted(&self) -> Vec<String> {
        let accepted = self.accepted_at();
        accepted.into_iter().map(|(body, _)| body).collect()
    }

    /// Returns the events that it accepted, in order, each with the time.
    pub fn accepted_at(&self) -> Vec<(String, Instant)> {
        match &self.state.lock().record {
            Record::Bodies(bodies) => bodies.clone(),
            Record::Nothing | Record::Ledger(_) | Record::LedgerOfAccepted(_) => Vec::new(),
        }
    }

    /// Returns how many events it accepted.
    pub fn accepted_count(&self) -> usize {
        self.state.lock().accepted
    }

    /// From now on, events do not choose their own response.
    pub fn ignore_own_answers(&self) {
        self.state.lock().ignores_own_answers = true;
    }

    /// Returns the events that it accepted, once there are `count` or more.
    pub async fn accepted_when(&self, count: usize) -> Vec<String> {
        until(async || (self.accepted_count() >= count).then_some(())).await;
        self.accepted()
    }

    /// Returns how often it accepted each event.
    pub fn times(&self) -> BTreeMap<String, u32> {
        let mut times = BTreeMap::new();
        for body in self.accepted() {
            *times.entry(body).or_default() += 1;
        }
        times
    }
}

impl Drop for FaultyTarget {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("inside", &self.inside)
            .finish_non_exhaustive()
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    /// Decides what becomes of a post; nothing when it is accepted as usual.
    fn decide(&self, request: &Request) -> Option<FaultKind> {
        if let Some(script) = &self.script {
            return Some(script(request));
        }
        let own = request.body.split_once(r#""answer":"#);
        let own = own
            .filter(|_| !self.lock().ignores_own_answers)
            .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect());
        if let Some(status) = own {
            let status: String = status;
            return Some(FaultKind::Status(status.parse().unwrap(), None));
        }
        self.lock().draw(&self.fault.borrow())
    }

    fn arrive(&self, body: &str) {
        let mut inside = self.lock();
        let under_way = inside.under_way.entry(body.to_owned()).or_default();
        *under_way += 1;
        let overlaps = u32::from(*under_way > 1);
        inside.figures.overlaps += overlaps;
        inside.figures.posts += 1;
        inside.figures.first.get_or_insert_with(Instant::now);
        if let Record::Ledger(ledger) = &inside.record {
            ledger.lock().unwrap().deliver(body);
        }
    }

    /// Ends a post that arrived: the proxy gets the response, or has given up.
    fn leave(&self, body: &str) {
        let mut inside = self.lock();
        if let Some(under_way) = inside.under_way.get_mut(body) {
            *under_way -= 1;
            if *under_way == 0 {
                inside.under_way.remove(body);
            }
        }
    }

    fn accept(&self, body: &str) {
        let mut inside = self.lock();
        inside.figures.last_accepted = Some(Instant::now());
        inside.accepted += 1;
        match &mut inside.record {
            Record::Bodies(bodies) => bodies.push((body.to_owned(), Instant::now())),
            Record::LedgerOfAccepted(ledger) => ledger.lock().unwrap().deliver(body),
            Record::Nothing | Record::Ledger(_) => {}
        }
    }
}

impl Inside {
    fn draw(&mut self, fault: &Fault) -> Option<FaultKind> {
        match fault {
            Fault::None => None,
            Fault::Always(kind) => Some(kind.clone()),
            Fault::Percent(percent, kind) => {
                self.random = self
                    .random
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                ((self.random >> 8) % 100 < *percent).then(|| kind.clone())
            }
            Fault::Rate(rate, kind) => {
                let (rate, now) = (f64::from(*rate), Instant::now());
                let more = now.duration_since(self.filled).as_secs_f64() * rate;
                self.tokens = (self.tokens + more).min(1.0 + rate / 10.0);
                self.filled = now;
                let accepts = self.tokens >= 1.0;
                self.tokens -= if accepts { 1.0 } else { 0.0 };
                (!accepts).then(|| kind.clone())
            }
        }
    }
}

async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}
