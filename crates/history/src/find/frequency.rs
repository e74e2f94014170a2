//! How frequent is what a search names. Called by `find.rs` before it asks.
//!
//! A query for what is frequent looks at one event after the other, from the newest, and has soon found enough. For what is rare it
//! would look at nearly all of them, and collects the few by an index, or in one pass, instead. SQLite does not know which of the two
//! it is: it keeps no statistics of what a pattern matches.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::query::{ESCAPE, GLOB, HAS_RULE, LIKE, OR_WHOLE, escaped_like, glob, lined};
use crate::search::{Search, Term};

/// How often datasets have to be named by events to be frequent. To count so many takes some milliseconds.
const NAMED: i64 = 10_000;

/// Of how many of the newest outcomes a rule is frequent, and in how many of them.
const NEWEST: i64 = 1_000;
const CHANGED: i64 = 20;

/// How frequent something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frequency {
    /// Few events have it, or it makes no difference.
    Rare,
    /// Many events have it.
    Common,
}

/// Returns the frequency of each term of a search.
pub(crate) fn frequencies(
    connection: &Connection,
    search: &Search,
) -> rusqlite::Result<Vec<Frequency>> {
    let terms = search.terms.iter();
    terms.map(|term| frequency(connection, term)).collect()
}

fn frequency(connection: &Connection, term: &Term) -> rusqlite::Result<Frequency> {
    const NODES: &str =
        "SELECT 1 FROM event_nodes WHERE node IN (SELECT node FROM nodes WHERE NOT is_job AND ";
    let (query, values, least) = match term {
        Term::Dataset(dataset) => (
            format!("{NODES}({GLOB}?1{OR_WHOLE}?1)) LIMIT {NAMED}"),
            glob(dataset),
            NAMED,
        ),
        Term::Word(word) => (
            format!("{NODES}{LIKE}?1{ESCAPE}) LIMIT {NAMED}"),
            Value::from(format!("%{}%", escaped_like(word))),
            NAMED,
        ),
        Term::Rule(rule) => {
            let newest = format!("SELECT rules FROM outcomes ORDER BY row DESC LIMIT {NEWEST}");
            let query = format!("SELECT 1 FROM ({newest}) o WHERE {HAS_RULE}?1 LIMIT {CHANGED}");
            (query, lined(rule), CHANGED)
        }
        Term::Job(_)
        | Term::Run(_)
        | Term::Id(_)
        | Term::Kind(_)
        | Term::Outcome(_)
        | Term::Target(_)
        | Term::Reason(_)
        | Term::Since(_)
        | Term::Until(_) => return Ok(Frequency::Rare),
    };
    let count = format!("SELECT count(*) FROM ({query})");
    let found: i64 = connection
        .prepare_cached(&count)?
        .query_row(params_from_iter([values]), |row| row.get(0))?;
    Ok(match found >= least {
        true => Frequency::Common,
        false => Frequency::Rare,
    })
}
