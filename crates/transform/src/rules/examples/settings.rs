//! How examples are written in a rules file.

use std::collections::BTreeMap;
use std::sync::Arc;

use openlineage::{Event, Json, Level};
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error, Unexpected};
use serde_json::{Map, Value};

use super::Example;
use super::event::filled;
use super::judge::Expect;
use crate::rules::reader::Reader;
use crate::rules::when::{Kind, check_target};
use crate::rules::yaml::{FilePosition, OneOrMany, Optional, Spanned, Text};

/// One or several events, and what has to become of them. What an event needs and is not given is filled in.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "an example (a map with given and what to expect)"
)]
#[schemars(rename = "Example", extend("required" = ["given"], "anyOf" = [
    {"required": ["expect"]},
    {"required": ["expect_at"]},
    {"required": ["expect_absent"]},
    {"required": ["expect_dropped"]},
    {"required": ["expect_unchanged"], "properties": {"expect_unchanged": {"const": true}}},
    {"required": ["expect_dead_letter"], "properties": {"expect_dead_letter": {"const": true}}},
    {"required": ["expect_failed"], "properties": {"expect_failed": {"const": true}}}
]))]
pub(in crate::rules) struct ExampleSettings {
    /// The name of the example.
    name: Optional<Text>,
    /// The kind of events that leave it open; without it, a run, or a dataset where only a dataset is given.
    kind: Optional<Kind>,
    /// The name of the target that the events are for.
    target: Optional<Text>,
    /// The events that the rules get.
    given: Optional<OneOrMany<EventSettings>>,
    /// The events that have to go on, and no others.
    expect: Optional<OneOrMany<EventSettings, 0>>,
    /// JSON Pointers and the values that have to be there.
    #[schemars(extend("minProperties" = 1))]
    expect_at: Optional<BTreeMap<PointerText, Value>>,
    /// JSON Pointers where there must be no value.
    expect_absent: Optional<OneOrMany<PointerText>>,
    /// The events go on unchanged.
    expect_unchanged: Optional<bool>,
    /// Whether some rule drops it, or the name of the rule that does.
    expect_dropped: Optional<DropExpectation>,
    /// The event becomes a dead letter.
    expect_dead_letter: Optional<bool>,
    /// A rule fails.
    expect_failed: Optional<bool>,
}

/// The keys that expect something.
const EXPECTATIONS: &str = "expect, expect_at, expect_absent, expect_unchanged, expect_dropped, \
                            expect_dead_letter, expect_failed";

impl ExampleSettings {
    pub(in crate::rules) fn build(
        self,
        at: FilePosition,
        rule: Option<&Arc<str>>,
        reader: &Reader<'_>,
    ) -> Option<Example> {
        let is_absent = [
            self.expect.is_absent(),
            self.expect_at.is_absent(),
            self.expect_absent.is_absent(),
            self.expect_dropped.is_absent(),
            !self.expect_unchanged.asks(),
            !self.expect_dead_letter.asks(),
            !self.expect_failed.asks(),
        ];
        if is_absent.iter().all(|absent| *absent) {
            reader.error(at, format!("expected at least one of {EXPECTATIONS}"));
        }
        if let Some(values) = self.expect_at.as_ref()
            && values.value.is_empty()
        {
            reader.error(values.at, "an empty map does nothing");
        }
        if self.given.is_absent() {
            reader.error(at, "missing given: an event, or a list of them");
        }
        if let Some(target) = self.target.as_ref() {
            check_target(target.at, &target.value.0, reader);
        }
        let kind = self.kind.value();
        let events = |settings: Vec<Spanned<EventSettings>>| {
            let events = settings.into_iter();
            let events = events.filter_map(|event| event.value.read(event.at, kind, reader));
            events.collect::<Vec<Event>>()
        };
        let flags = [
            (&self.expect_unchanged, Expect::Unchanged),
            (&self.expect_dead_letter, Expect::DeadLetter),
            (&self.expect_failed, Expect::Failed),
        ];
        let flags = flags.into_iter().filter(|(flag, _)| flag.is_true());
        let flags: Vec<Expect> = flags.map(|(_, expect)| expect).collect();
        let mut expect = Vec::new();
        let wanted = self.expect.value().map(|OneOrMany(wanted)| events(wanted));
        expect.extend(wanted.map(Expect::Events));
        let at_pointers = self.expect_at.value().into_iter().flatten();
        expect.extend(at_pointers.map(|(pointer, value)| Expect::FilePosition(pointer.0, value)));
        let absent = self.expect_absent.value().map(OneOrMany::values);
        let absent = absent.into_iter().flatten();
        expect.extend(absent.map(|pointer| Expect::Absent(pointer.0)));
        expect.extend(self.expect_dropped.value().map(Expect::from));
        expect.extend(flags);
        let given = self.given.value().map(|OneOrMany(given)| events(given));
        Some(Example {
            name: (self.name.value()).map_or_else(|| format!("line {}", at.line), String::from),
            rule: rule.cloned(),
            line: at.line,
            given: given.unwrap_or_default(),
            target: (self.target.value()).map_or_else(|| "store".to_owned(), String::from),
            expect,
        })
    }
}

/// An event: a map, a JSON text, or {file: …}.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Event", with = "Value", extend("type" = ["object", "string"]))]
enum EventSettings {
    Map(Map<String, Value>),
    Text(String),
}

impl<'de> Deserialize<'de> for EventSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EventSettings, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(members) => Ok(EventSettings::Map(members)),
            Value::String(text) => Ok(EventSettings::Text(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                let expected = "an event: a map, a JSON text, or {file: …}";
                Err(Error::invalid_type(Unexpected::Unit, &expected))
            }
        }
    }
}

impl EventSettings {
    fn read(self, at: FilePosition, kind: Option<Kind>, reader: &Reader<'_>) -> Option<Event> {
        let text = match self {
            EventSettings::Text(text) => text,
            EventSettings::Map(members) => match file_of(&members) {
                None => Value::Object(members).to_string(),
                Some(name) => {
                    let bytes = reader.ok(at, reader.file(&name))?;
                    let text = String::from_utf8(bytes);
                    reader.ok(at, text.map_err(|error| format!("{name}: {error}")))?
                }
            },
        };
        let json = Json::parse(&text).map_err(|error| format!("invalid JSON: {error}"));
        let json = reader.ok(at, json)?;
        let read = Event::read(filled(json.text(), kind).as_bytes(), Level::Repair);
        let read = read.map_err(|refused| {
            let first = refused.findings.first();
            let first =
                first.map(|finding| format!("{} at {:?}", finding.message, finding.pointer));
            format!("invalid event: {}", first.unwrap_or_default())
        });
        reader.ok(at, read).map(|read| read.event)
    }
}

/// The name in `{file: NAME}`.
fn file_of(members: &Map<String, Value>) -> Option<String> {
    match (members.len(), members.get("file")) {
        (1, Some(Value::String(name))) => Some(name.clone()),
        (1, Some(Value::Number(number))) => Some(number.to_string()),
        (_, _) => None,
    }
}

/// A JSON Pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, JsonSchema)]
#[serde(try_from = "Text")]
#[schemars(inline, extend("type" = "string", "pattern" = "^(/|$)"))]
struct PointerText(String);

impl TryFrom<Text> for PointerText {
    type Error = String;

    fn try_from(Text(text): Text) -> Result<PointerText, String> {
        match text.is_empty() || text.starts_with('/') {
            true => Ok(PointerText(text)),
            false => Err(format!(
                "expected a JSON Pointer that begins with /, found {text:?}"
            )),
        }
    }
}

/// Whether an event is expected to be dropped, or by which rule.
#[derive(Debug, JsonSchema)]
#[schemars(inline, with = "Value", extend("type" = ["boolean", "string"]))]
enum DropExpectation {
    Flag(bool),
    By(String),
}

impl<'de> Deserialize<'de> for DropExpectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DropExpectation, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(flag) => Ok(DropExpectation::Flag(flag)),
            Value::String(rule) => Ok(DropExpectation::By(rule)),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                let expected = "true, false, or the name of a rule";
                Err(Error::invalid_type(Unexpected::Unit, &expected))
            }
        }
    }
}

impl From<DropExpectation> for Expect {
    fn from(dropped: DropExpectation) -> Expect {
        match dropped {
            DropExpectation::Flag(true) => Expect::Dropped(None),
            DropExpectation::Flag(false) => Expect::NotDropped,
            DropExpectation::By(rule) => Expect::Dropped(Some(rule)),
        }
    }
}
