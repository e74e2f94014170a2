//! How far a replay is: which events need no further attempt, in memory and in its state file.
//!
//! Events end in another order than they are read. Everything up to `position` has ended; of what comes after it, `done` lists
//! what has ended, too. The file is replaced as a whole, and synced before a settlement is confirmed, so that a replay that is
//! resumed sends nothing again whose confirmation the file has.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::origin::Position;

/// What a replay is: one that differs in any of these does not resume another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) from: String,
    pub(super) to: String,
    /// A digest of where the target is: another URL behind the same name has got nothing yet.
    #[serde(default)]
    pub(super) destination: String,
    pub(super) rules: bool,
    /// Whether events that were accepted before are to be taken again: the progress of a replay without that is about other posts.
    #[serde(default)]
    pub(super) new_token: bool,
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
    pub(super) job: Option<String>,
    pub(super) run: Option<String>,
    pub(super) kind: Option<String>,
    #[serde(rename = "where")]
    pub(super) conditions: Option<String>,
}

/// The state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    pub(super) replay: Identity,
    /// When it began, in milliseconds since 1970: relative times count from here.
    pub(super) started_at: i64,
    /// The position of the newest event of a log when it began: later events do not belong to it.
    #[serde(default)]
    pub(super) newest: Option<i64>,
    /// What the client tokens of a replay with `new_token` are made of: a replay that is resumed repeats its posts with the same
    /// tokens.
    #[serde(default)]
    pub(super) token_salt: Option<String>,
    /// A hash of the first event that was read.
    pub(super) first: Option<String>,
    /// Everything up to here has ended.
    pub(super) position: Option<Position>,
    /// What has ended after that.
    pub(super) done: Vec<Span>,
    /// How many events were confirmed by the target, or dropped by a rule.
    pub(super) confirmed: u64,
    /// How many were given up.
    pub(super) given_up: u64,
}

/// Events of one file that have ended: from the first index to the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    place: String,
    first: i64,
    last: i64,
}

/// Why the state could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("{0}: not the state of a replay: {1}")]
    Invalid(String, serde_json::Error),
    #[error(
        "{file}: is the state of another replay: {what} is {found}, and was {expected}; pass --restart to forget it, or another --state"
    )]
    Different {
        file: String,
        what: &'static str,
        found: String,
        expected: String,
    },
}

const VERSION: u32 = 2;

impl State {
    pub(super) fn new(replay: Identity, started_at: i64, newest: Option<i64>) -> State {
        State {
            version: VERSION,
            token_salt: replay.new_token.then(|| Uuid::now_v7().to_string()),
            replay,
            started_at,
            newest,
            first: None,
            position: None,
            done: Vec::new(),
            confirmed: 0,
            given_up: 0,
        }
    }

    /// Reads a state file; `None` if there is none. One of another replay is an error.
    pub(super) fn read(path: &Path, replay: &Identity) -> Result<Option<State>, StateError> {
        let file = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Io(file, error)),
        };
        let state: State = match serde_json::from_str(&text) {
            Ok(state) => state,
            Err(error) => return Err(StateError::Invalid(file, error)),
        };
        match state.difference(replay) {
            None => Ok(Some(state)),
            Some((what, found, expected)) => Err(StateError::Different {
                file,
                what,
                found,
                expected,
            }),
        }
    }

    /// The first thing in which a replay differs from this one: its name, what it is now, and what it was.
    fn difference(&self, now: &Identity) -> Option<(&'static str, String, String)> {
        let was = &self.replay;
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        let pairs = [
            ("version", VERSION.to_string(), self.version.to_string()),
            ("FROM", now.from.clone(), was.from.clone()),
            ("the target", now.to.clone(), was.to.clone()),
            (
                "the digest of the destination",
                now.destination.clone(),
                was.destination.clone(),
            ),
            (
                "whether rules are applied",
                now.rules.to_string(),
                was.rules.to_string(),
            ),
            (
                "whether --new-token is set",
                now.new_token.to_string(),
                was.new_token.to_string(),
            ),
            ("--since", shown(&now.since), shown(&was.since)),
            ("--until", shown(&now.until), shown(&was.until)),
            ("--job", shown(&now.job), shown(&was.job)),
            ("--run", shown(&now.run), shown(&was.run)),
            ("--kind", shown(&now.kind), shown(&was.kind)),
            ("--where", shown(&now.conditions), shown(&was.conditions)),
        ];
        pairs.into_iter().find(|(_, now, was)| now != was)
    }

    /// Whether an event has ended before.
    pub(super) fn has_ended(&self, position: &Position) -> bool {
        let is_in = |span: &Span| {
            span.place == position.place && (span.first..=span.last).contains(&position.index)
        };
        self.has_passed(position) || self.done.iter().any(is_in)
    }

    /// Whether everything up to an event has ended.
    fn has_passed(&self, event: &Position) -> bool {
        self.position.as_ref().is_some_and(|end| {
            let places = Position::place_order(&event.place, &end.place);
            places.then(event.index.cmp(&end.index)).is_le()
        })
    }

    /// Replaces the file durably.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        journal::replace_file(path, &serde_json::to_vec(self)?)
    }
}

/// The events that were read by this process, and which of them have ended.
#[derive(Debug)]
pub(super) struct Progress {
    state: State,
    next: u64,
    open: BTreeMap<u64, OpenEvent>,
    /// What has ended while an earlier event has not.
    ended: BTreeMap<u64, Position>,
}

/// An event that has not ended.
#[derive(Debug)]
pub(super) struct OpenEvent {
    position: Position,
    /// Where it is, for a person.
    pub(super) shown: String,
}

impl Progress {
    pub(super) fn new(state: State) -> Progress {
        Progress {
            state,
            next: 0,
            open: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Adds an event, in the order of reading. Returns its number.
    pub(super) fn begin(&mut self, position: Position, shown: String) -> u64 {
        let number = self.next;
        self.next += 1;
        self.open.insert(number, OpenEvent { position, shown });
        number
    }

    /// Ends an event. Returns it, if it was open.
    pub(super) fn end(&mut self, number: u64) -> Option<OpenEvent> {
        let event = self.open.remove(&number)?;
        self.ended.insert(number, event.position.clone());
        let first_open = self.open.keys().next().copied().unwrap_or(u64::MAX);
        while let Some(entry) = self.ended.first_entry()
            && *entry.key() < first_open
        {
            self.state.position = Some(entry.remove());
        }
        Some(event)
    }

    /// Counts an event that was confirmed or given up.
    pub(super) fn count(&mut self, is_given_up: bool) {
        match is_given_up {
            true => self.state.given_up += 1,
            false => self.state.confirmed += 1,
        }
    }

    /// How many events have ended while an earlier one has not.
    pub(super) fn ahead(&self) -> usize {
        self.ended.len()
    }

    /// Records a hash of the first event; returns whether it is the one that was recorded before.
    pub(super) fn is_first(&mut self, hash: &str) -> bool {
        self.state.first.get_or_insert_with(|| hash.to_owned()) == hash
    }

    /// The state to write. `before` is that with which the replay was resumed: what had ended then has ended still.
    pub(super) fn state(&self, before: &State) -> State {
        let mut spans: Vec<Span> = Vec::new();
        for position in self.ended.values() {
            match spans.last_mut() {
                Some(span) if span.place == position.place && span.last + 1 == position.index => {
                    span.last = position.index;
                }
                Some(_) | None => spans.push(Span {
                    place: position.place.clone(),
                    first: position.index,
                    last: position.index,
                }),
            }
        }
        let mut state = self.state.clone();
        // The position may have passed it meanwhile.
        let old = before.done.iter().filter(|span| {
            !state.has_passed(&Position {
                place: span.place.clone(),
                index: span.last,
            })
        });
        spans.extend(old.cloned());
        state.done = spans;
        state
    }
}

#[cfg(test)]
mod tests;
