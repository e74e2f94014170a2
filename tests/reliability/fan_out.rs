//! Three targets at once: one healthy, one down, one that accepts two events a second (`testing::Trio`).
//!
//! Each gets every event, none waits for another, and none gets more duplicates than it would alone. `deliveries` are the
//! cases of `targets.rs` and `duplicates.rs`, `kills` and `power` those of the files of that name; `latency` and `outage`
//! compare with a target that runs alone.

mod deliveries;
mod kills;
mod latency;
mod outage;
mod power;

use testing::events::event;

const ALL: [bool; 3] = [true, true, true];

/// Returns the events of so many runs, three each, in order.
fn runs(count: u32) -> Vec<String> {
    let kinds = ["START", "RUNNING", "COMPLETE"];
    (0..count)
        .flat_map(|n| kinds.map(|kind| event(n, kind)))
        .collect()
}
