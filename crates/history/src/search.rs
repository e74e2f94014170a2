//! A search as people type it: `job:dbt.* outcome:dead since:2h orders`.
//!
//! A term is a key with a value, or a word; an event is found if all terms match it. A value with spaces, and a word that
//! looks like a key, stands in quotes: `job:"daily load" "a:b"`. In quotes, `\"` is a quote and `\\` a backslash. The same
//! text is understood by the HTTP API and by the command line; printing a search and reading it again gives the same. Pure.

mod unsettled;

use std::fmt;
use std::str::FromStr;

use settings::{Format, PointInTime, nearest};

pub use unsettled::Unsettled;

use crate::Outcome;

/// The longest search, in characters.
const MAX_LENGTH: usize = 2_000;

/// The most terms: each is a condition of its own for every event.
const MAX_TERMS: usize = 20;

/// The most characters of a wrong text in an error.
const MAX_SHOWN: usize = 40;

/// The keys, in the order of the documentation.
const KEYS: [&str; 11] = [
    "job", "dataset", "run", "id", "outcome", "target", "kind", "rule", "reason", "since", "until",
];

/// What events are looked for. Without terms, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// All have to match. Those that tell of an outcome have to match the same one.
    pub terms: Vec<Term>,
}

/// A condition of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// The job: its name, or its namespace and name with a slash between them.
    Job(Pattern),
    /// A dataset that the event names, likewise.
    Dataset(Pattern),
    /// The run id.
    Run(IdStart),
    /// The id that ingest returned.
    Id(IdStart),
    /// The outcome at some target.
    Outcome(Outcome),
    /// The name of a target at which it has an outcome.
    Target(Pattern),
    /// The kind of event or the type of a RunEvent.
    Kind(Kind),
    /// A rule that changed or dropped it.
    Rule(Pattern),
    /// The code of the reason of an outcome.
    Reason(Pattern),
    /// It was accepted then or later.
    Since(PointInTime),
    /// It was accepted before.
    Until(PointInTime),
    /// A text in a name, a namespace or a reason, whose ASCII letters may be in any case; or the beginning of a run id or an id.
    Word(String),
}

/// A term about an outcome: see [`Term::of_outcome`].
pub(crate) enum OutcomeTerm<'t> {
    Outcome(Outcome),
    Target(&'t Pattern),
    Rule(&'t Pattern),
    Reason(&'t Pattern),
}

/// A text in which `*` stands for any text. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// The beginning of a UUID, at least four characters in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdStart(String);

/// A kind of event, or a type of RunEvents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    name: &'static str,
    /// The beginning of [`openlineage::Event::label`].
    label: &'static str,
}

/// By their names, as a search has them.
const KINDS: [Kind; 9] = [
    Kind::new("run", "RunEvent"),
    Kind::new("job", "JobEvent"),
    Kind::new("dataset", "DatasetEvent"),
    Kind::new("start", "RunEvent START"),
    Kind::new("running", "RunEvent RUNNING"),
    Kind::new("complete", "RunEvent COMPLETE"),
    Kind::new("abort", "RunEvent ABORT"),
    Kind::new("fail", "RunEvent FAIL"),
    Kind::new("other", "RunEvent OTHER"),
];

/// Why a search cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("character {place}: {message}")]
pub struct SearchError {
    /// Where, as the number of a character, from 1.
    pub place: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl Term {
    /// Returns the term if it is about an outcome.
    pub(crate) fn of_outcome(&self) -> Option<OutcomeTerm<'_>> {
        match self {
            Term::Outcome(outcome) => Some(OutcomeTerm::Outcome(*outcome)),
            Term::Target(target) => Some(OutcomeTerm::Target(target)),
            Term::Rule(rule) => Some(OutcomeTerm::Rule(rule)),
            Term::Reason(reason) => Some(OutcomeTerm::Reason(reason)),
            Term::Job(_)
            | Term::Dataset(_)
            | Term::Run(_)
            | Term::Id(_)
            | Term::Kind(_)
            | Term::Since(_)
            | Term::Until(_)
            | Term::Word(_) => None,
        }
    }
}

impl Pattern {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl IdStart {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<IdStart> {
        let is_id = |c: char| c.is_ascii_hexdigit() || c == '-';
        let fits = (4..=36).contains(&text.len()) && text.chars().all(is_id);
        fits.then(|| IdStart(text.to_ascii_lowercase()))
    }
}

impl Kind {
    const fn new(name: &'static str, label: &'static str) -> Kind {
        Kind { name, label }
    }

    /// The beginning of [`openlineage::Event::label`].
    pub fn label(self) -> &'static str {
        self.label
    }
}

impl FromStr for Search {
    type Err = SearchError;

    fn from_str(text: &str) -> Result<Search, SearchError> {
        let error = |place, message| Err(SearchError { place, message });
        if text.chars().count() > MAX_LENGTH {
            return error(MAX_LENGTH, format!("longer than {MAX_LENGTH} characters"));
        }
        // SQLite reads a pattern up to this character.
        if let Some(before) = text.chars().position(|c| c == '\0') {
            return error(before + 1, "NUL cannot be searched for".to_owned());
        }
        let mut reader = Reader { text, at: 0 };
        let mut terms = Vec::new();
        while reader.skip_spaces() {
            let place = reader.place();
            if terms.len() == MAX_TERMS {
                return error(place, format!("more than {MAX_TERMS} terms"));
            }
            let term = reader.term();
            match term {
                Ok(term) => terms.push(term),
                Err((place, message)) => return error(place, message),
            }
        }
        Ok(Search { terms })
    }
}

/// Reads from left to right. An error has its place.
struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn place(&self) -> usize {
        let before = self.text.get(..self.at).unwrap_or_default();
        before.chars().count() + 1
    }

    /// Skips spaces. Returns whether there is more.
    fn skip_spaces(&mut self) -> bool {
        self.at = self.text.len() - self.rest().trim_start().len();
        !self.rest().is_empty()
    }

    fn term(&mut self) -> Result<Term, (usize, String)> {
        let start = self.place();
        let Some(key) = key_of(self.rest()) else {
            return self.value().map(Term::Word);
        };
        self.at += key.len() + 1;
        let place = self.place();
        let value = self.value()?;
        let Some(known) = KEYS.into_iter().find(|known| *known == key) else {
            let known = match nearest(key, KEYS) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known are {}.", KEYS.join(", ")),
            };
            let message =
                format!("unknown key {key:?}: {known} A text with a colon stands in quotes");
            return Err((start, message));
        };
        if value.is_empty() {
            return Err((place, format!("expected a value after {known}:")));
        }
        read(known, value).map_err(|message| (place, format!("{known}: {message}")))
    }

    /// Reads a value: a text in quotes, or all up to the next space.
    fn value(&mut self) -> Result<String, (usize, String)> {
        let start = self.place();
        let Some(quoted) = self.rest().strip_prefix('"') else {
            let rest = self.rest();
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (value, _) = rest.split_at(end);
            self.at += end;
            return Ok(value.to_owned());
        };
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 2;
                    let is_end = self.rest().chars().next().is_none_or(char::is_whitespace);
                    let message = "expected a space after the quoted text";
                    return match is_end {
                        true if value.is_empty() => Err((start, "the text is empty".to_owned())),
                        true => Ok(value),
                        false => Err((self.place(), message.to_owned())),
                    };
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                    _ => {
                        self.at += at + 1;
                        let message = r#"expected \" or \\ in the quoted text"#;
                        return Err((self.place(), message.to_owned()));
                    }
                },
                c => value.push(c),
            }
        }
        Err((start, "the quoted text does not end".to_owned()))
    }
}

/// Returns the word before a colon, if a text begins with one. That of a URL is none: `s3://bucket` is a text.
fn key_of(text: &str) -> Option<&str> {
    let (key, value) = text.split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    (is_key && !value.starts_with("//")).then_some(key)
}

/// Reads the value of a known key.
fn read(key: &str, value: String) -> Result<Term, String> {
    let shown = |value: &str| value.chars().take(MAX_SHOWN).collect::<String>();
    let id = |value: &str| {
        let expected = "expected a UUID, or at least four characters of its beginning";
        IdStart::parse(value).ok_or_else(|| format!("{expected}, found {:?}", shown(value)))
    };
    let time = |value: &str| PointInTime::parse_text(value);
    Ok(match key {
        "job" => Term::Job(Pattern(value)),
        "dataset" => Term::Dataset(Pattern(value)),
        "run" => Term::Run(id(&value)?),
        "id" => Term::Id(id(&value)?),
        "outcome" => Term::Outcome(outcome(&value).ok_or_else(|| {
            let names = Outcome::ALL.map(outcome_name).join(", ");
            format!("expected one of {names}, found {:?}", shown(&value))
        })?),
        "target" => Term::Target(Pattern(value)),
        "kind" => {
            let kind = KINDS
                .into_iter()
                .find(|it| it.name.eq_ignore_ascii_case(&value));
            Term::Kind(kind.ok_or_else(|| {
                let names = KINDS.map(|kind| kind.name).join(", ");
                format!("expected one of {names}, found {:?}", shown(&value))
            })?)
        }
        "rule" => Term::Rule(Pattern(value)),
        "reason" => Term::Reason(Pattern(value)),
        "since" => Term::Since(time(&value)?),
        _ => Term::Until(time(&value)?),
    })
}

/// The name of an outcome in a search.
fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered | Outcome::Unchanged | Outcome::Dropped | Outcome::Retry => {
            outcome.name()
        }
        Outcome::DeadLettered => "dead",
    }
}

/// Reads the name of an outcome; of dead letters also that in the log.
fn outcome(value: &str) -> Option<Outcome> {
    let plain = value.to_ascii_lowercase().replace('-', "_");
    let mut all = Outcome::ALL.into_iter();
    all.find(|it| outcome_name(*it) == plain || it.name() == plain)
}

impl fmt::Display for Search {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(out, "{separator}{term}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |key: &str, value: &str| format!("{key}:{}", quoted(value));
        let text = match self {
            Term::Job(job) => pair("job", job.text()),
            Term::Dataset(dataset) => pair("dataset", dataset.text()),
            Term::Run(run) => pair("run", run.text()),
            Term::Id(id) => pair("id", id.text()),
            Term::Outcome(outcome) => pair("outcome", outcome_name(*outcome)),
            Term::Target(target) => pair("target", target.text()),
            Term::Kind(kind) => pair("kind", kind.name),
            Term::Rule(rule) => pair("rule", rule.text()),
            Term::Reason(reason) => pair("reason", reason.text()),
            Term::Since(time) => pair("since", &PointInTime::show(time)),
            Term::Until(time) => pair("until", &PointInTime::show(time)),
            Term::Word(word) if key_of(word).is_some() => always_quoted(word),
            Term::Word(word) => quoted(word),
        };
        out.write_str(&text)
    }
}

/// Returns the text in quotes, if it would be read as something else without them.
fn quoted(text: &str) -> String {
    let is_plain = !text.starts_with('"') && !text.contains(char::is_whitespace);
    match is_plain {
        true => text.to_owned(),
        false => always_quoted(text),
    }
}

fn always_quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests;
