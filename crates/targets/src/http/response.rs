//! What the response of an HTTP endpoint means for its request. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::StatusCode;

use crate::response;
use crate::{Delivery, Failure, Reason, Scope};

/// What an endpoint means by its statuses, where that is not what HTTP says.
#[derive(Debug, Clone, Default)]
pub(crate) struct StatusRules {
    /// Statuses of an event that will never be accepted.
    pub(crate) rejected: BTreeSet<u16>,
    /// Statuses after which another attempt may succeed.
    pub(crate) retried: BTreeSet<u16>,
    /// After how many attempts of an event a 500 is final; `None` if the queue decides.
    pub(crate) max_attempts_on_500: Option<u32>,
}

/// A response, as far as it is read.
#[derive(Debug)]
pub(crate) struct HttpResponse<'a> {
    pub(crate) status: StatusCode,
    /// `Retry-After`.
    pub(crate) after: Option<Duration>,
    /// The start of the body.
    pub(crate) body: &'a [u8],
    /// Whether that is all of it.
    pub(crate) is_whole: bool,
}

/// Classifies a response. `attempts` is how often the event was attempted, this time included. `kept` returns what is kept
/// of the body, for a failure.
pub(crate) fn classify(
    reply: &HttpResponse<'_>,
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
    let code = response::json(body_start).and_then(|body| body.get("code")?.as_u64());
    code.is_some_and(|code| (400..=499).contains(&code))
}

/// What tests of replies share.
#[cfg(test)]
pub(crate) mod cases {
    use super::*;

    /// The result as a text.
    pub(crate) fn name(delivery: &Delivery) -> String {
        match delivery {
            Delivery::Delivered { .. } => "delivered".to_owned(),
            Delivery::AlreadyThere => "already there".to_owned(),
            Delivery::Unchanged { reason } => format!("unchanged {reason}"),
            Delivery::Transient(failure) => {
                format!("transient {} {:?}", failure.reason.name(), failure.scope)
            }
            Delivery::Permanent(failure) => format!("permanent {}", failure.reason.name()),
        }
    }

    /// A reply that was read to its end.
    pub(crate) fn reply(status: u16, body: &str) -> HttpResponse<'_> {
        HttpResponse {
            status: StatusCode::from_u16(status).unwrap(),
            after: None,
            body: body.as_bytes(),
            is_whole: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cases::{name, reply};
    use super::*;

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
}
