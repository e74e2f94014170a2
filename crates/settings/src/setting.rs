//! A setting: a value that is read by its [`Format`].

use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

/// How a setting is written. Implemented by types without values, such as [`Size`](crate::Size).
pub trait Format {
    /// The type of the value.
    type Value;

    /// Describes a valid value as a noun phrase, for documentation: `a size such as 10 MB`.
    fn expected() -> String;

    /// Describes all values briefly, for a table of settings: `10s to 12h`. Empty if any text is valid.
    fn values() -> String {
        Self::expected()
    }

    /// Reads a value from a text that is not empty and has no white space around it.
    ///
    /// An error names what was expected and what was found. A format of secrets does not repeat the text.
    fn parse(text: &str) -> Result<Self::Value, String>;

    /// Reads a value of a YAML file. Only formats of lists and maps accept more than one text.
    fn read(value: Json) -> Result<Self::Value, String> {
        match value {
            Json::String(text) => Self::parse(text.trim()),
            Json::Number(number) => Self::parse(&number.to_string()),
            Json::Bool(flag) => Self::parse(&flag.to_string()),
            Json::Null => Err(single("nothing")),
            Json::Array(_) => Err(single("a list")),
            Json::Object(_) => Err(single("a map")),
        }
    }

    /// Writes a value as in an environment variable; a secret as stars.
    fn show(value: &Self::Value) -> String;

    /// Whether a value may be shown to anyone who can see the configuration.
    fn is_secret() -> bool {
        false
    }
}

fn single(found: &str) -> String {
    format!("expected a single value, found {found}")
}

/// The value of a setting. Serde reads and writes it in its format.
pub struct Setting<F: Format>(pub F::Value);

impl<F: Format> Setting<F> {
    /// Returns the value.
    pub fn into_value(self) -> F::Value {
        self.0
    }
}

/// For functions that take the text of settings without knowing their formats.
impl<F: Format<Value = String>> From<Setting<F>> for String {
    fn from(setting: Setting<F>) -> String {
        setting.0
    }
}

impl<F: Format> Deref for Setting<F> {
    type Target = F::Value;

    fn deref(&self) -> &F::Value {
        &self.0
    }
}

impl<F: Format<Value: Clone>> Clone for Setting<F> {
    fn clone(&self) -> Self {
        Setting(self.0.clone())
    }
}

impl<F: Format> fmt::Debug for Setting<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&F::show(&self.0))
    }
}

impl<F: Format<Value: Default>> Default for Setting<F> {
    fn default() -> Self {
        Setting(F::Value::default())
    }
}

impl<'de, F: Format> Deserialize<'de> for Setting<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Json::deserialize(deserializer)?;
        F::read(value).map(Setting).map_err(D::Error::custom)
    }
}

impl<F: Format> Serialize for Setting<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&F::show(&self.0))
    }
}

impl<F: Format> JsonSchema for Setting<F> {
    // A field can have documentation only beside a schema that is inlined.
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        std::any::type_name::<F>().into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-expected": F::expected(), "x-values": F::values(), "x-secret": F::is_secret() })
    }
}
