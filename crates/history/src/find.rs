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

/// How large a page grows, in bytes of names and reasons, before its last event. Usually a thousand events have less than 1 MB.
const PAGE: usize = 8_000_000;

/// Finds at most `limit` events. Returns whether there are more because the page is large. `now` is in milliseconds since 1970.
pub(crate) fn find(
    connection: &Connection,
    search: &Search,
    (page, limit): (Page, usize),
    now: i64,
) -> rusqlite::Result<(Vec<FoundEvent>, bool)> {
    let (query, values) = query(search, (page, limit), now);
    let mut select = connection.prepare_cached(&query)?;
    let events = select.query_map(params_from_iter(values), |row| {
        Ok((row.get::<_, i64>("event")?, event(row)?))
    })?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    for event in events {
        let (number, mut event) = event?;
        if bytes >= PAGE {
            return Ok((found, true));
        }
        event.outcomes = outcomes(connection, number)?;
        event.datasets = datasets(connection, number)?;
        bytes += size(&event);
        found.push(event);
    }
    Ok((found, false))
}

/// About how long the texts of an event are, in bytes.
fn size(event: &FoundEvent) -> usize {
    let names = event.datasets.iter().chain(&event.job);
    let names: usize = names.map(|it| it.namespace.len() + it.name.len()).sum();
    let outcome = |it: &FoundOutcome| {
        let detail = it.detail.as_ref().map_or(0, String::len);
        it.target.len() + detail + it.rules.iter().map(String::len).sum::<usize>()
    };
    names + event.outcomes.iter().map(outcome).sum::<usize>()
}

/// Returns the number of the newest change, also if its event was deleted; 0 if nothing was ever recorded.
pub(crate) fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    // A repair of a damaged file may find rows of one of them only.
    let select = "
        SELECT max(
            coalesce((SELECT max(last) FROM changes), 0),
            coalesce((SELECT max(changed) FROM events), 0),
            coalesce((SELECT max(row) FROM outcomes), 0))";
    connection
        .prepare_cached(select)?
        .query_row([], |row| row.get(0))
}

fn query(search: &Search, (page, limit): (Page, usize), now: i64) -> (String, Vec<Value>) {
    let mut conditions = Conditions::default();
    for term in &search.terms {
        conditions.add(term, now);
    }
    conditions.outcome(&search.terms);
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

/// The rules of the outcome `o`, one in each row.
const RULES: &str = "
    WITH RECURSIVE rule (name, rest) AS (
        SELECT NULL, o.rules || char(10)
        UNION ALL
        SELECT substr(rest, 1, instr(rest, char(10)) - 1), substr(rest, instr(rest, char(10)) + 1)
        FROM rule WHERE rest <> '')
    SELECT 1 FROM rule";

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
            Term::Kind(kind) => self.and(
                &["e.kind = ", " OR e.kind GLOB ", ""],
                vec![
                    kind.label().to_owned().into(),
                    format!("{} *", kind.label()).into(),
                ],
            ),
            // They are about the same outcome.
            Term::Outcome(_) | Term::Target(_) | Term::Rule(_) | Term::Reason(_) => {}
            Term::Since(time) => {
                self.and(&["e.accepted_at >= ", ""], vec![time.resolve(now).into()])
            }
            Term::Until(time) => {
                self.and(&["e.accepted_at < ", ""], vec![time.resolve(now).into()])
            }
            Term::Word(word) => self.word(word),
        }
    }

    /// Adds that there is an outcome which all terms about outcomes match.
    fn outcome(&mut self, terms: &[Term]) {
        let (mut pieces, mut values) = (vec![String::new()], Vec::new());
        let mut and = |condition: &str, value: Value, end: &str| {
            if let Some(last) = pieces.last_mut() {
                last.push_str(condition);
            }
            pieces.push(end.to_owned());
            values.push(value);
        };
        let mut is_delivered = true;
        for term in terms {
            match term {
                Term::Outcome(outcome) => {
                    is_delivered &= *outcome == crate::Outcome::Delivered;
                    and(" AND o.outcome = ", outcome.name().to_owned().into(), "");
                }
                Term::Target(target) => and(" AND o.target GLOB ", glob(target), ""),
                Term::Reason(reason) => {
                    is_delivered = false;
                    and(" AND o.reason GLOB ", glob(reason), "");
                }
                Term::Rule(rule) => {
                    let lined = format!("*\n{}\n*", escaped_glob(rule.text()));
                    let some = " AND char(10) || o.rules || char(10) GLOB ";
                    and(some, lined.into(), "");
                    // These may have matched the end of one rule and the beginning of another.
                    if rule.text().contains(['*', '\n']) {
                        and(
                            &format!(" AND EXISTS ({RULES} WHERE name GLOB "),
                            glob(rule),
                            ")",
                        );
                    }
                }
                Term::Job(_)
                | Term::Dataset(_)
                | Term::Run(_)
                | Term::Id(_)
                | Term::Kind(_)
                | Term::Since(_)
                | Term::Until(_)
                | Term::Word(_) => {}
            }
        }
        if values.is_empty() {
            return;
        }
        let start = match is_delivered {
            // Most were delivered: looking at one after the other finds enough of them.
            true => "EXISTS (SELECT 1 FROM outcomes o WHERE o.event = e.event",
            // The condition lets the partial index be used.
            false => "e.event IN (SELECT o.event FROM outcomes o WHERE o.outcome <> 'delivered'",
        };
        if let Some(first) = pieces.first_mut() {
            first.insert_str(0, start);
        }
        if let Some(last) = pieces.last_mut() {
            last.push(')');
        }
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        self.and(&pieces, values);
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
        SELECT row, target, outcome, at, attempts, duration, reason, detail, rules, merged
        FROM outcomes WHERE event = ?1 ORDER BY at, target";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([event], |row| {
        let rules: Option<String> = row.get("rules")?;
        let duration: i64 = row.get("duration")?;
        Ok(FoundOutcome {
            position: row.get("row")?,
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
