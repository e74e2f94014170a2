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

mod clients;
mod clock;
mod data_folder;
mod disk;
mod duplicates;
mod fan_out;
mod kills;
mod large;
mod lookups;
mod moved;
mod odd;
mod panics;
mod power;
mod private;
mod scale;
mod stops;
mod strangers;
mod targets;
