//! What the response of an endpoint means: for its request, and for each event of a batch. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use crate::answer::{self, is_code};
use crate::{Delivery, Failure, Reason, Scope};

/// What an endpoint means by its statuses, where that is not what HTTP says.
#[derive(Debug, Clone, Default)]
pub(super) struct StatusRules {
    /// Statuses of an event that will never be accepted.
    pub(super) rejected: BTreeSet<u16>,
    /// Statuses after which another attempt may succeed.
    pub(super) retried: BTreeSet<u16>,
    /// After how many attempts of an event a 500 is final; `None` if the queue decides.
    pub(super) max_attempts_on_500: Option<u32>,
}

/// A response, as far as it is read.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    pub(super) status: StatusCode,
    /// `Retry-After`.
    pub(super) after: Option<Duration>,
    /// The start of the body.
    pub(super) body: &'a [u8],
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

/// Classifies a response. `attempts` is how often the event was attempted, this time included. `kept` returns what is kept
/// of the body, for a failure.
pub(super) fn classify(
    reply: &Reply<'_>,
    rules: &StatusRules,
    attempts: u32,
    kept: impl FnOnce() -> Option<String>,
) -> Delivery {
    let status = reply.status;
    let code = status.as_u16();
    let (is_rejected, is_retried) = (
        rules.rejected.contains(&code),
        rules.retried.contains(&code),
    );
    if status.is_success() && !is_rejected && !is_retried {
        return Delivery::Delivered { id: None };
    }
    let message = match kept() {
        Some(kept) => format!("{status}: {kept}"),
        None => status.to_string(),
    };
    let failure = |reason, scope| Failure {
        after: reply.after,
        ..Failure::new(reason, scope, &message)
    };
    match code {
        _ if is_rejected => Delivery::Permanent(failure(Reason::Invalid, Scope::Event)),
        _ if is_retried => Delivery::Transient(failure(Reason::Unavailable, Scope::Event)),
        401 | 403 => Delivery::Transient(failure(Reason::Permission, Scope::Target)),
        // A wrong URL, or one that moved: the configuration, not the event.
        300..=399 | 404 | 405 | 410 => Delivery::Transient(failure(Reason::Missing, Scope::Target)),
        408 | 425 | 429 => Delivery::Transient(failure(Reason::Throttled, Scope::Target)),
        413 => Delivery::Permanent(failure(Reason::TooLarge, Scope::Event)),
        400..=499 => Delivery::Permanent(failure(Reason::Invalid, Scope::Event)),
        // Marquez answers an event that it cannot read with 500 and a code 4xx in the body.
        500 if reports_client_error(reply.body) => {
            Delivery::Permanent(failure(Reason::Invalid, Scope::Event))
        }
        // DataHub answers every failure with 500, an event that it cannot read too.
        500 if rules
            .max_attempts_on_500
            .is_some_and(|most| attempts >= most) =>
        {
            let message = format!("{message} (attempt {attempts}, the last for a 500)");
            Delivery::Permanent(Failure::new(Reason::Invalid, Scope::Event, &message))
        }
        503 => Delivery::Transient(failure(Reason::Unavailable, Scope::Target)),
        _ => Delivery::Transient(failure(Reason::Unavailable, Scope::Event)),
    }
}

fn reports_client_error(body_start: &[u8]) -> bool {
    let code = answer::json(body_start).and_then(|body| body.get("code")?.as_u64());
    code.is_some_and(|code| (400..=499).contains(&code))
}

/// The answer to a batch: that of the OpenLineage API
/// (<https://github.com/OpenLineage/OpenLineage/blob/main/spec/OpenLineage.yml>, `/lineage/batch`); OpenMetadata has the same
/// in camel case (`openLineageResponse.json`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BatchAnswer {
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

/// Reads the result of each of `count` events from the body of a successful response. An answer without a list of failures
/// is a success of all. One that contradicts itself is a success of none: each is attempted again, alone.
pub(super) fn of_events(reply: &Reply<'_>, count: usize) -> Vec<Delivery> {
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
        return unclear("the answer to the batch is too long to be read");
    }
    let Some(Ok(answer)) = answer::json(reply.body).map(serde_json::from_value::<BatchAnswer>)
    else {
        return unclear("the answer to the batch cannot be read");
    };
    let failed = answer.summary.unwrap_or_default().failed;
    let listed: BTreeSet<usize> = (answer.failed_events.iter())
        .map(|event| event.index)
        .collect();
    let is_consistent = listed.len() as u64 >= failed && listed.iter().all(|index| *index < count);
    if !is_consistent {
        return unclear("the answer to the batch does not list the events that failed");
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

    fn name(delivery: &Delivery) -> String {
        match delivery {
            Delivery::Delivered { .. } => "delivered".to_owned(),
            Delivery::Transient(failure) => {
                format!("transient {} {:?}", failure.reason.name(), failure.scope)
            }
            Delivery::Permanent(failure) => format!("permanent {}", failure.reason.name()),
        }
    }

    fn reply(status: u16, body: &str) -> Reply<'_> {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            after: None,
            body: body.as_bytes(),
            is_whole: true,
        }
    }

    #[test]
    fn each_status_is_classified() {
        let cases = [
            (200, "", "delivered"),
            (201, "", "delivered"),
            (204, "", "delivered"),
            (301, "", "transient missing Target"),
            (400, "", "permanent invalid"),
            (401, "", "transient permission Target"),
            (404, "", "transient missing Target"),
            (413, "", "permanent too_large"),
            (422, "", "permanent invalid"),
            (429, "", "transient throttled Target"),
            (500, "", "transient unavailable Event"),
            (
                500,
                r#"{"code":400,"message":"bad time"}"#,
                "permanent invalid",
            ),
            (500, r#"{"code":500}"#, "transient unavailable Event"),
            (502, "", "transient unavailable Event"),
            (503, "", "transient unavailable Target"),
        ];
        let rules = StatusRules::default();
        for (status, body, meaning) in cases {
            let delivery = classify(&reply(status, body), &rules, 99, || None);
            assert_eq!(name(&delivery), meaning, "{status} {body}");
        }
    }

    #[test]
    fn an_endpoint_may_mean_something_else_by_a_status() {
        let rules = StatusRules {
            rejected: [202, 500].into(),
            retried: [400].into(),
            ..StatusRules::default()
        };
        for (status, meaning) in [
            (200, "delivered"),
            (202, "permanent invalid"),
            (400, "transient unavailable Event"),
            (500, "permanent invalid"),
        ] {
            let delivery = classify(&reply(status, ""), &rules, 1, || None);
            assert_eq!(name(&delivery), meaning, "{status}");
        }
    }

    #[test]
    fn a_500_is_final_after_so_many_attempts_and_a_502_is_not() {
        let rules = StatusRules {
            max_attempts_on_500: Some(3),
            ..StatusRules::default()
        };
        for (status, attempts, meaning) in [
            (500, 2, "transient unavailable Event"),
            (500, 3, "permanent invalid"),
            (502, 9, "transient unavailable Event"),
        ] {
            let delivery = classify(&reply(status, ""), &rules, attempts, || None);
            assert_eq!(name(&delivery), meaning, "{status} {attempts}");
        }
    }

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
