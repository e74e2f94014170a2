//! `kill -9` of `serve`, again and again on one data folder, while 32 clients send.
//!
//! Every accepted event is delivered as it was sent, nothing else is, and the files on disk open every time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testing::events::COALESCE;
use testing::ledger::Ledger;
use testing::{FaultyTarget, Serve, size, write};

use crate::clients::Clients;
use crate::data_folder::{are_whole, drained, read_store};

const CLIENTS: u64 = 32;

/// The longest pause of a client between requests: the machine is busy, and the queue stays short enough to be emptied at
/// the end.
const PAUSE: Duration = Duration::from_millis(150);

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Perhaps before it listens.
    Start,
    /// While it accepts and delivers.
    Load,
    /// While a batch waits for its target.
    Held,
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_events_are_in_the_store_after_kills() {
    killed("kills, into the store", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_events_are_at_the_target_after_kills() {
    killed("kills, to a target", true).await;
}

async fn killed(case: &str, is_outside: bool) {
    let kills: u64 = size::of(5, 1_000);
    let seed = size::seed(case);
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let rules = write(folder.path(), "transforms.yaml", COALESCE);
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let target = FaultyTarget::with_ledger(ledger.clone()).await;
    let mut settings = vec![("RULES_FILE", rules.to_str().unwrap())];
    if is_outside {
        settings.extend(target.settings());
    }

    let next = Arc::new(AtomicU64::new(0));
    let http = reqwest::Client::new();
    let mut moments = [0; 3];
    for kill in 0..kills {
        // The first under load, so that something was accepted.
        let moment = match random.u8(0..4) {
            _ if kill == 0 => Moment::Load,
            0 => Moment::Start,
            1 if is_outside => Moment::Held,
            _ => Moment::Load,
        };
        moments[moment as usize] += 1;
        target.delay(match moment {
            Moment::Start | Moment::Load => Duration::ZERO,
            Moment::Held => Duration::from_secs(2),
        });
        if let Moment::Start = moment {
            let serve = Serve::spawn(&data, &settings, &[]);
            tokio::time::sleep(Duration::from_millis(random.u64(0..80))).await;
            serve.kill();
            continue;
        }
        let serve = Serve::start(&data, &settings);
        let seed = seed.wrapping_add(kill);
        let clients = Clients::start((&http, &serve.url), &ledger, &next, (CLIENTS, PAUSE), seed);
        let before = ledger.lock().unwrap().accepted.len();
        if random.u8(0..4) > 0 || kill == 0 {
            clients.have_accepted(before).await;
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..300))).await;
        serve.kill();
        clients.end().await;
    }

    target.delay(Duration::ZERO);
    let serve = Serve::start(&data, &settings);
    drained(&data).await;
    assert_eq!(serve.terminate(), Some(0));
    let mut ledger = ledger.lock().unwrap();
    are_whole(&data, &["events.db"]);
    if !is_outside {
        read_store(&data, &mut ledger);
    }
    assert!(!ledger.accepted.is_empty());
    let duplicates = ledger.check(&format!("PROXY_TEST_SEED={seed}"));
    let (sent, accepted) = (next.load(Ordering::Relaxed), ledger.accepted.len());
    let [start, load, held] = moments;
    size::measured(
        case,
        &format!(
            "{kills} kills ({start} at start, {load} under load, {held} with a batch held), {sent} events sent, \
             {accepted} answered 200, 0 lost, 0 half-written, {duplicates} delivered again"
        ),
    );
}
