//! A lock on a file, which one process has until it drops it or ends, however it ends. Used by `claim.rs` for a data folder,
//! and by commands for files of their own.
//!
//! The lock is on the open file, not on its name: a file that replaces it at the path can be locked by another process.

use std::fs::{self, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::{Displacement, Identity, create_file};

/// How often locking is attempted if the file is replaced at the same moment.
pub(crate) const ATTEMPTS: u32 = 3;

/// How often, and after which pauses, a lock that is taken is tried again: 200 ms in all. Its owner may be on the point of
/// releasing it, on a thread that ends or in a process that is being killed.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// A lock on a file, released on drop.
#[derive(Debug)]
pub struct FileLock {
    identity: Identity,
    file: fs::File,
}

/// Why a file could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has locked it, or this one has. It may release the lock.
    #[error("in use")]
    InUse,
    /// The file cannot be created or written.
    #[error("{0}")]
    Failed(#[from] io::Error),
}

impl FileLock {
    /// Creates the file if it does not exist, for its owner alone, and locks it. Waits at most 200 ms for another owner; blocks the
    /// thread meanwhile.
    pub fn take(path: &Path) -> Result<FileLock, LockError> {
        for _ in 0..ATTEMPTS {
            if let Some(lock) = FileLock::attempt(path)? {
                return Ok(lock);
            }
        }
        Err(FileLock::replaced().into())
    }

    /// Locks the file. Returns `None` if another file has its path meanwhile.
    pub(crate) fn attempt(path: &Path) -> Result<Option<FileLock>, LockError> {
        FileLock::attempt_with(path, || std::thread::sleep(PAUSE))
    }

    fn attempt_with(path: &Path, pause: impl FnMut()) -> Result<Option<FileLock>, LockError> {
        create_file(path)?;
        let file = fs::File::options().write(true).open(path)?;
        lock(&file, pause)?;
        let identity = Identity::of(&file)?;
        let lock = FileLock { identity, file };
        Ok(lock.verify_at(path).is_ok().then_some(lock))
    }

    /// The error of a file that is replaced again and again.
    pub(crate) fn replaced() -> io::Error {
        io::Error::other("replaced while it was locked")
    }

    /// Checks that the file at the path is still the locked one.
    pub(crate) fn verify_at(&self, path: &Path) -> Result<(), Displacement> {
        self.identity.verify_at(path)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing the file is not enough. A child process has a duplicate of each descriptor until it executes its program, and
        // the lock is released when the last one is closed, or when any of them is unlocked: flock(2).
        let _ = self.file.unlock(); // a lock that cannot be released ends with the process
    }
}

fn lock(file: &fs::File, mut pause: impl FnMut()) -> Result<(), LockError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => pause(),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => LockError::InUse,
        TryLockError::Error(error) => error.into(),
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_lock_is_released_although_a_child_has_a_duplicate_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = FileLock::take(&path).unwrap();
        let duplicate = Stdio::from(lock.file.try_clone().unwrap());
        let mut child = Command::new("sleep")
            .arg("60")
            .stdout(duplicate)
            .spawn()
            .unwrap();
        assert!(matches!(FileLock::take(&path), Err(LockError::InUse)));
        drop(lock);
        let again = FileLock::take(&path);
        assert!(child.try_wait().unwrap().is_none(), "the child lives");
        child.kill().unwrap();
        child.wait().unwrap();
        again.unwrap();
    }

    #[test]
    fn a_lock_is_waited_for_while_its_owner_is_releasing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mut first = Some(FileLock::take(&path).unwrap());
        let next = FileLock::attempt_with(&path, || drop(first.take()));
        assert!(next.unwrap().is_some());
    }

    #[test]
    fn a_file_that_is_removed_before_it_is_locked_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mut first = Some(FileLock::take(&path).unwrap());
        let next = FileLock::attempt_with(&path, || {
            fs::remove_file(&path).unwrap();
            drop(first.take());
        });
        assert!(next.unwrap().is_none());
    }
}
