//! SNS: publishes to a topic, lists its subscriptions, and reads their attributes.

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Paginated, Request, Response};
use crate::service::{Exceptions, Protocol, Service};
use crate::xml;

/// SNS.
pub static SERVICE: Service = Service {
    id: "SNS",
    signing_name: "sns",
    host: "sns",
    protocol: Protocol::Query {
        version: "2010-03-31",
    },
    endpoints: Exceptions::GovCloudIsFips,
};

/// Whether a text is the ARN of a topic: `arn:<partition>:sns:<region>:<account>:<name>`.
#[must_use]
pub fn is_topic_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "sns", region, account, name] => {
            let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            // The name of a FIFO topic, and no other, ends with `.fifo`.
            let name = name.strip_suffix(".fifo").unwrap_or(name);
            let is_name = name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            [partition, region, account]
                .into_iter()
                .all(|part| !part.is_empty() && is_word(part))
                && !name.is_empty()
                && is_name
        }
        _ => false,
    }
}

/// Publishes up to ten messages (`sns:Publish`).
#[derive(Debug, Clone)]
pub struct PublishBatch {
    /// The topic.
    pub topic_arn: String,
    /// The messages.
    pub entries: Vec<PublishBatchEntry>,
}

/// A message to publish.
#[derive(Clone)]
pub struct PublishBatchEntry {
    /// Unique in the request.
    pub id: String,
    /// The body.
    pub message: String,
    /// Name, data type and value of each attribute.
    pub attributes: Vec<(String, String, String)>,
    /// Its message group, for a FIFO topic.
    pub message_group_id: Option<String>,
    /// What makes it a duplicate, for a FIFO topic.
    pub message_deduplication_id: Option<String>,
}

/// Without the message.
impl std::fmt::Debug for PublishBatchEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} bytes", self.id, self.message.len())
    }
}

/// What became of each entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishBatchResult {
    /// The ids of the entries that are stored.
    pub successful: Vec<String>,
    /// Those that are not.
    pub failed: Vec<FailedEntry>,
}

/// An entry that was not published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedEntry {
    /// Its id.
    pub id: String,
    /// The error code.
    pub code: String,
    /// The reason.
    pub message: Option<String>,
}

impl Operation for PublishBatch {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "PublishBatch";
    type Output = PublishBatchResult;

    fn request(&self) -> Request {
        let mut form = vec![("TopicArn".to_owned(), self.topic_arn.as_str())];
        for (number, entry) in (1..).zip(&self.entries) {
            let name =
                |member: &str| format!("PublishBatchRequestEntries.member.{number}.{member}");
            form.push((name("Id"), &entry.id));
            form.push((name("Message"), &entry.message));
            for (number, (key, data_type, value)) in (1..).zip(&entry.attributes) {
                let name =
                    |member: &str| name(&format!("MessageAttributes.entry.{number}.{member}"));
                form.push((name("Name"), key));
                form.push((name("Value.DataType"), data_type));
                form.push((name("Value.StringValue"), value));
            }
            if let Some(id) = &entry.message_deduplication_id {
                form.push((name("MessageDeduplicationId"), id));
            }
            if let Some(id) = &entry.message_group_id {
                form.push((name("MessageGroupId"), id));
            }
        }
        let parameters = form
            .iter()
            .map(|(name, value)| (name.as_str(), Some(*value)));
        Request::query::<Self>(&parameters.collect::<Vec<_>>())
    }

    fn read(response: Response) -> Result<PublishBatchResult, UnreadableResponse> {
        let mut output = PublishBatchResult::default();
        xml::document(&response.body, |name, result| match name {
            "PublishBatchResult" => xml::children(result, |name, list| match name {
                "Successful" => xml::children(list, |_, member| {
                    output.successful.push(failed_entry(member)?.id);
                    Ok(())
                }),
                "Failed" => xml::children(list, |_, member| {
                    output.failed.push(failed_entry(member)?);
                    Ok(())
                }),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })?;
        Ok(output)
    }
}

/// Reads an entry of either list: a successful one has only an id of what is read.
fn failed_entry(
    element: &mut aws_smithy_xml::decode::ScopedDecoder<'_, '_>,
) -> Result<FailedEntry, UnreadableResponse> {
    let mut entry = FailedEntry::default();
    xml::children(element, |name, field| {
        match name {
            "Id" => entry.id = xml::text(field)?,
            "Code" => entry.code = xml::text(field)?,
            "Message" => entry.message = Some(xml::text(field)?),
            _ => {}
        }
        Ok(())
    })?;
    match entry.id.is_empty() {
        true => Err(UnreadableResponse::without("Id")),
        false => Ok(entry),
    }
}

/// Lists the subscriptions of a topic (`sns:ListSubscriptionsByTopic`): up to 100 in a page. The counts among the attributes of
/// a topic are not used: they are not documented to be current.
#[derive(Debug, Clone)]
pub struct ListSubscriptionsByTopic {
    /// The topic.
    pub topic_arn: String,
    /// The page.
    pub next_token: Option<String>,
}

/// The subscriptions of one page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscriptions {
    /// The subscriptions.
    pub subscriptions: Vec<Subscription>,
    next_token: Option<String>,
}

/// A subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Its ARN, or `PendingConfirmation`.
    pub arn: String,
    /// Such as `sqs`.
    pub protocol: String,
    /// Such as the ARN of a queue.
    pub endpoint: String,
}

impl Operation for ListSubscriptionsByTopic {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "ListSubscriptionsByTopic";
    type Output = Subscriptions;

    fn request(&self) -> Request {
        Request::query::<Self>(&[
            ("TopicArn", Some(&self.topic_arn)),
            ("NextToken", self.next_token.as_deref()),
        ])
    }

    fn read(response: Response) -> Result<Subscriptions, UnreadableResponse> {
        let page = xml::page(
            &response.body,
            "ListSubscriptionsByTopicResult",
            "Subscriptions",
            subscription,
        );
        let (subscriptions, next_token) = page?;
        Ok(Subscriptions {
            subscriptions,
            next_token,
        })
    }
}

impl Paginated for ListSubscriptionsByTopic {
    fn next_token(output: &Subscriptions) -> Option<&str> {
        output.next_token.as_deref()
    }

    fn with_token(self, token: String) -> ListSubscriptionsByTopic {
        ListSubscriptionsByTopic {
            next_token: Some(token),
            ..self
        }
    }
}

fn subscription(
    element: &mut aws_smithy_xml::decode::ScopedDecoder<'_, '_>,
) -> Result<Subscription, UnreadableResponse> {
    let mut subscription = Subscription::default();
    xml::children(element, |name, field| {
        match name {
            "SubscriptionArn" => subscription.arn = xml::text(field)?,
            "Protocol" => subscription.protocol = xml::text(field)?,
            "Endpoint" => subscription.endpoint = xml::text(field)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(subscription)
}

/// Reads the attributes of a subscription (`sns:GetSubscriptionAttributes`), such as `RawMessageDelivery`.
#[derive(Debug, Clone)]
pub struct GetSubscriptionAttributes {
    /// The subscription.
    pub subscription_arn: String,
}

impl Operation for GetSubscriptionAttributes {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetSubscriptionAttributes";
    type Output = Vec<(String, String)>;

    fn request(&self) -> Request {
        Request::query::<Self>(&[("SubscriptionArn", Some(&self.subscription_arn))])
    }

    fn read(response: Response) -> Result<Vec<(String, String)>, UnreadableResponse> {
        attributes(&response, "GetSubscriptionAttributesResult")
    }
}

/// Reads the attributes of a topic (`sns:GetTopicAttributes`), such as `MaximumMessageSize`.
#[derive(Debug, Clone)]
pub struct GetTopicAttributes {
    /// The topic.
    pub topic_arn: String,
}

impl Operation for GetTopicAttributes {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetTopicAttributes";
    type Output = Vec<(String, String)>;

    fn request(&self) -> Request {
        Request::query::<Self>(&[("TopicArn", Some(&self.topic_arn))])
    }

    fn read(response: Response) -> Result<Vec<(String, String)>, UnreadableResponse> {
        attributes(&response, "GetTopicAttributesResult")
    }
}

/// Reads a map of attributes: `<Attributes><entry><key/><value/></entry>…</Attributes>`.
fn attributes(
    response: &Response,
    wrapper: &str,
) -> Result<Vec<(String, String)>, UnreadableResponse> {
    let mut attributes = Vec::new();
    xml::document(&response.body, |name, result| match name == wrapper {
        true => xml::children(result, |name, map| match name {
            "Attributes" => xml::children(map, |_, entry| {
                attributes.push(xml::pair(entry, ["key", "value"])?);
                Ok(())
            }),
            _ => Ok(()),
        }),
        false => Ok(()),
    })?;
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arn_of_a_topic_is_told_from_other_text() {
        for arn in [
            "arn:aws:sns:eu-west-1:123456789012:events",
            "arn:aws-cn:sns:cn-north-1:123456789012:lineage-events_2.fifo",
        ] {
            assert!(is_topic_arn(arn), "{arn}");
        }
        for text in [
            "",
            "events",
            "arn:aws:sqs:eu-west-1:123456789012:events",
            "arn:aws:sns:eu-west-1:123456789012:",
            "arn:aws:sns:eu-west-1:123456789012:.fifo",
            "arn:aws:sns::123456789012:events",
            "arn:aws:sns:eu-west-1:123456789012:events:0f0f0f0f-subscription",
            "arn:aws:sns:eu/west:123456789012:events",
        ] {
            assert!(!is_topic_arn(text), "{text}");
        }
    }
}
