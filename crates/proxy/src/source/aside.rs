//! Where an event goes that cannot be validated because of a bug: a file, so that its source goes on and nothing is lost.
//! Called by `sender.rs`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A folder of events that were set aside, of all sources: `set-aside` in the data folder.
#[derive(Debug, Clone)]
pub(super) struct Aside(PathBuf);

impl Aside {
    pub(super) fn in_data(folder: &Path) -> Aside {
        Aside(folder.join("set-aside"))
    }

    /// Writes an event to a file of its own, which is durable when this returns, and returns its path. The same event is
    /// one file, however often it is set aside. Only the owner may read it, as with the queue.
    pub(super) fn put(&self, source: &str, id: &str, event: &[u8]) -> io::Result<PathBuf> {
        let Aside(folder) = self;
        let mut builder = DirBuilder::new();
        match builder.mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let path = folder.join(format!("{source}-{id}.json"));
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        file.write_all(event)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_event_is_one_file_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let aside = Aside::in_data(folder.path());
        let first = aside.put("crawls", "id", b"{}").unwrap();
        assert_eq!(aside.put("crawls", "id", b"{}").unwrap(), first);
        assert_eq!(fs::read(&first).unwrap(), b"{}");
        let files = fs::read_dir(folder.path().join("set-aside")).unwrap();
        assert_eq!(files.count(), 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&first), mode(first.parent().unwrap())),
            (0o600, 0o700)
        );
        let nowhere = Aside::in_data(&folder.path().join("absent"));
        assert!(nowhere.put("crawls", "id", b"{}").is_err());
    }
}
