//! How far each log group is read. Pure.

use std::collections::BTreeMap;

use ::sources::logs::Seen;
use serde::Deserialize;
use serde_json::{Value, json};

use super::settings::LogsConfig;
use super::window::Window;
use crate::FetchError;

/// How many events of a log group are remembered, over the overlap: 60 bytes each in the cursor. Those beyond it are found
/// again, with the same identities, and dropped by intake.
pub(super) const MAX_SEEN: usize = 10_000;

const KIND: &str = "logs/1";

/// The cursor of this source.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Counts the steps, so that a caller that goes back is noticed.
    pub(super) step: u64,
    pub(super) groups: BTreeMap<String, Position>,
}

/// How far a log group is read.
#[derive(Debug, Clone)]
pub(super) struct Position {
    /// Where reading began, in milliseconds since 1970: nothing before it is wanted.
    pub(super) begin: i64,
    /// All until then was read at least once.
    pub(super) read_to: i64,
    pub(super) seen: Seen,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: String,
    step: u64,
    groups: BTreeMap<String, WrittenPosition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPosition {
    begin: i64,
    read_to: i64,
    seen: Vec<Value>,
}

impl Cursor {
    /// Reads what [`Cursor::written`] wrote.
    pub(super) fn read(cursor: &Value) -> Result<Cursor, FetchError> {
        let refused = |what: String| {
            FetchError::Refused(format!("the cursor is not one of this source: {what}"))
        };
        let written = Written::deserialize(cursor).map_err(|error| refused(error.to_string()))?;
        if written.kind != KIND {
            return Err(refused(format!("/kind is not {KIND}")));
        }
        let position = |(group, written): (String, WrittenPosition)| {
            let seen = Seen::from_json(&written.seen, MAX_SEEN);
            let seen = seen.map_err(|error| refused(format!("/groups/{group}/seen: {error}")))?;
            if written.read_to < written.begin {
                return Err(refused(format!("/groups/{group}/read_to is before begin")));
            }
            let WrittenPosition { begin, read_to, .. } = written;
            Ok((
                group,
                Position {
                    begin,
                    read_to,
                    seen,
                },
            ))
        };
        Ok(Cursor {
            step: written.step,
            groups: written
                .groups
                .into_iter()
                .map(position)
                .collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn written(&self) -> Value {
        let position = |(group, position): (&String, &Position)| {
            let Position {
                begin,
                read_to,
                seen,
            } = position;
            (
                group.clone(),
                json!({"begin": begin, "read_to": read_to, "seen": seen.to_json()}),
            )
        };
        let groups: serde_json::Map<String, Value> = self.groups.iter().map(position).collect();
        json!({"kind": KIND, "step": self.step, "groups": groups})
    }

    /// Keeps the positions of these log groups. One that is new begins at `begin`.
    pub(super) fn keep(&mut self, groups: &[String], begin: i64) {
        self.groups.retain(|group, _| groups.contains(group));
        for group in groups {
            let position = self.groups.entry(group.clone());
            position.or_insert_with(|| Position::at(begin));
        }
    }
}

impl Position {
    pub(super) fn at(begin: i64) -> Position {
        Position {
            begin,
            read_to: begin,
            seen: Seen::new(MAX_SEEN),
        }
    }

    /// Moves on behind a window that was read; but not beyond `open`, when an event was begun that may still be under way.
    pub(super) fn pass(&mut self, window: &Window, open: Option<i64>, config: &LogsConfig) {
        let read_to = open.map_or(window.to, |open| window.to.min(open.saturating_sub(1)));
        self.read_to = read_to.max(self.begin);
        self.seen
            .forget_before(self.read_to.saturating_sub(config.overlap()));
    }
}
