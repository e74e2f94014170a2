//! What the response to a batch means for each of its events. Pure.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::http::HttpResponse;
use crate::response::{self, is_code};
use crate::{Delivery, Failure, Reason, Scope};

/// The response to a batch: that of the OpenLineage API
/// (<https://github.com/OpenLineage/OpenLineage/blob/main/spec/OpenLineage.yml>, `/lineage/batch`); OpenMetadata has the same
/// in camel case (`openLineageResponse.json`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BatchResponse {
    summary: Option<Summary>,
    #[serde(alias = "failedEvents")]
    failed_events: Vec<FailedEvent>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Summary {
    failed: u64,
}

#[derive(Debug, Deserialize)]
struct FailedEvent {
    index: usize,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    retriable: bool,
}

/// Reads the result of each of `count` events from the body of a successful response. A response without a list of failures
/// is a success of all. One that contradicts itself is a success of none: each is attempted again, alone.
pub(super) fn of_events(reply: &HttpResponse<'_>, count: usize) -> Vec<Delivery> {
    let delivered = vec![Delivery::Delivered { id: None }; count];
    let start = reply.body.trim_ascii_start();
    if !start.starts_with(b"{") {
        return delivered;
    }
    let unclear = |why: &str| {
        let failure = Failure::new(Reason::Unavailable, Scope::Event, why);
        vec![Delivery::Transient(failure); count]
    };
    if !reply.is_whole {
        return unclear("the response to the batch is too long to be read");
    }
    let Some(Ok(answer)) = response::json(reply.body).map(serde_json::from_value::<BatchResponse>)
    else {
        return unclear("the response to the batch cannot be read");
    };
    let failed = answer.summary.unwrap_or_default().failed;
    let listed: BTreeSet<usize> = (answer.failed_events.iter())
        .map(|event| event.index)
        .collect();
    let is_consistent = listed.len() as u64 >= failed && listed.iter().all(|index| *index < count);
    if !is_consistent {
        return unclear("the response to the batch does not list the events that failed");
    }
    let mut results = delivered;
    for event in answer.failed_events {
        if let Some(result) = results.get_mut(event.index) {
            *result = event.result();
        }
    }
    results
}

impl FailedEvent {
    fn result(self) -> Delivery {
        // A code may be kept; words may quote the event.
        let reason = self.reason.trim();
        let message = match is_code(reason) {
            true => format!("failed within a batch: {reason}"),
            false => "failed within a batch".to_owned(),
        };
        match self.retriable {
            true => Delivery::Transient(Failure::new(Reason::Unavailable, Scope::Event, &message)),
            false => Delivery::Permanent(Failure::new(Reason::Invalid, Scope::Event, &message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::cases::{name, reply};

    #[test]
    fn each_event_of_a_batch_has_its_own_result() {
        let results = |body: &str| -> Vec<String> {
            of_events(&reply(200, body), 3).iter().map(name).collect()
        };
        let (ok, again) = ("delivered", "transient unavailable Event");
        let bad = "permanent invalid";
        for (body, expected) in [
            ("", [ok, ok, ok]),
            ("accepted", [ok, ok, ok]),
            (r#"{"status":"success"}"#, [ok, ok, ok]),
            (
                r#"{"status":"partial_success","summary":{"received":3,"successful":1,"failed":2},
                    "failed_events":[{"index":0,"reason":"x","retriable":true},{"index":2,"reason":"x","retriable":false}]}"#,
                [again, ok, bad],
            ),
            (
                r#"{"status":"partial_success","failedEvents":[{"index":1,"reason":"x"}]}"#,
                [ok, bad, ok],
            ),
            // What does not say which failed is a success of none.
            (
                r#"{"summary":{"received":3,"successful":2,"failed":1}}"#,
                [again, again, again],
            ),
            (
                r#"{"failed_events":[{"index":7,"reason":"x"}]}"#,
                [again, again, again],
            ),
            (r#"{"failed_events":7}"#, [again, again, again]),
            (r#"{"failed_events":["#, [again, again, again]),
        ] {
            assert_eq!(results(body), expected, "{body}");
        }
    }

    #[test]
    fn the_words_of_a_failed_event_are_not_kept() {
        let body = r#"{"failed_events":[{"index":0,"reason":"SELECT secret"},{"index":1,"reason":"TIMEOUT"}]}"#;
        let results = of_events(&reply(200, body), 2);
        let messages = results.iter().map(|result| {
            let Delivery::Permanent(failure) = result else {
                panic!("{result:?}");
            };
            failure.message.clone()
        });
        let expected = ["failed within a batch", "failed within a batch: TIMEOUT"];
        assert_eq!(messages.collect::<Vec<_>>(), expected);
    }
}
