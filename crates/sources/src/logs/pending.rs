//! An object that its text ended within, and what comes after it in its stream. Used by `scanner.rs` and `rest.rs`.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::fresh::begins_anew;
use super::json::{Kept, Key, Object, Progress};
use super::scan::{self, Head, Origin};
use super::{Lines, LogEvent};
use crate::Identity;

/// The largest event that is put together, in bytes: far above what intake accepts, and far below a memory.
pub(super) const MAX_BYTES: usize = 16_000_000;

/// The most pieces of an event. One that is printed over many lines has one a line.
const MAX_PIECES: u32 = 200_000;

/// How long after its beginning an event may go on, in milliseconds.
pub(super) const PATIENCE: i64 = 10 * 60 * 1_000;

/// The most lines between two pieces of an event that are none of it.
const MAX_OTHERS: u32 = 100;

/// The most log lines within a log line: Docker's around structlog's is two.
const MAX_LEVELS: usize = 3;

/// The longest name that a place quotes.
const MAX_NAME: usize = 100;

/// An object that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) place: Place,
    text: String,
    object: Object,
    is_repr: bool,
    origin: Vec<Origin>,
    pieces: u32,
    others: u32,
    /// Whether a line of it had bytes that were not UTF-8.
    pub(super) is_damaged: bool,
}

/// Where something begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) group: String,
    pub(super) stream: String,
    pub(super) id: String,
    pub(super) timestamp: Option<i64>,
    /// The offset in the message, and in each text within it.
    pub(super) path: String,
}

/// What the next line of the stream is to an object that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A piece of it, and not the last.
    Piece,
    /// Its last piece. What follows it in the piece is no part of it.
    Last { after: String },
    /// Something else, which may stand between its pieces.
    Other,
    /// A new line: the rest will not come.
    Anew,
    /// It has outgrown a limit.
    Beyond(&'static str),
    /// The line cannot be read because of a bug.
    Bug,
}

impl Pending {
    pub(super) fn new(place: Place, text: &str, head: Head, origin: Vec<Origin>) -> Pending {
        Pending {
            place,
            text: text.get(head.offset..).unwrap_or_default().to_owned(),
            object: head.object,
            is_repr: head.is_repr,
            origin,
            pieces: 1,
            others: 0,
            is_damaged: false,
        }
    }

    /// Looks at the next line of the stream, and takes it if it goes on.
    pub(super) fn next(&mut self, event: &LogEvent<'_>, lines: Lines) -> Step {
        let age = event.timestamp.zip(self.place.timestamp);
        if age.is_some_and(|(now, begun)| now.saturating_sub(begun) > PATIENCE) {
            return Step::Beyond("within ten minutes");
        }
        let message = bare(event.message);
        let step = if self.origin.is_empty() {
            match begins_anew(message, self.object.is_in_string()) {
                true => Step::Anew,
                false => self.append(message, lines),
            }
        } else {
            let (origin, said) = innermost(message);
            let is_anew = || begins_anew(&said, self.object.is_in_string());
            match origin == self.origin {
                false => Step::Other,
                true if is_anew() => Step::Anew,
                true => match self.append(&said, lines) {
                    // The same logger speaks of something else.
                    Step::Other => Step::Anew,
                    step @ (Step::Piece
                    | Step::Last { .. }
                    | Step::Anew
                    | Step::Beyond(_)
                    | Step::Bug) => step,
                },
            }
        };
        match step {
            Step::Other if self.others >= MAX_OTHERS => Step::Beyond("within 100 further lines"),
            Step::Other => {
                self.others += 1;
                Step::Other
            }
            Step::Piece if self.text.len() > MAX_BYTES => Step::Beyond("within 16 MB"),
            Step::Piece if self.pieces >= MAX_PIECES => Step::Beyond("within 200,000 lines"),
            step @ (Step::Piece | Step::Last { .. } | Step::Anew | Step::Beyond(_) | Step::Bug) => {
                step
            }
        }
    }

    fn append(&mut self, piece: &str, lines: Lines) -> Step {
        let joints: &[&str] = match lines {
            // Between the lines of a text stood a line feed, which cannot stand in a string or a number.
            Lines::Text if !self.object.is_in_string() => &["\n", ""],
            Lines::All | Lines::Text | Lines::Filtered => &[""],
        };
        let before = self.text.len();
        let object = self.object.clone();
        for joint in joints {
            self.text.push_str(joint);
            self.text.push_str(piece);
            match self.object.read(&self.text) {
                Progress::Unfinished => {
                    self.pieces += 1;
                    return Step::Piece;
                }
                Progress::Complete(end) => {
                    let after = self.text.split_off(end);
                    return Step::Last { after };
                }
                Progress::Broken => {
                    self.text.truncate(before);
                    self.object = object.clone();
                }
            }
        }
        Step::Other
    }

    /// Adds a line that cannot be read: with it, it is what cannot be read.
    pub(super) fn add_unread(&mut self, line: &str) {
        self.text.push_str(line);
    }

    /// What is there of it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is missed if it never ends.
    pub(super) fn is_missed(&self) -> bool {
        !self.is_repr && scan::is_missed(&self.object, &self.text)
    }

    /// Whether other lines came after it.
    pub(super) fn was_passed(&self) -> bool {
        self.others > 0
    }

    /// How much of it is there, in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Where it is, and what is known of it, for whoever looks for it.
    pub(super) fn whereabouts(&self) -> String {
        whereabouts(&self.place, &self.object, &self.text)
    }

    /// The event, once it is complete: its text, and the log line in which it stands if it is one.
    pub(super) fn into_parts(self) -> Option<(Place, String, Object, Vec<Origin>)> {
        let Pending {
            place,
            text,
            object,
            is_repr,
            origin,
            ..
        } = self;
        (!is_repr).then_some((place, text, object, origin))
    }
}

/// A message without the line feed that writers end it with: within an event that goes on it would be one too many.
pub(super) fn bare(message: &str) -> &str {
    message.trim_end_matches(['\r', '\n'])
}

/// What a message says: itself, or the text within a log line of one JSON object, with the way to it.
fn innermost(message: &str) -> (Vec<Origin>, String) {
    let (mut origins, mut said) = (Vec::new(), message.to_owned());
    while origins.len() < MAX_LEVELS
        && let Some((origin, inner)) = scan::scan(&said, 0).line
    {
        origins.push(origin);
        said = bare(&inner).to_owned();
    }
    (origins, said)
}

/// Where an event is, and its run and its job, as far as they can be read.
pub(super) fn whereabouts(place: &Place, object: &Object, text: &str) -> String {
    let inner = (!object.first().is_some_and(Key::is_of_event))
        .then(|| scan::begun_in_string(text))
        .flatten();
    let (object, text) = inner
        .as_ref()
        .map_or((object, text), |(object, said)| (object, said));
    let name = |what| {
        object
            .kept(what, text)
            .map(|name| name.chars().take(MAX_NAME).collect::<String>())
    };
    let mut whereabouts = place.to_string();
    if let Some(run) = name(Kept::RunId) {
        whereabouts.push_str(&format!(", run {run}"));
    }
    if let Some(job) = name(Kept::JobName) {
        let namespace = name(Kept::JobNamespace);
        let namespace = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
        whereabouts.push_str(&format!(", job {namespace}{job}"));
    }
    whereabouts
}

impl Place {
    pub(super) fn of(event: &LogEvent<'_>, path: String) -> Place {
        // Without an id, what stands in the stream at that time is the event.
        let id = match (event.id, event.timestamp) {
            ("", time) => format!(
                "{} {}",
                time.unwrap_or_default(),
                Identity::of(&[event.message])
            ),
            (id, _) => id.to_owned(),
        };
        Place {
            group: event.group.to_owned(),
            stream: event.stream.to_owned(),
            id,
            timestamp: event.timestamp,
            path,
        }
    }

    /// Which place it is: the same however the log is read.
    pub(super) fn position(&self) -> Identity {
        let Place {
            group,
            stream,
            id,
            path,
            ..
        } = self;
        Identity::of(&["log position", group, stream, id, path])
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "log group {}, stream ", self.group)?;
        }
        write!(f, "{}, {}", self.stream, self.id)?;
        let nanoseconds = self
            .timestamp
            .map(|timestamp| i128::from(timestamp) * 1_000_000);
        let time =
            nanoseconds.and_then(|time| OffsetDateTime::from_unix_timestamp_nanos(time).ok());
        match time.and_then(|time| time.format(&Rfc3339).ok()) {
            Some(time) => write!(f, ", {time}"),
            None => Ok(()),
        }
    }
}

/// How many log lines are looked into within each other.
pub(super) const LEVELS: usize = MAX_LEVELS;
