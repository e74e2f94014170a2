//! Tables of DynamoDB whose key is `id`, after the service model of 2012-08-10: what a ledger needs. A table is there once
//! something is written. Batches leave items out on demand (`Settings::unprocessed`).

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::Account;

/// Items by table and key.
pub(crate) type Tables = BTreeMap<String, BTreeMap<String, Value>>;

pub(crate) fn call(inside: &mut Account, operation: &str, body: &str) -> Response {
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let table = |request: &Value| text(request.get("TableName")).to_owned();
    let answer = match operation {
        "GetItem" => {
            let items = inside.tables.get(&table(&request));
            let item = items.and_then(|items| items.get(id(request.get("Key"))));
            item.map_or(json!({}), |item| json!({"Item": item}))
        }
        "PutItem" => {
            let items = inside.tables.entry(table(&request)).or_default();
            let item = request.get("Item").cloned().unwrap_or_default();
            if !allows(&request, items.get(id(Some(&item)))) {
                return refuse("ConditionalCheckFailedException");
            }
            items.insert(id(Some(&item)).to_owned(), item);
            json!({})
        }
        "BatchGetItem" => return batch(inside, &request, 100, get),
        "BatchWriteItem" => return batch(inside, &request, 25, put),
        _ => return refuse("UnknownOperationException"),
    };
    Json(answer).into_response()
}

/// The two conditions that a ledger has.
fn allows(request: &Value, found: Option<&Value>) -> bool {
    match text(request.get("ConditionExpression")) {
        "" => true,
        "attribute_not_exists(id)" => found.is_none(),
        "#v = :v" => {
            let name = text(request.pointer("/ExpressionAttributeNames/#v"));
            let wanted = request.pointer("/ExpressionAttributeValues/:v");
            found.and_then(|item| item.get(name)) == wanted
        }
        _ => false,
    }
}

/// Calls `each` for every item of a batch, but for those that are left out.
fn batch(
    inside: &mut Account,
    request: &Value,
    most: usize,
    each: fn(&mut Account, &str, Vec<Value>, Vec<Value>) -> Value,
) -> Response {
    let tables = request.get("RequestItems").and_then(Value::as_object);
    let Some((table, of)) = tables.and_then(|tables| tables.iter().next()) else {
        return refuse("ValidationException");
    };
    let items = of.get("Keys").unwrap_or(of).as_array().cloned();
    let mut items = items.unwrap_or_default();
    let keys = items.iter().map(|item| {
        let put = item.pointer("/PutRequest/Item");
        id(put.or(Some(item)))
    });
    let distinct: BTreeSet<&str> = keys.collect();
    let is_distinct = distinct.len() == items.len();
    if items.is_empty() || items.len() > most || !is_distinct {
        return refuse("ValidationException");
    }
    let left = inside.settings.unprocessed.min(items.len() / 2);
    let left = items.split_off(items.len() - left);
    Json(each(inside, table, items, left)).into_response()
}

fn get(inside: &mut Account, table: &str, keys: Vec<Value>, left: Vec<Value>) -> Value {
    let items = inside.tables.get(table);
    let found: Vec<&Value> = keys
        .iter()
        .filter_map(|key| items?.get(id(Some(key))))
        .collect();
    let mut unprocessed = Map::new();
    if !left.is_empty() {
        unprocessed.insert(
            table.to_owned(),
            json!({"Keys": left, "ConsistentRead": true}),
        );
    }
    json!({"Responses": {table: found}, "UnprocessedKeys": unprocessed})
}

fn put(inside: &mut Account, table: &str, puts: Vec<Value>, left: Vec<Value>) -> Value {
    let items = inside.tables.entry(table.to_owned()).or_default();
    for put in puts {
        let item = put.pointer("/PutRequest/Item").cloned().unwrap_or_default();
        items.insert(id(Some(&item)).to_owned(), item);
    }
    let mut unprocessed = Map::new();
    if !left.is_empty() {
        unprocessed.insert(table.to_owned(), json!(left));
    }
    json!({"UnprocessedItems": unprocessed})
}

fn id(item: Option<&Value>) -> &str {
    text(item.and_then(|item| item.pointer("/id/S")))
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn refuse(code: &str) -> Response {
    let code = format!("com.amazonaws.dynamodb.v20120810#{code}");
    (
        StatusCode::BAD_REQUEST,
        Json(json!({"__type": code, "message": "as the model says"})),
    )
        .into_response()
}
