//! The types of columns: what a schema facet says, in the words of Hive, which the catalog uses. Pure.
//!
//! Nested types come as nested fields (OpenLineage, `SchemaDatasetFacet`) or in the text itself, as Spark and Trino write
//! them. A type that is not known becomes `string`, and its own name is kept beside it. The words follow AWS SDK for pandas
//! (`awswrangler/_data_types.py`, `pyarrow2athena`). Called by `fact.rs`.

use openlineage::Json;

use super::name::plain;

/// The longest type (service model 2017-03-31, `ColumnTypeString`, max 131072).
const MAX_TYPE: usize = 131_072;

/// How deep nested types may be. Athena and Spark read no deeper ones that occur; the limit bounds the stack.
const MAX_DEPTH: usize = 32;

/// Decimals without precision: Hive's widest, with room on both sides.
const DECIMAL: &str = "decimal(38,18)";

/// A type of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HiveType {
    pub(super) text: String,
    /// The type as the facet has it, if the catalog has none like it.
    pub(super) original: Option<String>,
}

/// The type of a field of a schema facet.
pub(super) fn of(field: Json<'_>) -> HiveType {
    let named = field.get("type").and_then(Json::string);
    match typed(field, 0).filter(|text| text.len() <= MAX_TYPE) {
        Some(text) => HiveType {
            text,
            original: None,
        },
        None => HiveType {
            text: STRING.to_owned(),
            original: (named.map(|named| named.into_owned())).filter(|named| !named.is_empty()),
        },
    }
}

const STRING: &str = "string";

/// The type of a field; `None` if it is not known.
fn typed(field: Json<'_>, depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return None;
    }
    let name = field.get("type").and_then(Json::string).unwrap_or_default();
    let nested = field.get("fields").map(Json::items).unwrap_or_default();
    if nested.is_empty() {
        return Parser::whole(&name.to_ascii_lowercase());
    }
    let of = |field: &Json<'_>| typed(*field, depth + 1).unwrap_or_else(|| STRING.to_owned());
    let structure = || {
        let member = |field: &Json<'_>| {
            let name = field.get("name").and_then(Json::string).unwrap_or_default();
            format!("{}:{}", plain(&name), of(field))
        };
        let members: Vec<String> = nested.iter().map(member).collect();
        format!("struct<{}>", members.join(","))
    };
    // Spark: an array has the field `_element`, a map the fields `key` and `value`. BigQuery: a repeated record has those of
    // the record.
    let word = name.split(['<', '(']).next().unwrap_or_default();
    Some(
        match (word.to_ascii_lowercase().as_str(), nested.as_slice()) {
            ("array" | "list", [element]) => format!("array<{}>", of(element)),
            ("array" | "list" | "repeated", _) => format!("array<{}>", structure()),
            ("map", [key, value]) => format!("map<{},{}>", of(key), of(value)),
            _ => structure(),
        },
    )
}

/// Reads a type that is written as text.
struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn whole(text: &'t str) -> Option<String> {
        let mut parser = Parser { rest: text };
        let hive = parser.typed(0)?;
        parser.rest.trim().is_empty().then_some(hive)
    }

    fn typed(&mut self, depth: usize) -> Option<String> {
        if depth > MAX_DEPTH {
            return None;
        }
        let word = self.word();
        let mut hive = match word {
            "array" | "list" => {
                let close = self.open()?;
                let element = self.typed(depth + 1)?;
                self.eat(close)?;
                format!("array<{element}>")
            }
            "map" => {
                let close = self.open()?;
                let key = self.typed(depth + 1)?;
                self.eat(',')?;
                let value = self.typed(depth + 1)?;
                self.eat(close)?;
                format!("map<{key},{value}>")
            }
            "struct" | "row" | "record" => {
                let close = self.open()?;
                let mut members = Vec::new();
                loop {
                    let name = plain(self.word());
                    // `struct<a:int>` in Hive and Spark, `row(a int)` in Trino.
                    let _ = self.eat(':');
                    members.push(format!("{name}:{}", self.typed(depth + 1)?));
                    if self.eat(',').is_none() {
                        break;
                    }
                }
                self.eat(close)?;
                format!("struct<{}>", members.join(","))
            }
            word => self.scalar(word)?,
        };
        // PostgreSQL: `integer[]`.
        while self.eat('[').is_some() {
            self.eat(']')?;
            hive = format!("array<{hive}>");
        }
        Some(hive)
    }

    fn scalar(&mut self, word: &str) -> Option<String> {
        let hive = match word {
            "tinyint" | "byte" | "int8" => "tinyint",
            "smallint" | "short" | "int16" | "uint8" | "int2" => "smallint",
            "int" | "integer" | "int32" | "uint16" | "int4" | "serial" => "int",
            "bigint" | "long" | "int64" | "uint32" | "bigserial" => "bigint",
            "uint64" => "decimal(20,0)",
            "float" | "float32" | "real" | "float4" => "float",
            "double" | "float64" | "float8" => {
                let _ = self.eat_word("precision");
                "double"
            }
            "decimal" | "numeric" | "number" => return Some(self.decimal()),
            "boolean" | "bool" => "boolean",
            "character" => {
                let _ = self.eat_word("varying");
                STRING
            }
            "string" | "varchar" | "nvarchar" | "text" | "char" | "nchar" | "bpchar" | "uuid"
            | "json" | "jsonb" | "enum" => STRING,
            "binary" | "varbinary" | "bytes" | "bytea" | "blob" => "binary",
            "date" => "date",
            "timestamp" | "timestamptz" | "timestamp_ntz" | "timestamp_ltz" | "timestamp_tz"
            | "datetime" | "datetime2" => {
                self.length();
                for word in ["with", "without", "local", "time", "zone"] {
                    let _ = self.eat_word(word);
                }
                "timestamp"
            }
            _ => return None,
        };
        self.length();
        Some(hive.to_owned())
    }

    /// `(10,2)` after a decimal.
    fn decimal(&mut self) -> String {
        let before = self.rest;
        let read = (|| {
            self.eat('(')?;
            let precision: u8 = self.word().parse().ok()?;
            let scale: u8 = match self.eat(',') {
                Some(()) => self.word().parse().ok()?,
                None => 0,
            };
            self.eat(')')?;
            // Hive has 38 digits; a wider number fits the default at least as well as none.
            (precision <= 38 && scale <= precision).then(|| format!("decimal({precision},{scale})"))
        })();
        read.unwrap_or_else(|| {
            self.rest = before;
            self.length();
            DECIMAL.to_owned()
        })
    }

    /// Skips `(255)` and the like: lengths and precisions that the type of the catalog does not have.
    fn length(&mut self) {
        let rest = self.rest.trim_start();
        let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        if let Some((inside, rest)) = inside
            && inside
                .bytes()
                .all(|b| b.is_ascii_digit() || b", ".contains(&b))
        {
            self.rest = rest;
        }
    }

    fn word(&mut self) -> &'t str {
        let rest = self.rest.trim_start();
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        word
    }

    fn eat_word(&mut self, word: &str) -> Option<()> {
        let before = self.rest;
        if self.word() == word {
            return Some(());
        }
        self.rest = before;
        None
    }

    fn eat(&mut self, c: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(c)?;
        Some(())
    }

    /// Eats what opens the parameters of a type, and returns what closes them.
    fn open(&mut self) -> Option<char> {
        if self.eat('<').is_some() {
            return Some('>');
        }
        self.eat('(').map(|()| ')')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_text(text: &str) -> HiveType {
        let field = serde_json::json!({"name": "a", "type": text}).to_string();
        of(Json::parse(&field).unwrap())
    }

    #[test]
    fn a_type_of_any_source_is_written_in_the_words_of_hive() {
        for (text, hive) in [
            ("BIGINT", "bigint"),
            ("Int32", "int"),
            ("uint64", "decimal(20,0)"),
            ("DECIMAL(10, 2)", "decimal(10,2)"),
            ("decimal(7)", "decimal(7,0)"),
            ("numeric", "decimal(38,18)"),
            ("NUMBER(99,2)", "decimal(38,18)"),
            ("double precision", "double"),
            ("character varying(20)", "string"),
            ("varchar(255)", "string"),
            ("timestamp(6) with time zone", "timestamp"),
            ("timestamp without time zone", "timestamp"),
            ("integer[]", "array<int>"),
            ("array<array<string>>", "array<array<string>>"),
            ("map<string, struct<A b:int,c:date>>", "string"),
            (
                "map<string,struct<a:int,c:date>>",
                "map<string,struct<a:int,c:date>>",
            ),
            (
                "row(a integer, b array(varchar(3)))",
                "struct<a:int,b:array<string>>",
            ),
        ] {
            assert_eq!(of_text(text).text, hive, "{text}");
        }
    }

    #[test]
    fn a_type_that_is_not_known_is_a_string_and_keeps_its_name() {
        for text in [
            "geography",
            "array<geography>",
            "int int",
            "struct<a>",
            "array<int",
        ] {
            let expected = HiveType {
                text: "string".to_owned(),
                original: Some(text.to_owned()),
            };
            assert_eq!(of_text(text), expected);
        }
        assert_eq!(of_text("varchar(3)").original, None);
        assert_eq!(of_text("").original, None);
    }

    #[test]
    fn nested_fields_become_a_nested_type() {
        let field = r#"{"name":"m","type":"map","fields":[{"name":"key","type":"string"},
            {"name":"value","type":"array","fields":[{"name":"_element","type":"struct","fields":[
                {"name":"Net Price","type":"decimal(10,2)"},{"name":"shape","type":"geometry"}]}]}]}"#;
        let expected = "map<string,array<struct<net_price:decimal(10,2),shape:string>>>";
        assert_eq!(of(Json::parse(field).unwrap()).text, expected);
    }

    #[test]
    fn a_type_that_is_nested_too_deep_or_too_long_is_a_string() {
        let deep = format!("{}int{}", "array<".repeat(1_000), ">".repeat(1_000));
        assert_eq!(of_text(&deep).text, "string");
        let members: Vec<String> = (0..20_000).map(|n| format!("column_{n}:int")).collect();
        assert_eq!(
            of_text(&format!("struct<{}>", members.join(","))).text,
            "string"
        );
    }

    proptest! {
        #[test]
        fn any_text_has_a_type(text in "[a-z<>(),:\\[\\] 0-9ä]{0,40}") {
            let hive = of_text(&text);
            // What is written is a type again, and the same.
            prop_assert_eq!(&of_text(&hive.text).text, &hive.text);
        }
    }
}
