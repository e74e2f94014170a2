//! DynamoDB: items of a table whose key is one text, for what functions have to remember.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Request, Response};
use crate::service::{Exceptions, Protocol, Service};

/// DynamoDB.
pub static SERVICE: Service = Service {
    id: "DynamoDB",
    signing_name: "dynamodb",
    host: "dynamodb",
    protocol: Protocol::Json10 {
        target_prefix: "DynamoDB_20120810",
    },
    endpoints: Exceptions::GovCloudIsFips,
};

/// The most keys of a [`BatchGetItem`], and the most items of a [`BatchWriteItem`]
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>).
pub const MOST_KEYS: usize = 100;
/// See [`MOST_KEYS`].
pub const MOST_ITEMS: usize = 25;

/// The attributes of an item by name.
pub type Item = BTreeMap<String, Attribute>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attribute {
    /// A text.
    S(String),
    /// A number, in digits.
    N(String),
}

/// Reads an item as it is now (`dynamodb:GetItem`).
#[derive(Debug, Clone)]
pub struct GetItem {
    /// The table.
    pub table_name: String,
    /// The attributes of the key.
    pub key: Item,
}

/// Writes an item, if a condition holds (`dynamodb:PutItem`). Otherwise the service answers
/// `ConditionalCheckFailedException`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutItem {
    /// The table.
    pub table_name: String,
    /// All attributes.
    pub item: Item,
    /// The condition, such as `attribute_not_exists(id)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition_expression: Option<String>,
    /// What the names in the condition stand for, such as `#v`: some words are reserved.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expression_attribute_names: BTreeMap<String, String>,
    /// What the values in the condition stand for, such as `:v`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expression_attribute_values: Item,
}

/// Reads up to [`MOST_KEYS`] items of a table as they are now (`dynamodb:BatchGetItem`).
#[derive(Debug, Clone)]
pub struct BatchGetItem {
    /// The table.
    pub table_name: String,
    /// Their keys, each once.
    pub keys: Vec<Item>,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchItems {
    /// The items that there are, in any order.
    pub items: Vec<Item>,
    /// The keys that were not looked up, because the service was busy.
    pub unprocessed: Vec<Item>,
}

/// Writes up to [`MOST_ITEMS`] items of a table, over those that are there (`dynamodb:BatchWriteItem`). Answers with the items
/// that were not written, because the service was busy.
#[derive(Debug, Clone)]
pub struct BatchWriteItem {
    /// The table.
    pub table_name: String,
    /// The items, each with another key.
    pub items: Vec<Item>,
}

impl Operation for GetItem {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetItem";
    type Output = Option<Item>;

    fn request(&self) -> Request {
        Request::json::<Self>(
            &json!({"TableName": self.table_name, "Key": self.key, "ConsistentRead": true}),
        )
    }

    fn read(response: Response) -> Result<Option<Item>, UnreadableResponse> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            item: Option<Item>,
        }
        let output: Output = serde_json::from_slice(&response.body)?;
        Ok(output.item)
    }
}

impl Operation for PutItem {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "PutItem";
    type Output = ();

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(_: Response) -> Result<(), UnreadableResponse> {
        Ok(())
    }
}

impl Operation for BatchGetItem {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "BatchGetItem";
    type Output = BatchItems;

    fn request(&self) -> Request {
        let keys = json!({"Keys": self.keys, "ConsistentRead": true});
        Request::json::<Self>(&json!({"RequestItems": {&self.table_name: keys}}))
    }

    fn read(response: Response) -> Result<BatchItems, UnreadableResponse> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Output {
            responses: BTreeMap<String, Vec<Item>>,
            unprocessed_keys: BTreeMap<String, Unprocessed>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Unprocessed {
            keys: Vec<Item>,
        }
        let output: Output = serde_json::from_slice(&response.body)?;
        let unprocessed = output.unprocessed_keys.into_values();
        Ok(BatchItems {
            items: output.responses.into_values().flatten().collect(),
            unprocessed: unprocessed.flat_map(|left| left.keys).collect(),
        })
    }
}

impl Operation for BatchWriteItem {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "BatchWriteItem";
    type Output = Vec<Item>;

    fn request(&self) -> Request {
        let puts = self.items.iter();
        let puts: Vec<_> = puts
            .map(|item| json!({"PutRequest": {"Item": item}}))
            .collect();
        Request::json::<Self>(&json!({"RequestItems": {&self.table_name: puts}}))
    }

    fn read(response: Response) -> Result<Vec<Item>, UnreadableResponse> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Output {
            unprocessed_items: BTreeMap<String, Vec<Write>>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Write {
            put_request: Put,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Put {
            item: Item,
        }
        let output: Output = serde_json::from_slice(&response.body)?;
        let left = output.unprocessed_items.into_values().flatten();
        Ok(left.map(|write| write.put_request.item).collect())
    }
}
