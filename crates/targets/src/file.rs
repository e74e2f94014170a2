//! JSON lines in a file, one event a line, rotated by size.
//!
//! A line is answered for after it is synced. The event's own line breaks (only ever white space between tokens)
//! become blanks; every other byte is as it came. A crash between write and acknowledgement can write a line twice. What
//! a crash left of a line is taken away at the next start: its event was not acknowledged, and comes again.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use openlineage::Event;
use tokio::sync::{mpsc, oneshot};

use crate::{Class, Delivery, Failure, Scope};

/// Lines that share one sync at most, and that may wait.
const GROUP: usize = 256;

/// Where lines go, and when a new file begins.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// The file that is written to.
    pub path: PathBuf,
    /// Past this many bytes it is renamed to `<path>.<milliseconds since 1970>` and a new one begun.
    pub max_bytes: u64,
    /// How many renamed files are kept; 0 keeps all.
    pub keep: usize,
}

/// A file to append to. The writer ends with the last clone.
#[derive(Debug, Clone)]
pub struct File {
    lines: mpsc::Sender<Line>,
}

struct Line {
    text: String,
    written: oneshot::Sender<Result<(), String>>,
}

impl File {
    /// Opens or creates the file; its folder has to exist.
    pub fn open(settings: FileSettings) -> io::Result<File> {
        let mut file = Some(append(&settings.path)?);
        let (lines, mut waiting) = mpsc::channel::<Line>(GROUP);
        std::thread::Builder::new()
            .name("file-target".to_owned())
            .spawn(move || {
                while let Some(first) = waiting.blocking_recv() {
                    let mut group = vec![first];
                    while group.len() < GROUP
                        && let Ok(next) = waiting.try_recv()
                    {
                        group.push(next);
                    }
                    let result =
                        write(&mut file, &settings, &group).map_err(|error| error.to_string());
                    for line in group {
                        let _ = line.written.send(result.clone()); // the caller may have gone
                    }
                }
            })?;
        Ok(File { lines })
    }

    pub(crate) async fn deliver(&self, event: &Event) -> Delivery {
        let (written, answer) = oneshot::channel();
        let text = event.text().replace(['\n', '\r'], " ");
        let sent = self.lines.send(Line { text, written }).await;
        let result = match sent {
            Ok(()) => answer
                .await
                .unwrap_or_else(|_| Err("the writer has stopped".to_owned())),
            Err(_) => Err("the writer has stopped".to_owned()),
        };
        match result {
            Ok(()) => Delivery::Delivered { id: None },
            Err(message) => {
                Delivery::Transient(Failure::new(Class::Unavailable, Scope::Target, &message))
            }
        }
    }
}

fn append(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).read(true).open(path)?;
    end_line(&mut file)?;
    sync_folder(path)?;
    Ok(file)
}

/// Lets the file end with a whole line: the next one would run into half a line. What is whole but for its line break
/// gets it.
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

/// A new name of a file outlasts a loss of power when its folder is synced, and not with the file itself.
fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes a group to the file, which is opened anew where the last group left none.
fn write(kept: &mut Option<fs::File>, settings: &FileSettings, group: &[Line]) -> io::Result<()> {
    let mut file = match kept.take() {
        Some(file) => file,
        None => append(&settings.path)?,
    };
    let mut before = file.metadata()?.len();
    if before > 0 && before >= settings.max_bytes {
        // Whatever goes wrong on the way, the next group looks what is there now.
        rotate(settings)?;
        file = append(&settings.path)?;
        before = file.metadata()?.len();
    }
    let mut bytes = Vec::new();
    for line in group {
        bytes.extend_from_slice(line.text.as_bytes());
        bytes.push(b'\n');
    }
    let written = file.write_all(&bytes).and_then(|()| file.sync_data());
    // Half a line would run into the next one. Where it cannot be taken away now, opening the file anew does.
    if written.is_ok() || file.set_len(before).is_ok() {
        *kept = Some(file);
    }
    written
}

fn rotate(settings: &FileSettings) -> io::Result<()> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    // Later than all before it, whatever the clock says: of two with one name the first would be gone, and the oldest
    // name is the first to be removed.
    let before = rotated(&settings.path)?;
    let stamp = |path: &PathBuf| path.extension()?.to_str()?.parse::<u128>().ok();
    let last = before.iter().filter_map(stamp).max();
    let now = last.map_or(now, |last| now.max(last.saturating_add(1)));
    let mut name = settings.path.clone().into_os_string();
    name.push(format!(".{now}"));
    fs::rename(&settings.path, name)?;
    // Before there is a new one: of both, the new one alone could be there after a loss of power.
    sync_folder(&settings.path)?;
    if settings.keep > 0 {
        let mut old = rotated(&settings.path)?;
        old.sort();
        let surplus = old.len().saturating_sub(settings.keep);
        old.iter().take(surplus).try_for_each(fs::remove_file)?;
    }
    Ok(())
}

/// The files that were renamed, by their names.
fn rotated(path: &Path) -> io::Result<Vec<PathBuf>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use openlineage::Level;

    #[test]
    fn half_a_line_that_a_crash_left_is_taken_away_and_a_whole_one_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let long = format!("{{\"a\":\"{}", "x".repeat(200_000));
        let whole = format!("{{}}\n{long}\"}}");
        let cases = [
            ("", ""),
            ("{}\n", "{}\n"),
            ("{}\n{}", "{}\n{}\n"),
            ("{}\n{\"a\":", "{}\n"),
            ("{}\n\0\0", "{}\n"),
            ("{\"a\"", ""),
            (&format!("{{}}\n{long}"), "{}\n"),
            (&whole, &format!("{whole}\n")),
        ];
        for (left, ended) in cases {
            fs::write(&path, left).unwrap();
            append(&path).unwrap().write_all(b"{}\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{ended}{{}}\n"));
        }
    }

    #[tokio::test]
    async fn a_file_that_somebody_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let file = File::open(FileSettings {
            path: path.clone(),
            max_bytes: 1,
            keep: 0,
        })
        .unwrap();
        let text = r#"{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","dataset":{"namespace":"n","name":"d"}}"#;
        let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
        assert_eq!(file.deliver(&event).await, Delivery::Delivered { id: None });
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        assert!(matches!(file.deliver(&event).await, Delivery::Transient(_)));
        assert_eq!(file.deliver(&event).await, Delivery::Delivered { id: None });
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{text}\n"));
    }

    #[tokio::test]
    async fn a_line_an_event_and_a_new_file_past_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let file = File::open(FileSettings {
            path: path.clone(),
            max_bytes: 100,
            keep: 2,
        })
        .unwrap();
        // From before the clock was set back.
        fs::write(folder.path().join("events.jsonl.5000000000000"), "{}\n").unwrap();
        let text = "{\n\"eventTime\":\"2026-01-01T00:00:00Z\",\"producer\":\"urn:p\",\"schemaURL\":\"urn:s\",\r\n\"dataset\":{\"namespace\":\"n\",\"name\":\"d\\n\"}}";
        let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
        for _ in 0..5 {
            assert_eq!(file.deliver(&event).await, Delivery::Delivered { id: None });
        }
        let line = fs::read_to_string(&path).unwrap();
        assert_eq!(line, text.replace(['\n', '\r'], " ") + "\n");
        let mut kept = rotated(&path).unwrap();
        kept.sort();
        let newest = [3, 4].map(|n| folder.path().join(format!("events.jsonl.500000000000{n}")));
        assert_eq!(kept, newest);
    }
}
