//! Keeps two replays from using one state file: both would send everything, and overwrite what the other has recorded.

use std::fs;
use std::path::{Path, PathBuf};

use journal::{FileLock, LockError};
use proxy::config::Errors;

use super::ReplayError;

/// A lock beside a state file. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct StateLock {
    path: PathBuf,
    /// Released after the file is removed, so that nobody locks a file that is gone.
    _lock: FileLock,
}

impl StateLock {
    /// Takes the lock of a state file. Fails if another replay has it, or if no file can be written there.
    pub(super) fn take(state: &Path) -> anyhow::Result<StateLock> {
        let path = PathBuf::from(format!("{}.lock", state.display()));
        match FileLock::take(&path) {
            Ok(lock) => Ok(StateLock { path, _lock: lock }),
            Err(LockError::InUse) => {
                let state = state.display();
                Err(ReplayError(format!("{state}: another replay uses it")).into())
            }
            Err(LockError::Failed(error)) => {
                let path = path.display();
                let why = format!("{path}: {error}; name a file that can be written with --state");
                Err(Errors::general(why).into())
            }
        }
    }
}

impl Drop for StateLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // without it, a file without a lock is left
    }
}
