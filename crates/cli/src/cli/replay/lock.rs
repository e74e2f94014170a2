//! Keeps two replays from using one state file: both would send everything, and overwrite what the other has recorded.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use proxy::config::Errors;

use super::ReplayError;

/// A lock beside a state file. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct StateLock {
    path: PathBuf,
    _file: File,
}

impl StateLock {
    /// Takes the lock of a state file, or says that another replay has it. The file has to be elsewhere if it cannot be
    /// written there.
    pub(super) fn take(state: &Path) -> anyhow::Result<StateLock> {
        let path = PathBuf::from(format!("{}.lock", state.display()));
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(|error| {
            let path = path.display();
            let why = format!("{path}: {error}; name a file that can be written with --state");
            Errors::general(why)
        })?;
        match file.try_lock() {
            Ok(()) => Ok(StateLock { path, _file: file }),
            Err(TryLockError::WouldBlock) => {
                let state = state.display();
                Err(ReplayError(format!("{state}: another replay uses it")).into())
            }
            Err(TryLockError::Error(error)) => {
                let path = path.display();
                Err(ReplayError(format!("{path}: {error}")).into())
            }
        }
    }
}

impl Drop for StateLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // without it, a file without a lock is left
    }
}
