//! Checks how events come from the topic of an ingest stack to the queue of a target: topic, subscription and the policies of
//! the queues. Only stacks with `FanOut` and target stacks have these parts (docs/aws.md, "Several targets").

use aws::Aws;
use aws::sns::{GetSubscriptionAttributes, ListSubscriptionsByTopic, Subscription};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use super::parts::unseen;
use super::{Step, message_size};
use crate::cli::stack::Stack;

/// What to do about the topic of ingest, if it does not exist, or no queue subscribes.
const OF_INGEST: [&str; 2] = [
    "clients get 503: deploy the ingest stack again",
    "clients get 503: create a target stack",
];

/// Whether events that ingest accepts come to the queue of this stack.
pub(super) enum Route {
    /// Ingest sends them there itself.
    Direct,
    /// The queue subscribes to the topic.
    Subscribed { topic: String, subscription: String },
    /// The stack has a target that takes no further events.
    Detached { topic: String },
    /// The stack has no target.
    IngestOnly { topic: String },
}

impl Route {
    pub(super) fn of(stack: &Stack) -> anyhow::Result<Route> {
        let output = |key: &str| stack.optional(key).map(str::to_owned);
        let topic = output("FanOutTopicArn");
        Ok(match (topic, output("FanOutSubscriptionArn")) {
            (None, _) => {
                stack.output("QueueUrl")?;
                Route::Direct
            }
            (Some(topic), Some(subscription)) => Route::Subscribed {
                topic,
                subscription,
            },
            (Some(topic), None) if stack.optional("QueueUrl").is_some() => {
                Route::Detached { topic }
            }
            (Some(topic), None) => Route::IngestOnly { topic },
        })
    }

    /// Whether the stack has a queue and a batch function.
    pub(super) fn has_target(&self) -> bool {
        match self {
            Route::Direct | Route::Subscribed { .. } | Route::Detached { .. } => true,
            Route::IngestOnly { .. } => false,
        }
    }

    /// Whether an event that is accepted now will be delivered by this stack.
    pub(super) fn delivers(&self) -> bool {
        match self {
            Route::Direct | Route::Subscribed { .. } => true,
            Route::Detached { .. } | Route::IngestOnly { .. } => false,
        }
    }
}

/// Checks the route; nothing where ingest sends to the queue itself.
pub(super) async fn route(aws: &Aws, stack: &Stack, route: &Route) -> anyhow::Result<Vec<Step>> {
    Ok(match route {
        Route::Direct => Vec::new(),
        Route::IngestOnly { topic } => vec![topic_step(aws, topic, OF_INGEST).await],
        Route::Detached { topic } => {
            let found = "the queue takes no further events from the topic";
            let advice = "deploy the stack with Attached=true (FanOut=on), if it should";
            vec![
                topic_step(aws, topic, OF_INGEST).await,
                Step::unsure("subscription", found, advice),
            ]
        }
        Route::Subscribed {
            topic,
            subscription,
        } => {
            let mut steps = vec![
                topic_step(aws, topic, OF_INGEST).await,
                subscription_step(aws, subscription).await,
            ];
            steps.push(policy_step(aws, stack, topic).await?);
            steps.push(message_size::step(aws, stack, topic).await?);
            steps
        }
    })
}

/// Checks a topic. The advice is for one that does not exist, and for one to which no queue subscribes.
pub(super) async fn topic_step(aws: &Aws, topic: &str, [missing, lonely]: [&str; 2]) -> Step {
    let mut pages = aws.client().pages(ListSubscriptionsByTopic {
        topic_arn: topic.to_owned(),
        next_token: None,
    });
    let mut queues = 0;
    while let Some(page) = pages.next().await {
        let subscriptions = match page {
            Ok(page) => page.subscriptions,
            Err(error) if error.is("NotFound") => {
                return Step::bad("topic", format!("{topic} does not exist"), missing);
            }
            Err(error) => return unseen("topic", &error, "sns:ListSubscriptionsByTopic"),
        };
        let is_queue = |found: &&Subscription| found.protocol == "sqs";
        queues += subscriptions.iter().filter(is_queue).count();
    }
    match queues {
        0 => Step::bad("topic", format!("no queue subscribes to {topic}"), lonely),
        1 => Step::good("topic", format!("one queue subscribes to {topic}")),
        _ => Step::good("topic", format!("{queues} queues subscribe to {topic}")),
    }
}

async fn subscription_step(aws: &Aws, subscription: &str) -> Step {
    let get = GetSubscriptionAttributes {
        subscription_arn: subscription.to_owned(),
    };
    match aws.client().send(&get).await {
        Ok(attributes) => judged(&attributes),
        Err(error) if error.is("NotFound") => Step::bad(
            "subscription",
            "it does not exist: events go past this target",
            // CloudFormation knows the subscription by its ARN and would see nothing to change.
            "deploy the stack with Attached=false and then with Attached=true (FanOut=leaving and then on)",
        ),
        Err(error) => unseen("subscription", &error, "sns:GetSubscriptionAttributes"),
    }
}

/// Judges a subscription by its attributes
/// (<https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html>).
fn judged(attributes: &[(String, String)]) -> Step {
    let is = |name: &str, value: &str| attribute(attributes, name) == Some(value);
    let has = |name: &str| attribute(attributes, name).is_some_and(|value| !value.is_empty());
    let again = "deploy the stack again";
    if is("PendingConfirmation", "true") {
        Step::bad("subscription", "it is not confirmed", again)
    } else if !is("RawMessageDelivery", "true") {
        let found = "raw message delivery is off: the batch function cannot read the events";
        Step::bad("subscription", found, again)
    } else if !has("RedrivePolicy") {
        let found = "it has no dead-letter queue: what cannot be delivered is lost";
        Step::bad("subscription", found, again)
    } else if has("FilterPolicy") {
        let found = "it has a filter policy: this target gets only some of the events";
        Step::unsure("subscription", found, "remove it, unless it is meant")
    } else {
        Step::good("subscription", "confirmed, raw, with dead letters")
    }
}

/// Checks that the topic may send to the queue, and to the dead letters.
async fn policy_step(aws: &Aws, stack: &Stack, topic: &str) -> anyhow::Result<Step> {
    let client = aws_sdk_sqs::Client::new(aws.config().await);
    for output in ["QueueUrl", "DeadLetterQueueUrl"] {
        let url = stack.output(output)?;
        let request = client.get_queue_attributes().queue_url(url);
        let request = request.attribute_names(QueueAttributeName::Policy);
        let attributes = match request.send().await {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) => return Ok(unseen("policy", &error, "sqs:GetQueueAttributes")),
        };
        let policy = attributes.get(&QueueAttributeName::Policy);
        if !policy.is_some_and(|policy| allows(policy, topic)) {
            let found = format!("the topic may not send to {url}");
            let advice =
                "deploy the stack again; events that it could not deliver are dead letters";
            return Ok(Step::bad("policy", found, advice));
        }
    }
    Ok(Step::good(
        "policy",
        "the topic may send to both queues (the policy of a customer key is not checked)",
    ))
}

/// Whether a queue policy lets SNS send messages of this topic.
fn allows(policy: &str, topic: &str) -> bool {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let names = |value: Option<&Value>, wanted: &str| match value {
        Some(Value::String(text)) => text.eq_ignore_ascii_case(wanted),
        Some(Value::Array(all)) => all.iter().any(|text| text == wanted),
        Some(_) | None => false,
    };
    statements.iter().any(|statement| {
        let service = statement
            .get("Principal")
            .and_then(|who| who.get("Service"));
        let mut operators = statement.get("Condition").into_iter().flat_map(|all| {
            let operators = all.as_object().into_iter().flatten();
            operators.map(|(_, keys)| keys)
        });
        statement
            .get("Effect")
            .is_some_and(|effect| effect == "Allow")
            && names(service, "sns.amazonaws.com")
            && names(statement.get("Action"), "sqs:SendMessage")
            && operators.any(|keys| match keys.get("aws:SourceArn") {
                Some(Value::String(pattern)) => covers(pattern, topic),
                Some(Value::Array(all)) => {
                    let mut patterns = all.iter().filter_map(Value::as_str);
                    patterns.any(|pattern| covers(pattern, topic))
                }
                Some(_) | None => false,
            })
    })
}

/// Whether a pattern of `ArnEquals` or `ArnLike`, which mean the same
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>), covers a topic.
/// Of wildcards, only one at the end is understood: that of our template.
fn covers(pattern: &str, topic: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => topic.starts_with(start),
        None => pattern == topic,
    }
}

pub(super) fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    const TOPIC: &str = "arn:aws:sns:eu-west-1:1:t";

    #[test]
    fn a_policy_allows_the_topic_that_it_names_and_no_other() {
        let policy = |effect: &str, source: &str| {
            serde_json::json!({"Statement": [
                {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
                {"Effect": effect, "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Condition": {"ArnEquals": {"aws:SourceArn": source}}},
            ]})
            .to_string()
        };
        assert!(allows(&policy("Allow", TOPIC), TOPIC));
        assert!(!allows(&policy("Deny", TOPIC), TOPIC));
        assert!(allows(&policy("Allow", "arn:aws:sns:eu-west-1:1:*"), TOPIC));
        for other in [
            "arn:aws:sns:eu-west-1:1:other",
            "arn:aws:sns:eu-west-1:1:o*",
        ] {
            assert!(!allows(&policy("Allow", other), TOPIC), "{other}");
        }
        for text in ["", "[]", "{}", r#"{"Statement": 7}"#] {
            assert!(!allows(text, TOPIC), "{text}");
        }
    }

    #[test]
    fn a_subscription_is_good_only_with_all_that_it_needs() {
        let with = |changed: &str, value: &str| {
            let attributes = [
                ("PendingConfirmation", "false"),
                ("RawMessageDelivery", "true"),
                ("RedrivePolicy", "{}"),
                ("FilterPolicy", ""),
            ];
            let attributes = attributes.map(|(name, normal)| {
                let value = if name == changed { value } else { normal };
                (name.to_owned(), value.to_owned())
            });
            judged(&attributes).verdict
        };
        assert_eq!(with("", ""), Verdict::Good);
        assert_eq!(with("PendingConfirmation", "true"), Verdict::Bad);
        assert_eq!(with("RawMessageDelivery", "false"), Verdict::Bad);
        assert_eq!(with("RedrivePolicy", ""), Verdict::Bad);
        assert_eq!(with("FilterPolicy", "{}"), Verdict::Unsure);
    }
}
