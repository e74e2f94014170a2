//! The single values in a rules file: strings, sizes, numbers.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};

// A string. A whole number is one too: `name: 2024`. `1.10` and `00123` reach us as other numbers than were written.
// Not a doc comment: the JSON Schema would repeat it everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(inline, extend("type" = ["string", "integer"]))]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Text, E> {
                Err(E::custom(
                    "expected a string, found a number that YAML may have changed; put it in quotes",
                ))
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.0
    }
}

// A string that is not empty.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(try_from = "Text")]
#[schemars(inline, extend("minLength" = 1))]
pub(crate) struct NewText(pub(crate) String);

impl TryFrom<Text> for NewText {
    type Error = &'static str;

    fn try_from(text: Text) -> Result<NewText, &'static str> {
        match text.0.is_empty() {
            true => Err("expected a new text, found an empty one"),
            false => Ok(NewText(text.0)),
        }
    }
}

/// Bytes: 300 KB, 1 MiB, or a number.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[schemars(extend("type" = ["string", "integer"], "minimum" = 0))]
pub(crate) struct Size(pub(crate) usize);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as 100 KB")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                let size = usize::try_from(bytes).ok().map(Size);
                size.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(bytes), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                match text.parse::<bytesize::ByteSize>() {
                    Ok(size) => self.visit_u64(size.as_u64()),
                    Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

/// A whole number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WholeNumber<const LEAST: u64, const MOST: u64>(pub(crate) u64);

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for WholeNumber<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<const LEAST: u64, const MOST: u64>;
        impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Visit<LEAST, MOST> {
            type Value = WholeNumber<LEAST, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match LEAST == MOST {
                    true => write!(f, "{LEAST}"),
                    false => write!(f, "a whole number from {LEAST} to {MOST}"),
                }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                match (LEAST..=MOST).contains(&number) {
                    true => Ok(WholeNumber(number)),
                    false => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

impl<const LEAST: u64, const MOST: u64> JsonSchema for WholeNumber<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole_{LEAST}_{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": LEAST, "maximum": MOST})
    }
}

// A value that has to be `true`; `null` counts as it, so that `drop:` is enough.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[schemars(inline, with = "Option<bool>", extend("enum" = [true, null]))]
pub(crate) struct True;

impl<'de> Deserialize<'de> for True {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<True, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = True;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true")
            }

            fn visit_unit<E>(self) -> Result<True, E> {
                Ok(True)
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<True, E> {
                match flag {
                    true => Ok(True),
                    false => Err(E::invalid_value(Unexpected::Bool(flag), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visit)
    }
}
