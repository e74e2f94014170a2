//! The structure of an answer: which fields it has, and the values that are codes.
//!
//! `{"code": 400, "message"}` says what kind of refusal it is; what the message quotes stays out. A field's name can be a
//! word of the sender's too (a target may echo the event), so names and codes are kept only where they have the form of one
//! and whoever calls finds them harmless. Pure; called by `answer.rs`.

use serde_json::{Map, Value};

/// Fields of one object that are named, and how far down.
const FIELDS: usize = 10;
const DEPTH: usize = 4;

/// The longest name or code, in bytes.
const WORD: usize = 40;

/// Names of fields that error bodies have, in whatever case. They say nothing about who sent what, whether the event has them
/// too or not.
const NAMES: [&str; 28] = [
    "code",
    "status",
    "statuscode",
    "status_code",
    "error",
    "errors",
    "errorcode",
    "error_code",
    "error_description",
    "message",
    "detail",
    "details",
    "title",
    "type",
    "instance",
    "reason",
    "cause",
    "description",
    "exception",
    "path",
    "timestamp",
    "requestid",
    "request_id",
    "trace",
    "field",
    "fields",
    "findings",
    "loc",
];

/// Fields whose value is a code, in whatever case.
const CODES: [&str; 11] = [
    "code",
    "status",
    "statuscode",
    "status_code",
    "error",
    "errorcode",
    "error_code",
    "type",
    "__type",
    "reason",
    "exception",
];

/// The structure of a JSON body; `None` when it is none. `harmless` says of a word that it is not one of ours or of the event.
pub(super) fn of(body: &[u8], harmless: impl Fn(&str) -> bool) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let mut told = String::new();
    tell(&body, &harmless, DEPTH, &mut told);
    Some(told)
}

fn tell(value: &Value, harmless: &dyn Fn(&str) -> bool, depth: usize, told: &mut String) {
    match value {
        Value::Object(members) if depth > 0 => tell_members(members, harmless, depth, told),
        Value::Array(items) if depth > 0 => {
            told.push('[');
            if let Some(first) = items.first() {
                tell(first, harmless, depth - 1, told);
            }
            told.push_str(if items.len() > 1 { ", …]" } else { "]" });
        }
        Value::Object(_) => told.push_str("{…}"),
        Value::Array(_) => told.push_str("[…]"),
        Value::String(_) => told.push_str("text"),
        Value::Number(_) => told.push_str("number"),
        Value::Bool(_) | Value::Null => told.push_str(&value.to_string()),
    }
}

fn tell_members(
    members: &Map<String, Value>,
    harmless: &dyn Fn(&str) -> bool,
    depth: usize,
    told: &mut String,
) {
    told.push('{');
    let mut left_out = members.len() > FIELDS;
    let mut is_first = true;
    for (name, value) in members.iter().take(FIELDS) {
        let lower = name.to_ascii_lowercase();
        // A key of ours may be a word such as `message`; the event is asked only about names that are not in the list.
        if !(NAMES.contains(&lower.as_str()) || is_code(name) && harmless(name)) {
            left_out = true;
            continue;
        }
        told.push_str(if is_first { "" } else { ", " });
        is_first = false;
        told.push_str(&format!("\"{name}\""));
        match value {
            Value::Object(_) | Value::Array(_) => {
                told.push_str(": ");
                tell(value, harmless, depth - 1, told);
            }
            Value::Number(number) if CODES.contains(&lower.as_str()) => {
                let small = number.as_u64().filter(|number| *number <= 99_999);
                if let Some(number) =
                    small.filter(|n| (100..600).contains(n) || harmless(&n.to_string()))
                {
                    told.push_str(&format!(": {number}"));
                }
            }
            Value::String(text)
                if CODES.contains(&lower.as_str()) && is_code(text) && harmless(text) =>
            {
                told.push_str(&format!(": \"{text}\""));
            }
            Value::Number(_) | Value::String(_) | Value::Bool(_) | Value::Null => {}
        }
    }
    if left_out {
        told.push_str(if is_first { "…" } else { ", …" });
    }
    told.push('}');
}

/// Whether a word has the form of a name or a code: `INVALID_ARGUMENT`, `ValidationException`, `42P01`, `ORA-00942`. Long rows
/// of letters and digits have not: those may be a text in base64.
pub(crate) fn is_code(word: &str) -> bool {
    let part = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.bytes().all(|b| b.is_ascii_alphanumeric()) && (digits == 0 || part.len() <= 6)
    };
    (1..=WORD).contains(&word.len()) && word.split(['_', '-', '.', ':']).all(part)
}
