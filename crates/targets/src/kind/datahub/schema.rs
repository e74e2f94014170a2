//! The schema facet as DataHub's `schemaMetadata`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use openlineage::Json;
use serde_json::{Value, json};

use super::budget::{Budget, MAX_FIELD, OversizeError};
use super::facets::{self, text};
use super::naming::DatasetName;
use super::people;
use super::proposal::with;
use super::urn::platform_urn;

/// How deep nested fields are followed. Deeper ones are in the native type of their ancestor.
const MAX_DEPTH: usize = 20;

/// The most fields of a schema: more than any table has, and what bounds the request.
const MAX_FIELDS: usize = 10_000;

/// The schema of a dataset, if the facet has one. `tags` is the facet of that name, which may tag fields.
///
/// Nothing in it depends on the time of the event, so that an unchanged schema makes no new version of the aspect.
pub(super) fn metadata(
    name: &DatasetName,
    schema: Json<'_>,
    tags: Option<Json<'_>>,
    budget: &mut Budget,
) -> Result<Option<Value>, OversizeError> {
    let Some(list) = schema.get("fields") else {
        return Ok(None);
    };
    let mut fields = Fields {
        tags: tags.map(people::field_tags).unwrap_or_default(),
        seen: BTreeSet::new(),
        fields: Vec::new(),
    };
    fields.add("", list, 0, budget)?;
    let fields = fields.fields;
    if fields.is_empty() {
        return Ok(None);
    }
    Ok(Some(json!({
        "schemaName": name.name,
        "platform": platform_urn(&name.platform),
        "version": 0,
        "hash": "",
        "platformSchema": {"com.linkedin.schema.OtherSchema": {"rawSchema": ""}},
        "fields": fields,
    })))
}

struct Fields {
    /// The tags of fields, by path.
    tags: BTreeMap<String, BTreeSet<String>>,
    /// The server rejects a path that is there twice; Spark has such columns.
    seen: BTreeSet<String>,
    fields: Vec<Value>,
}

impl Fields {
    fn add(
        &mut self,
        parent: &str,
        list: Json<'_>,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<(), OversizeError> {
        for field in list.items() {
            if self.fields.len() >= MAX_FIELDS {
                break;
            }
            let fits = |name: &str| !name.is_empty() && parent.len() + 1 + name.len() <= MAX_FIELD;
            let Some(name) = text(field, "name").filter(|name| fits(name)) else {
                continue;
            };
            let path = match parent {
                "" => name.into_owned(),
                parent => format!("{parent}.{name}"),
            };
            if !self.seen.insert(path.clone()) {
                continue;
            }
            budget.take(path.len())?;
            let native = text(field, "type").unwrap_or_default();
            let nested = field.get("fields").filter(|list| !list.items().is_empty());
            let kind = match (kind_of(&native), nested) {
                (Kind::Null, Some(_)) => Kind::Record,
                (kind, _) => kind,
            };
            let json = json!({
                "fieldPath": path,
                "nullable": true, // OpenLineage does not say
                "type": {"type": {kind.name(): {}}},
                "nativeDataType": native,
                "recursive": false,
                "isPartOfKey": false,
            });
            let description = text(field, "description");
            let description = description.map(|text| Value::from(facets::shortened(&text)));
            let tags = self.tags.get(&path).map(|tags| {
                let tags: Vec<Value> = tags.iter().map(|tag| json!({ "tag": tag })).collect();
                json!({ "tags": tags })
            });
            let json = with(json, "description", description);
            self.fields.push(with(json, "globalTags", tags));
            if let Some(nested) = nested
                && depth < MAX_DEPTH
            {
                self.add(&path, nested, depth + 1, budget)?;
            }
        }
        Ok(())
    }
}

/// DataHub's types of fields, those of `SchemaFieldDataType.pdl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Bytes,
    Number,
    String,
    Date,
    Time,
    Enum,
    Array,
    Map,
    Record,
    Union,
    Null,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "com.linkedin.schema.BooleanType",
            Kind::Bytes => "com.linkedin.schema.BytesType",
            Kind::Number => "com.linkedin.schema.NumberType",
            Kind::String => "com.linkedin.schema.StringType",
            Kind::Date => "com.linkedin.schema.DateType",
            Kind::Time => "com.linkedin.schema.TimeType",
            Kind::Enum => "com.linkedin.schema.EnumType",
            Kind::Array => "com.linkedin.schema.ArrayType",
            Kind::Map => "com.linkedin.schema.MapType",
            Kind::Record => "com.linkedin.schema.RecordType",
            Kind::Union => "com.linkedin.schema.UnionType",
            Kind::Null => "com.linkedin.schema.NullType",
        }
    }
}

/// The type of a field by the name that its database gives it; a type that is not known is `NullType`, as for the converter.
fn kind_of(native: &str) -> Kind {
    let lower = native.trim().to_ascii_lowercase();
    if lower.ends_with("[]") {
        return Kind::Array;
    }
    let end = lower.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    match lower.get(..end.unwrap_or(lower.len())).unwrap_or_default() {
        "boolean" | "bool" | "bit" => Kind::Boolean,
        "string" | "varchar" | "varchar2" | "nvarchar" | "nvarchar2" | "char" | "nchar"
        | "bpchar" | "character" | "text" | "mediumtext" | "longtext" | "tinytext" | "ntext"
        | "clob" | "uuid" | "utf8" | "large_utf8" | "large_string" => Kind::String,
        "byte" | "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint"
        | "hugeint" | "long" | "short" | "int2" | "int4" | "int8" | "int16" | "int32" | "int64"
        | "int128" | "uint8" | "uint16" | "uint32" | "uint64" | "utinyint" | "usmallint"
        | "uinteger" | "ubigint" | "serial" | "bigserial" | "float" | "float4" | "float8"
        | "float16" | "float32" | "float64" | "double" | "real" | "decimal" | "decimal128"
        | "dec" | "numeric" | "number" | "bignumeric" | "money" => Kind::Number,
        "date" | "date32" | "date64" => Kind::Date,
        "timestamp" | "timestamp_ntz" | "timestamp_ltz" | "timestamp_tz" | "timestampntz"
        | "timestampltz" | "timestamptz" | "datetime" | "datetime2" | "datetimeoffset"
        | "smalldatetime" | "time" | "timetz" | "interval" | "year" => Kind::Time,
        "binary" | "varbinary" | "bytes" | "bytea" | "blob" | "varbyte" | "image" => Kind::Bytes,
        "enum" => Kind::Enum,
        "array" | "list" | "set" | "multiset" => Kind::Array,
        "map" => Kind::Map,
        "struct" | "record" | "row" | "object" | "json" | "jsonb" | "variant" | "super" => {
            Kind::Record
        }
        "union" | "uniontype" => Kind::Union,
        _ => Kind::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::datahub::naming::Naming;

    fn fields(facet: &str, tags: Option<&str>) -> Vec<Value> {
        let name = Naming::default().dataset("postgres://h", "d.s.t", None);
        let tags = tags.map(|tags| Json::parse(tags).unwrap());
        let facet_json = Json::parse(facet).unwrap();
        let mut budget = Budget::of(facet.len());
        let schema = metadata(&name.unwrap(), facet_json, tags, &mut budget).unwrap();
        schema.unwrap()["fields"].as_array().unwrap().clone()
    }

    #[test]
    fn nested_fields_have_dotted_paths_and_every_path_is_there_once() {
        let facet = r#"{"fields":[{"name":"a","type":"struct","fields":[{"name":"b","type":"INT"},{"name":"b"}]},
            {"name":"a","type":"string"},{"name":""},{"type":"int"},7,{"name":"c","type":"numeric(10,2)","description":"d"}]}"#;
        let tags = r#"{"tags":[{"key":"pii","value":"true","field":"c"}]}"#;
        let fields = fields(facet, Some(tags));
        let paths: Vec<&str> = (fields.iter())
            .map(|field| field["fieldPath"].as_str().unwrap())
            .collect();
        assert_eq!(paths, ["a", "a.b", "c"]);
        assert_eq!(fields[2]["description"], "d");
        assert_eq!(fields[2]["globalTags"]["tags"][0]["tag"], "urn:li:tag:pii");
    }

    #[test]
    fn types_are_known_whatever_their_parameters_and_case() {
        for (native, kind) in [
            ("LONG", Kind::Number),
            ("decimal(38,18)", Kind::Number),
            ("double precision", Kind::Number),
            ("VARCHAR(255)", Kind::String),
            ("character varying", Kind::String),
            ("timestamp with time zone", Kind::Time),
            ("date", Kind::Date),
            ("array<string>", Kind::Array),
            ("text[]", Kind::Array),
            ("map<string,int>", Kind::Map),
            ("struct<a:int>", Kind::Record),
            ("geography", Kind::Null),
            ("", Kind::Null),
        ] {
            assert_eq!(kind_of(native), kind, "{native}");
        }
    }
}
