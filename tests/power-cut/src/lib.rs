//! A disk in memory, mounted as a real folder, that forgets at a cut of the power what was not synced.
//!
//! `disk.rs` is the disk: what each file and folder is, what of it was synced, and what a cut leaves. `mount.rs` gives
//! it to the kernel, by FUSE. The power cuts of the reliability suite run the real `serve` on it, through the binary
//! (`main.rs`): as a library it would make cargo build the dependencies of that suite again, with other features.
//! `tests/bites.rs` shows that it takes from those who do not sync. Needs `/dev/fuse`, and root or `fusermount3`.

mod disk;
mod mount;

pub use disk::{CutLoss, Disk, SyncBehaviour};
pub use mount::{Mount, mount};
