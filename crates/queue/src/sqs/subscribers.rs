//! Whether a queue subscribes to the topic: SNS accepts what it then delivers to nobody, and `200` would be a promise that
//! nobody keeps.
//!
//! Asked before events are published, at most once in [`INTERVAL`]. Only the answer that there is none keeps events from being
//! published: that the answer is missing does not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::sns::{ListSubscriptionsByTopic, Subscriptions};
use aws::{Client, summarize};
use tokio::time::Instant;

use crate::{Redact, Topic, Unavailable};

/// How long subscribers that were seen are relied on. Targets are removed by hand, and not within seconds.
const INTERVAL: Duration = Duration::from_secs(60);

/// The timeout of the question: it must leave time for publishing.
const TIMEOUT: Duration = Duration::from_secs(1);

/// When subscribers were asked for and not found to be missing. Shared by the clones of a queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Subscribers {
    asked: Arc<Mutex<Option<Instant>>>,
}

impl Subscribers {
    /// Fails if it is known that no queue subscribes.
    pub(super) async fn check(&self, sns: &Client, topic: &Topic) -> Result<(), Unavailable> {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_some_and(|asked| asked.elapsed() < INTERVAL) {
            return Ok(());
        }
        let sns = sns.clone().timeout(TIMEOUT);
        match sns.send(&request(topic)).await {
            Ok(page) if !has_queue(&page) => return Err(nobody()),
            Ok(_) | Err(_) => {}
        }
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }
}

/// Asks now. Fails as well if there is no answer.
pub(super) async fn ready(sns: &Client, topic: &Topic, redact: Redact) -> Result<(), Unavailable> {
    match sns.send(&request(topic)).await {
        Ok(page) if has_queue(&page) => Ok(()),
        Ok(_) => Err(nobody()),
        Err(error) => Err(Unavailable(summarize(&error, redact))),
    }
}

/// The first page: a topic with more subscriptions than fit there has queues among them.
fn request(topic: &Topic) -> ListSubscriptionsByTopic {
    ListSubscriptionsByTopic {
        topic_arn: topic.arn().to_owned(),
        next_token: None,
    }
}

fn has_queue(page: &Subscriptions) -> bool {
    let mut subscriptions = page.subscriptions.iter();
    subscriptions.any(|found| found.protocol == "sqs" && found.arn.starts_with("arn:"))
}

fn nobody() -> Unavailable {
    Unavailable("no queue subscribes to the topic".to_owned())
}

#[cfg(test)]
mod tests {
    use aws::sns::Subscription;

    use super::*;

    #[test]
    fn only_a_queue_that_is_subscribed_receives_events() {
        let with = |arn: &str, protocol: &str| {
            let mut page = Subscriptions::default();
            page.subscriptions.push(Subscription {
                arn: arn.to_owned(),
                protocol: protocol.to_owned(),
                endpoint: String::new(),
            });
            has_queue(&page)
        };
        assert!(with("arn:aws:sns:eu-west-1:1:t:0f", "sqs"));
        assert!(!with("arn:aws:sns:eu-west-1:1:t:0f", "email"));
        assert!(!with("PendingConfirmation", "sqs"));
        assert!(!has_queue(&Subscriptions::default()));
    }
}
