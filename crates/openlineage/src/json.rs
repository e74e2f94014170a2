//! Raw views over JSON text: a [`Json`] is the text of one value inside a larger text, and knows its position.
//!
//! Looking into a value parses one level of it (with `serde_json`), or looks it up where the text was read as a
//! [`Tree`](crate::Tree), and returns views of the parts. Nothing is decoded before it is needed, nothing is copied, and duplicated
//! keys are all kept, in order. Called by the checks, the positions and every transform.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::de::StrRead;
use serde_json::value::RawValue;

use crate::tree::Value;

/// From this size on, in bytes, the parts of a value are counted before they are listed.
const LARGE: usize = 1 << 20;

/// The text of one JSON value, without surrounding white space. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Json<'t> {
    text: &'t str,
    /// Where its parts stand, if that is known.
    value: Option<Value<'t>>,
}

/// One member of an object: the key as it is written, quotes and escapes included, and its value.
#[derive(Debug, Clone, Copy)]
pub struct Member<'t> {
    /// The key, a JSON string.
    pub key: Json<'t>,
    /// The value.
    pub value: Json<'t>,
}

/// `text` as a JSON string, quoted and escaped.
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'t> Json<'t> {
    /// Checks the grammar of `text` (RFC 8259) and returns a view of its value.
    ///
    /// Accepts any depth without recursing, and lone surrogates, which the grammar allows.
    pub fn parse(text: &'t str) -> Result<Json<'t>, serde_json::Error> {
        serde_json::from_str::<&'t RawValue>(text).map(Json::from)
    }

    /// A view of the value of a text that was parsed before: reading it once more would take as long as all checks do.
    pub(crate) fn parsed(text: &'t str) -> Json<'t> {
        // White space, as RFC 8259 has it.
        Json::of(text.trim_matches([' ', '\t', '\n', '\r']), None)
    }

    /// A view of a value whose parts are known.
    pub(crate) fn of(text: &'t str, value: Option<Value<'t>>) -> Json<'t> {
        Json { text, value }
    }

    /// The value as it is written.
    pub fn text(self) -> &'t str {
        self.text
    }

    /// The type of the value in JSON Schema: `null`, `boolean`, `number`, `string`, `array` or `object`.
    pub fn kind(self) -> &'static str {
        match self.text.as_bytes().first() {
            Some(b'{') => "object",
            Some(b'[') => "array",
            Some(b'"') => "string",
            Some(b't' | b'f') => "boolean",
            Some(b'n') => "null",
            _ => "number",
        }
    }

    /// Whether this is an object.
    pub fn is_object(self) -> bool {
        self.text.starts_with('{')
    }

    /// The members of an object in order, including duplicates. Empty for any other value.
    pub fn members(self) -> Vec<Member<'t>> {
        if let Some(value) = self.value {
            let member = |(key, value): (Json<'t>, Value<'t>)| Member {
                key,
                value: value.json(),
            };
            return value.members().map(member).collect();
        }
        let count = self.count_if_large(|reader| reader.deserialize_map(Count));
        let mut reader = serde_json::Deserializer::from_str(self.text);
        reader.deserialize_map(Members(count)).unwrap_or_default()
    }

    /// The last member with that name, which nearly every JSON reader uses.
    pub fn get(self, name: &str) -> Option<Json<'t>> {
        if let Some(value) = self.value {
            return value.get(name).map(Value::json);
        }
        last(&self.members(), name)
    }

    /// Follows [`get`](Self::get) down a path of names.
    pub fn at(self, path: &[&str]) -> Option<Json<'t>> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    /// The elements of an array. Empty for any other value.
    pub fn items(self) -> Vec<Json<'t>> {
        if let Some(value) = self.value {
            return value.items().map(Value::json).collect();
        }
        let count = self.count_if_large(|reader| reader.deserialize_seq(Count));
        let mut reader = serde_json::Deserializer::from_str(self.text);
        reader.deserialize_seq(Items(count)).unwrap_or_default()
    }

    /// How many members or elements a large value has, so that their list takes what it needs: one that grows takes up to three times
    /// as much. 0 for a smaller value.
    fn count_if_large(
        self,
        count: impl FnOnce(
            &mut serde_json::Deserializer<StrRead<'t>>,
        ) -> Result<usize, serde_json::Error>,
    ) -> usize {
        match self.text.len() > LARGE {
            true => count(&mut serde_json::Deserializer::from_str(self.text)).unwrap_or_default(),
            false => 0,
        }
    }

    /// The decoded string; `None` for any other value, and for a string with a lone surrogate.
    pub fn string(self) -> Option<Cow<'t, str>> {
        let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str(self.text).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// The position of this value in `whole`, in bytes; `None` if it is not part of it.
    pub fn span(self, whole: &str) -> Option<Range<usize>> {
        let start = (self.text.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let end = start.checked_add(self.text.len())?;
        (end <= whole.len()).then_some(start..end)
    }
}

/// By the text: what is known of its parts says nothing more.
impl PartialEq for Json<'_> {
    fn eq(&self, other: &Json<'_>) -> bool {
        self.text == other.text
    }
}

impl Eq for Json<'_> {}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Json").field(&self.text).finish()
    }
}

impl<'t> From<&'t RawValue> for Json<'t> {
    fn from(raw: &'t RawValue) -> Self {
        Json::of(raw.get(), None)
    }
}

impl Member<'_> {
    /// Whether the decoded key is `name`.
    pub fn is(&self, name: &str) -> bool {
        self.key.string().is_some_and(|key| key == name)
    }
}

/// The value of the last member called `name`.
pub(crate) fn last<'t>(members: &[Member<'t>], name: &str) -> Option<Json<'t>> {
    members
        .iter()
        .rev()
        .find(|member| member.is(name))
        .map(|member| member.value)
}

/// Counts members or elements.
struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while map.next_entry::<IgnoredAny, &RawValue>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while seq.next_element::<&RawValue>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

/// Reads members, of which there are so many if that is known.
struct Members(usize);

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(self.0);
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            members.push(Member {
                key: key.into(),
                value: value.into(),
            });
        }
        Ok(members)
    }
}

/// Reads elements, of which there are so many if that is known.
struct Items(usize);

impl<'de> Visitor<'de> for Items {
    type Value = Vec<Json<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::with_capacity(self.0);
        while let Some(item) = seq.next_element::<&RawValue>()? {
            items.push(item.into());
        }
        Ok(items)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_duplicate_is_seen_and_the_last_one_counts() {
        let text = r#"{"a": 1, "b": {"x": "y"}, "\u0061" : 12345678901234567890123}"#;
        let root = Json::parse(text).unwrap();
        assert_eq!(root.members().len(), 3);
        assert_eq!(root.get("a").unwrap().text(), "12345678901234567890123");
        assert_eq!(root.at(&["b", "x"]).unwrap().string().unwrap(), "y");
    }

    #[test]
    fn a_value_knows_where_it_stands() {
        let text = r#"  { "k" : [ 1 , "zwei" ] } "#;
        let root = Json::parse(text).unwrap();
        let item = root.get("k").unwrap().items()[1];
        assert_eq!(&text[item.span(text).unwrap()], "\"zwei\"");
        assert_eq!(item.span("elsewhere"), None);
    }

    #[test]
    fn the_list_of_a_large_value_takes_what_it_needs() {
        let count = LARGE / 2 + 1;
        let list = format!("[{}1]", "1,".repeat(count - 1));
        let items = Json::parse(&list).unwrap().items();
        assert_eq!((items.len(), items.capacity()), (count, count));
        let object = format!("{{{}\"a\\\"\":[]}}", "\"k\":1,".repeat(count - 1));
        let members = Json::parse(&object).unwrap().members();
        assert_eq!((members.len(), members.capacity()), (count, count));
    }

    #[test]
    fn a_hundred_thousand_levels_do_not_overflow_the_stack() {
        let text = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(Json::parse(&text).unwrap().items().len(), 1);
    }
}
