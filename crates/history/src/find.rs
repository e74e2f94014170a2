//! Finds events. A search becomes one query, whose values are bound: no text of a user is part of it.

use std::fmt::Write as _;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::search::{IdStart, Pattern, Search, Term};
use crate::{FoundEvent, FoundOutcome, Name};

/// Which of the events that a search matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The newest whose last change has a smaller number, newest first. `None`: all.
    Before(Option<i64>),
    /// The oldest whose last change has a larger number, oldest first.
    After(i64),
}

/// Finds at most `limit` events. `now` is in milliseconds since 1970.
pub(crate) fn find(
    connection: &Connection,
    search: &Search,
    (page, limit): (Page, usize),
    now: i64,
) -> rusqlite::Result<Vec<FoundEvent>> {
    let (query, values) = query(search, (page, limit), now);
    let mut select = connection.prepare_cached(&query)?;
    let events = select.query_map(params_from_iter(values), |row| {
        Ok((row.get::<_, i64>("event")?, event(row)?))
    })?;
    let mut found = Vec::new();
    for event in events {
        let (number, mut event) = event?;
        event.outcomes = outcomes(connection, number)?;
        event.datasets = datasets(connection, number)?;
        found.push(event);
    }
    Ok(found)
}

/// Returns the number of the newest change; 0 if nothing is recorded.
pub(crate) fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    let select = "SELECT coalesce(max(changed), 0) FROM events";
    connection
        .prepare_cached(select)?
        .query_row([], |row| row.get(0))
}

fn query(search: &Search, (page, limit): (Page, usize), now: i64) -> (String, Vec<Value>) {
    let mut conditions = Conditions::default();
    for term in &search.terms {
        conditions.add(term, now);
    }
    let order = match page {
        Page::Before(None) => "DESC",
        Page::Before(Some(place)) => {
            conditions.and(&["e.changed < ", ""], vec![place.into()]);
            "DESC"
        }
        Page::After(place) => {
            conditions.and(&["e.changed > ", ""], vec![place.into()]);
            "ASC"
        }
    };
    let Conditions {
        mut text,
        mut values,
    } = conditions;
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    // Writing to a String does not fail.
    let _ = write!(text, " ORDER BY e.changed {order} LIMIT ?{}", values.len());
    let select = "
        SELECT e.event, e.changed, e.changed_at, e.id, e.accepted_at, e.kind, e.run, e.size, j.namespace, j.name
        FROM events e LEFT JOIN nodes j ON j.node = e.job WHERE true";
    (format!("{select}{text}"), values)
}

/// Conditions with the values that are bound in them.
#[derive(Default)]
struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition, which stands in pieces around its values.
    fn and(&mut self, pieces: &[&str], values: Vec<Value>) {
        self.text.push_str(" AND (");
        let mut values = values.into_iter();
        for piece in pieces {
            self.text.push_str(piece);
            if let Some(value) = values.next() {
                self.values.push(value);
                let _ = write!(self.text, "?{}", self.values.len());
            }
        }
        self.text.push(')');
    }

    fn add(&mut self, term: &Term, now: i64) {
        const NAMED: &str = "(name GLOB ";
        const WHOLE: &str = " OR namespace || '/' || name GLOB ";
        let outcome = "e.event IN (SELECT event FROM outcomes WHERE ";
        match term {
            Term::Job(job) => {
                let nodes = format!("e.job IN (SELECT node FROM nodes WHERE is_job AND {NAMED}");
                self.and(&[&nodes, WHOLE, "))"], vec![glob(job), glob(job)]);
            }
            Term::Dataset(dataset) => {
                let nodes = "e.event IN (SELECT event FROM event_nodes WHERE node IN (SELECT node FROM nodes WHERE NOT is_job AND ";
                let nodes = format!("{nodes}{NAMED}");
                self.and(&[&nodes, WHOLE, ")))"], vec![glob(dataset), glob(dataset)]);
            }
            Term::Run(run) => self.starts_with("e.run", run),
            Term::Id(id) => self.starts_with("e.id", id),
            // Most were delivered: looking at one after the other finds enough of them.
            Term::Outcome(crate::Outcome::Delivered) => self.and(
                &["EXISTS (SELECT 1 FROM outcomes WHERE event = e.event AND outcome = 'delivered')"],
                Vec::new(),
            ),
            // The first condition lets the partial index be used.
            Term::Outcome(other) => self.and(
                &[&format!("{outcome}outcome <> 'delivered' AND outcome = "), ")"],
                vec![other.name().to_owned().into()],
            ),
            Term::Target(target) => self.and(
                &["EXISTS (SELECT 1 FROM outcomes WHERE event = e.event AND target GLOB ", ")"],
                vec![glob(target)],
            ),
            Term::Kind(kind) => self.and(
                &["e.kind = ", " OR e.kind GLOB ", ""],
                vec![
                    kind.label().to_owned().into(),
                    format!("{} *", kind.label()).into(),
                ],
            ),
            Term::Rule(rule) => {
                let lined = format!("*\n{}\n*", escaped_glob(rule.text()));
                self.and(
                    &["EXISTS (SELECT 1 FROM outcomes WHERE event = e.event AND char(10) || rules || char(10) GLOB ", ")"],
                    vec![lined.into()],
                );
            }
            Term::Reason(reason) => self.and(
                &[&format!("{outcome}outcome <> 'delivered' AND reason GLOB "), ")"],
                vec![glob(reason)],
            ),
            Term::Since(time) => self.and(&["e.accepted_at >= ", ""], vec![time.resolve(now).into()]),
            Term::Until(time) => self.and(&["e.accepted_at < ", ""], vec![time.resolve(now).into()]),
            Term::Word(word) => self.word(word),
        }
    }

    fn starts_with(&mut self, column: &str, start: &IdStart) {
        let end = format!("{}g", start.text()); // behind every digit and hyphen
        self.and(
            &[&format!("{column} >= "), &format!(" AND {column} < "), ""],
            vec![start.text().to_owned().into(), end.into()],
        );
    }

    fn word(&mut self, word: &str) {
        let escaped = word
            .replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_");
        let like = |text: String| Value::from(text);
        let (within, start) = (format!("%{escaped}%"), format!("{escaped}%"));
        const LIKE: &str = " ESCAPE '\\'";
        let named = "(SELECT node FROM nodes WHERE namespace || '/' || name LIKE ";
        self.and(
            &[
                &format!("e.job IN {named}"),
                &format!("{LIKE}) OR e.event IN (SELECT event FROM event_nodes WHERE node IN {named}"),
                &format!("{LIKE})) OR e.event IN (SELECT event FROM outcomes WHERE outcome <> 'delivered' AND coalesce(reason, '') || ' ' || coalesce(detail, '') LIKE "),
                &format!("{LIKE}) OR e.id LIKE "),
                &format!("{LIKE} OR e.run LIKE "),
                LIKE,
            ],
            vec![
                like(within.clone()),
                like(within.clone()),
                like(within),
                like(start.clone()),
                like(start),
            ],
        );
    }
}

fn glob(pattern: &Pattern) -> Value {
    escaped_glob(pattern.text()).into()
}

/// Returns a pattern of GLOB in which only `*` has a meaning.
fn escaped_glob(text: &str) -> String {
    let escaped = |c: char| match c {
        '?' | '[' => format!("[{c}]"),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

fn event(row: &Row<'_>) -> rusqlite::Result<FoundEvent> {
    let (namespace, name): (Option<String>, Option<String>) =
        (row.get("namespace")?, row.get("name")?);
    let size: i64 = row.get("size")?;
    Ok(FoundEvent {
        id: row.get("id")?,
        position: row.get("changed")?,
        accepted_at: crate::shown(row.get("accepted_at")?),
        changed_at: crate::shown(row.get("changed_at")?),
        kind: row.get("kind")?,
        run: row.get("run")?,
        job: namespace
            .zip(name)
            .map(|(namespace, name)| Name { namespace, name }),
        datasets: Vec::new(),
        size_bytes: size.unsigned_abs(),
        outcomes: Vec::new(),
    })
}

fn outcomes(connection: &Connection, event: i64) -> rusqlite::Result<Vec<FoundOutcome>> {
    let select = "
        SELECT target, outcome, at, attempts, duration, reason, detail, rules, merged
        FROM outcomes WHERE event = ?1 ORDER BY at, target";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([event], |row| {
        let rules: Option<String> = row.get("rules")?;
        let duration: i64 = row.get("duration")?;
        Ok(FoundOutcome {
            target: row.get("target")?,
            outcome: row.get("outcome")?,
            at: crate::shown(row.get("at")?),
            attempts: row.get("attempts")?,
            duration_ms: duration.unsigned_abs(),
            reason: row.get("reason")?,
            detail: row.get("detail")?,
            rules: rules.map_or_else(Vec::new, |it| it.lines().map(str::to_owned).collect()),
            merged: row.get("merged")?,
        })
    })?;
    rows.collect()
}

fn datasets(connection: &Connection, event: i64) -> rusqlite::Result<Vec<Name>> {
    let select = "
        SELECT namespace, name FROM event_nodes JOIN nodes USING (node)
        WHERE event = ?1 ORDER BY namespace, name";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([event], |row| {
        Ok(Name {
            namespace: row.get(0)?,
            name: row.get(1)?,
        })
    })?;
    rows.collect()
}
