//! The reliability suite: tests by force, against the real binary, what is promised about an accepted event.
//!
//! One file a kind of trouble. Each case has two sizes: the short one is run with all other tests, the full one by
//! `tests/reliability.sh`, which also prints what each case measured. `SECURITY.md` says which promise each case holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod clock;
mod disk;
mod duplicates;
mod events;
mod kills;
mod large;
mod line;
mod lookups;
mod moved;
mod odd;
mod panics;
mod power;
mod private;
mod rough;
mod scale;
mod size;
mod stops;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod targets;
