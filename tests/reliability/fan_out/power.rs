//! Power cuts with three targets: the store and a file on the disk that forgets, and an endpoint that is down meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testing::events::COALESCE;
use testing::ledger::Ledger;
use testing::{Fault, FaultyTarget, Serve, size, write};

use crate::clients::Clients;
use crate::data_folder::{are_whole, drained, read_file, read_store};
use crate::power::{CutLoss, Disk, LOAD, SyncBehaviour, can_cut_power};

#[tokio::test(flavor = "multi_thread")]
async fn accepted_events_are_at_each_of_three_targets_after_power_cuts() {
    let case = "power cuts, three targets";
    if !can_cut_power(case) {
        return;
    }
    let (cuts, seed) = (size::of(5, 200), size::seed(case));
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("disk");
    std::fs::create_dir(&at).unwrap();
    let (data, file) = (at.join("data"), at.join("events.jsonl"));
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let elsewhere = Arc::new(Mutex::new(Ledger::default()));
    let down = FaultyTarget::with_ledger_of_accepted(Fault::status(503), elsewhere.clone()).await;
    write(folder.path(), "rules.yaml", COALESCE);
    let config = format!(
        "targets:\n  kept: {{type: store}}\n  lake: {{type: file, path: '{}', max_bytes: 300 KB}}\n  \
         down: {{type: openlineage, url: '{}'}}\nrules: {{file: rules.yaml}}\n",
        file.display(),
        down.url
    );
    let config = write(folder.path(), "proxy.yaml", &config);

    let (next, http) = (Arc::new(AtomicU64::new(0)), reqwest::Client::new());
    let mut lost = CutLoss::default();
    let mut disk = Disk::mount(&at, SyncBehaviour::Kept, random.u64(..));
    for cut in 0..cuts {
        let serve = Serve::start_configured(&data, &config);
        let place = (&http, serve.url.as_str());
        let clients = Clients::start(place, &ledger, &next, LOAD, random.u64(..));
        let before = ledger.lock().unwrap().accepted.len();
        if random.u8(0..4) > 0 || cut == 0 {
            clients.have_accepted(before).await;
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..300))).await;
        disk.cut_under(serve, clients, &mut lost).await;
    }

    down.set(Fault::None);
    let serve = Serve::start_configured(&data, &config);
    drained(&data).await;
    let status = tokio::task::spawn_blocking(|| serve.terminate()).await;
    assert_eq!(status.unwrap(), Some(0));
    are_whole(&data, &["events.db"]);
    // Without power, 503 is the right response.
    let accepted = {
        let mut ledger = ledger.lock().unwrap();
        (ledger.unexpected).retain(|answer| !answer.starts_with("503"));
        assert_eq!(ledger.unexpected, [""; 0]);
        ledger.accepted.clone()
    };
    let mut duplicates = Vec::new();
    let mut check = |target: &str, mut ledger: Ledger| {
        ledger.accepted.clone_from(&accepted);
        duplicates.push(ledger.check(&format!("{target}, PROXY_TEST_SEED={seed}")));
    };
    let mut store = Ledger::default();
    read_store(&data, &mut store);
    check("store", store);
    let mut lake = Ledger::default();
    read_file(&file, &mut lake);
    check("file", lake);
    check("endpoint", std::mem::take(&mut *elsewhere.lock().unwrap()));
    drop(disk);
    let (sent, CutLoss { unsynced, gone }) = (next.load(Ordering::Relaxed), lost);
    size::measured(
        case,
        &format!(
            "{cuts} cuts, {sent} events sent, {} answered 200, 0 lost for any, {duplicates:?} delivered again (store, \
             file, endpoint); of {unsynced} unsynced writes {gone} thrown away or torn",
            accepted.len()
        ),
    );
}
