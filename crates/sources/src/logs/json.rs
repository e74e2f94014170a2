//! Reads one JSON object as far as the text goes, and goes on when there is more of it: no byte is looked at twice, however
//! many pieces an object comes in. Called by `scan.rs` and `pending.rs`.
//!
//! Strict, but for `NaN` and `Infinity`, which Python prints and intake repairs. Values are not kept: only which top-level
//! members there are, and where the few stand that say what the object is.

use memchr::memchr2;

/// The deepest nesting of an object: that of intake, so that nothing is taken here that is refused there.
pub(super) const MAX_DEPTH: usize = 127;

/// How far an object was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It ends before this offset.
    Complete(usize),
    /// It is not JSON.
    Broken,
    /// The text ends before it does.
    Unfinished,
}

/// A member of the top level that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    EventTime,
    EventType,
    Producer,
    SchemaUrl,
    Run,
    Job,
    Dataset,
    Inputs,
    Outputs,
    Level,
    Logger,
    Timestamp,
    Time,
    Event,
    Message,
    Msg,
    Log,
    Other,
}

/// Texts whose place is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Logger,
    Event,
    Message,
    Msg,
    Log,
    RunId,
    JobNamespace,
    JobName,
}

const KEPT: usize = 8;

/// An object that is being read.
#[derive(Debug, Clone)]
pub(super) struct Object {
    at: usize,
    state: State,
    /// The containers that are open, from the outside in: twice the offset, and one more for an object.
    open: Vec<usize>,
    /// Where the string that is being read begins, after its quote.
    string: usize,
    first: Option<Key>,
    keys: u32,
    key: Key,
    /// The key within `run` or `job`.
    inner: Option<Kept>,
    kept: [Option<(usize, usize)>; KEPT],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    FirstKey,
    NextKey,
    Key,
    Colon,
    Value,
    FirstItem,
    Text,
    /// After a backslash; whether in a key.
    Escape(bool),
    /// So many digits of an escape are to come; whether in a key.
    Hex(u8, bool),
    Number(Number),
    /// What is to come of `true`, `null` and the like.
    Word(&'static [u8]),
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Object {
    pub(super) fn new() -> Object {
        Object {
            at: 0,
            state: State::Start,
            open: Vec::new(),
            string: 0,
            first: None,
            keys: 0,
            key: Key::Other,
            inner: None,
            kept: [None; KEPT],
        }
    }

    /// Reads on. `text` is the object from its brace, with what was added to it since the last call.
    pub(super) fn read(&mut self, text: &str) -> Progress {
        let bytes = text.as_bytes();
        while let Some((&byte, rest)) = bytes.get(self.at..).and_then(<[u8]>::split_first) {
            let step = match self.state {
                State::Text | State::Key => self.string(text, byte, rest),
                State::Start
                | State::FirstKey
                | State::NextKey
                | State::Colon
                | State::Value
                | State::FirstItem
                | State::Escape(_)
                | State::Hex(..)
                | State::Number(_)
                | State::Word(_)
                | State::After => self.step(byte),
            };
            match step {
                Some(()) if self.open.is_empty() => return Progress::Complete(self.at),
                Some(()) => {}
                None => return Progress::Broken,
            }
        }
        Progress::Unfinished
    }

    /// Whether the text so far ends within a string.
    pub(super) fn is_in_string(&self) -> bool {
        matches!(
            self.state,
            State::Text | State::Key | State::Escape(_) | State::Hex(..)
        )
    }

    /// How far it was read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Where the objects begin that are open. What breaks this one breaks each of them.
    pub(super) fn open_objects(&self) -> impl Iterator<Item = usize> {
        let objects = self.open.iter().filter(|open| *open % 2 == 1);
        objects.map(|open| open / 2)
    }

    /// Its first key; `None` as long as that has not ended.
    pub(super) fn first(&self) -> Option<Key> {
        self.first
    }

    /// What there is of the first key, as long as it has not ended.
    pub(super) fn begun_key<'t>(&self, text: &'t str) -> &'t str {
        match self.state {
            State::Key => text.get(self.string..).unwrap_or_default(),
            State::Start
            | State::FirstKey
            | State::NextKey
            | State::Colon
            | State::Value
            | State::FirstItem
            | State::Text
            | State::Escape(_)
            | State::Hex(..)
            | State::Number(_)
            | State::Word(_)
            | State::After => "",
        }
    }

    /// Whether it has this member.
    pub(super) fn has(&self, key: Key) -> bool {
        self.keys & key.bit() != 0
    }

    /// A text of the object, as it is written: with escapes.
    pub(super) fn kept<'t>(&self, what: Kept, text: &'t str) -> Option<&'t str> {
        let (from, to) = (*self.kept.get(what as usize)?)?;
        text.get(from..to)
    }

    fn string(&mut self, text: &str, byte: u8, rest: &[u8]) -> Option<()> {
        // Most strings are short: the first byte is often all.
        let (length, end) = match byte {
            b'"' | b'\\' => (0, Some(byte)),
            0..0x20 => return None,
            _ => {
                let length = memchr2(b'"', b'\\', rest);
                let plain = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
                // Without an early end, so that the compiler makes it a vector operation.
                if plain
                    .iter()
                    .fold(false, |found, byte| found | (*byte < 0x20))
                {
                    let found = plain.iter().position(|byte| *byte < 0x20);
                    self.at += 1 + found.unwrap_or_default();
                    return None;
                }
                let end = length.and_then(|length| rest.get(length).copied());
                (1 + plain.len(), end)
            }
        };
        self.at += length;
        let in_key = self.state == State::Key;
        match end {
            None => return Some(()),
            Some(b'"') => self.string_ended(text, in_key),
            Some(_) => self.state = State::Escape(in_key),
        }
        self.at += 1;
        Some(())
    }

    fn string_ended(&mut self, text: &str, in_key: bool) {
        let span = (self.string, self.at);
        self.state = if in_key { State::Colon } else { State::After };
        match (self.open.len(), in_key) {
            (1, true) => {
                self.key = Key::of(text.get(span.0..span.1).unwrap_or_default());
                self.first = self.first.or(Some(self.key));
                self.keys |= self.key.bit();
            }
            (1, false) => {
                if let Some(kept) = self.key.kept() {
                    self.keep(kept, span);
                }
            }
            (2, true) => {
                self.inner = match (self.key, text.get(span.0..span.1)) {
                    (Key::Run, Some("runId")) => Some(Kept::RunId),
                    (Key::Job, Some("name")) => Some(Kept::JobName),
                    (Key::Job, Some("namespace")) => Some(Kept::JobNamespace),
                    _ => None,
                };
            }
            (2, false) => {
                if let Some(kept) = self.inner.take() {
                    self.keep(kept, span);
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, what: Kept, span: (usize, usize)) {
        if let Some(kept) = self.kept.get_mut(what as usize) {
            *kept = Some(span);
        }
    }

    fn step(&mut self, byte: u8) -> Option<()> {
        let is_blank = matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        match self.state {
            State::Start if byte == b'{' => self.opened(true)?,
            State::FirstKey | State::NextKey | State::Colon | State::Value if is_blank => {}
            State::FirstItem | State::After if is_blank => {}
            State::FirstKey | State::NextKey if byte == b'"' => self.quoted(State::Key),
            State::FirstKey if byte == b'}' => self.closed(true)?,
            State::Colon if byte == b':' => self.state = State::Value,
            State::FirstItem if byte == b']' => self.closed(false)?,
            State::Value | State::FirstItem => match byte {
                b'"' => self.quoted(State::Text),
                b'{' => self.opened(true)?,
                b'[' => self.opened(false)?,
                b'-' => self.state = State::Number(Number::Minus),
                b'0' => self.state = State::Number(Number::Zero),
                b'1'..=b'9' => self.state = State::Number(Number::Digits),
                b't' => self.state = State::Word(b"rue"),
                b'f' => self.state = State::Word(b"alse"),
                b'n' => self.state = State::Word(b"ull"),
                b'N' => self.state = State::Word(b"aN"),
                b'I' => self.state = State::Word(b"nfinity"),
                _ => return None,
            },
            State::Escape(in_key) => {
                self.state = match byte {
                    b'u' => State::Hex(4, in_key),
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => string(in_key),
                    _ => return None,
                }
            }
            State::Hex(left, in_key) if byte.is_ascii_hexdigit() => {
                self.state = match left {
                    0 | 1 => string(in_key),
                    left => State::Hex(left - 1, in_key),
                }
            }
            State::Word([next]) if byte == *next => self.state = State::After,
            State::Word([next, rest @ ..]) if byte == *next => self.state = State::Word(rest),
            State::Number(number) => match number.next(byte) {
                Some(state) => self.state = state,
                None if number.may_end() => {
                    self.state = State::After;
                    return self.step(byte);
                }
                None => return None,
            },
            State::After => match byte {
                b',' => {
                    self.state = match self.is_in_object() {
                        true => State::NextKey,
                        false => State::Value,
                    }
                }
                b'}' => self.closed(true)?,
                b']' => self.closed(false)?,
                _ => return None,
            },
            State::Start
            | State::FirstKey
            | State::NextKey
            | State::Colon
            | State::Hex(..)
            | State::Word(_)
            | State::Key
            | State::Text => return None,
        }
        self.at += 1;
        Some(())
    }

    fn quoted(&mut self, state: State) {
        self.state = state;
        self.string = self.at + 1;
    }

    fn opened(&mut self, is_object: bool) -> Option<()> {
        if self.open.len() == MAX_DEPTH {
            return None;
        }
        self.open.push(self.at * 2 + usize::from(is_object));
        self.inner = None;
        self.state = if is_object {
            State::FirstKey
        } else {
            State::FirstItem
        };
        Some(())
    }

    fn closed(&mut self, is_object: bool) -> Option<()> {
        if self.is_in_object() != is_object {
            return None;
        }
        self.open.pop();
        self.state = State::After;
        Some(())
    }

    fn is_in_object(&self) -> bool {
        self.open.last().is_some_and(|open| open % 2 == 1)
    }
}

fn string(in_key: bool) -> State {
    if in_key { State::Key } else { State::Text }
}

impl Number {
    fn next(self, byte: u8) -> Option<State> {
        Some(State::Number(match (self, byte) {
            (Number::Minus, b'I') => return Some(State::Word(b"nfinity")),
            (Number::Minus, b'0') => Number::Zero,
            (Number::Minus, b'1'..=b'9') | (Number::Digits, b'0'..=b'9') => Number::Digits,
            (Number::Zero | Number::Digits, b'.') => Number::Point,
            (Number::Point | Number::Fraction, b'0'..=b'9') => Number::Fraction,
            (Number::Zero | Number::Digits | Number::Fraction, b'e' | b'E') => Number::Exponent,
            (Number::Exponent, b'+' | b'-') => Number::Sign,
            (Number::Exponent | Number::Sign | Number::Power, b'0'..=b'9') => Number::Power,
            _ => return None,
        }))
    }

    fn may_end(self) -> bool {
        match self {
            Number::Zero | Number::Digits | Number::Fraction | Number::Power => true,
            Number::Minus | Number::Point | Number::Exponent | Number::Sign => false,
        }
    }
}

impl Key {
    /// The top-level keys of the specification (<https://openlineage.io/spec/2-0-2/OpenLineage.json>).
    pub(super) const EVENT: [(&'static str, Key); 9] = [
        ("eventTime", Key::EventTime),
        ("eventType", Key::EventType),
        ("producer", Key::Producer),
        ("schemaURL", Key::SchemaUrl),
        ("run", Key::Run),
        ("job", Key::Job),
        ("dataset", Key::Dataset),
        ("inputs", Key::Inputs),
        ("outputs", Key::Outputs),
    ];

    /// What log lines of one JSON object have: structlog (Airflow 3), Docker's driver, Fluent Bit, JSON layouts of log4j.
    const LINE: [(&'static str, Key); 8] = [
        ("level", Key::Level),
        ("logger", Key::Logger),
        ("timestamp", Key::Timestamp),
        ("time", Key::Time),
        ("event", Key::Event),
        ("message", Key::Message),
        ("msg", Key::Msg),
        ("log", Key::Log),
    ];

    fn of(text: &str) -> Key {
        let mut known = Key::EVENT.iter().chain(&Key::LINE);
        known
            .find(|(name, _)| *name == text)
            .map_or(Key::Other, |(_, key)| *key)
    }

    pub(super) fn is_of_event(self) -> bool {
        Key::EVENT.iter().any(|(_, key)| *key == self)
    }

    pub(super) fn is_of_line(self) -> bool {
        Key::LINE.iter().any(|(_, key)| *key == self)
    }

    fn bit(self) -> u32 {
        1 << self as u32
    }

    fn kept(self) -> Option<Kept> {
        match self {
            Key::Logger => Some(Kept::Logger),
            Key::Event => Some(Kept::Event),
            Key::Message => Some(Kept::Message),
            Key::Msg => Some(Kept::Msg),
            Key::Log => Some(Kept::Log),
            Key::EventTime
            | Key::EventType
            | Key::Producer
            | Key::SchemaUrl
            | Key::Run
            | Key::Job
            | Key::Dataset
            | Key::Inputs
            | Key::Outputs
            | Key::Level
            | Key::Timestamp
            | Key::Time
            | Key::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    fn whole(text: &str) -> Progress {
        Object::new().read(text)
    }

    /// What serde_json says about the object at the beginning of a text.
    fn expected(text: &str) -> Progress {
        let mut read = serde_json::Deserializer::from_str(text).into_iter::<Box<RawValue>>();
        match read.next() {
            Some(Ok(_)) => Progress::Complete(read.byte_offset()),
            Some(Err(error)) if error.is_eof() => Progress::Unfinished,
            _ => Progress::Broken,
        }
    }

    fn jsonish() -> impl Strategy<Value = String> {
        let token = prop_oneof![
            Just("{"),
            Just("}"),
            Just("["),
            Just("]"),
            Just(","),
            Just(":"),
            Just("\""),
            Just("\\"),
            Just("\\u00e9"),
            Just("\"a\""),
            Just("\"a\":"),
            Just("{\"b\":"),
            Just("1"),
            Just("-"),
            Just("0"),
            Just("."),
            Just("e"),
            Just("true"),
            Just("nul"),
            Just(" "),
            Just("\n"),
            Just("é"),
            Just("\u{1}"),
        ];
        proptest::collection::vec(token, 0..30).prop_map(|tokens| format!("{{{}", tokens.concat()))
    }

    proptest! {
        #[test]
        fn it_is_as_strict_as_a_parser(text in jsonish()) {
            prop_assert_eq!(whole(&text), expected(&text));
        }

        #[test]
        fn pieces_come_to_what_the_whole_comes_to(text in jsonish(), cuts in proptest::collection::vec(0usize..60, 0..5)) {
            let mut ends: Vec<usize> = cuts.into_iter().filter(|cut| text.is_char_boundary(*cut)).collect();
            ends.sort_unstable();
            ends.push(text.len());
            let mut object = Object::new();
            let mut progress = Progress::Unfinished;
            for end in ends {
                if progress == Progress::Unfinished {
                    progress = object.read(&text[..end.min(text.len())]);
                }
            }
            prop_assert_eq!(progress, whole(&text));
        }
    }

    #[test]
    fn what_python_prints_for_floats_that_are_no_numbers_is_read() {
        let text = r#"{"a":[NaN,Infinity,-Infinity]}"#;
        assert_eq!(whole(text), Progress::Complete(text.len()));
        assert_eq!(whole(r#"{"a":Nan}"#), Progress::Broken);
    }

    #[test]
    fn nesting_has_the_limit_of_intake() {
        let nested = |depth: usize| format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(matches!(whole(&nested(MAX_DEPTH)), Progress::Complete(_)));
        assert_eq!(whole(&nested(MAX_DEPTH + 1)), Progress::Broken);
    }

    #[test]
    fn it_says_what_is_in_the_object_so_far() {
        let text = r#"{"eventTime":"t","run":{"facets":{"runId":"no"},"runId":"r"},"job":{"namespace":"n","na"#;
        let mut object = Object::new();
        assert_eq!(object.read(text), Progress::Unfinished);
        assert_eq!(object.first(), Some(Key::EventTime));
        assert!(object.has(Key::Run) && object.has(Key::Job) && !object.has(Key::Producer));
        assert_eq!(object.kept(Kept::RunId, text), Some("r"));
        assert_eq!(object.kept(Kept::JobNamespace, text), Some("n"));
        assert_eq!(object.kept(Kept::JobName, text), None);
    }
}
