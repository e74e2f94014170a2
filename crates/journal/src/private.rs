//! Creates folders and files that only their owner can read: events contain names, SQL, and sometimes secrets.
//!
//! The modes do not depend on the umask. An existing file keeps its mode, which may be intended, and is reported by
//! [`exposed`]. Called for everything that contains events, and by the checks before that.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// The bits of a mode that belong to the group and to others.
const OTHERS: u32 = 0o077;

const FOLDER: u32 = 0o700;
pub(crate) const FILE: u32 = 0o600;

/// Creates a data folder and the missing folders above it. Their entries are synced too: a folder that a power cut undoes
/// takes with it what was synced in it.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    for path in missing.iter().rev() {
        match DirBuilder::new().mode(FOLDER).create(path) {
            Ok(()) => fs::set_permissions(path, Permissions::from_mode(FOLDER))?,
            // Another process created it first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    if !folder.is_dir() && !folder.as_os_str().is_empty() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    let sync = |path: &Path| {
        let path = if path == Path::new("") {
            Path::new(".")
        } else {
            path
        };
        fs::File::open(path)?.sync_all()
    };
    if missing.is_empty() {
        // It may be from a start that was killed before this point. If we may not open it, it is not new.
        if let Some(above) = folder.parent() {
            let _ = sync(above);
        }
    }
    (folder.ancestors().skip(1).take(missing.len())).try_for_each(sync)
}

/// Creates an empty file; false where there is one already, which is not touched, nor opened: closing any descriptor of
/// a database would release the locks that SQLite holds on it (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
pub fn create_file(path: &Path) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(FILE).open(path) {
        Ok(file) => file
            .set_permissions(Permissions::from_mode(FILE))
            .map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Checks whether files could be created in the folder, without creating one.
pub fn check_writable(folder: &Path) -> io::Result<()> {
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(
        folder,
        Access::WRITE_OK | Access::EXEC_OK,
    )?)
}

/// Checks whether the folder could be written to, or created if it does not exist, without creating it.
pub fn check_creatable(folder: &Path) -> io::Result<()> {
    let existing = folder
        .ancestors()
        .find(|path| fs::symlink_metadata(path).is_ok());
    check_writable(existing.unwrap_or(Path::new(".")))
}

/// Returns those of the paths that others than the owner can access, with their modes.
pub fn exposed<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Vec<(PathBuf, u32)> {
    let mode = |path: &Path| {
        let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
        (mode & OTHERS != 0).then(|| (path.to_owned(), mode))
    };
    paths.into_iter().filter_map(mode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_folder_is_made_with_what_is_missing_above_it_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        create_folder(&path).unwrap();
        create_folder(&path).unwrap();
        for made in [&path, &folder.path().join("a/b"), &folder.path().join("a")] {
            assert_eq!(mode(made), 0o700, "{made:?}");
        }
        fs::write(path.join("file"), "").unwrap();
        assert!(create_folder(&path.join("file/d")).is_err());
        assert!(create_folder(&path.join("file")).is_err());
    }

    #[test]
    fn only_a_folder_can_be_writable_and_the_check_leaves_nothing_in_it() {
        let folder = tempfile::tempdir().unwrap();
        check_writable(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        check_creatable(&folder.path().join("a/b")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(check_creatable(&file.join("a")).is_err());
        let kind = |path: &Path| check_writable(path).map_err(|error| error.kind());
        assert_eq!(kind(&file), Err(io::ErrorKind::NotADirectory));
        assert_eq!(
            kind(&folder.path().join("none")),
            Err(io::ErrorKind::NotFound)
        );
    }

    #[test]
    fn what_exists_keeps_its_mode_and_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        fs::write(&old, "kept").unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o640)).unwrap();
        assert!(create_file(&new).unwrap());
        assert!(!create_file(&old).unwrap());
        assert_eq!((mode(&new), mode(&old)), (0o600, 0o640));
        assert_eq!(fs::read_to_string(&old).unwrap(), "kept");
        let none = folder.path().join("none");
        let looked = [new.as_path(), old.as_path(), none.as_path()];
        assert_eq!(exposed(looked), [(old.clone(), 0o640)]);
    }
}
