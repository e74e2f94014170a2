//! The position in a history, as it is kept: where the next poll begins, and what it has to know of what came before.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sources::redshift::State;
use time::OffsetDateTime;

use crate::FetchError;

/// The form. Another one is of another version of this program.
const VERSION: u64 = 1;

/// A position.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cursor {
    pub(super) from: OffsetDateTime,
    pub(super) state: State,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    redshift: u64,
    /// In microseconds since 1970, which is how precise the times of the history are.
    from: i64,
    state: Value,
}

impl Cursor {
    /// The position of a source that has never polled.
    pub(super) fn beginning(from: OffsetDateTime) -> Cursor {
        Cursor {
            from: to_micros(from).and_then(of_micros).unwrap_or(from),
            state: State::default(),
        }
    }

    /// Reads what [`written`](Self::written) gave.
    ///
    /// A damaged position is an error and never a new beginning, which would lose statements without a word.
    pub(super) fn read(json: &Value) -> Result<Cursor, FetchError> {
        let refused = |place: &str| {
            FetchError::Refused(format!(
                "the position of the source cannot be read: {place}"
            ))
        };
        let Written {
            redshift,
            from,
            state,
        } = Written::deserialize(json).map_err(|error| refused(&shape(&error)))?;
        if redshift != VERSION {
            return Err(refused("it is of another version"));
        }
        let from = of_micros(from).ok_or_else(|| refused("from: not a time"))?;
        let state =
            State::from_json(&state).map_err(|error| refused(&format!("state: {error}")))?;
        Ok(Cursor { from, state })
    }

    /// Writes it, to be kept.
    pub(super) fn written(&self) -> Value {
        json!({
            "redshift": VERSION,
            "from": to_micros(self.from).unwrap_or_default(),
            "state": self.state.to_json(),
        })
    }
}

/// What is wrong, without the value that stands there.
fn shape(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // `missing field`, `unknown field` and `invalid type` name members and types; a value would follow in quotes or after `:`.
    match text.starts_with("missing field") || text.starts_with("unknown field") {
        true => text,
        false => "a member is of another type".to_owned(),
    }
}

fn to_micros(time: OffsetDateTime) -> Option<i64> {
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000)).ok()
}

fn of_micros(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_position_that_is_damaged_is_an_error_with_its_place() {
        let cases = [
            (json!(null), "another type"),
            (json!({"from": 1, "state": {}}), "missing field `redshift`"),
            (
                json!({"redshift": 2, "from": 1, "state": {}}),
                "another version",
            ),
            (
                json!({"redshift": 1, "from": i64::MAX, "state": {}}),
                "from: not a time",
            ),
            (
                json!({"redshift": 1, "from": 1, "state": {"sessions": 7}}),
                "state: ",
            ),
            (json!({"logs": 1}), "unknown field `logs`"),
        ];
        for (json, expected) in cases {
            match Cursor::read(&json) {
                Err(FetchError::Refused(message)) => {
                    assert!(message.contains(expected), "{message}");
                }
                other => panic!("{json}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn a_position_is_read_as_it_was_written(micros in 0_i64..4_000_000_000_000_000) {
            let cursor = Cursor::beginning(of_micros(micros).unwrap());
            prop_assert_eq!(Cursor::read(&cursor.written()).unwrap(), cursor);
        }
    }
}
