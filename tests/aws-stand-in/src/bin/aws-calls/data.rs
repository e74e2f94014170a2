//! Objects, items and secrets: S3, DynamoDB and Secrets Manager.

use aws::dynamodb::{BatchGetItem, BatchWriteItem, GetItem, PutItem};
use aws::s3::{DeleteObject, GetObject, ListObjects, PutObject};
use aws::secrets_manager::GetSecretValue;
use aws::{Client, Error};
use serde_json::{Value, json};

use crate::input::{Input, item};

/// Makes the call, if it is one of these.
pub(crate) async fn call(
    client: &Client,
    operation: &str,
    input: Input<'_>,
) -> Result<Option<Value>, Error> {
    Ok(Some(match operation {
        "GetItem" => {
            let get = GetItem {
                table_name: input.needed("TableName"),
                key: item(input.0.get("Key")),
            };
            json!({"Item": client.send(&get).await?})
        }
        "PutItem" => {
            let names = input.0.get("ExpressionAttributeNames").cloned();
            let put = PutItem {
                table_name: input.needed("TableName"),
                item: item(input.0.get("Item")),
                condition_expression: input.text("ConditionExpression"),
                expression_attribute_names: names
                    .and_then(|names| serde_json::from_value(names).ok())
                    .unwrap_or_default(),
                expression_attribute_values: item(input.0.get("ExpressionAttributeValues")),
            };
            client.send(&put).await?;
            json!({})
        }
        "BatchGetItem" => {
            let keys = input.0.pointer("/RequestItems/seen/Keys");
            let get = BatchGetItem {
                table_name: "seen".to_owned(),
                keys: keys
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .map(|key| item(Some(key)))
                    .collect(),
            };
            let read = client.send(&get).await?;
            json!({"Responses": {"seen": read.items}, "UnprocessedKeys": {"seen": {"Keys": read.unprocessed}}})
        }
        "BatchWriteItem" => {
            let puts = input
                .0
                .pointer("/RequestItems/seen")
                .and_then(Value::as_array);
            let write = BatchWriteItem {
                table_name: "seen".to_owned(),
                items: puts
                    .into_iter()
                    .flatten()
                    .map(|put| item(put.pointer("/PutRequest/Item")))
                    .collect(),
            };
            let left = client.send(&write).await?;
            let left: Vec<Value> = left
                .iter()
                .map(|item| json!({"PutRequest": {"Item": item}}))
                .collect();
            json!({"UnprocessedItems": {"seen": left}})
        }
        "GetSecretValue" => {
            let get = GetSecretValue {
                secret_id: input.needed("SecretId"),
            };
            json!({"SecretString": client.send(&get).await?.secret_string})
        }
        "PutObject" => {
            let put = PutObject {
                bucket: input.needed("Bucket"),
                key: input.needed("Key"),
                content_type: "application/json",
                body: input.needed("Body").into(),
            };
            client.send(&put).await?;
            json!({})
        }
        "GetObject" => {
            let get = GetObject {
                bucket: input.needed("Bucket"),
                key: input.needed("Key"),
            };
            let body = client.send(&get).await?;
            json!({"Body": String::from_utf8_lossy(&body)})
        }
        "ListObjectsV2" => {
            let mut pages = client.pages(ListObjects {
                bucket: input.needed("Bucket"),
                prefix: input.needed("Prefix"),
                start_after: input.text("StartAfter"),
                token: input.text("ContinuationToken"),
            });
            let mut objects = Vec::new();
            while let Some(page) = pages.next().await {
                objects.extend(page?.keys.into_iter().map(|key| json!({"Key": key})));
            }
            json!({"Contents": objects})
        }
        "DeleteObject" => {
            let delete = DeleteObject {
                bucket: input.needed("Bucket"),
                key: input.needed("Key"),
            };
            client.send(&delete).await?;
            json!({})
        }
        _ => return Ok(None),
    }))
}
