//! The rotation of a file target by size. Called before a group of lines is written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{FileConfig, folder};

/// Renames the file, which has reached its size, and removes the oldest of those that were renamed before.
pub(super) fn rotate(config: &FileConfig) -> io::Result<()> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    // Later than all names before it, whatever the clock shows: with the same name twice the first file would be lost, and the
    // file with the oldest name is removed first.
    let before = rotated(&config.path)?;
    let stamp = |path: &PathBuf| path.extension()?.to_str()?.parse::<u128>().ok();
    let last = before.iter().filter_map(stamp).max();
    let now = last.map_or(now, |last| now.max(last.saturating_add(1)));
    let mut name = config.path.clone().into_os_string();
    name.push(format!(".{now}"));
    fs::rename(&config.path, name)?;
    // Before a new one is created: after a loss of power the new one alone could exist.
    journal::sync_folder_of(&config.path)?;
    if config.keep > 0 {
        let mut old = rotated(&config.path)?;
        old.sort();
        let surplus = old.len().saturating_sub(config.keep);
        old.iter().take(surplus).try_for_each(fs::remove_file)?;
    }
    Ok(())
}

/// The renamed files, found by their names.
pub(super) fn rotated(path: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = format!(
        "{}.",
        path.file_name().unwrap_or_default().to_string_lossy()
    );
    let is_ours = |entry: &fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.strip_prefix(&prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    Ok(fs::read_dir(folder(path))?
        .filter_map(Result::ok)
        .filter(is_ours)
        .map(|entry| entry.path())
        .collect())
}
