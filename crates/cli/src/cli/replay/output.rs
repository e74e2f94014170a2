//! The files that a replay writes: its state, and the events that were rejected. None of them may be read by it: what it
//! writes would be read again, without end.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use proxy::config::Errors;

use super::super::input;
use super::origin::ReplayOrigin;
use super::settings::Destination;

/// What the name of a state file ends with; its lock and its next version have more behind it.
pub(super) const STATE: &str = ".replay.json";

/// How much of the digest of the destination is in the name of a state file: it tells a few targets apart.
const DIGITS: usize = 8;

/// Where standard input is, as a file: it may be redirected from one.
const STDIN: &str = "/dev/stdin";

/// The state file: the one of the command line, or one beside FROM for each destination. `None` where there is no such place.
pub(super) fn state_file(
    named: Option<&Path>,
    origin: &ReplayOrigin,
    destination: &Destination,
) -> Result<Option<PathBuf>, Errors> {
    if let Some(path) = named {
        check("--state", path, origin)?;
        return Ok(Some(path.to_owned()));
    }
    let beside = match origin {
        ReplayOrigin::Log(_) | ReplayOrigin::Archive(_) => origin.name(),
        ReplayOrigin::Files(name) if name != "-" => origin.name(),
        ReplayOrigin::Files(_) | ReplayOrigin::Bucket(_) => return Ok(None),
    };
    let digest: String = destination.digest().chars().take(DIGITS).collect();
    Ok(Some(PathBuf::from(format!("{beside}.{digest}{STATE}"))))
}

/// Refuses a file that is a part of FROM.
pub(super) fn check(flag: &str, path: &Path, origin: &ReplayOrigin) -> Result<(), Errors> {
    let is_part = match origin {
        ReplayOrigin::Bucket(_) => false,
        ReplayOrigin::Log(folder) | ReplayOrigin::Archive(folder) => is_below(path, folder),
        ReplayOrigin::Files(name) if name == "-" => is_same_file(path, Path::new(STDIN)),
        ReplayOrigin::Files(name) => is_below(path, Path::new(name)) || is_one_of(path, name),
    };
    match is_part {
        true => {
            let path = path.display();
            let why = "is a part of FROM, and a replay would read what it writes there; name another file";
            Err(Errors::general(format!("{flag}: {path}: {why}")))
        }
        false => Ok(()),
    }
}

/// Whether a file, which need not exist, is in a folder or is the same file.
fn is_below(path: &Path, folder: &Path) -> bool {
    let resolved = resolve(path);
    let folder = fs::canonicalize(folder);
    resolved
        .ok()
        .zip(folder.ok())
        .is_some_and(|(path, folder)| path.starts_with(folder))
}

/// The path without links. The last part need not exist.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    if let Ok(resolved) = fs::canonicalize(path) {
        return Ok(resolved);
    }
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
    Ok(folder.join(path.file_name().unwrap_or_default()))
}

/// Whether a file is one of those that are read, under whatever name.
fn is_one_of(path: &Path, from: &str) -> bool {
    let Ok(sources) = input::sources(&[from.to_owned()]) else {
        return false; // reading reports it
    };
    sources
        .iter()
        .any(|source| is_same_file(path, Path::new(source.name())))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |file: Metadata| (file.dev(), file.ino());
    let metadata = |path| fs::metadata(path).ok().map(identity);
    metadata(one).is_some_and(|found| metadata(other) == Some(found))
}
