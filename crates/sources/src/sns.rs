//! The envelope in which SNS delivers a message to a queue, unless the subscription asks for raw delivery. Called by the
//! readers of queues.

use serde::Deserialize;

/// A notification of SNS.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Notification {
    /// `Notification`, or what SNS asks of a subscriber.
    #[serde(rename = "Type")]
    kind: String,
    /// The message.
    #[serde(rename = "Message")]
    pub(crate) message: String,
    /// Its subject, which raw delivery does not have.
    #[serde(rename = "Subject")]
    pub(crate) subject: Option<String>,
    #[serde(rename = "TopicArn")]
    topic: String,
    /// The id that SNS gave the message: the same for each subscriber and each delivery.
    #[serde(rename = "MessageId")]
    pub(crate) id: String,
}

/// What the body of a message of a queue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// What was sent to the queue itself, or delivered raw.
    Raw,
    /// A notification of a topic.
    Notification(Notification),
    /// Something else from SNS: the confirmation of a subscription, or of its end.
    Control,
}

/// Tells a notification from what was sent as it is. An OpenLineage event has no `TopicArn` beside a `Message`.
pub(crate) fn body(text: &str) -> Body {
    if !text.trim_start().starts_with('{') {
        return Body::Raw;
    }
    match serde_json::from_str::<Notification>(text) {
        Err(_) => Body::Raw,
        Ok(found) if !found.topic.starts_with("arn:") => Body::Raw,
        Ok(found) if found.kind == "Notification" => Body::Notification(found),
        Ok(found) if found.kind == "SubscriptionConfirmation" => Body::Control,
        Ok(found) if found.kind == "UnsubscribeConfirmation" => Body::Control,
        Ok(_) => Body::Raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sns_wrote_is_an_envelope() {
        let envelope = |kind: &str| {
            format!(
                r#"{{"Type":"{kind}","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:111122223333:t","Message":"x","Timestamp":"2026-11-20T10:00:00Z"}}"#
            )
        };
        let Body::Notification(found) = body(&envelope("Notification")) else {
            panic!("a notification");
        };
        assert_eq!((found.message.as_str(), found.subject), ("x", None));
        assert_eq!(body(&envelope("SubscriptionConfirmation")), Body::Control);
        assert_eq!(body(&envelope("Other")), Body::Raw);
        for text in [
            "",
            "[]",
            "{}",
            "eA==",
            r#"{"Message":"x"}"#,
            r#"{"Type":"Notification","MessageId":"m","TopicArn":"mine","Message":"x"}"#,
        ] {
            assert_eq!(body(text), Body::Raw, "{text}");
        }
    }
}
