//! Objects as files below a folder. Blocking.
//!
//! A file is written and synced in `.incomplete`, then renamed to its name, and the folders above it are synced: a file
//! under its final name is always complete, and outlasts a loss of power. Query engines skip names that begin with a dot.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use journal::Identity;

use super::object::{Object, SUFFIX};

/// Where files are while they are written.
const INCOMPLETE: &str = ".incomplete";

/// The mode of a file: for its owner alone.
const MODE: u32 = 0o600;

/// Creates the folder, and removes what a crash left incomplete: it was not acknowledged. If another process is writing it
/// now, that process finds its file missing, and writes it again.
pub(super) fn prepare(root: &Path) -> io::Result<()> {
    let incomplete = root.join(INCOMPLETE);
    journal::create_folder(&incomplete)?;
    // The name of a new root is in the folder above, which may be one that we may not read.
    let above = root.parent().filter(|it| !it.as_os_str().is_empty());
    if let Ok(above) = fs::File::open(above.unwrap_or(Path::new("."))) {
        above.sync_all()?;
    }
    for entry in fs::read_dir(&incomplete)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(SUFFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes an object durably.
pub(super) fn write(root: &Path, object: &Object) -> io::Result<()> {
    let [date, hour] = &object.folders;
    let date = root.join(date);
    let folder = date.join(hour);
    let incomplete = root.join(INCOMPLETE);
    journal::create_folder(&incomplete)?;
    journal::create_folder(&folder)?;
    let (partial, path) = (incomplete.join(&object.name), folder.join(&object.name));
    let written = write_at(&partial, &path, &object.bytes);
    if written.is_err() {
        let _ = fs::remove_file(&partial); // what is left is removed at the next start
    }
    let file = written?;
    // Each time: the process that created a folder may have been killed before it was synced.
    for folder in [&folder, &date, root] {
        fs::File::open(folder)?.sync_all()?;
    }
    // A folder that was moved meanwhile took the file with it.
    let placed = Identity::of(&file)?.verify_at(&path);
    placed.map_err(|displaced| io::Error::other(displaced.to_string()))
}

fn write_at(partial: &Path, path: &Path, bytes: &[u8]) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(partial)?;
    // The umask may have taken more.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(partial, path)?;
    Ok(file)
}
