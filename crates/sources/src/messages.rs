//! Finds the bodies of messages in a file that somebody saved: what `aws sqs receive-message` prints, what a Lambda function
//! gets from a queue, or bodies as they are. What a body means is decided in `flyte` and `streams`. Called by `fetch`.

use serde_json::value::RawValue;
use serde_json::{Deserializer, Value};

/// How deeply arrays of messages are taken apart: those of several answers, each with its pages, are three.
const MAX_DEPTH: usize = 8;

/// A message of a queue that was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedMessage {
    /// The body.
    pub body: String,
    /// Where it is, for findings: the file, and its id or its number in the file.
    pub place: String,
}

/// Finds the messages in a file, in their order. Everything in it is a message, or a list of messages: it is for the reader
/// of messages to say that one is none of its own.
///
/// JSON is taken for answers of ReceiveMessage (`{"Messages": [{"MessageId": …, "Body": …}]}`), for a payload of Lambda
/// (`{"Records": [{"messageId": …, "body": …}]}`), for single messages, or else for bodies, one after the other or in arrays.
/// In other text each line is a body.
pub fn saved_messages(file: &str, bytes: &[u8]) -> Vec<SavedMessage> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Found {
        file,
        messages: Vec::new(),
    };
    match text.trim_start().starts_with(['{', '[', '"']) {
        true => found.documents(&text),
        false => {
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                found.body(line.trim().to_owned(), None);
            }
        }
    }
    found.messages
}

struct Found<'f> {
    file: &'f str,
    messages: Vec<SavedMessage>,
}

impl Found<'_> {
    fn documents(&mut self, text: &str) {
        let mut documents = Deserializer::from_str(text).into_iter::<&RawValue>();
        let mut read = 0;
        while let Some(document) = documents.next() {
            match document {
                Ok(document) => self.value(document, 0),
                // The rest is no JSON: a body that its reader will refuse, so that it is said.
                Err(_) => self.body(text.get(read..).unwrap_or_default().trim().to_owned(), None),
            }
            read = documents.byte_offset();
        }
    }

    /// Takes a document apart: arrays without reading what is in them, so that nested ones take no more memory than their text.
    /// One that is nested deeper than anybody saves messages is a body as it is.
    fn value(&mut self, document: &RawValue, depth: usize) {
        match document.get().as_bytes().first() {
            Some(b'[') if depth < MAX_DEPTH => {
                match serde_json::from_str::<Vec<&RawValue>>(document.get()) {
                    Ok(items) => {
                        for item in items {
                            self.value(item, depth + 1);
                        }
                    }
                    Err(_) => self.body(document.get().to_owned(), None),
                }
            }
            Some(b'"') => {
                let body = serde_json::from_str(document.get());
                self.body(body.unwrap_or_else(|_| document.get().to_owned()), None);
            }
            Some(b'{') => self.object(document),
            Some(_) | None => self.body(document.get().to_owned(), None),
        }
    }

    fn object(&mut self, document: &RawValue) {
        let Ok(value) = serde_json::from_str::<Value>(document.get()) else {
            return self.body(document.get().to_owned(), None);
        };
        let mut lists = ["Messages", "Records"].into_iter();
        let list = lists.find_map(|name| value.get(name)?.as_array());
        match (list, message(&value)) {
            (Some(items), _) if items.iter().all(|item| message(item).is_some()) => {
                for (body, id) in items.iter().filter_map(message) {
                    self.body(body, id);
                }
            }
            (_, Some((body, id))) => self.body(body, id),
            (_, None) => self.body(document.get().to_owned(), None),
        }
    }

    fn body(&mut self, body: String, id: Option<String>) {
        let id = id.unwrap_or_else(|| (self.messages.len() + 1).to_string());
        self.messages.push(SavedMessage {
            body,
            place: format!("{} message {id}", self.file),
        });
    }
}

/// The body and the id of a message, as the AWS CLI or Lambda writes it. An event and an envelope of SNS have no body.
fn message(value: &Value) -> Option<(String, Option<String>)> {
    let member = |names: [&str; 2]| {
        let mut names = names.into_iter();
        names.find_map(|name| value.get(name)?.as_str().map(str::to_owned))
    };
    Some((
        member(["Body", "body"])?,
        member(["MessageId", "messageId"]),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bodies(text: &str) -> Vec<(String, String)> {
        let found = saved_messages("f", text.as_bytes());
        let pair = |message: SavedMessage| (message.place, message.body);
        found.into_iter().map(pair).collect()
    }

    fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pair =
            |(place, body): &(&str, &str)| (format!("f message {place}"), (*body).to_owned());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn arrays_in_arrays_are_taken_apart_to_a_depth() {
        let nested =
            |depth: usize| format!("{}{{\"x\":1}}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(bodies(&nested(MAX_DEPTH)), expected(&[("1", "{\"x\":1}")]));
        let deeper = nested(MAX_DEPTH + 1);
        assert_eq!(bodies(&deeper), expected(&[("1", "[{\"x\":1}]")]));
        assert_eq!(
            bodies("[1, [], [\"a\", null]]"),
            expected(&[("1", "1"), ("2", "a"), ("3", "null")])
        );
    }

    #[test]
    fn messages_are_found_however_they_were_saved() {
        let a = r#"{"MessageId": "i", "ReceiptHandle": "r", "Body": "A"}"#;
        let b = r#"{"messageId": "j", "body": "B", "eventSource": "aws:sqs"}"#;
        for (text, pairs) in [
            (
                format!("{{\"Messages\": [{a}, {b}]}}"),
                &[("i", "A"), ("j", "B")][..],
            ),
            (format!("{{\"Records\": [{b}]}}"), &[("j", "B")]),
            (format!("{a}\n{b}\n"), &[("i", "A"), ("j", "B")]),
            (format!("[{a}]"), &[("i", "A")]),
            (
                "CiQw\n\n  MDA=\n".to_owned(),
                &[("1", "CiQw"), ("2", "MDA=")],
            ),
            ("\"CiQw\"".to_owned(), &[("1", "CiQw")]),
            (
                "{\"Type\": 1} [{\"x\":2}]".to_owned(),
                &[("1", "{\"Type\": 1}"), ("2", "{\"x\":2}")],
            ),
            // What cannot be read is a body that its reader refuses, and never nothing.
            (format!("{a} {{\"Mess"), &[("i", "A"), ("2", "{\"Mess")]),
            (
                "{\"Messages\": [7]}".to_owned(),
                &[("1", "{\"Messages\": [7]}")],
            ),
            (String::new(), &[]),
            ("{\"Messages\": []}".to_owned(), &[]),
        ] {
            assert_eq!(bodies(&text), expected(pairs), "{text}");
        }
    }

    proptest! {
        /// Bytes that are not blank are never nothing, unless they say that there is nothing.
        #[test]
        fn nothing_is_passed_over(text in "[^\\[]{0,40}") {
            let found = saved_messages("f", text.as_bytes());
            prop_assert_eq!(found.is_empty(), text.trim().is_empty());
        }
    }
}
