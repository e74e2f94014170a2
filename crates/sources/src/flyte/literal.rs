//! Finds the data that literals refer to, without opening any of it: blobs, schemas and structured datasets, however
//! deep in lists, maps and unions, and in literals that are objects of their own.

use prost::Message;

use super::Objects;
use super::protojson::{self, COLUMN_TYPES, SIMPLE_TYPES};
use super::wire::{
    Literal, LiteralMap, LiteralType, Scalar, SchemaType, StructuredType, UnionScalar,
};

/// The most references that are taken from the inputs or outputs of an event. A task that returns a list of more files
/// than this is better described by their folder.
const MAX_REFERENCES: usize = 1_000;

/// The most columns of a dataset: the limit of a Glue table is 400,000 bytes, of a Redshift table 1,600 columns.
const MAX_COLUMNS: usize = 5_000;

/// The data that some literals refer to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct References {
    pub(super) found: Vec<Reference>,
    /// The literals that are objects which have not been read.
    pub(super) unread: Vec<String>,
    /// The literals that are objects which have been read, or could not be.
    pub(super) offloaded: Vec<String>,
    /// Whether there is more than is taken.
    pub(super) is_cut: bool,
}

/// Data that a literal refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The variable.
    pub(super) variable: String,
    pub(super) uri: String,
    /// What it is to Flyte.
    pub(super) kind: &'static str,
    pub(super) format: String,
    pub(super) columns: Vec<Column>,
}

/// A column, with its type in Flyte's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
}

/// Returns what the literals of a map refer to, in the order of its variables.
pub(super) fn references(map: &LiteralMap, objects: &Objects) -> References {
    let mut references = References::default();
    for (variable, literal) in &map.literals {
        references.add(variable, literal, objects, true);
    }
    references
}

/// The columns of a type, if it has any.
pub(super) fn columns(kind: &LiteralType) -> Vec<Column> {
    match (&kind.structured_dataset_type, &kind.schema) {
        (Some(structured), _) => structured_columns(structured),
        (None, Some(schema)) => schema_columns(schema),
        (None, None) => Vec::new(),
    }
}

impl References {
    fn add(&mut self, variable: &str, literal: &Literal, objects: &Objects, follow: bool) {
        if self.is_cut {
            return;
        }
        if let Some(scalar) = &literal.scalar {
            self.add_scalar(variable, scalar, objects, follow);
        }
        if let Some(collection) = &literal.collection {
            for item in &collection.literals {
                self.add(variable, item, objects, follow);
            }
        }
        if let Some(map) = &literal.map {
            for item in map.literals.values() {
                self.add(variable, item, objects, follow);
            }
        }
        // A literal that is an object of its own has no other such in it: Flyte offloads it whole.
        if let Some(offloaded) = &literal.offloaded_metadata
            && follow
            && !offloaded.uri.is_empty()
        {
            match objects.get(&offloaded.uri) {
                None => self.unread.push(offloaded.uri.clone()),
                Some(object) => {
                    self.offloaded.push(offloaded.uri.clone());
                    // What is wrong with it is reported where objects are.
                    if let Some(literal) = object.ok().and_then(|bytes| Literal::decode(bytes).ok())
                    {
                        self.add(variable, &literal, objects, false);
                    }
                }
            }
        }
    }

    fn add_scalar(&mut self, variable: &str, scalar: &Scalar, objects: &Objects, follow: bool) {
        if let Some(blob) = &scalar.blob {
            let kind = blob
                .metadata
                .as_ref()
                .and_then(|metadata| metadata.kind.as_ref());
            let format = kind.map(|kind| kind.format.as_str());
            self.push(variable, &blob.uri, "blob", format, Vec::new);
        }
        if let Some(schema) = &scalar.schema {
            let columns = || schema.kind.as_ref().map(schema_columns).unwrap_or_default();
            self.push(variable, &schema.uri, "schema", None, columns);
        }
        if let Some(dataset) = &scalar.structured_dataset {
            let metadata = dataset.metadata.as_ref();
            let kind = metadata.and_then(|metadata| metadata.structured_dataset_type.as_ref());
            let format = kind.map(|kind| kind.format.as_str());
            let columns = || kind.map(structured_columns).unwrap_or_default();
            self.push(
                variable,
                &dataset.uri,
                "structured_dataset",
                format,
                columns,
            );
        }
        if let Some(UnionScalar { value: Some(value) }) = &scalar.union {
            self.add(variable, value, objects, follow);
        }
    }

    fn push(
        &mut self,
        variable: &str,
        uri: &str,
        kind: &'static str,
        format: Option<&str>,
        columns: impl FnOnce() -> Vec<Column>,
    ) {
        if uri.is_empty() {
            return; // a dataset that has not been written
        }
        if self.found.len() == MAX_REFERENCES {
            self.is_cut = true;
            return;
        }
        self.found.push(Reference {
            variable: variable.to_owned(),
            uri: uri.to_owned(),
            kind,
            format: format.unwrap_or_default().to_owned(),
            columns: columns(),
        });
    }
}

fn schema_columns(schema: &SchemaType) -> Vec<Column> {
    let columns = schema.columns.iter().take(MAX_COLUMNS);
    let column = |column: &super::wire::SchemaColumn| Column {
        name: column.name.clone(),
        kind: protojson::name(COLUMN_TYPES, column.kind)
            .unwrap_or_default()
            .to_owned(),
    };
    columns.map(column).collect()
}

fn structured_columns(structured: &StructuredType) -> Vec<Column> {
    let columns = structured.columns.iter().take(MAX_COLUMNS);
    let column = |column: &super::wire::StructuredColumn| Column {
        name: column.name.clone(),
        kind: column
            .literal_type
            .as_deref()
            .map(type_name)
            .unwrap_or_default(),
    };
    columns.map(column).collect()
}

/// A type in Flyte's words: `INTEGER`, `LIST<STRING>`. Empty if it has no name. As deep as the decoders went.
fn type_name(kind: &LiteralType) -> String {
    if let Some(simple) = kind.simple {
        return protojson::name(SIMPLE_TYPES, simple)
            .unwrap_or_default()
            .to_owned();
    }
    if let Some(item) = &kind.collection_type {
        return format!("LIST<{}>", type_name(item));
    }
    if let Some(value) = &kind.map_value_type {
        return format!("MAP<STRING,{}>", type_name(value));
    }
    if let Some(union) = &kind.union_type {
        let variants = union.variants.iter().take(10).map(type_name);
        return variants.collect::<Vec<_>>().join("|");
    }
    String::new()
}
