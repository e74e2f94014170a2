//! Compares the largest message that a topic accepts with what the queues accept that get it: SNS delivers none that is larger.
//! Called by `fan_out.rs`.

use aws::Aws;
use aws::sns::GetTopicAttributes;
use aws_sdk_sqs::types::QueueAttributeName;

use super::Step;
use super::fan_out::attribute;
use super::parts::unseen;
use crate::cli::stack::Stack;

/// Of a topic whose `MaximumMessageSize` nobody has changed, in bytes
/// (<https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html>).
const USUAL: u64 = 262_144;

/// The name of the attribute, of topics and of queues.
const ATTRIBUTE: &str = "MaximumMessageSize";

/// Compares the sizes.
pub(super) async fn step(aws: &Aws, stack: &Stack, topic: &str) -> anyhow::Result<Step> {
    let get = GetTopicAttributes {
        topic_arn: topic.to_owned(),
    };
    let of_topic = match aws.client().send(&get).await {
        Ok(attributes) => bytes(attribute(&attributes, ATTRIBUTE)),
        Err(error) => return Ok(unseen("size", &error, "sns:GetTopicAttributes")),
    };
    let client = aws_sdk_sqs::Client::new(aws.config().await);
    let mut of_queues = Vec::new();
    for output in ["QueueUrl", "DeadLetterQueueUrl"] {
        let url = stack.output(output)?;
        let request = client.get_queue_attributes().queue_url(url);
        let request = request.attribute_names(QueueAttributeName::MaximumMessageSize);
        let attributes = match request.send().await {
            Ok(response) => response.attributes.unwrap_or_default(),
            Err(error) => return Ok(unseen("size", &error, "sqs:GetQueueAttributes")),
        };
        let size = attributes.get(&QueueAttributeName::MaximumMessageSize);
        of_queues.push((url, bytes(size.map(String::as_str))));
    }
    Ok(judged(of_topic, &of_queues))
}

fn judged(of_topic: u64, of_queues: &[(&str, u64)]) -> Step {
    match of_queues.iter().find(|(_, size)| *size < of_topic) {
        Some((url, size)) => Step::bad(
            "size",
            format!("the topic accepts messages of {of_topic} bytes, and {url} of {size}"),
            "set MaximumMessageSize of the queue to that of the topic: events in between are not delivered",
        ),
        None => Step::good(
            "size",
            format!("both queues accept what the topic accepts ({of_topic} bytes)"),
        ),
    }
}

fn bytes(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn a_queue_that_accepts_less_than_its_topic_is_found() {
        let queues = |dead_letters| [("q", 1_048_576), ("d", dead_letters)];
        assert_eq!(judged(1_048_576, &queues(1_048_576)).verdict, Verdict::Good);
        let found = judged(1_048_576, &queues(bytes(None)));
        assert_eq!(found.verdict, Verdict::Bad);
        assert!(found.found.contains("and d of 262144"), "{}", found.found);
        assert_eq!(
            judged(bytes(None), &queues(bytes(Some("x")))).verdict,
            Verdict::Good
        );
    }
}
