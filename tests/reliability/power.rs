//! Power cuts: `serve` on a disk that forgets unsynced writes, killed and started again on what is left.
//!
//! The same law as for kills. The disk is `tests/power-cut`, whose own tests show that it forgets what is not synced; here
//! too, one case runs on a disk that lies about syncs, and has to find lost events. `fan_out/power.rs` has the case of three
//! targets.

use std::io::{BufRead, BufReader, Lines, Write};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use testing::events::COALESCE;
use testing::ledger::Ledger;
use testing::{Serve, binary, size, write};

use crate::clients::Clients;
use crate::data_folder::{are_whole, drained, read_file, read_store};

/// How many clients send, and up to how long each waits between requests.
pub(crate) const LOAD: (u64, Duration) = (16, Duration::from_millis(40));

/// Where events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    Store,
    File,
}

/// What an fsync of the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncBehaviour {
    Kept,
    Ignored,
}

/// Changes that were not synced at a cut, and how many of them are gone in whole or in part.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CutLoss {
    pub(crate) unsynced: u64,
    pub(crate) gone: u64,
}

/// What happened to a data folder on that disk.
struct Survey {
    ledger: Ledger,
    sent: u64,
    lost: CutLoss,
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_events_are_in_the_store_after_power_cuts() {
    if !can_cut_power("power cuts, into the store") {
        return;
    }
    let cuts = size::of(6, 300);
    cut_again_and_again("power cuts, into the store", cuts, Destination::Store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_events_are_in_the_file_after_power_cuts() {
    if !can_cut_power("power cuts, into a file") {
        return;
    }
    let cuts = size::of(6, 200);
    cut_again_and_again("power cuts, into a file", cuts, Destination::File).await;
}

/// Each cut is on a new disk, from its first start on: what is created once can be lost once.
#[tokio::test(flavor = "multi_thread")]
async fn events_accepted_in_the_first_moments_of_a_data_folder_outlast_a_power_cut() {
    if !can_cut_power("power cuts, first start") {
        return;
    }
    let (lives, seed) = (size::of(6, 200), size::seed("power cuts, first start"));
    let (mut accepted, mut lost) = (0, CutLoss::default());
    for life in 0..lives {
        let seed = seed.wrapping_add(life);
        let outcome = survey(1, seed, SyncBehaviour::Kept, Destination::Store).await;
        outcome.ledger.check(&format!("PROXY_TEST_SEED={seed}"));
        accepted += outcome.ledger.accepted.len();
        lost.unsynced += outcome.lost.unsynced;
        lost.gone += outcome.lost.gone;
    }
    let CutLoss { unsynced, gone } = lost;
    size::measured(
        "power cuts, first start",
        &format!(
            "{lives} new disks, one cut each, {accepted} events answered 200, 0 lost; of {unsynced} unsynced writes \
             {gone} thrown away or torn"
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_lies_about_syncs_is_found_out() {
    if !can_cut_power("power cuts, a disk that lies") {
        return;
    }
    let mut lost = 0;
    for seed in 0..10 {
        let outcome = survey(1, seed, SyncBehaviour::Ignored, Destination::Store).await;
        let ledger = outcome.ledger;
        let gone = |n: &&u64| !ledger.delivered.contains_key(n);
        lost += ledger.accepted.iter().filter(gone).count();
        if lost > 0 {
            break;
        }
    }
    assert!(lost > 0, "the cases of power cuts prove nothing");
}

async fn cut_again_and_again(case: &str, cuts: u64, to: Destination) {
    let seed = size::seed(case);
    let outcome = survey(cuts, seed, SyncBehaviour::Kept, to).await;
    let duplicates = outcome.ledger.check(&format!("PROXY_TEST_SEED={seed}"));
    let (sent, accepted, torn) = (
        outcome.sent,
        outcome.ledger.accepted.len(),
        outcome.ledger.torn,
    );
    let CutLoss { unsynced, gone } = outcome.lost;
    size::measured(
        case,
        &format!(
            "{cuts} cuts, {sent} events sent, {accepted} answered 200, 0 lost, {torn} torn lines, {duplicates} delivered \
             again; of {unsynced} unsynced writes {gone} thrown away or torn"
        ),
    );
}

/// Runs a data folder through `cuts` power cuts, and then until its queue is empty. On a disk that lies it may end early.
async fn survey(cuts: u64, seed: u64, syncs: SyncBehaviour, to: Destination) -> Survey {
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let rules = write(folder.path(), "transforms.yaml", COALESCE);
    let (at, data) = (
        folder.path().join("disk"),
        folder.path().join("disk/a/data"),
    );
    std::fs::create_dir(&at).unwrap();
    let file = at.join("events.jsonl");
    let mut settings = vec![("RULES_FILE", rules.to_str().unwrap())];
    if to == Destination::File {
        settings.extend([
            ("TARGET", "file"),
            ("FILE_PATH", file.to_str().unwrap()),
            ("FILE_MAX_BYTES", "300 KB"),
        ]);
    }
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let next = Arc::new(AtomicU64::new(0));
    let http = reqwest::Client::new();
    let mut lost = CutLoss::default();
    let mut disk = Disk::mount(&at, syncs, random.u64(..));
    for cut in 0..cuts {
        let serve = Serve::start(&data, &settings);
        let seed = seed.wrapping_add(cut);
        let clients = Clients::start((&http, &serve.url), &ledger, &next, LOAD, seed);
        let before = ledger.lock().unwrap().accepted.len();
        // Of many cuts the first in any case, so that something was accepted.
        if random.u8(0..4) > 0 || (cut == 0 && cuts > 1) {
            clients.have_accepted(before).await;
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..300))).await;
        disk.cut_under(serve, clients, &mut lost).await;
    }
    let finish = finish(&data, &file, &settings, to, &ledger);
    match AssertUnwindSafe(finish).catch_unwind().await {
        Ok(()) => {}
        // A file that does not open counts as lost.
        Err(_) if syncs == SyncBehaviour::Ignored => {}
        Err(panic) => resume_unwind(panic),
    }
    drop(disk);
    // Without power, 503 is the right response.
    let mut ledger = std::mem::take(&mut *ledger.lock().unwrap_or_else(PoisonError::into_inner));
    ledger
        .unexpected
        .retain(|answer| !answer.starts_with("503"));
    let sent = next.load(Ordering::Relaxed);
    Survey { ledger, sent, lost }
}

async fn finish(
    data: &Path,
    file: &Path,
    settings: &[(&str, &str)],
    to: Destination,
    ledger: &Mutex<Ledger>,
) {
    let serve = Serve::start(data, settings);
    drained(data).await;
    assert_eq!(serve.terminate(), Some(0));
    are_whole(data, &["events.db"]);
    let mut ledger = ledger.lock().unwrap();
    match to {
        Destination::Store => read_store(data, &mut ledger),
        Destination::File => read_file(file, &mut ledger),
    }
}

/// The disk of `tests/power-cut`, in a process of its own. It is unmounted when this is dropped.
pub(crate) struct Disk {
    process: Child,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Disk {
    pub(crate) fn mount(at: &Path, syncs: SyncBehaviour, seed: u64) -> Disk {
        let syncs = match syncs {
            SyncBehaviour::Kept => "kept",
            SyncBehaviour::Ignored => "ignored",
        };
        let mut process = Command::new(built())
            .arg(at)
            .args([syncs, &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut disk = Disk { process, answers };
        assert_eq!(disk.answer(), "on");
        disk
    }

    /// Cuts the power under a `serve` to which clients send, and gives it back when all of them have ended.
    pub(crate) async fn cut_under(&mut self, serve: Serve, clients: Clients, lost: &mut CutLoss) {
        self.cut(lost);
        // A response from here on was decided before, or is not 200: nothing can be synced any more.
        tokio::time::sleep(Duration::from_millis(20)).await;
        serve.kill();
        clients.end().await;
        self.on();
    }

    fn cut(&mut self, lost: &mut CutLoss) {
        let answer = self.tell("cut");
        let (unsynced, gone) = answer.split_once(' ').unwrap();
        lost.unsynced += unsynced.parse::<u64>().unwrap();
        lost.gone += gone.parse::<u64>().unwrap();
    }

    fn on(&mut self) {
        assert_eq!(self.tell("on"), "on");
    }

    fn tell(&mut self, what: &str) -> String {
        writeln!(self.process.stdin.as_ref().unwrap(), "{what}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        let answer = self.answers.next().transpose().unwrap();
        answer.expect("no disk can be mounted: standard error says why")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Whether the disk can be mounted here; a case that needs it is skipped otherwise.
pub(crate) fn can_cut_power(case: &str) -> bool {
    let at = tempfile::tempdir().unwrap();
    let disk = Command::new(built())
        .arg(at.path())
        .args(["kept", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_mounted = disk.unwrap().success();
    if !is_mounted {
        testing::needs::skip(case, "FUSE (/dev/fuse, and root or fusermount3)");
    }
    is_mounted
}

/// The binary `power-cut`, built where the proxy was. Cargo knows only those of the package of the test.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(binary()).parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--quiet",
            "--locked",
            "-p",
            "power-cut",
            "--target-dir",
        ]);
        cargo.arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "power-cut is not built");
        folder.join("power-cut")
    })
}
