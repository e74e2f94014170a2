//! Whether a queue subscribes to the topic: SNS accepts what it then delivers to nobody, and `200` would be a promise that
//! nobody keeps.
//!
//! Asked before events are published and for readiness, seldom: SNS answers 30 of these questions a second for the whole
//! account (<https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html>), and anyone may ask for readiness. So every answer is
//! kept for a while. Only the answer that there is none keeps events from being published: that the answer is missing does
//! not, unless the last one was that.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::sns::{ListSubscriptionsByTopic, Subscriptions};
use aws::{Client, summarize};
use tokio::time::Instant;

use crate::{QueueError, Redactor, Topic};

/// How long subscribers that were seen are relied on: the longest time for which events are accepted that nobody gets, after
/// the last subscription was removed. 600 functions then use up the quota, and without an answer they go on.
const SOMEBODY: Duration = Duration::from_secs(20);

/// How long another answer is kept: the longest time for which a new subscription is not noticed.
const OTHERWISE: Duration = Duration::from_secs(5);

/// The timeout of the question: it must leave time for publishing.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What is known. Shared by the clones of a queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Subscribers {
    known: Arc<Mutex<Option<Observation>>>,
}

#[derive(Debug, Clone)]
struct Observation {
    answer: Answer,
    until: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Somebody,
    Nobody,
    /// There was none, for this reason, and there is nothing older that matters.
    Missing(String),
}

impl Subscribers {
    /// Fails if it is known that no queue subscribes.
    pub(super) async fn check(
        &self,
        sns: &Client,
        topic: &Topic,
        redact: Redactor,
    ) -> Result<(), QueueError> {
        match self.answer(sns, topic, redact).await {
            Answer::Somebody | Answer::Missing(_) => Ok(()),
            Answer::Nobody => Err(nobody()),
        }
    }

    /// Fails as well if there is no answer.
    pub(super) async fn ready(
        &self,
        sns: &Client,
        topic: &Topic,
        redact: Redactor,
    ) -> Result<(), QueueError> {
        match self.answer(sns, topic, redact).await {
            Answer::Somebody => Ok(()),
            Answer::Nobody => Err(nobody()),
            Answer::Missing(reason) => Err(QueueError(reason)),
        }
    }

    async fn answer(&self, sns: &Client, topic: &Topic, redact: Redactor) -> Answer {
        let last = match self.kept(Instant::now()) {
            CachedAnswer::Fresh(answer) => return answer,
            CachedAnswer::Stale(answer) => answer,
        };
        let sns = sns.clone().timeout(TIMEOUT);
        let response = sns.send(&request(topic)).await;
        let found = response.map(|page| has_queue(&page));
        let answer = judged(last, found.map_err(|error| summarize(&error, redact)));
        let until = Instant::now() + lifetime(&answer);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Observation {
            answer: answer.clone(),
            until,
        });
        answer
    }

    /// Returns what is known. Who gets a stale answer asks, and others use that answer meanwhile.
    fn kept(&self, now: Instant) -> CachedAnswer {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.as_mut() {
            None => CachedAnswer::Stale(None),
            Some(known) if now < known.until => CachedAnswer::Fresh(known.answer.clone()),
            Some(known) => {
                known.until = now + TIMEOUT;
                CachedAnswer::Stale(Some(known.answer.clone()))
            }
        }
    }
}

enum CachedAnswer {
    Fresh(Answer),
    Stale(Option<Answer>),
}

/// Returns what is known after a question: whether a queue was found, or why there was no response.
fn judged(last: Option<Answer>, found: Result<bool, String>) -> Answer {
    match (found, last) {
        (Ok(true), _) => Answer::Somebody,
        (Ok(false), _) | (Err(_), Some(Answer::Nobody)) => Answer::Nobody,
        (Err(reason), Some(Answer::Somebody | Answer::Missing(_)) | None) => {
            Answer::Missing(reason)
        }
    }
}

fn lifetime(answer: &Answer) -> Duration {
    match answer {
        Answer::Somebody => SOMEBODY,
        Answer::Nobody | Answer::Missing(_) => OTHERWISE,
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

fn nobody() -> QueueError {
    QueueError("no queue subscribes to the topic".to_owned())
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

    #[test]
    fn once_nobody_subscribes_only_a_subscriber_lets_events_in_again() {
        let throttled = || Err("Throttling".to_owned());
        let nobody = judged(Some(Answer::Somebody), Ok(false));
        assert_eq!(nobody, Answer::Nobody);
        let still = judged(Some(nobody), throttled());
        assert_eq!(still, Answer::Nobody);
        assert_eq!(judged(Some(still), Ok(true)), Answer::Somebody);
    }

    #[test]
    fn a_question_without_a_response_says_nothing_of_a_topic_that_had_subscribers() {
        let missing = Answer::Missing("Throttling".to_owned());
        for last in [None, Some(Answer::Somebody), Some(missing.clone())] {
            assert_eq!(judged(last, Err("Throttling".to_owned())), missing);
        }
    }

    #[test]
    fn every_answer_is_kept_and_asked_for_by_one_at_a_time() {
        let missing = Answer::Missing(String::new());
        for (answer, seconds) in [(Answer::Somebody, 20), (Answer::Nobody, 5), (missing, 5)] {
            let now = Instant::now();
            let known = Some(Observation {
                until: now + lifetime(&answer),
                answer,
            });
            let subscribers = Subscribers {
                known: Arc::new(Mutex::new(known)),
            };
            let is_fresh = |seconds: u64| {
                let kept = subscribers.kept(now + Duration::from_secs(seconds));
                matches!(kept, CachedAnswer::Fresh(_))
            };
            assert!(is_fresh(seconds - 1));
            assert!(!is_fresh(seconds), "asked again");
            assert!(is_fresh(seconds), "by one alone");
        }
    }
}
