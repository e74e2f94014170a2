//! Checks that alarms notify somebody: SNS sends nothing to an address whose owner has not confirmed its subscription.

use aws::Aws;
use aws::sns::{ListSubscriptionsByTopic, Subscription};

use super::Step;
use super::parts::unseen;
use crate::cli::stack::Stack;

const STEP: &str = "alarms";

/// What SNS gives instead of an ARN until the owner of an address has confirmed it
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-delete-subscription-topic.html>).
const PENDING: &str = "PendingConfirmation";

/// Lists the subscriptions of each topic of alarms.
pub(super) async fn steps(aws: &Aws, stack: &Stack) -> Vec<Step> {
    let topics = [
        stack.optional("AlarmTopic"),
        stack.parameter("AlarmTopicArn"),
    ];
    let topics: Vec<&str> = topics.into_iter().flatten().collect();
    if topics.is_empty() {
        let found = "nobody is notified: alarms are on the dashboard only";
        let advice = "deploy with AlarmEmail or AlarmTopicArn";
        return vec![Step::unsure(STEP, found, advice)];
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
        steps.push(denied.unwrap_or_else(|| judged(topic, &subscriptions)));
    }
    steps
}

fn judged(topic: &str, subscriptions: &[Subscription]) -> Step {
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
        let advice = "its owner has to follow the link in the message from AWS Notifications, which expires after 48 hours: then deploy with AlarmEmail= and again with the address";
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
            judged("t", std::slice::from_ref(&confirmed)).verdict,
            Verdict::Good
        );
        let pending = judged("t", &[confirmed, to(PENDING)]);
        assert_eq!(pending.verdict, Verdict::Bad);
        assert!(
            pending.found.contains("ops@example.com"),
            "{}",
            pending.found
        );
        assert_eq!(judged("t", &[]).verdict, Verdict::Bad);
    }
}
