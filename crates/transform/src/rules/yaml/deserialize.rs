//! Reads typed settings out of parsed values, with serde.
//!
//! `serde_saphyr` parses the text; this module deserializes its values. The deserializer of that crate would stop at
//! the first error, report the map around a wrong value as its position, and accept `'true'` for a boolean and a
//! missing value for an empty map. Here an error in an [`Optional`](super::Optional) value is reported and reading
//! continues, an unknown key is reported with the key that was probably meant, and nothing is converted. The types of
//! settings are in `settings.rs`.

use std::slice;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{Error, ErrorKind};
use super::{Key, Node, Problems, Value, did_you_mean};

/// Newtype structs that ask the deserializer for more than a value.
pub(super) const OPTIONAL: &str = "$given";
pub(super) const ONE_OR_MANY: &str = "$one_or_many";
pub(super) const MAP_OR: &str = "$map_or";

/// Reads a value; reports all that is wrong with it.
pub(crate) fn read<T: DeserializeOwned>(node: &Node, problems: &Problems) -> Option<T> {
    read_besides(node, &[], problems)
}

/// As [`read`], for a map with keys that are read elsewhere.
pub(crate) fn read_besides<T: DeserializeOwned>(
    node: &Node,
    elsewhere: &[&'static str],
    problems: &Problems,
) -> Option<T> {
    let deserializer = NodeDeserializer {
        node,
        key: None,
        elsewhere,
        problems,
    };
    match T::deserialize(deserializer) {
        Ok(value) => Some(value),
        Err(error) => {
            error.report(node, problems);
            None
        }
    }
}

#[derive(Clone, Copy)]
struct NodeDeserializer<'n> {
    node: &'n Node,
    /// The key of the map member that the value is.
    key: Option<&'n Key>,
    elsewhere: &'n [&'static str],
    problems: &'n Problems,
}

impl<'n> NodeDeserializer<'n> {
    fn inner(self, node: &'n Node, key: Option<&'n Key>) -> NodeDeserializer<'n> {
        NodeDeserializer {
            node,
            key,
            elsewhere: &[],
            problems: self.problems,
        }
    }

    fn members(
        self,
        members: &'n [(Key, Node)],
        fields: Option<&'static [&'static str]>,
    ) -> Members<'n> {
        Members {
            members: members.iter(),
            fields,
            outer: self,
            value: None,
        }
    }
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let visited = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items(self, items.iter())),
            Value::Map(members) => visitor.visit_map(self.members(members, None)),
        };
        visited.map_err(|error| error.at(self.node))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.value {
            Value::Bool(flag) => visitor.visit_bool(flag),
            Value::Null | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                Err(Error::new(ErrorKind::Expected("true or false".to_owned())).at(self.node))
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let visited = match &self.node.value {
            Value::Map(members) => visitor.visit_map(self.members(members, Some(fields))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                Err(de::Error::invalid_type(Unexpected::Unit, &visitor))
            }
        };
        visited.map_err(|error| error.at(self.node))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let visited = match &self.node.value {
            Value::Text(text) => {
                let word: StrDeserializer<'_, Error> = text.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                Err(Error::new(ErrorKind::OneOf(words)))
            }
        };
        visited.map_err(|error| error.at(self.node))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match (name, &self.node.value) {
            (OPTIONAL, _) => visitor.visit_seq(SpannedAccess(self, 0)),
            (ONE_OR_MANY, Value::List(items)) => visitor.visit_seq(Items(self, items.iter())),
            (ONE_OR_MANY, _) => visitor.visit_seq(Items(self, slice::from_ref(self.node).iter())),
            (MAP_OR, Value::Map(_)) => visitor.visit_newtype_struct(self),
            (MAP_OR, _) => visitor.visit_some(self),
            (_, _) => visitor.visit_newtype_struct(self),
        }
        .map_err(|error| error.at(self.node))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The elements of a list.
struct Items<'n>(NodeDeserializer<'n>, slice::Iter<'n, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Items(outer, items) = self;
        let Some(node) = items.next() else {
            return Ok(None);
        };
        let item = seed.deserialize(outer.inner(node, None));
        item.map(Some).map_err(|error| error.at(node))
    }
}

/// The members of a map. With `fields`, unknown keys are reported and skipped.
struct Members<'n> {
    members: slice::Iter<'n, (Key, Node)>,
    fields: Option<&'static [&'static str]>,
    outer: NodeDeserializer<'n>,
    value: Option<(&'n Key, &'n Node)>,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        for (key, node) in self.members.by_ref() {
            if let Some(fields) = self.fields
                && !fields.contains(&key.text.as_str())
            {
                if !self.outer.elsewhere.contains(&key.text.as_str()) {
                    let known = [fields, self.outer.elsewhere].concat();
                    let message = format!(
                        "unknown key {:?}{}; expected {}",
                        key.text,
                        did_you_mean(&key.text, &known),
                        known.join(", ")
                    );
                    self.outer.problems.error(key.at, message);
                }
                continue;
            }
            self.value = Some((key, node));
            let text = Value::Text(key.text.clone());
            let node = Node {
                at: key.at,
                value: text,
            };
            let read = seed.deserialize(self.outer.inner(&node, None));
            return read.map(Some).map_err(|error| error.at(&node));
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let (key, node) = (self.value.take())
            .ok_or_else(|| <Error as de::Error>::custom("a value without its key"))?;
        let value = seed.deserialize(self.outer.inner(node, Some(key)));
        value.map_err(|error| error.at(node))
    }
}

/// Line, column and value, one after the other, from which an [`Optional`](super::Optional) is read. A wrong value is
/// reported, and then missing.
struct SpannedAccess<'n>(NodeDeserializer<'n>, u8);

impl<'de> SeqAccess<'de> for SpannedAccess<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let SpannedAccess(value, step) = self;
        let (node, problems) = (value.node, value.problems);
        *step += 1;
        match step {
            1 => return seed.deserialize(node.at.line.into_deserializer()).map(Some),
            2 => {
                return seed
                    .deserialize(node.at.column.into_deserializer())
                    .map(Some);
            }
            _ => {}
        }
        // A condition that was left out by mistake must not hold for every event.
        if let Value::Null = node.value {
            match value.key {
                Some(key) => problems.error(key.at, format!("missing value for {:?}", key.text)),
                None => problems.error(node.at, "missing value"),
            }
            return Ok(None);
        }
        let read = seed.deserialize(*value);
        Ok(read.map_err(|error| error.report(node, problems)).ok())
    }
}
