//! Helpers that tests of several crates share.
//!
//! A test of a whole path starts the real binary (`serve.rs`), perhaps in front of a target (`scenario.rs`) or three
//! (`fan_out.rs`), sends it events (`events.rs`), and reads what became of them from its log, its metrics and the target
//! (`target.rs`; `gms.rs` for DataHub). Where processes are killed, the ledger (`ledger.rs`) compares what was accepted with
//! what was delivered. `command.rs` runs a command to its end, `old_folder.rs` writes the data folder of an older
//! version, `wait.rs` waits with a limit, `size.rs` decides how large a case is, and `needs.rs` skips what a machine cannot run.
//! Laws about the source read it by `source_files.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

pub mod command;
pub mod events;
pub mod fan_out;
pub mod gms;
pub mod ledger;
pub mod measure;
pub mod needs;
pub mod old_folder;
pub mod scenario;
pub mod serve;
pub mod size;
pub mod source_files;
pub mod target;
pub mod wait;

pub use command::{outcome, outcome_with};
pub use fan_out::{FanOut, Trio};
pub use gms::{AspectWrites, FakeGms};
pub use scenario::{Scenario, TargetKind};
pub use serve::{Serve, binary, queued, run, start_serve};
pub use source_files::{SourceFile, source_files};
pub use target::{Fault, FaultKind, FaultyTarget};
pub use wait::{eventually, eventually_within, until};

use std::path::{Path, PathBuf};

/// Writes a file into a folder.
pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
