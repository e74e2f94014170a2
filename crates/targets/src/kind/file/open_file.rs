//! The file at the path: opened, ended with a complete line, and appended to, until the path is seen to name the file that
//! has what was written.
//!
//! Only the writer thread in `file.rs` calls it. The rotation by size is in `rotation.rs`.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use journal::{Displacement, Identity, sync_folder_of};
use tracing::{error, info, warn};

use super::FileConfig;
use super::rotation::rotate;

/// How often a group of lines is written, if the file is moved each time, before its events return to the queue.
const ATTEMPTS: u32 = 3;

/// The open file, with its size when it was last written.
pub(super) struct OpenFile {
    pub(super) file: fs::File,
    identity: Identity,
}

/// Opens or creates the file; its folder has to exist.
pub(super) fn append(path: &Path) -> io::Result<OpenFile> {
    let created = journal::create_file(path)?;
    let mut options = OpenOptions::new();
    // Where a link leads to nothing yet, this is what creates the file.
    options.create(true).append(true).read(true).mode(0o600);
    let mut file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if !created {
        end_line(&mut file)?;
    }
    // Through a link: the name is in the folder that the link leads to.
    sync_folder_of(&fs::canonicalize(path)?)?;
    let identity = Identity::of(&file)?;
    Ok(OpenFile { file, identity })
}

/// Opens the file that the path names now. Without one, the next group of lines creates it.
pub(super) fn reopen(kept: &mut Option<OpenFile>, config: &FileConfig) {
    let file = config.path.display();
    let is_same = |open: &OpenFile| open.identity.verify_at(&config.path).is_ok();
    let was_rotated = !kept.as_ref().is_some_and(is_same);
    match append(&config.path) {
        Ok(open) => {
            if was_rotated {
                info!(%file, "file reopened");
            }
            *kept = Some(open);
        }
        Err(error) => {
            error!(%file, %error, "failed to reopen file");
            *kept = None;
        }
    }
}

/// Writes a group of lines to the file, and again if the path names another file afterwards.
pub(super) fn write(
    kept: &mut Option<OpenFile>,
    config: &FileConfig,
    bytes: &[u8],
) -> io::Result<()> {
    for _ in 0..ATTEMPTS {
        let mut open = ready(kept.take(), config)?;
        let before = open.identity.size;
        if let Err(error) = open
            .file
            .write_all(bytes)
            .and_then(|()| open.file.sync_data())
        {
            // The next line would continue half a line. If it cannot be removed now, reopening the file does.
            let is_longer = open.file.metadata().is_ok_and(|now| now.len() > before);
            if is_longer && open.file.set_len(before).is_ok() {
                *kept = Some(open);
            }
            return Err(error);
        }
        open.identity.size = before.saturating_add(bytes.len() as u64);
        // A line in a file that the path does not name may be lost: a rotation may have compressed the file already.
        match open.identity.verify_at(&config.path) {
            Ok(()) => {
                *kept = Some(open);
                return Ok(());
            }
            Err(displaced) => report(&config.path, &displaced),
        }
    }
    Err(io::Error::other(format!(
        "moved {ATTEMPTS} times while it was written"
    )))
}

/// The file at the path, or a new one if that has reached its size.
fn ready(kept: Option<OpenFile>, config: &FileConfig) -> io::Result<OpenFile> {
    let path = &config.path;
    let in_place = kept.map(|open| open.identity.verify_at(path).map(|()| open));
    let mut open = match in_place {
        Some(Ok(open)) => open,
        Some(Err(displaced)) => {
            report(path, &displaced);
            append(path)?
        }
        None => append(path)?,
    };
    let found = open.file.metadata()?;
    if found.len() > 0 && found.len() >= config.max_bytes {
        // After an error, the next group checks what the path names then.
        rotate(config)?;
        open = append(path)?;
        // Somebody may have chosen the mode.
        open.file.set_permissions(found.permissions())?;
    }
    open.identity = Identity::of(&open.file)?;
    Ok(open)
}

/// Makes the file end with a complete line, so that the next one does not continue half a line. A last line that lacks only
/// its line break gets one.
fn end_line(file: &mut fs::File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let (mut rest, mut start) = (Vec::new(), length);
    while start > 0 && !rest.contains(&b'\n') {
        let size = start.min(64 << 10);
        start -= size;
        file.seek(SeekFrom::Start(start))?;
        let mut part = Vec::new();
        Read::by_ref(file).take(size).read_to_end(&mut part)?;
        part.append(&mut rest);
        rest = part;
    }
    let line = rest.rsplit(|byte| *byte == b'\n').next();
    let line = line.unwrap_or_default();
    if line.is_empty() {
        return Ok(());
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok() {
        file.write_all(b"\n")?;
    } else {
        file.set_len(length - line.len() as u64)?;
    }
    file.sync_data()
}

fn report(path: &Path, displaced: &Displacement) {
    warn!(
        file = %path.display(), reason = %displaced,
        "file was replaced; reopened it, and unacknowledged lines are written again"
    );
}
