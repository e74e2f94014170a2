//! A data folder that one process owns: created, locked, and looked at again before anything in it is acknowledged.
//!
//! The lock is on the open file and not on its name. So a folder that is removed or moved takes the lock along, and
//! another process could lock a new one: whoever finds the name gone locks it again, and finds out who was first.

use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{Displaced, Identity, create_file, create_folder};

/// The lock's file in the folder.
const LOCK: &str = "lock";

/// How often a lock is taken whose file is replaced at that moment.
const ATTEMPTS: u32 = 3;

/// A folder that is ours as long as this lives.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    lock: Mutex<Lock>,
}

/// Why a folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum NotClaimed {
    /// Another process has it: it may end.
    #[error("{0}: another lineage-proxy serves from this folder")]
    InUse(PathBuf),
    /// It cannot be created or written.
    #[error("{0}: {1}")]
    Failed(PathBuf, io::Error),
}

#[derive(Debug)]
struct Lock {
    identity: Identity,
    /// Holds the lock.
    _file: fs::File,
}

impl Claim {
    /// Creates the folder where there is none, and locks it.
    pub fn take(folder: &Path) -> Result<Claim, NotClaimed> {
        let lock = lock(folder)?;
        Ok(Claim {
            folder: folder.to_owned(),
            lock: Mutex::new(lock),
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Looks whether the folder is still ours. One that was removed or moved is created and locked again.
    pub fn keep(&self) -> Result<(), NotClaimed> {
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        match held.identity.is_at(&self.folder.join(LOCK)) {
            Ok(()) => Ok(()),
            Err(Displaced::Hidden(error)) => Err(NotClaimed::Failed(
                self.folder.clone(),
                io::Error::other(error),
            )),
            Err(Displaced::Gone | Displaced::Replaced | Displaced::Cut { .. }) => {
                *held = lock(&self.folder)?;
                Ok(())
            }
        }
    }
}

fn lock(folder: &Path) -> Result<Lock, NotClaimed> {
    let failed = |error| NotClaimed::Failed(folder.to_owned(), error);
    for _ in 0..ATTEMPTS {
        create_folder(folder).map_err(failed)?;
        let path = folder.join(LOCK);
        create_file(&path).map_err(failed)?;
        let file = fs::File::options()
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NotClaimed::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let identity = Identity::of(&file).map_err(failed)?;
        if identity.is_at(&path).is_ok() {
            return Ok(Lock {
                identity,
                _file: file,
            });
        }
    }
    Err(failed(io::Error::other("replaced while it was locked")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_also_after_it_was_moved() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("a/data");
        let first = Claim::take(&folder).unwrap();
        let taken = |claim: Result<Claim, _>| matches!(claim, Err(NotClaimed::InUse(_)));
        assert!(taken(Claim::take(&folder)));

        fs::remove_file(folder.join(LOCK)).unwrap();
        first.keep().unwrap();
        assert!(taken(Claim::take(&folder)));

        fs::rename(above.path().join("a"), above.path().join("b")).unwrap();
        first.keep().unwrap();
        assert!(taken(Claim::take(&folder)));

        // Somebody else was faster.
        fs::remove_dir_all(&folder).unwrap();
        let second = Claim::take(&folder).unwrap();
        assert!(matches!(first.keep(), Err(NotClaimed::InUse(_))));
        drop(second);
        first.keep().unwrap();

        fs::remove_dir_all(above.path().join("a")).unwrap();
        fs::write(above.path().join("a"), "a file in the way").unwrap();
        assert!(matches!(first.keep(), Err(NotClaimed::Failed(..))));
    }
}
