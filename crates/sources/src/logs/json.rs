//! Reads one JSON object as far as the text goes, and goes on when there is more of it: no byte is looked at twice, however
//! many pieces an object comes in. Called by `scan.rs` and `pending.rs`.
//!
//! Strict, but for `NaN` and `Infinity`, which Python prints and intake repairs. Values are not kept: only which top-level
//! members there are, and where the few stand that say what the object is.

mod key;

use memchr::memchr2;

use key::KEPT;
pub(super) use key::{Kept, Key};

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

#[cfg(test)]
mod tests;
