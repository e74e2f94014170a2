//! The shapes of settings in a rules file: optional values, lists, maps, all with their positions. Single values are in
//! `scalars.rs`.
//!
//! Each reads itself from YAML and describes itself in the JSON Schema.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::FilePosition;
use super::deserialize::{MAP_OR, ONE_OR_MANY, OPTIONAL};

/// A value and its position.
#[derive(Debug, Clone)]
pub(crate) struct Spanned<T> {
    pub(crate) at: FilePosition,
    pub(crate) value: T,
}

/// An optional setting. A wrong value has been reported and counts as set, so that it is not reported as missing, too.
/// `null` is a wrong value.
#[derive(Debug, Clone, Default)]
pub(crate) enum Optional<T> {
    #[default]
    Absent,
    Wrong,
    Value(Spanned<T>),
}

impl<T> Optional<T> {
    pub(crate) fn value(self) -> Option<T> {
        self.spanned().map(|spanned| spanned.value)
    }

    pub(crate) fn spanned(self) -> Option<Spanned<T>> {
        match self {
            Optional::Value(spanned) => Some(spanned),
            Optional::Absent | Optional::Wrong => None,
        }
    }

    pub(crate) fn as_ref(&self) -> Option<&Spanned<T>> {
        match self {
            Optional::Value(spanned) => Some(spanned),
            Optional::Absent | Optional::Wrong => None,
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Optional::Absent)
    }
}

impl Optional<bool> {
    /// Whether the setting has an effect: `false` has none.
    pub(crate) fn asks(&self) -> bool {
        match self {
            Optional::Value(flag) => flag.value,
            Optional::Wrong => true,
            Optional::Absent => false,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        self.as_ref().is_some_and(|flag| flag.value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Optional<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(OPTIONAL, Position(PhantomData))
    }
}

/// Reads line, column and value.
struct Position<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Position<T> {
    type Value = Optional<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Optional<T>, A::Error> {
        let mut number = || Ok(parts.next_element()?.unwrap_or_default());
        let (line, column) = (number()?, number()?);
        let at = FilePosition { line, column };
        Ok(match parts.next_element()? {
            Some(value) => Optional::Value(Spanned { at, value }),
            None => Optional::Wrong,
        })
    }
}

/// A list with at least `LEAST` elements. Wrong elements have been reported and are left out.
#[derive(Debug, Clone)]
pub(crate) struct List<T, const LEAST: usize>(pub(crate) Vec<Spanned<T>>);

/// As [`List`], but a single value may be written without a list.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T, const LEAST: usize = 1>(pub(crate) Vec<Spanned<T>>);

impl<T, const LEAST: usize> OneOrMany<T, LEAST> {
    pub(crate) fn values(self) -> Vec<T> {
        self.0.into_iter().map(|item| item.value).collect()
    }
}

impl<T: PartialEq, const LEAST: usize> OneOrMany<T, LEAST> {
    pub(crate) fn contains(&self, wanted: &T) -> bool {
        self.0.iter().any(|item| item.value == *wanted)
    }
}

/// Why an empty list or map is an error.
fn check_length<E: de::Error>(what: &str, length: usize, least: usize) -> Result<(), E> {
    match length < least {
        true => Err(E::custom(format!("an empty {what} does nothing"))),
        false => Ok(()),
    }
}

struct Elements<T, const LEAST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const LEAST: usize> Visitor<'de> for Elements<T, LEAST> {
    type Value = Vec<Spanned<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (mut items, mut length) = (Vec::new(), 0);
        while let Some(item) = seq.next_element::<Optional<T>>()? {
            length += 1;
            items.extend(item.spanned());
        }
        check_length("list", length, LEAST)?;
        Ok(items)
    }
}

impl<'de, T: Deserialize<'de>, const LEAST: usize> Deserialize<'de> for List<T, LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = deserializer.deserialize_seq(Elements::<T, LEAST>(PhantomData));
        items.map(List)
    }
}

impl<'de, T: Deserialize<'de>, const LEAST: usize> Deserialize<'de> for OneOrMany<T, LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let elements = Elements::<T, LEAST>(PhantomData);
        let items = deserializer.deserialize_newtype_struct(ONE_OR_MANY, elements);
        items.map(OneOrMany)
    }
}

/// A map with keys that the user chooses and at least `LEAST` members, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Entries<K, V, const LEAST: usize>(pub(crate) Vec<(Spanned<K>, Spanned<V>)>);

impl<'de, K, V, const LEAST: usize> Deserialize<'de> for Entries<K, V, LEAST>
where
    K: Deserialize<'de>,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<K, V, const LEAST: usize>(PhantomData<(K, V)>);
        impl<'de, K, V, const LEAST: usize> Visitor<'de> for Visit<K, V, LEAST>
        where
            K: Deserialize<'de>,
            V: Deserialize<'de>,
        {
            type Value = Entries<K, V, LEAST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of keys and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut entries, mut length) = (Vec::new(), 0);
                while let Some(key) = map.next_key::<Optional<K>>()? {
                    length += 1;
                    let value = map.next_value::<Optional<V>>()?;
                    entries.extend(key.spanned().zip(value.spanned()));
                }
                check_length("map", length, LEAST)?;
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_any(Visit(PhantomData))
    }
}

/// A map of settings, or a shorter form of it.
#[derive(Debug, Clone)]
pub(crate) enum MapOr<M, S> {
    Map(M),
    Short(S),
}

impl<'de, M: Deserialize<'de>, S: Deserialize<'de>> Deserialize<'de> for MapOr<M, S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<M, S>(PhantomData<(M, S)>);
        impl<'de, M: Deserialize<'de>, S: Deserialize<'de>> Visitor<'de> for Visit<M, S> {
            type Value = MapOr<M, S>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                map: D,
            ) -> Result<Self::Value, D::Error> {
                M::deserialize(map).map(MapOr::Map)
            }

            fn visit_some<D: Deserializer<'de>>(self, short: D) -> Result<Self::Value, D::Error> {
                S::deserialize(short).map(MapOr::Short)
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR, Visit(PhantomData))
    }
}

/// The schema of a setting is that of its value.
impl<T: JsonSchema> JsonSchema for Optional<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema, const LEAST: usize> JsonSchema for List<T, LEAST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List_{}_{LEAST}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        match LEAST {
            0 => json_schema!({"type": "array", "items": items}),
            _ => json_schema!({"type": "array", "items": items, "minItems": LEAST}),
        }
    }
}

impl<T: JsonSchema, const LEAST: usize> JsonSchema for OneOrMany<T, LEAST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}_{LEAST}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let list = List::<T, LEAST>::json_schema(generator);
        json_schema!({"anyOf": [generator.subschema_for::<T>(), list]})
    }
}

impl<K: JsonSchema, V: JsonSchema, const LEAST: usize> JsonSchema for Entries<K, V, LEAST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Entries_{}_{LEAST}", V::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<V>();
        match LEAST {
            0 => json_schema!({"type": "object", "additionalProperties": values}),
            _ => {
                json_schema!({"type": "object", "additionalProperties": values, "minProperties": LEAST})
            }
        }
    }
}

impl<M: JsonSchema, S: JsonSchema> JsonSchema for MapOr<M, S> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("MapOr_{}_{}", M::schema_name(), S::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (short, map) = (
            generator.subschema_for::<S>(),
            generator.subschema_for::<M>(),
        );
        json_schema!({"anyOf": [short, map]})
    }
}
