//! Where the events of a replay come from: a data folder, an archive, or files.
//!
//! All are read in one order, from beginning to end, so that a position says what was read before it. Events are sent on as
//! they are read; nothing here knows what becomes of them. What S3 needs is in `bucket.rs`.

use std::cmp::Ordering;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use proxy::config::Errors;
use proxy::queue::{AcceptedBetween, Log};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use super::super::input::{self, InputFile, LocatedEvent, ReadError};
use super::ahead::ObjectsAhead;
use super::bucket::Bucket;
use super::output;

/// A position in what is read: a file below FROM, and the index of an event in it. In a log, the number of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) place: String,
    pub(super) index: i64,
}

impl Position {
    /// Compares places as they are read: folder by folder, in the order of their names.
    pub(super) fn place_order(one: &str, other: &str) -> Ordering {
        Path::new(one).cmp(Path::new(other))
    }
}

/// An event as it was found.
#[derive(Debug)]
pub(super) struct FoundEvent {
    pub(super) position: Position,
    /// Where it is, for a person: `file:line`.
    pub(super) shown: String,
    /// Its id in the log.
    pub(super) id: Option<String>,
    /// When it was accepted or archived, in milliseconds since 1970, if that is known.
    pub(super) time: Option<i64>,
    pub(super) text: Vec<u8>,
}

impl FoundEvent {
    /// An event of a file or object, whose events have all been archived at `time`.
    pub(super) fn in_file(found: LocatedEvent, place: &str, time: Option<i64>) -> FoundEvent {
        FoundEvent {
            position: Position {
                place: place.to_owned(),
                index: i64::try_from(found.index).unwrap_or(i64::MAX),
            },
            shown: found.place() + &found.which(),
            id: None,
            time,
            text: found.text,
        }
    }
}

/// What is sent on: an event, or why a file could not be read, after which others follow.
pub(super) type FoundResult = Result<FoundEvent, String>;

/// The events to read.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// The times between which they were accepted or archived, where that is known.
    pub(super) accepted: AcceptedBetween,
    /// The end that was asked for. What is archived after the replay began does not belong to it, and `accepted` ends there.
    pub(super) asked_until: i64,
    /// In a log, the position of the last one.
    pub(super) last: Option<i64>,
    /// Where to go on: everything before was read.
    pub(super) after: Option<Position>,
}

/// Where events come from.
#[derive(Debug, Clone)]
pub(super) enum ReplayOrigin {
    /// The log in a data folder, perhaps beside a running `serve`.
    Log(PathBuf),
    /// An archive on disk.
    Archive(PathBuf),
    /// An archive in S3.
    Bucket(Bucket),
    /// A file, a folder of files, or standard input.
    Files(String),
}

/// The log in a data folder, and the databases of older versions, which `serve` takes over.
const LOG: &str = "events.db";
const OLD: [&str; 2] = ["queue.db", "store.db"];

/// What the names of the folders of an archive begin with.
const DAY: &str = "dt=";
const HOUR: &str = "hour=";

const HOUR_MILLIS: i64 = 3_600_000;

impl ReplayOrigin {
    /// Finds out what a text of the command line names.
    pub(super) fn find(text: &str) -> anyhow::Result<ReplayOrigin> {
        if text.starts_with("s3://") {
            return Ok(ReplayOrigin::Bucket(Bucket::parse(text)?));
        }
        let path = Path::new(text);
        if text == "-" || !path.is_dir() {
            // Reports one that does not exist.
            input::sources(&[text.to_owned()])?;
            return Ok(ReplayOrigin::Files(text.to_owned()));
        }
        if path.join(LOG).is_file() {
            return Ok(ReplayOrigin::Log(path.to_owned()));
        }
        if OLD.iter().any(|name| path.join(name).is_file()) {
            let why = "a data folder of an older version: start serve on it once, which takes over what it holds";
            return Err(Errors::general(format!("{text}: {why}")).into());
        }
        match folders(path, DAY)?.is_empty() {
            true => Ok(ReplayOrigin::Files(text.to_owned())),
            false => Ok(ReplayOrigin::Archive(path.to_owned())),
        }
    }

    /// A database of an older version in the data folder, whose events are being added to the log before the others.
    pub(super) fn old_store(&self) -> Option<PathBuf> {
        match self {
            ReplayOrigin::Log(folder) => {
                Some(folder.join("store.db")).filter(|file| file.is_file())
            }
            ReplayOrigin::Archive(_) | ReplayOrigin::Bucket(_) | ReplayOrigin::Files(_) => None,
        }
    }

    /// Its name in the state of a replay: the same from every working directory.
    pub(super) fn name(&self) -> String {
        let absolute = |path: &Path| {
            let absolute = fs::canonicalize(path);
            absolute
                .unwrap_or_else(|_| path.to_owned())
                .display()
                .to_string()
        };
        match self {
            ReplayOrigin::Log(path) | ReplayOrigin::Archive(path) => absolute(path),
            ReplayOrigin::Bucket(bucket) => bucket.name(),
            ReplayOrigin::Files(name) if name == "-" => name.clone(),
            ReplayOrigin::Files(name) => absolute(Path::new(name)),
        }
    }

    /// The position of the newest event that a log has now; `None` for what is not a log.
    pub(super) async fn newest(&self) -> anyhow::Result<Option<i64>> {
        match self {
            ReplayOrigin::Log(folder) => Ok(Log::open(folder).await?.newest().await?),
            ReplayOrigin::Archive(_) | ReplayOrigin::Bucket(_) | ReplayOrigin::Files(_) => Ok(None),
        }
    }

    /// Reads all events of the range, until nobody receives them.
    pub(super) async fn read(self, range: Range, out: Sender<FoundResult>) -> anyhow::Result<()> {
        match self {
            ReplayOrigin::Log(folder) => read_log(&folder, &range, &out).await,
            ReplayOrigin::Bucket(bucket) => bucket.read(&range, &out).await,
            ReplayOrigin::Archive(root) => {
                let read = move || read_archive(&root, &range, &out);
                tokio::task::spawn_blocking(read).await?
            }
            ReplayOrigin::Files(name) => {
                let read = move || {
                    let mut sources = input::sources(std::slice::from_ref(&name))?;
                    sources.retain(|source| source.is_named() || !is_state(source.name()));
                    let place = |file: &str| (below(&name, file), None);
                    let mut ahead = ObjectsAhead::default(); // no time is known
                    let _ = read_sources(&sources, &range, &out, &mut ahead, place);
                    Ok(())
                };
                tokio::task::spawn_blocking(read).await?
            }
        }
    }
}

/// Whether a file in a folder is the state of a replay, or belongs to one.
fn is_state(path: &str) -> bool {
    let name = Path::new(path).file_name().unwrap_or_default();
    name.to_string_lossy().contains(output::STATE)
}

/// The path of a file below FROM, which may be written in another way the next time.
fn below(from: &str, file: &str) -> String {
    let below = Path::new(file).strip_prefix(from);
    below.unwrap_or(Path::new(file)).display().to_string()
}

async fn read_log(folder: &Path, range: &Range, out: &Sender<FoundResult>) -> anyhow::Result<()> {
    let log = Log::open(folder).await?;
    let last = range.last.unwrap_or(i64::MIN); // the log was empty
    let mut position = range.after.as_ref().map_or(i64::MIN, |after| after.index);
    loop {
        let step = log.read(position, last, range.accepted).await?;
        for event in step.events {
            let found = FoundEvent {
                position: Position {
                    place: String::new(),
                    index: event.position,
                },
                shown: event.id.clone(),
                id: Some(event.id),
                time: Some(event.received_at),
                text: event.body.into_bytes(),
            };
            if out.send(Ok(found)).await.is_err() {
                return Ok(());
            }
        }
        match step.next {
            Some(next) => position = next,
            None => return Ok(()),
        }
    }
}

/// Reads an archive hour by hour, so that only the names of one hour are in memory.
fn read_archive(root: &Path, range: &Range, out: &Sender<FoundResult>) -> anyhow::Result<()> {
    let mut ahead = ObjectsAhead::default();
    for day in folders(root, DAY)? {
        for hour in folders(&root.join(&day), HOUR)? {
            if !is_in_range(&day, &hour, range) && !is_later(&day, &hour, range) {
                continue;
            }
            let folder = root.join(&day).join(&hour);
            let Ok(sources) = input::sources(&[folder.display().to_string()]) else {
                continue; // there is no file in it
            };
            let place = |name: &str| {
                let file = Path::new(name).file_name().unwrap_or_default();
                let file = file.to_string_lossy();
                (format!("{day}/{hour}/{file}"), archived_at(&file))
            };
            if read_sources(&sources, range, out, &mut ahead, place).is_break() {
                return Ok(());
            }
        }
    }
    if let Some(finding) = ahead.finding() {
        let _ = out.blocking_send(Err(finding)); // nobody may receive it any more
    }
    Ok(())
}

/// Reads files. `place` returns the place of a file, and when its events were archived, if that is known.
fn read_sources(
    sources: &[InputFile],
    range: &Range,
    out: &Sender<FoundResult>,
    ahead: &mut ObjectsAhead,
    place: impl Fn(&str) -> (String, Option<i64>),
) -> ControlFlow<()> {
    for source in sources {
        let (place, time) = place(source.name());
        if is_read(&place, range) {
            continue;
        }
        if !time.is_none_or(|time| range.accepted.contains(time)) {
            ahead.note(&place, time, range, proxy::queue::now());
            continue;
        }
        let read = source.read(|found| {
            let event = FoundEvent::in_file(found, &place, time);
            out.blocking_send(Ok(event))
                .map_err(|_| ReceiverGone.into())
        });
        match read {
            Ok(_) => {}
            Err(error) if error.is::<ReceiverGone>() => return ControlFlow::Break(()),
            // A file that is damaged keeps nothing from the others.
            Err(error) => {
                if out.blocking_send(Err(format!("{error:#}"))).is_err() {
                    return ControlFlow::Break(());
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// Nobody receives the events any more.
#[derive(Debug, thiserror::Error)]
#[error("the replay was stopped")]
struct ReceiverGone;

/// Whether everything in a file was read before.
pub(super) fn is_read(place: &str, range: &Range) -> bool {
    let after = range.after.as_ref();
    after.is_some_and(|after| Position::place_order(place, &after.place).is_lt())
}

/// When an object of an archive was written: its name is a UUID of version 7.
pub(super) fn archived_at(file: &str) -> Option<i64> {
    let id = Uuid::try_parse(file.split('.').next()?).ok()?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    let millis = seconds.checked_mul(1_000)? + u64::from(nanos / 1_000_000);
    i64::try_from(millis).ok()
}

/// Whether an hour of an archive may have objects of the range: folders and names are made one after the other.
pub(super) fn is_in_range(day: &str, hour: &str, range: &Range) -> bool {
    let Some(start) = start_of(day, hour) else {
        return true; // it is not one of ours
    };
    let AcceptedBetween { since, until } = range.accepted;
    let is_read = range.after.as_ref().is_some_and(|after| {
        let last = format!("{day}/{hour}/\u{10ffff}");
        Position::place_order(&last, &after.place).is_lt()
    });
    !is_read
        && start.saturating_add(2 * HOUR_MILLIS) > since
        && start.saturating_sub(HOUR_MILLIS) < until
}

/// Whether all objects of an hour are after the range.
fn is_later(day: &str, hour: &str, range: &Range) -> bool {
    let start = start_of(day, hour);
    start.is_some_and(|start| start.saturating_sub(HOUR_MILLIS) >= range.accepted.until)
}

/// When an hour of an archive begins; `None` if it is not one of ours.
fn start_of(day: &str, hour: &str) -> Option<i64> {
    let (day, hour) = (day.strip_prefix(DAY)?, hour.strip_prefix(HOUR)?);
    let start = openlineage::date_time(&format!("{day}T{hour}:00:00Z"))?;
    start.unix_timestamp().checked_mul(1_000)
}

/// The names of the folders in a folder that begin with `prefix`, in order.
fn folders(folder: &Path, prefix: &str) -> Result<Vec<String>, ReadError> {
    let failed = |error| ReadError::new(folder.display().to_string(), error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && entry.path().is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests;
