//! Faults on demand: every error of the model, those without a type, and what a network does.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Account;

/// A fault, and whom it befalls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// Only events that contain this text.
    #[serde(rename = "match", default)]
    pub matches: Option<String>,
    /// How often; for ever without.
    #[serde(default)]
    pub times: Option<u32>,
    /// Only every n-th of those that match.
    #[serde(default)]
    pub every: Option<u32>,
    /// What happens.
    pub kind: Kind,
    /// How many matched so far.
    #[serde(default)]
    pub seen: u32,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the variants are named after AWS errors")]
pub enum Kind {
    Throttle,
    Internal,
    AccessDenied,
    Unauthorized,
    Quota,
    Conflict,
    Validation,
    NotFound,
    /// 503 from something in front of the service: no error type.
    #[serde(rename = "unavailable_503_untyped")]
    Unavailable,
    /// 413 likewise.
    #[serde(rename = "too_large_413_untyped")]
    TooLarge,
    /// Credentials that are over: an error of all services.
    ExpiredToken,
    /// No answer at all.
    Hang,
    /// The connection ends in the middle of the answer.
    Half,
}

impl Fault {
    /// A fault of that kind for every event.
    pub fn always(kind: Kind) -> Fault {
        Fault {
            matches: None,
            times: None,
            every: None,
            kind,
            seen: 0,
        }
    }

    /// A fault of that kind for events that contain `text`.
    pub fn on(text: &str, kind: Kind) -> Fault {
        Fault {
            matches: Some(text.to_owned()),
            ..Fault::always(kind)
        }
    }
}

/// The fault that befalls this event, if any; counts it.
pub(crate) fn next(inside: &mut Account, body: &str) -> Option<Kind> {
    for fault in &mut inside.settings.faults {
        let matches = fault
            .matches
            .as_ref()
            .is_none_or(|text| body.contains(text));
        if !matches || fault.times.is_some_and(|times| fault.seen >= times) {
            continue;
        }
        fault.seen += 1;
        if fault
            .every
            .is_none_or(|every| every > 0 && fault.seen.is_multiple_of(every))
        {
            return Some(fault.kind);
        }
    }
    None
}

impl Kind {
    /// The answer. `Hang` never gives one.
    pub(crate) async fn answer(self) -> Response {
        match self {
            Kind::Throttle => error(429, "ThrottlingException", "Rate exceeded"),
            Kind::Internal => error(500, "InternalServerException", "Internal failure"),
            Kind::AccessDenied => error(
                403,
                "AccessDeniedException",
                "User is not permitted to perform operation: PostLineageEvent",
            ),
            Kind::Unauthorized => error(401, "UnauthorizedException", "Unauthorized"),
            Kind::Quota => error(402, "ServiceQuotaExceededException", "Quota exceeded"),
            Kind::Conflict => error(409, "ConflictException", "Conflict"),
            Kind::Validation => error(400, "ValidationException", "The event is not valid"),
            Kind::NotFound => error(404, "ResourceNotFoundException", "Domain not found"),
            Kind::ExpiredToken => error(
                403,
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ),
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Kind::Hang => std::future::pending().await,
            Kind::Half => {
                let pieces = [
                    Ok(Bytes::from_static(b"{\"id\":\"a")),
                    Err(std::io::Error::other("cut")),
                ];
                Body::from_stream(futures_util::stream::iter(pieces)).into_response()
            }
        }
    }
}

/// An error as the REST-JSON protocol has it: the type in a header, the message in the body.
pub(crate) fn error(status: u16, code: &'static str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (
        status,
        [("x-amzn-errortype", code)],
        Json(json!({"message": message})),
    )
        .into_response()
}
