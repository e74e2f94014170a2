//! A data folder that one process owns: created, locked, and verified before anything in it is acknowledged.
//!
//! The lock is on the open file, not on its name. If the folder is removed or moved, the lock goes with it, and another
//! process can lock a new folder at the path: a process whose lock is displaced no longer owns the path.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::lock::{ATTEMPTS, FileLock, LockError};
use crate::{Displacement, create_folder};

/// The name of the lock file in the folder.
const LOCK: &str = "lock";

/// A lock on a folder, released on drop.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    lock: Mutex<FileLock>,
}

/// Why a folder could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process has claimed it. That process may end.
    #[error("{0}: another lineage-proxy serves from this folder")]
    InUse(PathBuf),
    /// The folder cannot be created or written.
    #[error("{0}: {1}")]
    Failed(PathBuf, io::Error),
}

impl Claim {
    /// Creates the folder if it does not exist, and locks it.
    pub fn take(folder: &Path) -> Result<Claim, ClaimError> {
        let lock = lock(folder)?;
        Ok(Claim {
            folder: folder.to_owned(),
            lock: Mutex::new(lock),
        })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Checks that the folder at the path is still the locked one.
    pub fn verify(&self) -> Result<(), Displacement> {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        lock.verify_at(&self.folder.join(LOCK))
    }

    /// Claims the path again after the folder was removed or moved: creates and locks a new one.
    pub fn renew(&self) -> Result<(), ClaimError> {
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if held.verify_at(&self.folder.join(LOCK)).is_err() {
            *held = lock(&self.folder)?;
        }
        Ok(())
    }
}

/// Creates the folder if it does not exist, and locks the file in it.
fn lock(folder: &Path) -> Result<FileLock, ClaimError> {
    let failed = |error| ClaimError::Failed(folder.to_owned(), error);
    for _ in 0..ATTEMPTS {
        create_folder(folder).map_err(failed)?;
        let lock = FileLock::attempt(&folder.join(LOCK)).map_err(|error| match error {
            LockError::InUse => ClaimError::InUse(folder.to_owned()),
            LockError::Failed(error) => failed(error),
        })?;
        if let Some(lock) = lock {
            return Ok(lock);
        }
    }
    Err(failed(FileLock::replaced()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_has_one_owner_also_after_it_was_moved() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("a/data");
        let first = Claim::take(&folder).unwrap();
        let in_use = |claim: Result<Claim, _>| matches!(claim, Err(ClaimError::InUse(_)));
        assert!(in_use(Claim::take(&folder)));

        fs::remove_file(folder.join(LOCK)).unwrap();
        assert_eq!(first.verify(), Err(Displacement::Missing));
        first.renew().unwrap();
        assert!(in_use(Claim::take(&folder)));

        fs::rename(above.path().join("a"), above.path().join("b")).unwrap();
        first.renew().unwrap();
        assert!(in_use(Claim::take(&folder)));

        // Another process was faster.
        fs::remove_dir_all(&folder).unwrap();
        let second = Claim::take(&folder).unwrap();
        assert!(matches!(first.renew(), Err(ClaimError::InUse(_))));
        drop(second);
        first.renew().unwrap();

        fs::remove_dir_all(above.path().join("a")).unwrap();
        fs::write(above.path().join("a"), "a file in the way").unwrap();
        assert!(matches!(first.renew(), Err(ClaimError::Failed(..))));
    }
}
