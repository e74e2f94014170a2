//! The query of a search. Its values are bound: no text of a user is part of it. Pure; called by `find.rs`.

use std::fmt::Write as _;

use rusqlite::types::Value;

use super::Page;
use super::frequency::Frequency;
use crate::search::{IdStart, OutcomeTerm, Pattern, Search, Term};

/// A node whose name, or whose namespace and name, is like a pattern. It is bound twice, the second time after [`OR_WHOLE`].
pub(super) const GLOB: &str = "name GLOB ";
pub(super) const OR_WHOLE: &str = " OR namespace || '/' || name GLOB ";

/// A node whose namespace and name have a word in them. It is bound before [`ESCAPE`].
pub(super) const LIKE: &str = "namespace || '/' || name LIKE ";
pub(super) const ESCAPE: &str = " ESCAPE '\\'";

/// An outcome `o` with a rule among its lines.
pub(super) const HAS_RULE: &str = "char(10) || o.rules || char(10) GLOB ";

/// Returns the query, and the values that are bound in it. `frequencies` are those of the terms, in their order.
pub(super) fn query(
    search: &Search,
    frequencies: &[Frequency],
    (page, limit): (Page, usize),
    now: i64,
) -> (String, Vec<Value>) {
    let mut conditions = Conditions::default();
    for (term, frequency) in search.terms.iter().zip(frequencies) {
        conditions.add(term, *frequency, now);
    }
    conditions.outcome(&search.terms, frequencies);
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
        SELECT e.event, e.changed, e.changed_at, e.id, e.accepted_at, e.kind, e.run, e.size, j.namespace, j.name, d.datasets
        FROM events e LEFT JOIN nodes j ON j.node = e.job LEFT JOIN event_details d ON d.event = e.event WHERE true";
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

    fn add(&mut self, term: &Term, frequency: Frequency, now: i64) {
        match term {
            Term::Job(job) => {
                let nodes = format!("e.job IN (SELECT node FROM nodes WHERE is_job AND ({GLOB}");
                self.and(&[&nodes, OR_WHOLE, "))"], vec![glob(job), glob(job)]);
            }
            Term::Dataset(dataset) => {
                let nodes = format!(
                    "{}(SELECT node FROM nodes WHERE NOT is_job AND ({GLOB}",
                    names_one_of(frequency)
                );
                self.and(
                    &[&nodes, OR_WHOLE, ")))"],
                    vec![glob(dataset), glob(dataset)],
                );
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
            Term::Word(word) => self.word(word, frequency),
        }
    }

    /// Adds that there is an outcome which all terms about outcomes match.
    fn outcome(&mut self, terms: &[Term], frequencies: &[Frequency]) {
        let (mut pieces, mut values) = (vec![String::new()], Vec::new());
        let mut and = |condition: &str, value: Value, end: &str| {
            if let Some(last) = pieces.last_mut() {
                last.push_str(condition);
            }
            pieces.push(end.to_owned());
            values.push(value);
        };
        let (mut is_delivered, mut is_rare) = (true, false);
        let all = terms.iter().zip(frequencies);
        let all = all.filter_map(|(term, frequency)| Some((term.of_outcome()?, frequency)));
        for (term, frequency) in all {
            match term {
                OutcomeTerm::Outcome(outcome) => {
                    is_delivered &= outcome == crate::Outcome::Delivered;
                    and(" AND o.outcome = ", outcome.name().to_owned().into(), "");
                }
                OutcomeTerm::Target(target) => and(" AND o.target GLOB ", glob(target), ""),
                OutcomeTerm::Reason(reason) => {
                    is_delivered = false;
                    and(" AND o.reason GLOB ", glob(reason), "");
                }
                OutcomeTerm::Rule(rule) => {
                    is_rare |= *frequency == Frequency::Rare;
                    and(&format!(" AND {HAS_RULE}"), lined(rule), "");
                    // These may have matched the end of one rule and the beginning of another.
                    if rule.text().contains(['*', '\n']) {
                        and(
                            &format!(" AND EXISTS ({RULES} WHERE name GLOB "),
                            glob(rule),
                            ")",
                        );
                    }
                }
            }
        }
        if values.is_empty() {
            return;
        }
        let start = match (is_delivered, is_rare) {
            // Most were delivered: looking at one after the other finds enough of them.
            (true, false) => "EXISTS (SELECT 1 FROM outcomes o WHERE o.event = e.event",
            // To read all outcomes takes a third of the time of looking for those of each event.
            (true, true) => "e.event IN (SELECT o.event FROM outcomes o WHERE true",
            // The condition lets the partial index be used.
            (false, _) => {
                "e.event IN (SELECT o.event FROM outcomes o WHERE o.outcome <> 'delivered'"
            }
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

    fn word(&mut self, word: &str, frequency: Frequency) {
        let like = |text: String| Value::from(text);
        let escaped = escaped_like(word);
        let (within, start) = (format!("%{escaped}%"), format!("{escaped}%"));
        let named = format!("(SELECT node FROM nodes WHERE {LIKE}");
        let names = names_one_of(frequency);
        self.and(
            &[
                &format!("e.job IN {named}"),
                &format!("{ESCAPE}) OR {names}{named}"),
                &format!("{ESCAPE})) OR e.event IN (SELECT event FROM outcomes WHERE outcome <> 'delivered' AND coalesce(reason, '') || ' ' || coalesce(detail, '') LIKE "),
                &format!("{ESCAPE}) OR e.id LIKE "),
                &format!("{ESCAPE} OR e.run LIKE "),
                ESCAPE,
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

/// Begins the condition that an event names one of the nodes whose numbers follow.
fn names_one_of(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::Rare => "e.event IN (SELECT event FROM event_nodes WHERE node IN ",
        // With the sign, the index of the nodes is not used: it would be searched for each of them.
        Frequency::Common => {
            "EXISTS (SELECT 1 FROM event_nodes n WHERE n.event = e.event AND +n.node IN "
        }
    }
}

pub(super) fn glob(pattern: &Pattern) -> Value {
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

/// Returns the pattern of [`HAS_RULE`] for the name of a rule.
pub(super) fn lined(rule: &Pattern) -> Value {
    format!("*\n{}\n*", escaped_glob(rule.text())).into()
}

/// Returns a text in which nothing has a meaning for LIKE with [`ESCAPE`].
pub(super) fn escaped_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
