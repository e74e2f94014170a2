//! Laws of the parsers of the application, for any bytes; see `tests/fuzz`, whose form this has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a fuzz target reports by panicking"
)]

mod config;
mod http;
mod queue;
pub mod seeds;

use fuzz_laws::Law;

/// Every law, by the name of its corpus.
pub const LAWS: &[(&str, Law)] = &[
    ("config", config::config),
    ("keys", config::keys),
    ("ingest", http::ingest),
    ("gateway", http::gateway),
    ("sqs", queue::sqs),
    ("sqs_event", queue::sqs_event),
];
