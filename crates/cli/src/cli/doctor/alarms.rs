//! Checks that alarms notify somebody: SNS sends nothing to an address whose owner has not confirmed its subscription.

use aws::Aws;
use aws::sns::{ListSubscriptionsByTopic, Subscription};

use super::Step;
use super::parts::unseen;
use crate::cli::stack::Stack;

const STEP: &str = "alarms";

/// The output that names the topic of a stack with `AlarmEmail`.
const OWN_TOPIC: &str = "AlarmTopic";

/// What SNS gives instead of an ARN until the owner of an address has confirmed it
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-delete-subscription-topic.html>).
const PENDING: &str = "PendingConfirmation";

/// Lists the subscriptions of each topic of alarms.
pub(super) async fn steps(aws: &Aws, stack: &Stack) -> Vec<Step> {
    let topics = [stack.optional(OWN_TOPIC), stack.parameter("AlarmTopicArn")];
    let topics: Vec<&str> = topics.into_iter().flatten().collect();
    if topics.is_empty() {
        return vec![nobody(stack)];
    }
    let mut steps = Vec::new();
    for topic in topics {
        let mut pages = aws.client().pages(ListSubscriptionsByTopic {
            topic_arn: topic.to_owned(),
            next_token: None,
        });
        let mut subscriptions = Vec::new();
        let mut denied = None;
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => subscriptions.extend(page.subscriptions),
                Err(error) => {
                    denied = Some(unseen(STEP, &error, "sns:ListSubscriptionsByTopic"));
                    break;
                }
            }
        }
        steps.push(denied.unwrap_or_else(|| {
            judged(
                topic,
                stack.optional(OWN_TOPIC) == Some(topic),
                &subscriptions,
            )
        }));
    }
    steps
}

fn nobody(stack: &Stack) -> Step {
    let (found, advice) = match stack.optional("SourceFunction") {
        Some(_) => (
            "nobody is notified: alarms are in CloudWatch only",
            "deploy with AlarmTopicArn",
        ),
        None => (
            "nobody is notified: alarms are on the dashboard only",
            "deploy with AlarmEmail or AlarmTopicArn",
        ),
    };
    Step::unsure(STEP, found, advice)
}

/// `is_own`: the stack has made the topic, for `AlarmEmail`.
fn judged(topic: &str, is_own: bool, subscriptions: &[Subscription]) -> Step {
    let pending = subscriptions.iter().filter(|one| one.arn == PENDING);
    let pending: Vec<&str> = pending.map(|one| one.endpoint.as_str()).collect();
    if subscriptions.is_empty() {
        Step::bad(
            STEP,
            format!("{topic} has no subscriptions"),
            "subscribe to it: alarms notify nobody",
        )
    } else if pending.is_empty() {
        let found = match subscriptions.len() {
            1 => format!("{topic} has 1 confirmed subscription"),
            count => format!("{topic} has {count} confirmed subscriptions"),
        };
        Step::good(STEP, found)
    } else {
        let found = format!(
            "the subscription of {} is not confirmed",
            pending.join(", ")
        );
        let again = match is_own {
            true => "deploy with AlarmEmail= and again with the address",
            false => "subscribe again",
        };
        let advice = format!(
            "its owner has to follow the link in the message from AWS Notifications, which expires after 48 hours: then {again}"
        );
        Step::bad(STEP, found, advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn an_address_that_was_not_confirmed_is_named() {
        let to = |arn: &str| Subscription {
            arn: arn.to_owned(),
            protocol: "email".to_owned(),
            endpoint: "ops@example.com".to_owned(),
        };
        let confirmed = to("arn:aws:sns:eu-west-1:1:alarms:7");
        assert_eq!(
            judged("t", true, std::slice::from_ref(&confirmed)).verdict,
            Verdict::Good
        );
        let pending = judged("t", true, &[confirmed.clone(), to(PENDING)]);
        assert_eq!(pending.verdict, Verdict::Bad);
        assert!(
            pending.found.contains("ops@example.com"),
            "{}",
            pending.found
        );
        assert_eq!(judged("t", true, &[]).verdict, Verdict::Bad);
        let advice = |is_own| {
            let step = judged("t", is_own, &[confirmed.clone(), to(PENDING)]);
            step.advice.unwrap_or_default()
        };
        assert!(advice(true).ends_with("deploy with AlarmEmail= and again with the address"));
        assert!(
            advice(false).ends_with("subscribe again"),
            "no stack of a source has AlarmEmail"
        );
    }

    #[test]
    fn the_advice_names_parameters_that_the_stack_has() {
        let source = Stack::with("s", &[], &[("SourceFunction", "f")]);
        let advice = |stack: &Stack| nobody(stack).advice.unwrap_or_default();
        assert_eq!(advice(&source), "deploy with AlarmTopicArn");
        let main = Stack::with("s", &[], &[]);
        assert_eq!(advice(&main), "deploy with AlarmEmail or AlarmTopicArn");
    }
}
