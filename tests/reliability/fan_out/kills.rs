//! `kill -9` of `serve` with three targets, while 32 clients send; and targets that come and go between lives.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use testing::events::COALESCE;
use testing::fan_out::NAMES;
use testing::ledger::Ledger;
use testing::{Serve, Trio, size, write};

use super::ALL;
use crate::clients::Clients;
use crate::data_folder::{are_whole, drained};

/// How many clients send, and up to how long each waits between requests.
const LOAD: (u64, Duration) = (32, Duration::from_millis(150));

/// How many duplicates a target may have more than alone, in standard errors of the difference: which kill meets how many events in
/// hand is chance.
const STANDARD_ERRORS: u64 = 3;

/// The most events in hand of a target that is not on this machine, and so the most that a kill repeats: a batch and a half
/// (`serve/worker.rs`).
const IN_HAND: u64 = 30;

/// A data folder, its targets with a ledger each, and the clients' numbers.
pub(super) struct Setup {
    pub(super) folder: TempDir,
    pub(super) targets: Trio,
    pub(super) ledgers: [Arc<Mutex<Ledger>>; 3],
    next: Arc<AtomicU64>,
    http: reqwest::Client,
}

impl Setup {
    pub(super) async fn new() -> Setup {
        let ledgers: [Arc<Mutex<Ledger>>; 3] = Default::default();
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "rules.yaml", COALESCE);
        Setup {
            targets: Trio::with_ledgers(&ledgers).await,
            folder,
            ledgers,
            next: Arc::default(),
            http: reqwest::Client::new(),
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn configure(&self, wanted: [bool; 3]) -> PathBuf {
        let rules = "rules: {file: rules.yaml}\n";
        self.targets.configure(self.folder.path(), wanted, rules)
    }

    fn start(&self, wanted: [bool; 3]) -> Serve {
        Serve::start_configured(&self.data(), &self.configure(wanted))
    }

    /// Starts it, and ends it with `end` while clients send. Returns the numbers of the events that they sent.
    async fn life(&self, wanted: [bool; 3], random: &mut fastrand::Rng, end: End) -> Range<u64> {
        let serve = self.start(wanted);
        let first = self.next.load(Ordering::Relaxed);
        let place = (&self.http, serve.url.as_str());
        // What was accepted is the same for all; the first ledger has it.
        let ledger = &self.ledgers[0];
        let clients = Clients::start(place, ledger, &self.next, LOAD, random.u64(..));
        let before = ledger.lock().unwrap().accepted.len();
        clients.have_accepted(before).await;
        tokio::time::sleep(Duration::from_millis(random.u64(0..300))).await;
        match end {
            End::Kill => serve.kill(),
            End::Stop => {
                let status = tokio::task::spawn_blocking(|| serve.terminate()).await;
                assert_eq!(status.unwrap(), Some(0));
            }
        }
        clients.end().await;
        first..self.next.load(Ordering::Relaxed)
    }

    /// Lets all targets accept everything until nothing is left, and returns how often each has had an event again.
    /// `lives` says which events each target should have.
    async fn finish(&self, wanted: [bool; 3], lives: &[(Range<u64>, [bool; 3])]) -> [u64; 3] {
        self.targets.heal();
        self.targets.healthy.delay(Duration::ZERO);
        let serve = self.start(wanted);
        drained(&self.data()).await;
        let status = tokio::task::spawn_blocking(|| serve.terminate()).await;
        assert_eq!(status.unwrap(), Some(0));
        are_whole(&self.data(), &["events.db"]);
        let accepted = self.ledgers[0].lock().unwrap().accepted.clone();
        assert!(!accepted.is_empty());
        let mut duplicates = [0; 3];
        for (n, name) in NAMES.iter().enumerate().filter(|(n, _)| wanted[*n]) {
            let mut ledger = self.ledgers[n].lock().unwrap();
            let is_for_it = |event: &u64| {
                let life = lives.iter().find(|(life, _)| life.contains(event));
                life.unwrap().1[n]
            };
            ledger.accepted = accepted
                .iter()
                .filter(|it| is_for_it(it))
                .copied()
                .collect();
            duplicates[n] = ledger.check(name);
            let foreign = ledger.delivered.keys().filter(|it| !is_for_it(it)).count();
            assert_eq!(foreign, 0, "{name} has events from before it was there");
        }
        duplicates
    }

    /// How often the healthy target has had events again, by the life in which they were sent.
    fn repeats(&self, lives: &[(Range<u64>, [bool; 3])]) -> Vec<u64> {
        let ledger = self.ledgers[0].lock().unwrap();
        let again = |event: u64| ledger.delivered.get(&event).map_or(0, |times| times - 1);
        let of_life = |(life, _): &(Range<u64>, _)| life.clone().map(again).sum();
        lives.iter().map(of_life).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum End {
    Kill,
    Stop,
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_events_are_at_each_of_three_targets_after_kills() {
    let case = "kills, three targets";
    let kills = size::of(4, 300);
    let mut random = fastrand::Rng::with_seed(size::seed(case));
    // One folder with the healthy target alone, one with all three: they take turns, and both have the same kills.
    let alone = [true, false, false];
    let setups = [(Setup::new().await, alone), (Setup::new().await, ALL)];
    let mut lives = [Vec::new(), Vec::new()];
    for kill in 0..kills {
        // While a batch waits for the healthy target, or at any time.
        let is_held = random.u8(0..4) == 0 && kill > 0;
        let seed = random.u64(..);
        for ((setup, wanted), lives) in setups.iter().zip(&mut lives) {
            let held = Duration::from_secs(2);
            let delay = if is_held { held } else { Duration::ZERO };
            setup.targets.healthy.delay(delay);
            let mut random = fastrand::Rng::with_seed(seed);
            let life = setup.life(*wanted, &mut random, End::Kill).await;
            lives.push((life, *wanted));
        }
    }
    let [(one, _), (three, _)] = &setups;
    let [of_alone, ..] = one.finish(alone, &lives[0]).await;
    let [healthy, down, limited] = three.finish(ALL, &lives[1]).await;
    let accepted = |setup: &Setup| setup.ledgers[0].lock().unwrap().accepted.len();
    let repeats = [one.repeats(&lives[0]), three.repeats(&lives[1])];
    let standard_error = standard_error(&repeats);
    size::measured(
        case,
        &format!(
            "{kills} kills each; alone: {} answered 200, 0 lost, {of_alone} delivered again; three targets: {} answered \
             200, 0 lost for any, delivered again {healthy} (healthy, standard error {standard_error}), {down} (down), \
             {limited} (2 a second)",
            accepted(one),
            accepted(three),
        ),
    );
    if size::of(false, true) {
        let allowed = of_alone + of_alone / 10 + STANDARD_ERRORS * standard_error;
        assert!(healthy <= allowed, "{healthy} > {allowed}");
    }
}

/// Returns the standard error of the difference between two sums, from the differences of their terms. A difference that no kill
/// explains does not make it larger.
fn standard_error([ones, others]: &[Vec<u64>; 2]) -> u64 {
    let differences = ones.iter().zip(others).map(|(a, b)| a.abs_diff(*b));
    let squares = differences.map(|it| it.min(IN_HAND).pow(2));
    squares.sum::<u64>().isqrt()
}

#[test]
fn a_difference_that_no_kill_explains_is_not_chance() {
    assert_eq!(standard_error(&[vec![4, 0, 7], vec![1, 4, 7]]), 5);
    let burst = standard_error(&[vec![0, 0], vec![0, 1_000]]);
    assert_eq!(burst, IN_HAND);
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_come_and_go_get_all_that_was_accepted_while_they_were_there() {
    let case = "targets that come and go";
    let mut random = fastrand::Rng::with_seed(size::seed(case));
    let setup = Setup::new().await;
    let mut lives = Vec::new();
    for life in 0..size::of(6, 200) {
        // All at first: a target that replaces the only one there ever was takes over what it had left.
        let wanted = match life {
            0 => ALL,
            _ => [random.bool(), random.bool(), random.bool()],
        };
        // A configuration needs one.
        let wanted = if wanted.contains(&true) { wanted } else { ALL };
        let end = if random.bool() { End::Kill } else { End::Stop };
        lives.push((setup.life(wanted, &mut random, end).await, wanted));
    }
    let duplicates = setup.finish(ALL, &lives).await;
    let accepted = setup
        .ledgers
        .each_ref()
        .map(|it| it.lock().unwrap().accepted.len());
    size::measured(
        case,
        &format!(
            "{} lives, {accepted:?} events for each target, 0 lost, none from before its time, {duplicates:?} delivered again",
            lives.len()
        ),
    );
}
