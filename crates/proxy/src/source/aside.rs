//! Where an event goes that cannot be validated because of a bug: a file, so that its source goes on and nothing is lost.
//! Called by `sender.rs`.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The most files in the folder. More are not single events that meet a bug: their source waits, which shows.
const MAX_FILES: usize = 1_000;

/// A folder of events that were set aside, of all sources: `set-aside` in the data folder.
#[derive(Debug, Clone)]
pub(super) struct Aside {
    folder: PathBuf,
    /// Whether the disk with a folder has more space than the queue needs.
    has_space: fn(&Path) -> bool,
}

impl Aside {
    pub(super) fn in_data(folder: &Path) -> Aside {
        Aside {
            folder: folder.join("set-aside"),
            has_space: queue::has_space,
        }
    }

    /// Writes an event to a file of its own, which is durable when this returns, and returns its path. The same event is
    /// one file, however often it is set aside. Only the owner may read it, as with the queue. Fails if the folder has
    /// [`MAX_FILES`] or the disk has only the space left that the queue needs.
    pub(super) fn put(&self, source: &str, id: &str, event: &[u8]) -> io::Result<PathBuf> {
        let Aside { folder, has_space } = self;
        journal::create_folder(folder)?;
        let path = folder.join(format!("{source}-{id}.json"));
        if !has_space(folder) {
            return Err(ErrorKind::StorageFull.into());
        }
        if !path.exists() && fs::read_dir(folder)?.nth(MAX_FILES - 1).is_some() {
            let error = format!("{} has {MAX_FILES} files", folder.display());
            return Err(io::Error::new(ErrorKind::QuotaExceeded, error));
        }
        journal::replace_file(&path, event)?;
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
        let deep = Aside::in_data(&folder.path().join("new/data"));
        assert!(deep.put("crawls", "id", b"{}").is_ok());
        let in_a_file = Aside::in_data(&first);
        assert!(in_a_file.put("crawls", "id", b"{}").is_err());
    }

    #[test]
    fn a_disk_that_the_queue_needs_or_a_full_folder_refuses_more_and_keeps_what_it_has() {
        let data = tempfile::tempdir().unwrap();
        let aside = Aside::in_data(data.path());
        let first = aside.put("crawls", "first", b"{}").unwrap();
        for n in 1..MAX_FILES - 1 {
            fs::write(aside.folder.join(format!("{n}.json")), "").unwrap();
        }
        let no_space = Aside {
            has_space: |_| false,
            ..aside.clone()
        };
        let error = no_space.put("crawls", "last", b"{}").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        aside.put("crawls", "last", b"{}").unwrap();
        let error = aside.put("crawls", "more", b"{}").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        assert!(
            error.to_string().contains("set-aside has 1000 files"),
            "{error}"
        );
        assert_eq!(aside.put("crawls", "first", b"[]").unwrap(), first);
        assert_eq!(fs::read_dir(&aside.folder).unwrap().count(), MAX_FILES);
    }
}
