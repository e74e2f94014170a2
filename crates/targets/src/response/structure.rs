//! Describes the structure of a response: its fields, and the values that are codes.
//!
//! `{"code": 400, "message"}` shows the kind of error without what the message quotes. The name of a field may come from the
//! event too (a target may echo it), so names and codes are kept only if they have the form of one and the caller finds
//! them harmless. Pure. Called by `response.rs`.

use serde_json::{Map, Value};

/// How many fields of an object are named, and the depth down to which objects are described.
const FIELDS: usize = 10;
const DEPTH: usize = 4;

/// The longest name or code, in bytes.
const WORD: usize = 40;

/// Usual names of fields in error bodies, in any case. They reveal nothing, even if the event contains them too.
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

/// Fields whose value is a code, in any case.
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

/// Describes a JSON body; `None` if it is not JSON. `harmless` returns whether a word is neither a credential nor part of the
/// event.
pub(super) fn of(body: &[u8], harmless: impl Fn(&str) -> bool) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let mut out = String::new();
    describe(&body, &harmless, DEPTH, &mut out);
    Some(out)
}

fn describe(value: &Value, harmless: &dyn Fn(&str) -> bool, depth: usize, out: &mut String) {
    match value {
        Value::Object(members) if depth > 0 => describe_members(members, harmless, depth, out),
        Value::Array(items) if depth > 0 => {
            out.push('[');
            if let Some(first) = items.first() {
                describe(first, harmless, depth - 1, out);
            }
            out.push_str(if items.len() > 1 { ", …]" } else { "]" });
        }
        Value::Object(_) => out.push_str("{…}"),
        Value::Array(_) => out.push_str("[…]"),
        Value::String(_) => out.push_str("text"),
        Value::Number(_) => out.push_str("number"),
        Value::Bool(_) | Value::Null => out.push_str(&value.to_string()),
    }
}

fn describe_members(
    members: &Map<String, Value>,
    harmless: &dyn Fn(&str) -> bool,
    depth: usize,
    out: &mut String,
) {
    out.push('{');
    let mut left_out = members.len() > FIELDS;
    let mut is_first = true;
    for (name, value) in members.iter().take(FIELDS) {
        let lower = name.to_ascii_lowercase();
        // A usual name is not looked up: a credential may be a word such as `message`.
        if !(NAMES.contains(&lower.as_str()) || is_code(name) && harmless(name)) {
            left_out = true;
            continue;
        }
        out.push_str(if is_first { "" } else { ", " });
        is_first = false;
        out.push_str(&format!("\"{name}\""));
        match value {
            Value::Object(_) | Value::Array(_) => {
                out.push_str(": ");
                describe(value, harmless, depth - 1, out);
            }
            Value::Number(number) if CODES.contains(&lower.as_str()) => {
                let small = number.as_u64().filter(|number| *number <= 99_999);
                if let Some(number) =
                    small.filter(|n| (100..600).contains(n) || harmless(&n.to_string()))
                {
                    out.push_str(&format!(": {number}"));
                }
            }
            Value::String(text)
                if CODES.contains(&lower.as_str()) && is_code(text) && harmless(text) =>
            {
                out.push_str(&format!(": \"{text}\""));
            }
            Value::Number(_) | Value::String(_) | Value::Bool(_) | Value::Null => {}
        }
    }
    if left_out {
        out.push_str(if is_first { "…" } else { ", …" });
    }
    out.push('}');
}

/// The action that IAM denies: which right to grant. `User: arn:… is not authorized to perform: datazone:PostLineageEvent on
/// resource: …` (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>).
pub(crate) fn denied_action(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let action = rest.split_whitespace().next()?;
    let (service, name) = action.split_once(':')?;
    (is_code(service) && is_code(name)).then(|| action.to_owned())
}

/// Whether a domain of DataZone denies what IAM allows: `User is not permitted to perform operation: …`. Domains of version 2
/// check the user profile or the project membership of the caller as well
/// (<https://github.com/aws/modern-data-architecture-accelerator/issues/60>).
pub(crate) fn is_denied_by_domain(message: &str) -> bool {
    message.contains("not permitted to perform operation")
}

/// Whether a word has the form of a name or a code: `INVALID_ARGUMENT`, `ValidationException`, `42P01`, `ORA-00942`. A long
/// mix of letters and digits has not: it may be a text in base64.
pub(crate) fn is_code(word: &str) -> bool {
    let part = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.bytes().all(|b| b.is_ascii_alphanumeric()) && (digits == 0 || part.len() <= 6)
    };
    (1..=WORD).contains(&word.len()) && word.split(['_', '-', '.', ':']).all(part)
}
