//! Sends what has an identity once, where the queue does not know identities itself: to SQS.
//!
//! The order is: look up, send, remember. An event that was sent and not remembered, because the process ended in between or
//! another request sent it at the same time, is sent twice.

use std::collections::{HashMap, HashSet};

use tracing::warn;
use uuid::Uuid;

use crate::queue::{Ledger, Message, Queue, SendError, SendOutcome};

/// Sends messages; one result each, in order. Those whose identity the ledger knows, or that come twice, are not sent.
pub(super) async fn send_once(
    queue: &Queue,
    ledger: &Ledger,
    messages: Vec<Message>,
) -> Vec<Result<SendOutcome, SendError>> {
    let identities: Vec<Uuid> = messages.iter().filter_map(|it| it.identity).collect();
    if identities.is_empty() {
        return queue.send(messages).await;
    }
    let known = match ledger.known(identities).await {
        Ok(known) => known,
        Err(error) => {
            return vec![Err(SendError::Unavailable(error.to_string())); messages.len()];
        }
    };
    let (places, new) = sort_out(messages, &known);
    let identities: Vec<Option<Uuid>> = new.iter().map(|it| it.identity).collect();
    let sent = match new.is_empty() {
        true => Vec::new(),
        false => queue.send(new).await,
    };
    let accepted = identities.into_iter().zip(&sent);
    let accepted = accepted.filter(|(_, sent)| sent.is_ok());
    let accepted: Vec<Uuid> = accepted.filter_map(|(identity, _)| identity).collect();
    if !accepted.is_empty()
        && let Err(error) = ledger.remember(accepted).await
    {
        warn!(%error, "events are queued, and not remembered: they may be queued again");
    }
    places.iter().map(|place| place.answer(&sent)).collect()
}

/// Where the answer for a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It was sent before.
    Known,
    /// The message of this number is sent.
    Sent(usize),
    /// The message of this number, which has the same identity, is sent.
    WithTwin(usize),
}

impl Place {
    fn answer(self, sent: &[Result<SendOutcome, SendError>]) -> Result<SendOutcome, SendError> {
        let of = |number: usize| {
            let unanswered =
                || SendError::Unavailable("the queue did not confirm the event".to_owned());
            sent.get(number)
                .cloned()
                .unwrap_or_else(|| Err(unanswered()))
        };
        match self {
            Place::Known => Ok(SendOutcome::Known),
            Place::Sent(number) => of(number),
            Place::WithTwin(number) => of(number).map(|_| SendOutcome::Known),
        }
    }
}

/// Returns the place of the answer for each message, and the messages to send.
fn sort_out(messages: Vec<Message>, known: &HashSet<Uuid>) -> (Vec<Place>, Vec<Message>) {
    let mut places = Vec::with_capacity(messages.len());
    let (mut new, mut numbers) = (Vec::new(), HashMap::new());
    for message in messages {
        let number = new.len();
        let twin = message.identity.and_then(|it| numbers.get(&it).copied());
        let place = match (message.identity, twin) {
            (Some(identity), _) if known.contains(&identity) => Place::Known,
            (_, Some(twin)) => Place::WithTwin(twin),
            (_, None) => Place::Sent(number),
        };
        if place == Place::Sent(number) {
            numbers.extend(message.identity.map(|identity| (identity, number)));
            new.push(message);
        }
        places.push(place);
    }
    (places, new)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn message(identity: Option<u128>) -> Message {
        Message {
            id: String::new(),
            body: "".into(),
            received_at: 0,
            group: String::new(),
            identity: identity.map(Uuid::from_u128),
            memory_permit: None,
            trace: None,
            event: Default::default(),
        }
    }

    proptest! {
        #[test]
        fn each_identity_is_sent_once_and_answered_as_accepted_only_if_it_was(
            numbers in proptest::collection::vec(proptest::option::of(0u128..6), 0..20),
            known in proptest::collection::hash_set(0u128..6, 0..4),
            failing in proptest::collection::vec(any::<bool>(), 20),
        ) {
            let remembered = known.iter().copied().map(Uuid::from_u128).collect();
            let messages = numbers.iter().map(|it| message(*it)).collect();
            let (places, new) = sort_out(messages, &remembered);
            let answer = |fails: &bool| match fails {
                true => Err(SendError::Unavailable("full".to_owned())),
                false => Ok(SendOutcome::Queued),
            };
            let sent: Vec<_> = failing.iter().take(new.len()).map(answer).collect();
            let mut failed = HashSet::new();
            let mut identities = HashSet::new();
            for (message, sent) in new.iter().zip(&sent) {
                if let Some(identity) = message.identity {
                    prop_assert!(identities.insert(identity), "sent twice");
                    prop_assert!(!remembered.contains(&identity));
                    if sent.is_err() {
                        failed.insert(identity);
                    }
                }
            }
            prop_assert_eq!(places.len(), numbers.len());
            let mut queued = 0;
            for (number, place) in numbers.iter().zip(&places) {
                let answer = place.answer(&sent);
                queued += usize::from(matches!(answer, Ok(SendOutcome::Queued)));
                if let Some(identity) = number.map(Uuid::from_u128) {
                    prop_assert_eq!(answer.is_err(), failed.contains(&identity));
                }
            }
            prop_assert_eq!(queued, sent.iter().filter(|sent| sent.is_ok()).count());
        }
    }

    #[tokio::test]
    async fn what_the_ledger_knows_is_accepted_and_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let claim = Arc::new(journal::Claim::take(folder.path()).unwrap());
        let ledger = Ledger::own(claim).await.unwrap();
        ledger.remember(vec![Uuid::from_u128(1)]).await.unwrap();
        // A queue that takes nothing.
        let limits = crate::queue::MemoryLimits {
            events: 1,
            bytes: 1,
            per_second: None,
        };
        let (queue, _) = crate::queue::Memory::new(limits, std::time::Duration::ZERO);
        let queue = Queue::Memory(queue);
        let sent = send_once(&queue, &ledger, vec![message(Some(1)), message(Some(2))]).await;
        assert!(
            matches!(sent[..], [Ok(SendOutcome::Known), Err(_)]),
            "{sent:?}"
        );
        assert!(
            ledger
                .known(vec![Uuid::from_u128(2)])
                .await
                .unwrap()
                .is_empty()
        );
    }
}
