//! JSON lines in a file, one event a line, rotated by size.
//!
//! A line is acknowledged once it is synced and the path is seen to name the file that contains it: a file that was removed,
//! moved, replaced or truncated in the meantime is reopened, and what was not acknowledged is written again. Line breaks
//! of the event (white space between tokens) become blanks; every other byte is kept. A crash between write and
//! acknowledgement can write a line twice. Half a line that a crash left is removed at the next start: its event was not
//! acknowledged, and is delivered again.

mod open_file;
mod rotation;
mod settings;

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal::{check_creatable, check_writable};
use openlineage::Event;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use self::settings::PATH;
pub(crate) use self::settings::{FileConfig, FileSettings};
use super::place::is_same_path;
use crate::{Capabilities, Delivery, Failure, OpenError, Reason, Scope};
use open_file::{OpenFile, append, reopen, write};

/// The most lines that share one sync.
const GROUP: usize = 256;

/// What of the buffer for a group is kept for the next one, in bytes: more than a group of the usual events needs.
const BUFFER: usize = 1 << 20;

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
    /// How many [`Gathering`]s there are.
    gatherings: usize,
}

/// While there is one, the writer is not woken for lines: more of the batch follow, and all of them are to share a sync.
#[derive(Debug)]
pub struct Gathering(File);

impl Drop for Gathering {
    fn drop(&mut self) {
        lock(&self.0.waiting).gatherings -= 1;
        // Even while another batch gathers: the lines of this one must not wait for it.
        self.0.wake();
    }
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
        self.wake();
    }

    /// Lets the lines that are delivered from now on share a sync. The writer is not woken for them until the result is dropped. It
    /// writes them earlier if it is woken for something else.
    #[must_use = "it ends when it is dropped"]
    pub(crate) fn gather(&self) -> Gathering {
        lock(&self.waiting).gatherings += 1;
        Gathering(self.clone())
    }

    pub(crate) async fn deliver(&self, event: &Event) -> Delivery {
        let (written, answer) = oneshot::channel();
        let event = event.clone();
        let is_gathered = {
            let mut waiting = lock(&self.waiting);
            waiting.lines.push(Line { event, written });
            waiting.gatherings > 0
        };
        if !is_gathered {
            // The other deliveries that the last sync has released add their next lines first: the writer is woken once for all.
            tokio::task::yield_now().await;
            self.wake();
        }
        let stopped = || Err(Arc::from("the writer has stopped"));
        match answer.await.unwrap_or_else(|_| stopped()) {
            Ok(()) => Delivery::Delivered { id: None },
            Err(message) => {
                Delivery::Transient(Failure::new(Reason::Unavailable, Scope::Target, &message))
            }
        }
    }

    /// Wakes the writer. If it has ended, fails the lines that wait for it.
    fn wake(&self) {
        match self.wake.try_send(()) {
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Closed(_)) => lock(&self.waiting).lines.clear(),
        }
    }
}

/// Writes the lines that wait, in groups, until there are none.
fn write_all(
    waiting: &Mutex<Waiting>,
    kept: &mut Option<OpenFile>,
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
    let text = event.text().as_bytes();
    buffer.extend_from_slice(text);
    for at in memchr::memchr2_iter(b'\n', b'\r', text) {
        if let Some(byte) = buffer.get_mut(start + at) {
            *byte = b' ';
        }
    }
    buffer.push(b'\n');
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
