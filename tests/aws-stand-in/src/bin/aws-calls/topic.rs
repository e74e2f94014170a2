//! Topics of SNS.

use std::collections::BTreeMap;

use aws::sns::{
    GetSubscriptionAttributes, ListSubscriptionsByTopic, PublishBatch, PublishBatchEntry,
};
use aws::{Client, Error};
use serde_json::{Value, json};

use crate::input::Input;

/// Makes the call, if it is one of these.
pub(crate) async fn call(
    client: &Client,
    operation: &str,
    input: Input<'_>,
) -> Result<Option<Value>, Error> {
    Ok(Some(match operation {
        "PublishBatch" => {
            let entries = input.0["PublishBatchRequestEntries"].as_array();
            let publish = PublishBatch {
                topic_arn: input.needed("TopicArn"),
                entries: entries.into_iter().flatten().map(entry).collect(),
            };
            let result = client.send(&publish).await?;
            let successful = result.successful.iter().map(|id| json!({"Id": id}));
            let failed = result
                .failed
                .iter()
                .map(|entry| json!({"Id": entry.id, "Code": entry.code, "Message": entry.message}));
            json!({
                "Successful": successful.collect::<Vec<_>>(),
                "Failed": failed.collect::<Vec<_>>(),
            })
        }
        "ListSubscriptionsByTopic" => {
            let mut pages = client.pages(ListSubscriptionsByTopic {
                topic_arn: input.needed("TopicArn"),
                next_token: input.text("NextToken"),
            });
            let mut subscriptions = Vec::new();
            while let Some(page) = pages.next().await {
                let found = page?.subscriptions.into_iter();
                subscriptions.extend(found.map(|found| {
                    json!({"SubscriptionArn": found.arn, "Protocol": found.protocol, "Endpoint": found.endpoint})
                }));
            }
            json!({"Subscriptions": subscriptions})
        }
        "GetSubscriptionAttributes" => {
            let get = GetSubscriptionAttributes {
                subscription_arn: input.needed("SubscriptionArn"),
            };
            let attributes: BTreeMap<_, _> = client.send(&get).await?.into_iter().collect();
            json!({"Attributes": attributes})
        }
        _ => return Ok(None),
    }))
}

/// Reads a message to publish.
fn entry(input: &Value) -> PublishBatchEntry {
    let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    let attributes = input.get("MessageAttributes").and_then(Value::as_object);
    let attribute = |(name, value): (&String, &Value)| {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        (name.clone(), text("DataType"), text("StringValue"))
    };
    PublishBatchEntry {
        id: text("Id").unwrap_or_default(),
        message: text("Message").unwrap_or_default(),
        attributes: attributes.into_iter().flatten().map(attribute).collect(),
        message_group_id: text("MessageGroupId"),
        message_deduplication_id: text("MessageDeduplicationId"),
    }
}
