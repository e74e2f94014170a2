//! Where an event or an input goes that cannot be read because of a bug, so that its source goes on and nothing is lost: a
//! file, or, in a function, the dead letters of the source. Called by `sender.rs`.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use queue::{SetAsideError, SetAsideQueue};
use uuid::Uuid;

/// The most files in the folder. More are not single events that meet a bug: their source waits, which shows.
const MAX_FILES: usize = 1_000;

/// Where things are set aside.
#[derive(Debug, Clone)]
pub(super) enum Aside {
    /// A folder of a machine.
    Folder(Folder),
    /// The dead letters of a function.
    DeadLetters(SetAsideQueue),
}

/// Something to set aside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'i> {
    pub(super) id: Uuid,
    pub(super) content: Content,
    /// Where it was found, or what else helps to find it; empty if nothing is known.
    pub(super) place: &'i str,
    pub(super) bytes: &'i [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// An event, which `send` and a source of messages read.
    Event,
    /// What a source reads: `extract --input` reads it.
    Input,
}

/// A folder of what was set aside, of all sources: `set-aside` in the data folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    folder: PathBuf,
    /// Whether the disk with a folder has more space than the queue needs.
    has_space: fn(&Path) -> bool,
}

impl Aside {
    pub(super) fn in_data(folder: &Path) -> Aside {
        Aside::Folder(Folder {
            folder: folder.join("set-aside"),
            has_space: queue::has_space,
        })
    }

    /// Whether this can ever take it.
    pub(super) fn can_put(&self, item: Item<'_>) -> bool {
        match self {
            Aside::Folder(_) => true,
            Aside::DeadLetters(_) => SetAsideQueue::can_take(item.bytes),
        }
    }

    /// Sets something aside, durably when this returns. Returns where it is.
    pub(super) async fn put(&self, source: &str, item: Item<'_>) -> Result<String, SetAsideError> {
        match self {
            Aside::Folder(folder) => match folder.put(&item.file_name(source), item.bytes) {
                Ok(path) => Ok(path.display().to_string()),
                Err(error) => Err(queue::QueueError(error.to_string()).into()),
            },
            Aside::DeadLetters(queue) => {
                let id = item.id.to_string();
                queue.send(&id, &item.reason(), item.bytes).await?;
                Ok("the dead letters of the source".to_owned())
            }
        }
    }
}

impl Item<'_> {
    fn reason(&self) -> String {
        let reason = format!(
            "an {} that cannot be read because of a bug",
            self.content.name()
        );
        match self.place {
            "" => reason,
            place => format!("{reason}: {place}"),
        }
    }

    fn file_name(&self, source: &str) -> String {
        let extension = match self.content {
            Content::Event => "json",
            Content::Input => "input",
        };
        format!("{source}-{}.{extension}", self.id)
    }
}

impl Content {
    pub(super) fn name(self) -> &'static str {
        match self {
            Content::Event => "event",
            Content::Input => "input",
        }
    }
}

impl Folder {
    /// Writes a file, which is durable when this returns, and returns its path. The same event or input is
    /// one file, however often it is set aside. Only the owner may read it, as with the queue. Fails if the folder has
    /// [`MAX_FILES`] or the disk has only the space left that the queue needs.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let Folder { folder, has_space } = self;
        journal::create_folder(folder)?;
        let path = folder.join(name);
        if !has_space(folder) {
            return Err(ErrorKind::StorageFull.into());
        }
        if !path.exists() && fs::read_dir(folder)?.nth(MAX_FILES - 1).is_some() {
            let error = format!("{} has {MAX_FILES} files", folder.display());
            return Err(io::Error::new(ErrorKind::QuotaExceeded, error));
        }
        journal::replace_file(&path, bytes)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(data: &Path) -> Folder {
        match Aside::in_data(data) {
            Aside::Folder(folder) => folder,
            Aside::DeadLetters(_) => panic!("a folder"),
        }
    }

    #[test]
    fn an_event_is_one_file_that_only_its_owner_reads() {
        let data = tempfile::tempdir().unwrap();
        let aside = folder(data.path());
        let first = aside.put("crawls-id.json", b"{}").unwrap();
        assert_eq!(aside.put("crawls-id.json", b"{}").unwrap(), first);
        assert_eq!(fs::read(&first).unwrap(), b"{}");
        let files = fs::read_dir(data.path().join("set-aside")).unwrap();
        assert_eq!(files.count(), 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&first), mode(first.parent().unwrap())),
            (0o600, 0o700)
        );
        let deep = folder(&data.path().join("new/data"));
        assert!(deep.put("crawls-id.json", b"{}").is_ok());
        let in_a_file = folder(&first);
        assert!(in_a_file.put("crawls-id.json", b"{}").is_err());
    }

    #[test]
    fn a_dead_letter_names_the_place_if_one_is_known() {
        let item = |place| Item {
            id: Uuid::nil(),
            content: Content::Input,
            place,
            bytes: b"",
        };
        let reason = "an input that cannot be read because of a bug";
        assert_eq!(item("").reason(), reason);
        assert_eq!(item("line 7").reason(), format!("{reason}: line 7"));
    }

    #[test]
    fn a_disk_that_the_queue_needs_or_a_full_folder_refuses_more_and_keeps_what_it_has() {
        let data = tempfile::tempdir().unwrap();
        let aside = folder(data.path());
        let first = aside.put("crawls-first.json", b"{}").unwrap();
        for n in 1..MAX_FILES - 1 {
            fs::write(aside.folder.join(format!("{n}.json")), "").unwrap();
        }
        let no_space = Folder {
            has_space: |_| false,
            ..aside.clone()
        };
        let error = no_space.put("crawls-last.json", b"{}").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        aside.put("crawls-last.json", b"{}").unwrap();
        let error = aside.put("crawls-more.json", b"{}").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        assert!(
            error.to_string().contains("set-aside has 1000 files"),
            "{error}"
        );
        assert_eq!(aside.put("crawls-first.json", b"[]").unwrap(), first);
        assert_eq!(fs::read_dir(&aside.folder).unwrap().count(), MAX_FILES);
    }
}
