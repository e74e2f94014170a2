//! Laws of the parsers that outside bytes reach, each a function of any bytes that panics when its law is broken.
//!
//! Here are those of the light crates: events, edits, actions, rules, scripts, modules; `tests/fuzz-edge` has those of
//! the application. The fuzzer (`fuzz/`, a workspace of its own) calls them with inputs that it makes up, and the
//! ordinary tests (`tests/kept.rs`) with the inputs that were kept: `corpus/`, packed as `pack.rs` says.
//! `tests/fuzz.sh` runs it all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a fuzz target reports by panicking"
)]

#[path = "../../../crates/transform/tests/laws/actions.rs"]
mod actions;
#[path = "../../../crates/transform/tests/laws/check.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of the crate, which use all of it"
)]
mod check;
mod edits;
mod event;
#[path = "../../../crates/transform/tests/laws/events.rs"]
mod events;
mod history;
mod logs;
mod messages;
mod names;
pub mod pack;
mod plugins;
mod producers;
mod rules;
pub mod seeds;
pub mod shake;
mod size;
mod spelling;
mod sql;
#[path = "../../../crates/openlineage/tests/support/mod.rs"]
mod support;
mod texts;
pub mod tool;
#[path = "../../../crates/transform/tests/laws/walk.rs"]
mod walk;

/// A law, for any bytes.
pub type Law = fn(&[u8]);

/// Every law, by the name of its corpus.
pub const LAWS: &[(&str, Law)] = &[
    ("event", event::event),
    ("array", event::array),
    ("diff", event::difference),
    ("spelling", spelling::spelling),
    ("edits", edits::edits),
    ("names", names::names),
    ("actions", names::actions),
    ("fit", size::fitted),
    ("together", size::together),
    ("rules", rules::rules),
    ("pattern", rules::pattern),
    ("texts", texts::texts),
    ("script", plugins::script),
    ("module", plugins::module),
    ("logs", logs::logs),
    ("crawler", producers::crawler),
    ("flyte", messages::flyte),
    ("streams", messages::streams),
    ("sql", sql::sql),
    ("history_results", history::results),
    ("history", history::statements),
];
