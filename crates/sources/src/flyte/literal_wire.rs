//! The messages in which Flyte describes data, and their types (`flyteidl/core/{literals,types}.proto`): as `wire.rs`, which
//! exports them.
//!
//! They are small, since a list has one for each two bytes of a message: what is seldom there is boxed.

use std::collections::BTreeMap;

use prost::Message;
use serde::Deserialize;

use super::protojson;

/// `flyteidl.core.LiteralMap`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LiteralMap {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) literals: BTreeMap<String, Literal>,
}

/// `flyteidl.core.LiteralCollection`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Collection {
    #[prost(message, repeated, tag = "1")]
    pub(super) literals: Vec<Literal>,
}

/// `flyteidl.core.Literal`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Literal {
    #[prost(message, optional, boxed, tag = "1")]
    pub(super) scalar: Option<Box<Scalar>>,
    #[prost(message, optional, boxed, tag = "2")]
    pub(super) collection: Option<Box<Collection>>,
    #[prost(message, optional, boxed, tag = "3")]
    pub(super) map: Option<Box<LiteralMap>>,
    #[prost(message, optional, boxed, tag = "8")]
    #[serde(alias = "offloaded_metadata")]
    pub(super) offloaded_metadata: Option<Box<OffloadedLiteral>>,
}

/// `flyteidl.core.LiteralOffloadedMetadata`: a literal that is an object of its own.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OffloadedLiteral {
    #[prost(string, tag = "1")]
    pub(super) uri: String,
}

/// `flyteidl.core.Scalar`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Scalar {
    #[prost(message, optional, tag = "2")]
    pub(super) blob: Option<Blob>,
    #[prost(message, optional, tag = "4")]
    pub(super) schema: Option<SchemaScalar>,
    #[prost(message, optional, tag = "8")]
    #[serde(alias = "structured_dataset")]
    pub(super) structured_dataset: Option<StructuredDataset>,
    #[prost(message, optional, tag = "9")]
    pub(super) union: Option<UnionScalar>,
}

/// `flyteidl.core.Blob`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Blob {
    #[prost(message, optional, tag = "1")]
    pub(super) metadata: Option<BlobMetadata>,
    #[prost(string, tag = "3")]
    pub(super) uri: String,
}

/// `flyteidl.core.BlobMetadata`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BlobMetadata {
    #[prost(message, optional, tag = "1")]
    #[serde(rename = "type")]
    pub(super) kind: Option<BlobType>,
}

/// `flyteidl.core.BlobType`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BlobType {
    #[prost(string, tag = "1")]
    pub(super) format: String,
}

/// `flyteidl.core.Schema`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SchemaScalar {
    #[prost(string, tag = "1")]
    pub(super) uri: String,
    #[prost(message, optional, tag = "3")]
    #[serde(rename = "type")]
    pub(super) kind: Option<SchemaType>,
}

/// `flyteidl.core.SchemaType`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SchemaType {
    #[prost(message, repeated, tag = "3")]
    pub(super) columns: Vec<SchemaColumn>,
}

/// `flyteidl.core.SchemaType.SchemaColumn`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SchemaColumn {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "2")]
    #[serde(rename = "type", deserialize_with = "protojson::column_type")]
    pub(super) kind: i32,
}

/// `flyteidl.core.StructuredDataset`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct StructuredDataset {
    #[prost(string, tag = "1")]
    pub(super) uri: String,
    #[prost(message, optional, tag = "2")]
    pub(super) metadata: Option<StructuredMetadata>,
}

/// `flyteidl.core.StructuredDatasetMetadata`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct StructuredMetadata {
    #[prost(message, optional, tag = "1")]
    #[serde(alias = "structured_dataset_type")]
    pub(super) structured_dataset_type: Option<StructuredType>,
}

/// `flyteidl.core.StructuredDatasetType`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct StructuredType {
    #[prost(message, repeated, tag = "1")]
    pub(super) columns: Vec<StructuredColumn>,
    #[prost(string, tag = "2")]
    pub(super) format: String,
}

/// `flyteidl.core.StructuredDatasetType.DatasetColumn`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct StructuredColumn {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, boxed, tag = "2")]
    #[serde(alias = "literal_type")]
    pub(super) literal_type: Option<Box<LiteralType>>,
}

/// `flyteidl.core.Union`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct UnionScalar {
    #[prost(message, optional, boxed, tag = "1")]
    pub(super) value: Option<Box<Literal>>,
}

/// `flyteidl.core.LiteralType`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LiteralType {
    #[prost(int32, optional, tag = "1")]
    #[serde(deserialize_with = "protojson::simple_type")]
    pub(super) simple: Option<i32>,
    #[prost(message, optional, boxed, tag = "2")]
    pub(super) schema: Option<Box<SchemaType>>,
    #[prost(message, optional, boxed, tag = "3")]
    #[serde(alias = "collection_type")]
    pub(super) collection_type: Option<Box<LiteralType>>,
    #[prost(message, optional, boxed, tag = "4")]
    #[serde(alias = "map_value_type")]
    pub(super) map_value_type: Option<Box<LiteralType>>,
    #[prost(message, optional, boxed, tag = "8")]
    #[serde(alias = "structured_dataset_type")]
    pub(super) structured_dataset_type: Option<Box<StructuredType>>,
    #[prost(message, optional, boxed, tag = "10")]
    #[serde(alias = "union_type")]
    pub(super) union_type: Option<Box<UnionType>>,
}

/// `flyteidl.core.UnionType`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct UnionType {
    #[prost(message, repeated, tag = "1")]
    pub(super) variants: Vec<LiteralType>,
}
