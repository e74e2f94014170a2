//! Where one JSON text of a file ends and the next begins.
//!
//! Texts follow each other with anything that JSON takes for white space between them, or nothing; arrays and the
//! proxy's own page stand for their elements. Only brackets and strings are looked at: what is in a text is judged by
//! those who read it. A text that does not end is one bad text, and its neighbours stay: reading goes on at the next
//! line on which a text can begin.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::ops::Range;

use openlineage::Json;

/// Levels of a text over several lines: more than any event may have. Without a bound, lines that are all cut off would
/// each be looked at from each before it.
const DEEPEST: usize = 512;

/// A text, and the line that it begins on, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) line: u64,
    pub(super) bytes: Vec<u8>,
}

/// The texts of a file, read as they are needed.
pub(super) struct Texts<R> {
    lines: Lines<R>,
    found: VecDeque<Text>,
}

/// The lines of a file, with their breaks.
struct Lines<R> {
    reader: R,
    /// Lines that were looked at and are still to be read.
    again: VecDeque<Vec<u8>>,
    /// The number of the next line.
    next: u64,
}

impl<R: BufRead> Texts<R> {
    pub(super) fn of(reader: R) -> Texts<R> {
        let lines = Lines {
            reader,
            again: VecDeque::new(),
            next: 1,
        };
        Texts {
            lines,
            found: VecDeque::new(),
        }
    }

    /// Reads on until there is a text, or nothing more.
    fn fill(&mut self) -> io::Result<()> {
        while self.found.is_empty() {
            let line = self.lines.next;
            let Some(mut bytes) = self.lines.take()? else {
                return Ok(());
            };
            if line == 1 {
                bytes = unmarked(bytes)?;
            }
            self.texts_from(line, bytes)?;
        }
        Ok(())
    }

    /// The texts that begin on that line. The last of them may go on over further lines.
    fn texts_from(&mut self, mut line: u64, mut bytes: Vec<u8>) -> io::Result<()> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(start) = rest.iter().position(|byte| !is_between(*byte)) else {
                return Ok(());
            };
            at += start;
            line += newlines(rest.get(..start).unwrap_or_default());
            if !matches!(bytes.get(at), Some(b'{' | b'[')) {
                // No event begins so: whatever it is, it ends with its line.
                let end = end_of_line(&bytes, at);
                self.found(line, &bytes, at..end);
                at = end;
                continue;
            }
            match self.end(&mut bytes, at)? {
                Some(end) => {
                    self.found(line, &bytes, at..end);
                    line += newlines(bytes.get(at..end).unwrap_or_default());
                    at = end;
                }
                None => return self.broken(line, &bytes, at),
            }
        }
    }

    /// Where the text that begins at `at` ends; lines are added as they are needed. Nothing when it does not end.
    fn end(&mut self, bytes: &mut Vec<u8>, at: usize) -> io::Result<Option<usize>> {
        let (mut scan, mut scanned) = (Scan::default(), at);
        loop {
            for byte in bytes.get(scanned..).unwrap_or_default() {
                scanned += 1;
                match scan.step(*byte) {
                    Step::On => {}
                    Step::End => return Ok(Some(scanned)),
                    Step::Broken => return Ok(None),
                }
            }
            match self.lines.take()? {
                Some(mut line) => bytes.append(&mut line),
                None => return Ok(None),
            }
        }
    }

    /// A text that does not end: it goes as far as the next line on which a text can begin. What was read past that is
    /// read again.
    fn broken(&mut self, line: u64, bytes: &[u8], at: usize) -> io::Result<()> {
        let end = end_of_line(bytes, at);
        let (column, first) = (column(bytes, at), bytes.get(at..end).unwrap_or_default());
        let mut text = first.to_vec();
        self.lines.put_back(bytes.get(end..).unwrap_or_default());
        while let Some(next) = self.lines.take()? {
            let indent = next.iter().take_while(|byte| is_between(**byte)).count();
            if indent <= column && matches!(next.get(indent), Some(b'{' | b'[')) {
                self.lines.put_back(&next);
                break;
            }
            text.extend(next);
        }
        let bytes = text.trim_ascii().to_vec();
        self.found.push_back(Text { line, bytes });
        Ok(())
    }

    /// Adds the text, or its elements.
    fn found(&mut self, line: u64, bytes: &[u8], range: Range<usize>) {
        let text = bytes.get(range).unwrap_or_default();
        match list(text) {
            Some(list) => {
                for element in elements(text, list) {
                    let before = text.get(..element.start).unwrap_or_default();
                    let bytes = text.get(element).unwrap_or_default().to_vec();
                    let line = line + newlines(before);
                    self.found.push_back(Text { line, bytes });
                }
            }
            None => {
                let bytes = text.trim_ascii().to_vec();
                self.found.push_back(Text { line, bytes });
            }
        }
    }
}

impl<R: BufRead> Iterator for Texts<R> {
    type Item = io::Result<Text>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.fill() {
            Ok(()) => self.found.pop_front().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

impl<R: BufRead> Lines<R> {
    fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = self.again.pop_front().unwrap_or_default();
        if line.is_empty() && self.reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(line))
    }

    fn put_back(&mut self, lines: &[u8]) {
        let lines: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
        self.next -= lines.len() as u64;
        for line in lines.into_iter().rev() {
            self.again.push_front(line.to_vec());
        }
    }
}

/// The start of a file without its byte order mark. Other encodings than UTF-8 are named: they look like no JSON at all.
fn unmarked(mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let message = "this is UTF-16; expected UTF-8 (in PowerShell: -Encoding utf8)";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    Ok(bytes)
}

/// What may stand between texts: white space, the record separator of JSON text sequences (RFC 7464), and the comma of
/// a list that has lost its brackets.
fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0x1e | b',')
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'\n');
    end.map_or(bytes.len(), |end| at + end + 1)
}

fn column(bytes: &[u8], at: usize) -> usize {
    let before = bytes.get(..at).unwrap_or_default();
    let start = before.iter().rposition(|byte| *byte == b'\n');
    start.map_or(at, |start| at - start - 1)
}

/// The array whose elements are meant: the text itself, or `events` of what `GET /api/v1/events/lineage` answers.
fn list(text: &[u8]) -> Option<Range<usize>> {
    if text.starts_with(b"[") {
        return Some(0..text.len());
    }
    const PAGE: [&str; 2] = ["events", "totalCount"];
    let first = text.strip_prefix(b"{")?.trim_ascii_start();
    let is_page = |key: &&str| {
        first
            .strip_prefix(b"\"")
            .is_some_and(|key_on| key_on.starts_with(key.as_bytes()))
    };
    if !PAGE.iter().any(is_page) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let page = Json::parse(text).ok()?;
    let known = |member: &openlineage::Member<'_>| PAGE.iter().any(|key| member.is(key));
    let events = page.get("events").filter(|events| events.kind() == "array");
    events
        .filter(|_| page.members().iter().all(known))?
        .span(text)
}

/// Where the elements of an array of `text` stand.
fn elements(text: &[u8], array: Range<usize>) -> Vec<Range<usize>> {
    let (mut scan, mut found) = (Scan::default(), Vec::new());
    let mut start = array.start + 1;
    for at in array {
        let Some(byte) = text.get(at) else { break };
        let step = scan.step(*byte);
        let is_comma = *byte == b',' && scan.is_on_top();
        if !is_comma && step != Step::End {
            continue;
        }
        let element = text.get(start..at).unwrap_or_default();
        let (left, inner) = (element.trim_ascii_start(), element.trim_ascii());
        // `[]` has none; a comma too many has an empty one, which is wrong.
        if !(inner.is_empty() && step == Step::End && found.is_empty()) {
            let from = start + element.len() - left.len();
            found.push(from..from + inner.len());
        }
        start = at + 1;
    }
    found
}

/// What a byte does to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    On,
    /// It was the last one.
    End,
    /// The text does not go on so.
    Broken,
}

/// The last byte that is no white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Open,
    Comma,
    Colon,
    Value,
}

/// One pass over a text, in strings and out of them.
struct Scan {
    /// The brackets that are open.
    open: Vec<u8>,
    last: Last,
    in_string: bool,
    escaped: bool,
    /// Whether nothing but white space has come on this line.
    fresh: bool,
}

impl Default for Scan {
    fn default() -> Scan {
        Scan {
            open: Vec::new(),
            last: Last::Open,
            in_string: false,
            escaped: false,
            fresh: false,
        }
    }
}

impl Scan {
    fn step(&mut self, byte: u8) -> Step {
        if self.in_string {
            return self.in_string(byte);
        }
        if byte.is_ascii_whitespace() {
            self.fresh |= byte == b'\n';
            return Step::On;
        }
        let fresh = std::mem::take(&mut self.fresh);
        match byte {
            b'{' | b'[' => {
                let fits = match (self.open.last(), self.last) {
                    (None, _) | (_, Last::Colon) => true,
                    (Some(b'['), Last::Open | Last::Comma) => true,
                    (Some(_), Last::Open | Last::Comma | Last::Value) => false,
                };
                // On a new line: the text before has lost its end, and this is the next one.
                if fresh && !fits {
                    return Step::Broken;
                }
                if self.open.len() == DEEPEST {
                    return Step::Broken;
                }
                self.open.push(byte);
                self.last = Last::Open;
            }
            b'}' | b']' => {
                let opened = if byte == b'}' { b'{' } else { b'[' };
                if self.open.pop() != Some(opened) {
                    return Step::Broken;
                }
                self.last = Last::Value;
                if self.open.is_empty() {
                    return Step::End;
                }
            }
            b'"' => self.in_string = true,
            b',' => self.last = Last::Comma,
            b':' => self.last = Last::Colon,
            _ => self.last = Last::Value,
        }
        Step::On
    }

    fn in_string(&mut self, byte: u8) -> Step {
        match byte {
            // No string has a line break in it: the text was cut off here.
            b'\n' => return Step::Broken,
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => (self.in_string, self.last) = (false, Last::Value),
            _ => {}
        }
        Step::On
    }

    /// Whether only the outermost bracket is open.
    fn is_on_top(&self) -> bool {
        self.open.len() == 1 && !self.in_string
    }
}

#[cfg(test)]
mod tests;
