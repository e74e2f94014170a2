//! What is remembered between two polls of the history: sessions with their temporary tables and settings, and which
//! statements have had their event. Written into the cursor of the source as JSON; `extract` reads and changes it.
//!
//! Sessions live long, and a temporary table may be read hours after it was made. So this is kept, within bounds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Duration, OffsetDateTime};

use super::result::{moment, written};
use super::sql::Transformation;
use super::warehouse::{Place, Source};

/// The most sessions that are remembered: those that ran a statement last.
const MAX_SESSIONS: usize = 2_000;

/// The most that is remembered of all sessions, in edges of columns and names, some 100 bytes each.
const MAX_WEIGHT: usize = 100_000;

/// The most temporary tables, and created ones, of a session.
const MAX_TABLES: usize = 500;

/// A session that has done nothing for so long is over: it may last longer only if its time-out was raised to that
/// (<https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_USER.html>, `SESSION TIMEOUT`, at most 20 days).
const IDLE: Duration = Duration::days(2);

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    pub(super) sessions: BTreeMap<String, Session>,
    /// Statements that started at or after the position of the cursor, and have had their event and their findings.
    pub(super) done: BTreeSet<i64>,
    /// Whether it was said that only own statements can be seen, or that this is not so.
    pub(super) visibility_known: bool,
    /// Views that cannot be read, which was said.
    pub(super) invisible: BTreeSet<String>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    #[serde(with = "at")]
    pub(super) last: OffsetDateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) database: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) search_path: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) case_sensitive: Option<bool>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) temporaries: BTreeMap<String, Temporary>,
    /// Tables that it has created, with their columns: the catalogue may not have them yet, or no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) created: Vec<(Place, Option<Vec<String>>)>,
    /// What it was before a transaction that was rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Before>,
}

/// A session before a transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    pub(super) transaction: i64,
    pub(super) temporaries: BTreeMap<String, Temporary>,
    pub(super) created: Vec<(Place, Option<Vec<String>>)>,
}

/// A temporary table: what a statement that reads it reads in truth.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Temporary {
    /// Its columns in their order, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) columns: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) inputs: BTreeSet<Source>,
    /// Where the values of its columns come from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) edges: BTreeMap<String, BTreeSet<Edge>>,
    /// What decides which rows it has.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) influences: BTreeSet<Edge>,
}

/// A column of a table, and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Edge {
    #[serde(flatten)]
    pub(super) place: Place,
    #[serde(rename = "c")]
    pub(super) column: String,
    #[serde(rename = "x", with = "transformation")]
    pub(super) transformation: Transformation,
}

impl State {
    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// It is something else. The error names the place, and no value.
    pub fn from_json(json: &serde_json::Value) -> Result<State, String> {
        State::deserialize(json).map_err(|error| {
            // Its text may quote values, which are names of tables.
            format!(
                "not what was remembered of sessions: {:?} error",
                error.classify()
            )
        })
    }

    /// Writes it for the cursor.
    pub fn to_json(&self) -> serde_json::Value {
        // Maps with texts as keys can always be written.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The session of that key, as a new one if it is not known.
    pub(super) fn session(&mut self, key: &str, now: OffsetDateTime) -> &mut Session {
        let session = self.sessions.entry(key.to_owned());
        let session = session.or_insert_with(|| Session::new(now));
        if now - session.last > IDLE {
            *session = Session::new(now);
        }
        session.last = session.last.max(now);
        session
    }

    /// Forgets the sessions that ended, then those that ran a statement longest ago, until what is left is within bounds.
    /// Returns how many were forgotten although they may go on.
    pub(super) fn make_room(&mut self, now: OffsetDateTime) -> usize {
        self.sessions
            .retain(|_, session| now - session.last <= IDLE && !session.is_plain());
        let mut weight: usize = self.sessions.values().map(Session::weight).sum();
        if self.sessions.len() <= MAX_SESSIONS && weight <= MAX_WEIGHT {
            return 0;
        }
        let mut by_age: Vec<(OffsetDateTime, String)> = (self.sessions.iter())
            .map(|(key, session)| (session.last, key.clone()))
            .collect();
        by_age.sort_unstable();
        let mut forgotten = 0;
        for (_, key) in by_age {
            if self.sessions.len() <= MAX_SESSIONS && weight <= MAX_WEIGHT {
                break;
            }
            weight -= self
                .sessions
                .remove(&key)
                .map_or(0, |session| session.weight());
            forgotten += 1;
        }
        forgotten
    }
}

impl Session {
    pub(super) fn new(now: OffsetDateTime) -> Session {
        Session {
            last: now,
            database: None,
            search_path: None,
            case_sensitive: None,
            temporaries: BTreeMap::new(),
            created: Vec::new(),
            before: None,
        }
    }

    /// Whether nothing of it has to be remembered.
    fn is_plain(&self) -> bool {
        *self == Session::new(self.last)
    }

    fn weight(&self) -> usize {
        let tables = |tables: &BTreeMap<String, Temporary>| -> usize {
            tables.values().map(Temporary::weight).sum()
        };
        let created = |created: &[(Place, Option<Vec<String>>)]| -> usize {
            let columns =
                |(_, columns): &(Place, Option<Vec<String>>)| columns.as_ref().map_or(0, Vec::len);
            created.iter().map(|table| 1 + columns(table)).sum()
        };
        let before = self.before.as_ref();
        let before = before.map_or(0, |before| {
            tables(&before.temporaries) + created(&before.created)
        });
        1 + tables(&self.temporaries) + created(&self.created) + before
    }

    /// Remembers a temporary table. Beyond the bound the first ones by name stay.
    pub(super) fn put_temporary(&mut self, name: String, table: Temporary) {
        if self.temporaries.len() < MAX_TABLES || self.temporaries.contains_key(&name) {
            self.temporaries.insert(name, table);
        }
    }

    /// Remembers that it created a table. Beyond the bound the last ones stay.
    pub(super) fn put_created(&mut self, place: Place, columns: Option<Vec<String>>) {
        self.created.retain(|(known, _)| *known != place);
        if self.created.len() >= MAX_TABLES {
            self.created.remove(0);
        }
        self.created.push((place, columns));
    }

    pub(super) fn created(&self, place: &Place) -> Option<&Option<Vec<String>>> {
        let mut created = self.created.iter();
        created
            .find(|(known, _)| known == place)
            .map(|(_, columns)| columns)
    }
}

impl Temporary {
    fn weight(&self) -> usize {
        let edges: usize = self.edges.values().map(|edges| 1 + edges.len()).sum();
        1 + self.columns.as_ref().map_or(0, Vec::len)
            + self.inputs.len()
            + edges
            + self.influences.len()
    }
}

/// Times as Redshift writes them.
mod at {
    use super::{Deserialize, Deserializer, OffsetDateTime, Serializer, moment, written};

    pub(super) fn serialize<S: Serializer>(
        time: &OffsetDateTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&written(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OffsetDateTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        moment(&text).ok_or_else(|| serde::de::Error::custom("not a time"))
    }
}

/// Transformations by their names in the facet.
mod transformation {
    use super::{Deserialize, Deserializer, Serializer, Transformation};

    const ALL: [Transformation; 9] = [
        Transformation::Identity,
        Transformation::Transformation,
        Transformation::Aggregation,
        Transformation::Conditional,
        Transformation::Window,
        Transformation::Join,
        Transformation::Filter,
        Transformation::GroupBy,
        Transformation::Sort,
    ];

    pub(super) fn serialize<S: Serializer>(
        transformation: &Transformation,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(transformation.subtype())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Transformation, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = ALL.into_iter().find(|known| known.subtype() == text);
        found.ok_or_else(|| serde::de::Error::custom("not a transformation"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn second(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_778_637_600 + second).unwrap()
    }

    fn edge(column: &str) -> Edge {
        Edge {
            place: Place {
                database: "dev".to_owned(),
                schema: "public".to_owned(),
                table: "a".to_owned(),
            },
            column: column.to_owned(),
            transformation: Transformation::Window,
        }
    }

    fn temporary(columns: usize) -> Temporary {
        let names: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
        Temporary {
            edges: names
                .iter()
                .map(|name| (name.clone(), [edge(name)].into()))
                .collect(),
            inputs: [
                Source::Table(edge("x").place),
                Source::DynamoDb("t".to_owned()),
            ]
            .into(),
            influences: [edge("y")].into(),
            columns: Some(names),
        }
    }

    #[test]
    fn a_session_that_is_plain_or_over_is_forgotten() {
        let mut state = State::default();
        state.session("plain", second(0));
        state
            .session("old", second(0))
            .put_temporary("t".to_owned(), temporary(1));
        state
            .session("new", second(200_000))
            .put_temporary("t".to_owned(), temporary(1));
        assert_eq!(state.make_room(second(200_000)), 0);
        assert_eq!(state.sessions.keys().collect::<Vec<_>>(), ["new"]);
    }

    #[test]
    fn the_sessions_that_ran_a_statement_longest_ago_make_room() {
        let mut state = State::default();
        for (number, key) in ["a", "b", "c"].into_iter().enumerate() {
            let now = second(i64::try_from(number).unwrap());
            state
                .session(key, now)
                .put_temporary("t".to_owned(), temporary(20_000));
        }
        assert_eq!(state.make_room(second(9)), 2);
        assert_eq!(state.sessions.keys().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn an_id_that_is_used_again_after_days_is_another_session() {
        let mut state = State::default();
        state
            .session("1", second(0))
            .put_temporary("t".to_owned(), temporary(1));
        assert!(
            state
                .session("1", second(3 * 24 * 3_600))
                .temporaries
                .is_empty()
        );
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_was_written(columns in 0_usize..5, path in proptest::option::of(".{0,9}"), done in proptest::collection::btree_set(any::<i64>(), 0..9)) {
            let mut state = State { done, ..State::default() };
            let session = state.session("1@2", second(7));
            session.put_temporary("#t".to_owned(), temporary(columns));
            session.search_path = path.map(|path| vec![path]);
            session.put_created(edge("x").place, None);
            session.before = Some(Before { transaction: 7, temporaries: session.temporaries.clone(), created: Vec::new() });
            let read = State::from_json(&state.to_json());
            prop_assert_eq!(read, Ok(state));
        }
    }
}
