//! Writes JSON on lines that a person can read. Numbers and the text of strings stay as they are. Pure.

use openlineage::{Json, is_unseen};

/// Returns the text with line breaks and indentation, up to about so many bytes, and whether that is all. What is not seen is
/// written as an escape of JSON.
pub(super) fn pretty(text: &str, limit: usize) -> (String, bool) {
    let mut lines = Lines {
        text: String::new(),
        limit,
    };
    match Json::parse(text) {
        Ok(json) => lines.value(json, 0),
        Err(_) => lines.add(text),
    }
    let is_whole = lines.text.len() < limit;
    (lines.text, is_whole)
}

struct Lines {
    text: String,
    limit: usize,
}

impl Lines {
    fn is_full(&self) -> bool {
        self.text.len() >= self.limit
    }

    fn value(&mut self, json: Json<'_>, depth: usize) {
        match json.kind() {
            "object" => {
                let members = json.members();
                self.list(('{', '}'), members, depth, |lines, member| {
                    lines.add(member.key.text());
                    lines.add(": ");
                    lines.value(member.value, depth + 1);
                });
            }
            "array" => self.list(('[', ']'), json.items(), depth, |lines, item| {
                lines.value(item, depth + 1);
            }),
            _ => self.add(json.text()),
        }
    }

    fn list<T>(
        &mut self,
        (open, close): (char, char),
        items: Vec<T>,
        depth: usize,
        mut write: impl FnMut(&mut Lines, T),
    ) {
        self.text.push(open);
        let is_empty = items.is_empty();
        for (at, item) in items.into_iter().enumerate() {
            if self.is_full() {
                return;
            }
            if at > 0 {
                self.text.push(',');
            }
            self.line(depth + 1);
            write(self, item);
        }
        if !is_empty {
            self.line(depth);
        }
        self.text.push(close);
    }

    fn line(&mut self, depth: usize) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", depth));
    }

    fn add(&mut self, token: &str) {
        let mut units = [0; 2];
        for c in token.chars() {
            if self.is_full() {
                return;
            }
            match is_unseen(c) {
                true => {
                    for unit in c.encode_utf16(&mut units) {
                        self.text.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                false => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stay_as_they_are() {
        let text = r#"{"a":[],"b":{},"c":[1.0,12345678901234567890123],"d":"\u00e9 \"x\""}"#;
        let expected = "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1.0,\n    12345678901234567890123\n  ],\n  \"d\": \"\\u00e9 \\\"x\\\"\"\n}";
        assert_eq!(pretty(text, 1_000), (expected.to_owned(), true));
    }

    #[test]
    fn what_is_not_seen_is_an_escape_and_what_is_long_is_cut() {
        assert_eq!(
            pretty("\"a\u{202e}\u{e0001}\"", 100).0,
            r#""a\u202e\udb40\udc01""#
        );
        let long = format!("[{}]", "\"x\",".repeat(10_000) + "1");
        let (text, is_whole) = pretty(&long, 1_000);
        assert!(!is_whole && text.len() < 1_100);
        assert!(pretty(&format!("\"{}\"", "x".repeat(5_000)), 1_000).0.len() <= 1_000);
    }
}
