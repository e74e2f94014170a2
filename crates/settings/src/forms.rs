//! Parses lists and maps that are written in one text, as in an environment variable.
//!
//! Each has a plain form (`a,b` and `key=value,key=value`), for values without special characters, and JSON for all
//! others. Anything else is an error: a list that was read as one long key would let nobody in. Errors never show a
//! value, which may be a key. Called by `formats.rs`, and by the configuration for keys.

use std::collections::BTreeSet;

use openlineage::Json;

/// Describes a list.
const LIST: &str = r#"expected a list such as a,b or, as JSON, ["a","b"]"#;

/// Describes a map.
const MAP: &str = r#"expected a map such as a=b,c=d or, as JSON, {"a":"b","c":"d"}"#;

/// Returns the elements of a list.
pub(super) fn list(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new()); // how shells and templates say that something is not set
    }
    let refused = |why: String| format!("{LIST}: {why}");
    if text.starts_with('[') {
        let json = Json::parse(text).map_err(|error| refused(not_json(&error)))?;
        let items = json.items().into_iter().zip(1..);
        let text = |(item, number): (Json<'_>, usize)| {
            let text = item.string().filter(|text| !text.is_empty());
            let text = text.ok_or_else(|| refused(format!("element {number} is not a text")));
            text.map(|text| text.into_owned())
        };
        return items.map(text).collect();
    }
    let items = text.split(',').map(str::trim).zip(1..);
    // At the end, `=` pads Base64. Before the end, a map was meant, whose key would become a part of the value.
    let is_pair = |item: &str| item.trim_end_matches('=').contains('=');
    let item = |(item, number): (&str, usize)| match is_plain(item) {
        _ if item.is_empty() => Err(refused(format!("element {number} is empty"))),
        true if is_pair(item) => Err(refused(format!(
            "element {number} has `=` within it: a map stands here in JSON, and so does an element with `=`"
        ))),
        true => Ok(item.to_owned()),
        false => Err(refused(format!("element {number} {SPECIAL}"))),
    };
    items.map(item).collect()
}

/// Returns the members of a map, in order.
pub(super) fn map(text: &str) -> Result<Vec<(String, String)>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let refused = |why: String| format!("{MAP}: {why}");
    let members: Result<Vec<(String, String)>, String> = if text.starts_with('{') {
        let json = Json::parse(text).map_err(|error| refused(not_json(&error)))?;
        let members = json.members().into_iter().zip(1..);
        let texts = members.map(|(member, number): (_, usize)| {
            let texts = member.key.string().zip(member.value.string());
            let texts = texts.filter(|(key, value)| !key.is_empty() && !value.is_empty());
            let texts = texts.map(|(key, value)| (key.into_owned(), value.into_owned()));
            texts.ok_or_else(|| refused(format!("the value of member {number} is not a text")))
        });
        texts.collect()
    } else {
        let pairs = text.split(',').map(str::trim).zip(1..);
        let pairs = pairs.map(|(pair, number): (&str, usize)| match pair.split_once('=') {
            _ if pair.is_empty() => Err(refused(format!("member {number} is empty"))),
            None => Err(refused(format!("member {number} has no `=`"))),
            Some((key, value)) => {
                let (key, value) = (key.trim(), value.trim());
                if key.is_empty() || value.is_empty() {
                    return Err(refused(format!(
                        "member {number} lacks its key or its value"
                    )));
                }
                match is_plain(key) && is_plain(value) && !value.contains('=') {
                    true => Ok((key.to_owned(), value.to_owned())),
                    false => Err(refused(format!("member {number} {SPECIAL}"))),
                }
            }
        });
        pairs.collect()
    };
    let members = members?;
    for (index, (key, _)) in members.iter().enumerate() {
        if members.iter().take(index).any(|(before, _)| before == key) {
            return Err(refused(format!(
                "member {} has the key of another",
                index + 1
            )));
        }
    }
    Ok(members)
}

/// Parses a JSON object of any depth. Rejects duplicate names, of which the parser would silently keep the last.
pub fn object(text: &str) -> Result<serde_json::Value, String> {
    fn twice(json: &Json<'_>) -> bool {
        let members = json.members();
        let mut names = BTreeSet::new();
        members.iter().any(|member| {
            let name = member.key.string();
            name.is_some_and(|name| !names.insert(name)) || twice(&member.value)
        }) || json.items().iter().any(twice)
    }
    let json = Json::parse(text.trim()).map_err(|error| not_json(&error))?;
    if twice(&json) {
        return Err("a name stands in it twice".to_owned());
    }
    serde_json::from_str(text).map_err(|error| not_json(&error))
}

/// Why a value cannot be written in the plain form.
const SPECIAL: &str =
    "has white space, quotes, brackets or `;` in it (in a map also `=`), which only JSON can have";

/// Whether no character of the text may belong to another form.
fn is_plain(text: &str) -> bool {
    let special =
        |c: char| c.is_whitespace() || matches!(c, ';' | '"' | '\'' | '{' | '}' | '[' | ']');
    !text.contains(special)
}

/// Returns the position only: the message of the parser may quote a part of a key.
fn not_json(error: &serde_json::Error) -> String {
    format!("not JSON from column {} on", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_list_has_a_plain_form_and_json() {
        for (text, items) in [
            ("", &[][..]),
            (" ", &[]),
            ("[]", &[]),
            ("a", &["a"]),
            ("a, b==", &["a", "b=="]),
            ("[\"a\"]", &["a"]),
            (" [\"a b\", \"c,;d\", \"\\\"\"] ", &["a b", "c,;d", "\""]),
            ("sha256:ab-cd", &["sha256:ab-cd"]),
        ] {
            assert_eq!(list(text).unwrap(), owned(items), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_shows_what_one_looks_like_and_not_what_was_there() {
        for text in [
            "seCret,",
            ",seCret",
            "seCret,,seCret",
            "seCret seCret",
            "seCret;seCret",
            "a=seCret",
            "a=seCret==",
            "seCret,a=seCret",
            "seCret\nseCret",
            "- seCret",
            "[seCret]",
            "['seCret']",
            "[\"seCret\"",
            "[\"seCret\"] x",
            "[\"seCret\", 17]",
            "[\"seCret\", null]",
            "[[\"seCret\"]]",
            "[\"\"]",
            "{\"a\":\"seCret\"}",
            "\"seCret\"",
        ] {
            let error = list(text).unwrap_err();
            assert!(error.starts_with(LIST), "{text}: {error}");
            assert!(
                !error.contains("eCr") && !error.contains("17"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_map_has_a_plain_form_and_json() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            owned.collect()
        };
        for (text, members) in [
            ("", &[][..]),
            ("{}", &[]),
            ("a=b", &[("a", "b")]),
            (" a.b:1 = c , d=e:5439", &[("a.b:1", "c"), ("d", "e:5439")]),
            (
                "{\"a\": \"b=c,d\", \"e\":\"f\"}",
                &[("a", "b=c,d"), ("e", "f")],
            ),
        ] {
            assert_eq!(map(text).unwrap(), pairs(members), "{text}");
        }
    }

    #[test]
    fn what_is_no_map_shows_what_one_looks_like() {
        for text in [
            "a",
            "a:b",
            "a=b,",
            "a=b,,c=d",
            "=b",
            "a=",
            "a=b=c",
            "a=b;c=d",
            "a=b c=d",
            "a=b\nc=d",
            "a=b,a=c",
            "{a: b}",
            "{\"a\":1}",
            "{\"a\":{}}",
            "{\"a\":\"b\",\"a\":\"c\"}",
            "{\"a\":\"b\"",
            "[\"a=b\"]",
            "\"a\"=\"b\"",
        ] {
            let error = map(text).unwrap_err();
            assert!(error.starts_with(MAP), "{text}: {error}");
        }
    }
}
