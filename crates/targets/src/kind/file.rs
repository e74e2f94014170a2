//! JSON lines in a file, one event a line, rotated by size.
//!
//! A line is acknowledged once it is synced and the path is seen to name the file that contains it: a file that was removed,
//! moved, replaced or truncated in the meantime is reopened, and what was not acknowledged is written again. Line breaks
//! of the event (white space between tokens) become blanks; every other byte is kept. A crash between write and
//! acknowledgement can write a line twice. Half a line that a crash left is removed at the next start: its event was not
//! acknowledged, and is delivered again.

mod rotation;

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal::{Displacement, Identity, check_creatable, check_writable, sync_folder_of};
use openlineage::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{Count, FilePath, Setting, Size};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::place::{is_same_path, resolve};
use crate::{Capabilities, Delivery, Failure, Kind, OpenError, Reason, Scope, SettingError};
use rotation::rotate;

/// The most lines that share one sync.
const GROUP: usize = 256;

/// What of the buffer for a group is kept for the next one, in bytes: more than a group of the usual events needs.
const BUFFER: usize = 1 << 20;

/// How often a group of lines is written, if the file is moved each time, before its events return to the queue.
const ATTEMPTS: u32 = 3;

/// The settings of a file target.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FileSettings {
    /// The file that events are appended to, one a line. Its folder has to exist, unless it is `data_dir`. Required.
    #[schemars(extend("x-not-on-aws" = "no file outlives a function"))]
    pub path: Option<Setting<FilePath>>,
    /// The size at which the file is renamed to `PATH.MILLISECONDS` (since 1970) and a new one begun.
    #[schemars(extend("x-not-on-aws" = "no file outlives a function"))]
    pub max_bytes: Setting<Size>,
    /// How many renamed files are kept; 0 keeps all.
    #[schemars(extend("x-not-on-aws" = "no file outlives a function"))]
    pub keep: Setting<Count<0, 1_000_000>>,
}

/// The settings of a file target, complete and checked.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// The file that is written to.
    pub path: PathBuf,
    /// The size, in bytes, at which it is renamed and a new one begun.
    pub max_bytes: u64,
    /// How many renamed files are kept; 0 keeps all.
    pub keep: usize,
}

impl FileConfig {
    pub(super) fn is_same_destination(&self, other: &FileConfig) -> bool {
        is_same_path(&self.path, &other.path)
    }

    /// What tells its place from others.
    pub(super) fn identity(&self) -> String {
        resolve(&self.path).display().to_string()
    }
}

impl Default for FileSettings {
    fn default() -> FileSettings {
        FileSettings {
            path: None,
            max_bytes: Setting(100_000_000),
            keep: Setting(0),
        }
    }
}

impl FileSettings {
    pub(super) fn validate(self) -> Result<FileConfig, Vec<SettingError>> {
        let path = self.path.ok_or(vec![SettingError::Required {
            setting: PATH,
            kind: Kind::File,
        }])?;
        Ok(FileConfig {
            path: path.into_value(),
            max_bytes: *self.max_bytes,
            keep: usize::try_from(*self.keep).unwrap_or(usize::MAX),
        })
    }
}

const PATH: &str = "path";

/// The lines that are delivered at the same time share a sync.
pub(super) const CAPABILITIES: Capabilities = Capabilities {
    batches: true,
    local: true,
    ..Capabilities::UNLIMITED
};

pub(super) fn open(config: &FileConfig) -> Result<File, OpenError> {
    File::open(config.clone()).map_err(|error| not_opened(config, error))
}

/// Checks that lines could be appended to the file, without creating it. `data_dir` is the folder that is created before.
pub(super) fn check(config: &FileConfig, data_dir: Option<&Path>) -> Result<(), OpenError> {
    let path = &config.path;
    let checked = match fs::metadata(path) {
        // As `append` would fail.
        Ok(found) if !found.is_file() && !found.is_dir() => {
            Err(io::Error::other("not a regular file"))
        }
        Ok(_) => OpenOptions::new()
            .append(true)
            .read(true)
            .open(path)
            .map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match data_dir.is_some_and(|data_dir| is_same_path(folder(path), data_dir)) {
                true => check_creatable(folder(path)),
                false => check_writable(folder(path)),
            }
        }
        Err(error) => Err(error),
    };
    checked.map_err(|error| not_opened(config, error))
}

fn not_opened(config: &FileConfig, error: io::Error) -> OpenError {
    OpenError::File {
        setting: PATH,
        path: config.path.clone(),
        error,
    }
}

/// A file that events are appended to. Its writer thread ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct File {
    waiting: Arc<Mutex<Waiting>>,
    /// Wakes the writer. If there is no room, it is about to look anyway.
    wake: mpsc::Sender<()>,
}

/// What the writer has still to do.
#[derive(Debug, Default)]
struct Waiting {
    /// Whoever delivers them bounds their number.
    lines: Vec<Line>,
    reopen: bool,
}

/// The writer thread's end. However the thread ends, nobody waits for it any more.
struct Writer {
    woken: mpsc::Receiver<()>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // In this order: whoever adds a line after the second step finds the channel closed.
        self.woken.close();
        lock(&self.waiting).lines.clear();
    }
}

#[derive(Debug)]
struct Line {
    event: Event,
    written: oneshot::Sender<Result<(), Arc<str>>>,
}

/// The open file, with its size when it was last written.
struct Open {
    file: fs::File,
    identity: Identity,
}

impl File {
    /// Opens or creates the file; its folder has to exist.
    fn open(config: FileConfig) -> io::Result<File> {
        let (mut kept, mut buffer) = (Some(append(&config.path)?), Vec::new());
        File::start(move |waiting| {
            if std::mem::take(&mut lock(waiting).reopen) {
                reopen(&mut kept, &config);
            }
            write_all(waiting, &mut kept, &config, &mut buffer);
        })
    }

    /// Starts the writer thread, which does its work each time it is woken.
    fn start(mut work: impl FnMut(&Mutex<Waiting>) + Send + 'static) -> io::Result<File> {
        let waiting: Arc<Mutex<Waiting>> = Arc::default();
        let (wake, woken) = mpsc::channel(1);
        let mut writer = Writer {
            woken,
            waiting: waiting.clone(),
        };
        std::thread::Builder::new()
            .name("file-target".to_owned())
            .spawn(move || {
                while writer.woken.blocking_recv().is_some() {
                    work(&writer.waiting);
                }
            })?;
        Ok(File { waiting, wake })
    }

    /// Reopens the file that the path names now, as after a rotation by another program. Does not wait for it.
    pub(super) fn reopen(&self) {
        lock(&self.waiting).reopen = true;
        let _ = self.wake.try_send(()); // or it is about to look
    }

    pub(crate) async fn deliver(&self, event: &Event) -> Delivery {
        let (written, answer) = oneshot::channel();
        let event = event.clone();
        lock(&self.waiting).lines.push(Line { event, written });
        // The other events of the batch come first: the writer is woken once for all of them, and syncs once.
        tokio::task::yield_now().await;
        let stopped = || Err(Arc::from("the writer has stopped"));
        let result = match self.wake.try_send(()) {
            Ok(()) | Err(TrySendError::Full(_)) => answer.await.unwrap_or_else(|_| stopped()),
            Err(TrySendError::Closed(_)) => {
                lock(&self.waiting).lines.clear();
                stopped()
            }
        };
        match result {
            Ok(()) => Delivery::Delivered { id: None },
            Err(message) => {
                Delivery::Transient(Failure::new(Reason::Unavailable, Scope::Target, &message))
            }
        }
    }
}

/// Writes the lines that wait, in groups, until there are none.
fn write_all(
    waiting: &Mutex<Waiting>,
    kept: &mut Option<Open>,
    config: &FileConfig,
    buffer: &mut Vec<u8>,
) {
    loop {
        let mut group: Vec<Line> = {
            let lines = &mut lock(waiting).lines;
            let count = lines.len().min(GROUP);
            lines.drain(..count).collect()
        };
        if group.is_empty() {
            return;
        }
        // Who has given up comes again.
        group.retain(|line| !line.written.is_closed());
        if group.is_empty() {
            continue;
        }
        for line in &group {
            append_line(buffer, &line.event);
        }
        let result = write(kept, config, buffer);
        buffer.clear(); // what is in it would be kept
        buffer.shrink_to(BUFFER);
        let path = config.path.display();
        let result = result.map_err(|error| Arc::from(format!("{path}: {error}")));
        for line in group {
            let _ = line.written.send(result.clone()); // the caller may have gone
        }
    }
}

/// Appends the text of an event as a line: line breaks, which stand between tokens only, become blanks.
pub(super) fn append_line(buffer: &mut Vec<u8>, event: &Event) {
    let start = buffer.len();
    buffer.extend_from_slice(event.text().as_bytes());
    for byte in buffer.iter_mut().skip(start) {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    buffer.push(b'\n');
}

fn reopen(kept: &mut Option<Open>, config: &FileConfig) {
    let file = config.path.display();
    let is_same = |open: &Open| open.identity.verify_at(&config.path).is_ok();
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

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn append(path: &Path) -> io::Result<Open> {
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
    Ok(Open { file, identity })
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

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes a group of lines to the file, and again if the path names another file afterwards.
fn write(kept: &mut Option<Open>, config: &FileConfig, bytes: &[u8]) -> io::Result<()> {
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
fn ready(kept: Option<Open>, config: &FileConfig) -> io::Result<Open> {
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

fn report(path: &Path, displaced: &Displacement) {
    warn!(
        file = %path.display(), reason = %displaced,
        "file was replaced; reopened it, and unacknowledged lines are written again"
    );
}

#[cfg(test)]
mod tests;
