//! Finds where one JSON text of a file ends and the next begins.
//!
//! Texts may be separated by JSON white space or by nothing. Arrays and the proxy's own pages stand for their elements.
//! Only brackets and strings are examined: callers validate the texts. A text that does not end is one invalid text; the
//! texts after it stay intact, because reading continues at the next line on which a text can begin.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::ops::Range;

use openlineage::Json;

/// The deepest nesting of a text over several lines: deeper than any event may be. Without a limit, each of many truncated
/// lines would be examined from every line before it.
const MAX_DEPTH: usize = 512;

/// A text, and the line on which it begins, from 1.
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

/// The lines of a file, with their line ends.
struct Lines<R> {
    reader: R,
    /// Lines that were examined and have to be read again.
    unread: VecDeque<Vec<u8>>,
    /// The number of the next line.
    next: u64,
}

impl<R: BufRead> Texts<R> {
    pub(super) fn new(reader: R) -> Texts<R> {
        let lines = Lines {
            reader,
            unread: VecDeque::new(),
            next: 1,
        };
        Texts {
            lines,
            found: VecDeque::new(),
        }
    }

    /// Reads until there is a text, or the end.
    fn fill(&mut self) -> io::Result<()> {
        while self.found.is_empty() {
            let line = self.lines.next;
            let Some(mut bytes) = self.lines.take()? else {
                return Ok(());
            };
            if line == 1 {
                bytes = without_bom(bytes)?;
            }
            self.texts_from(line, bytes)?;
        }
        Ok(())
    }

    /// Reads the texts that begin on a line. The last one may continue on further lines.
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
                // An event cannot begin like this: the text ends with its line.
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

    /// Returns the end of the text that begins at `at`, adding lines as needed; `None` if it does not end.
    fn end(&mut self, bytes: &mut Vec<u8>, at: usize) -> io::Result<Option<usize>> {
        let (mut scan, mut scanned) = (Scan::default(), at);
        loop {
            for byte in bytes.get(scanned..).unwrap_or_default() {
                scanned += 1;
                match scan.step(*byte) {
                    Step::Continue => {}
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

    /// Handles a text that does not end: it extends to the next line on which a text can begin. Lines after it are
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

    /// Adds the text, or the elements of an array or page.
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
        let mut line = self.unread.pop_front().unwrap_or_default();
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
            self.unread.push_front(line.to_vec());
        }
    }
}

/// Strips the byte order mark at the start of a file. Reports other encodings than UTF-8, which do not look like JSON.
fn without_bom(mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let message = "this is UTF-16; expected UTF-8 (in PowerShell: -Encoding utf8)";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    Ok(bytes)
}

/// The separators of texts: white space, the record separator of JSON text sequences (RFC 7464), and the comma of
/// a list without brackets.
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

/// Returns the array whose elements are events: the text itself, or `events` in the response of
/// `GET /api/v1/events/lineage`.
fn list(text: &[u8]) -> Option<Range<usize>> {
    if text.starts_with(b"[") {
        return Some(0..text.len());
    }
    const PAGE: [&str; 4] = ["events", "totalCount", "searchedTo", "position"];
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

/// Returns the positions of the elements of an array in `text`.
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
        // `[]` has no elements; an extra comma makes an empty one, which is invalid.
        if !(inner.is_empty() && step == Step::End && found.is_empty()) {
            let from = start + element.len() - left.len();
            found.push(from..from + inner.len());
        }
        start = at + 1;
    }
    found
}

/// What a byte means for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Continue,
    /// The text ends.
    End,
    /// The byte is invalid here.
    Broken,
}

/// The last byte that is not white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastToken {
    Open,
    Comma,
    Colon,
    Value,
}

/// Scans a text once, inside and outside strings.
struct Scan {
    /// The open brackets.
    open: Vec<u8>,
    last: LastToken,
    in_string: bool,
    escaped: bool,
    /// Whether the line has only white space so far.
    fresh: bool,
}

impl Default for Scan {
    fn default() -> Scan {
        Scan {
            open: Vec::new(),
            last: LastToken::Open,
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
            return Step::Continue;
        }
        let fresh = std::mem::take(&mut self.fresh);
        match byte {
            b'{' | b'[' => {
                let fits = match (self.open.last(), self.last) {
                    (None, _) | (_, LastToken::Colon) => true,
                    (Some(b'['), LastToken::Open | LastToken::Comma) => true,
                    (Some(_), LastToken::Open | LastToken::Comma | LastToken::Value) => false,
                };
                // On a new line: the text before was truncated, and this is the next one.
                if fresh && !fits {
                    return Step::Broken;
                }
                if self.open.len() == MAX_DEPTH {
                    return Step::Broken;
                }
                self.open.push(byte);
                self.last = LastToken::Open;
            }
            b'}' | b']' => {
                let opened = if byte == b'}' { b'{' } else { b'[' };
                if self.open.pop() != Some(opened) {
                    return Step::Broken;
                }
                self.last = LastToken::Value;
                if self.open.is_empty() {
                    return Step::End;
                }
            }
            b'"' => self.in_string = true,
            b',' => self.last = LastToken::Comma,
            b':' => self.last = LastToken::Colon,
            _ => self.last = LastToken::Value,
        }
        Step::Continue
    }

    fn in_string(&mut self, byte: u8) -> Step {
        match byte {
            // A string does not contain a line break: the text was truncated here.
            b'\n' => return Step::Broken,
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => (self.in_string, self.last) = (false, LastToken::Value),
            _ => {}
        }
        Step::Continue
    }

    /// Whether only the outermost bracket is open.
    fn is_on_top(&self) -> bool {
        self.open.len() == 1 && !self.in_string
    }
}

#[cfg(test)]
mod tests;
