//! A long queue: drained as fast as a short one, in the same memory, and ready at once after a restart.
//!
//! Rates are compared within one run, and only in full size: they mean nothing on small shared machines.

use std::path::Path;
use std::time::{Duration, Instant};

use testing::events::event_with;
use testing::{Fault, FaultKind, FaultyTarget, Serve, queued, run, size};

/// The longest time for a million events.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// A target that counts responses, and sends none while it is on hold.
struct Gate(FaultyTarget);

impl Gate {
    async fn start() -> Gate {
        Gate(FaultyTarget::counting(Fault::Always(FaultKind::Hold)).await)
    }

    fn close(&self) {
        self.0.set(Fault::Always(FaultKind::Hold));
        self.0.forget_answered();
    }

    fn serve(&self, folder: &Path) -> Serve {
        Serve::start(
            folder,
            &[
                ("TARGET", "openlineage"),
                ("OPENLINEAGE_URL", &self.0.url),
                ("LOG", "info"),
            ],
        )
    }

    /// Opens, with that status for each post. Returns the time of each response, once there are so many.
    async fn drained(&self, status: u16, count: usize) -> Vec<Instant> {
        self.0.set(Fault::status(status));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answered = self.0.answered();
            if answered.len() >= count {
                return answered;
            }
            assert!(Instant::now() < deadline, "{} of {count}", answered.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_is_drained_as_fast_as_a_short_one_and_in_the_same_memory() {
    let (short, long) = (1_000, size::of(3_000, 1_000_000));
    let (target, folder) = (Gate::start().await, tempfile::tempdir().unwrap());
    let (mut rates, mut peaks) = (Vec::new(), Vec::new());
    let short_ones = async |rates: &mut Vec<f64>, peaks: &mut Vec<u64>| {
        for _ in 0..size::of(1, 9) {
            target.close();
            fill(&target.serve(folder.path()), short).await;
            let serve = target.serve(folder.path());
            rates.push(rate(&target.drained(201, short).await));
            peaks.push(serve.peak_mb());
            settled(folder.path()).await;
        }
    };
    short_ones(&mut rates, &mut peaks).await;
    target.close();

    let filling = target.serve(folder.path());
    let enqueued = fill(&filling, long).await;
    let peak_of_filling = filling.peak_mb();
    filling.kill(); // what was received becomes visible again
    let started = Instant::now();
    let serve = target.serve(folder.path());
    let restarted = started.elapsed();
    let looked = Instant::now();
    let (status, text, _) = run(
        &[
            "queue",
            "status",
            "--output",
            "json",
            "--data-dir",
            folder.path().to_str().unwrap(),
        ],
        &[],
    );
    let looked = looked.elapsed();
    assert_eq!(status, Some(0));
    assert!(text.contains(r#""dead_letters":0"#), "{text}");
    let posts = target.drained(201, long).await;
    let peak = serve.peak_mb();
    settled(folder.path()).await;
    assert_eq!(target.0.answered().len(), long, "each is posted once");
    let tenth = long / 10;
    let tenths: Vec<String> = posts
        .chunks(tenth)
        .map(|some| format!("{:.0}", rate(some)))
        .collect();
    let of_long = rate(&posts);
    drop(serve);
    // Before and after: what else the machine does changes with the minutes.
    short_ones(&mut rates, &mut peaks).await;
    rates.sort_by(f64::total_cmp);
    let (of_short, peak_of_short) = (rates[rates.len() / 2], peaks.iter().max().unwrap());
    size::measured(
        "long queue",
        &format!(
            "{short}: {of_short:.0} events/s, {} MB; {long}: {of_long:.0} events/s ({:.2}), {} MB, by tenths {}; enqueued {:.0} then {:.0} events/s, {} MB; listening again after {} ms, status in {} ms",
            peak_of_short,
            of_long / of_short,
            peak,
            tenths.join(" "),
            enqueued.0,
            enqueued.1,
            peak_of_filling,
            restarted.as_millis(),
            looked.as_millis(),
        ),
    );
    if size::of(false, true) {
        assert!(of_long >= 0.9 * of_short, "{of_long} of {of_short}");
        assert!(enqueued.1 >= 0.5 * enqueued.0, "{enqueued:?}");
        assert!(
            peak < peak_of_short + 64,
            "{peak} MB, {peak_of_short} MB of a short one"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_dead_letters_are_listed_and_redriven() {
    let count = size::of(300, 100_000);
    let (target, folder) = (Gate::start().await, tempfile::tempdir().unwrap());
    let serve = target.serve(folder.path());
    fill(&serve, count).await;
    target.drained(400, count).await;
    settled(folder.path()).await;
    let place = [
        "--output",
        "json",
        "--data-dir",
        folder.path().to_str().unwrap(),
    ];
    let timed = |arguments: &[&str]| {
        let started = Instant::now();
        let (status, text, error) = run(&[arguments, &place].concat(), &[]);
        assert_eq!(status, Some(0), "{error}");
        (text, started.elapsed().as_millis())
    };
    let (listed, list) = timed(&["dead-letters", "list"]);
    assert_eq!(listed.matches(r#""reason""#).count(), count);
    let (none, filtered) = timed(&["dead-letters", "list", "--reason", "not in any reason"]);
    assert_eq!(none.trim(), "[]");
    target.close();
    let (_, redriven) = timed(&["dead-letters", "redrive", "--all", "--rate", "0"]);
    target.drained(201, count).await;
    size::measured(
        "dead letters",
        &format!("{count}: list {list} ms, with a filter {filtered} ms, redrive {redriven} ms"),
    );
}

/// Posts `count` events of 1.5 KB. Returns the rates of the first and the last fifth, in events per second.
async fn fill(serve: &Serve, count: usize) -> (f64, f64) {
    const AT_ONCE: usize = 100;
    let padding = format!(r#""padding":"{}""#, "x".repeat(1_200));
    let mut times = vec![Instant::now()];
    for from in (0..count).step_by(AT_ONCE * 4) {
        let some = (0..4).map(|n| {
            let from = from + n * AT_ONCE;
            let events: Vec<String> = (from..(from + AT_ONCE).min(count))
                .map(|n| event_with(u32::try_from(n).unwrap(), "START", &padding))
                .collect();
            async move {
                if !events.is_empty() {
                    let answer = serve
                        .post_to("/api/v1/lineage/batch", &format!("[{}]", events.join(",")))
                        .await;
                    assert!(answer.text().await.unwrap().contains(r#""failed":0"#));
                }
            }
        });
        let some: Vec<_> = some.collect();
        let mut some = some.into_iter();
        let (Some(a), Some(b), Some(c), Some(d)) =
            (some.next(), some.next(), some.next(), some.next())
        else {
            unreachable!()
        };
        tokio::join!(a, b, c, d);
        times.push(Instant::now());
    }
    let fifth = (times.len() / 5).max(1);
    let rate =
        |from: Instant, to: Instant| (fifth * AT_ONCE * 4) as f64 / (to - from).as_secs_f64();
    let last = times.len() - 1;
    (
        rate(times[0], times[fifth]),
        rate(times[last - fifth], times[last]),
    )
}

/// Waits until only dead letters are left.
async fn settled(folder: &Path) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = queued(folder);
        if left == Some(0) {
            return;
        }
        assert!(Instant::now() < deadline, "{left:?} are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Returns posts per second, without the first and the last tenth: batches that were taken before the target opened, and settled after its last
/// post, are much of a thousand and nothing of a million.
fn rate(posts: &[Instant]) -> f64 {
    let edge = posts.len() / 10;
    let posts = &posts[edge..posts.len() - edge];
    posts.len() as f64 / (posts[posts.len() - 1] - posts[0]).as_secs_f64()
}
