//! The differences between two JSON texts, by JSON Pointer.
//!
//! Compares texts, not decoded values, so that `1` and `1.0`, or two integers that are equal as floats, differ. Ignores
//! the order of keys and white space. Called by examples and by `lineage-proxy transform`.

use std::borrow::Cow;
use std::collections::HashMap;

use openlineage::Json;

/// A difference between two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// JSON Pointer (RFC 6901).
    pub pointer: String,
    /// The value in the first text, as JSON; `None` if it has none.
    pub before: Option<String>,
    /// The value in the second text.
    pub after: Option<String>,
}

/// Returns all differences in the order of the first text, followed by what only the second has.
pub fn diff(before: Json<'_>, after: Json<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    found
}

fn compare(
    pointer: &str,
    before: Option<Json<'_>>,
    after: Option<Json<'_>>,
    found: &mut Vec<Difference>,
) {
    let differ = |found: &mut Vec<Difference>| {
        let text = |json: Option<Json<'_>>| json.map(|json| json.text().to_owned());
        found.push(Difference {
            pointer: pointer.to_owned(),
            before: text(before),
            after: text(after),
        });
    };
    let (Some(one), Some(two)) = (before, after) else {
        return differ(found);
    };
    if one.text() == two.text() {
        return;
    }
    match (one.kind(), two.kind()) {
        ("object", "object") => {
            let (ones, twos) = (members(one), members(two));
            for key in &ones.keys {
                let (one, two) = (ones.value(key), twos.value(key));
                compare(&under(pointer, key), one, two, found);
            }
            let others = twos.keys.iter();
            for key in others.filter(|key| !ones.values.contains_key(*key)) {
                compare(&under(pointer, key), None, twos.value(key), found);
            }
        }
        ("array", "array") => {
            let (ones, twos) = (one.items(), two.items());
            for index in 0..ones.len().max(twos.len()) {
                let (one, two) = (ones.get(index).copied(), twos.get(index).copied());
                compare(&format!("{pointer}/{index}"), one, two, found);
            }
        }
        ("string", "string") if one.string().is_some() && one.string() == two.string() => {}
        _ => differ(found),
    }
}

/// Returns each key once, in order, with its last value.
struct Members<'t> {
    keys: Vec<Cow<'t, str>>,
    values: HashMap<Cow<'t, str>, Json<'t>>,
}

impl<'t> Members<'t> {
    fn value(&self, key: &str) -> Option<Json<'t>> {
        self.values.get(key).copied()
    }
}

fn members(object: Json<'_>) -> Members<'_> {
    let (mut keys, mut values) = (Vec::new(), HashMap::new());
    for member in object.members() {
        if let Some(key) = member.key.string()
            && values.insert(key.clone(), member.value).is_none()
        {
            keys.push(key);
        }
    }
    Members { keys, values }
}

fn under(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(before: &str, after: &str) -> Vec<String> {
        let (before, after) = (Json::parse(before).unwrap(), Json::parse(after).unwrap());
        diff(before, after).into_iter().map(|d| d.pointer).collect()
    }

    #[test]
    fn each_pointer_is_reported_once_and_the_order_of_keys_does_not_count() {
        let before = r#"{"a":1,"b/c":[1,{"x":"\u0041"}],"d":{"e":1}}"#;
        assert!(pointers(before, r#"{"d":{"e":1}, "b/c":[1,{"x":"A"}],"a":1}"#).is_empty());
        let after = r#"{"a":1.0,"b/c":[1,{"x":"A"},2],"f":null}"#;
        assert_eq!(pointers(before, after), ["/a", "/b~1c/2", "/d", "/f"]);
    }

    #[test]
    fn numbers_that_are_the_same_as_floats_differ() {
        let (one, two) = ("[9007199254740993123]", "[9007199254740993124]");
        assert_eq!(pointers(one, two), ["/0"]);
    }
}
