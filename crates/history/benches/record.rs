//! What it takes to record a group of 256 outcomes of 3 KB events, with and without their lineage: of an estate that reports the
//! same again and again, of one that is recorded for the first time, and of a history that is full.
//!
//! `cargo bench -p history --bench record`. A group ends with a sync of the disk: with `TMPDIR` in memory it is what the
//! processor does. `parts/mod.rs` makes the events.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark ends at the first error"
)]

mod parts;

use divan::Bencher;
use divan::counter::ItemsCount;
use history::Retention;
use parts::{Estate, GROUP, Place};

/// Half of the nodes of the estate.
const JOBS: usize = 1_000;

fn main() {
    divan::main();
}

#[divan::bench]
fn repeating_without_lineage(bencher: Bencher<'_, '_>) {
    recording(bencher, Estate::of(JOBS), false);
}

#[divan::bench]
fn repeating_with_lineage(bencher: Bencher<'_, '_>) {
    recording(bencher, Estate::of(JOBS), true);
}

#[divan::bench]
fn new_without_lineage(bencher: Bencher<'_, '_>) {
    recording(bencher, Estate::endless(), false);
}

#[divan::bench]
fn new_with_lineage(bencher: Bencher<'_, '_>) {
    recording(bencher, Estate::endless(), true);
}

#[divan::bench]
fn full_with_lineage(bencher: Bencher<'_, '_>) {
    let retention = Retention {
        events: 2_000,
        ..Retention::default()
    };
    recording_within(bencher, Estate::of(JOBS), true, retention);
}

fn recording(bencher: Bencher<'_, '_>, estate: Estate, with_lineage: bool) {
    recording_within(bencher, estate, with_lineage, Retention::default());
}

fn recording_within(
    bencher: Bencher<'_, '_>,
    estate: Estate,
    with_lineage: bool,
    retention: Retention,
) {
    let mut place = Place::new(estate, with_lineage, retention);
    // All that repeats is known.
    for _ in 0..2 * JOBS / GROUP + 1 {
        let group = place.group();
        place.record(group);
    }
    let place = std::cell::RefCell::new(place);
    bencher
        .counter(ItemsCount::new(GROUP))
        .with_inputs(|| place.borrow_mut().group())
        .bench_local_values(|group| place.borrow().record(group));
}
