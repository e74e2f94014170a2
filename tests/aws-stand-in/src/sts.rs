//! AssumeRole of STS (AWS Query, 2011-06-15), and who a request is signed by.
//!
//! The emulator of `tests/real` has STS with IAM; this one is for tests in one process.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Account;

/// The XML namespace of the answers.
const XMLNS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// A role that the caller may assume.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssumableRole {
    /// What its trust policy asks for.
    pub external_id: Option<String>,
    /// How long a session lasts.
    pub seconds: u64,
}

impl Default for AssumableRole {
    fn default() -> Self {
        AssumableRole {
            external_id: None,
            seconds: 3_600,
        }
    }
}

/// A role that was assumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The ARN of the role.
    pub role: String,
    /// The name of the session.
    pub name: String,
    /// The external id that was sent.
    pub external_id: Option<String>,
}

pub(crate) fn is_assume_role(body: &str) -> bool {
    body.split('&').any(|pair| pair == "Action=AssumeRole")
}

pub(crate) fn assume_role(inside: &mut Account, body: &str) -> Response {
    let fields = Uri::builder().path_and_query(format!("/?{body}")).build();
    let fields = fields.ok();
    let fields = fields.and_then(|uri| Query::<HashMap<String, String>>::try_from_uri(&uri).ok());
    let fields = fields.map(|Query(fields)| fields).unwrap_or_default();
    let field = |name: &str| fields.get(name).cloned();
    let (Some(role), Some(name)) = (field("RoleArn"), field("RoleSessionName")) else {
        return error(StatusCode::BAD_REQUEST, "ValidationError", "no role");
    };
    let external_id = field("ExternalId");
    let found = inside.settings.roles.get(&role);
    let trusts = |found: &AssumableRole| {
        let asked = found.external_id.as_ref();
        asked.is_none_or(|id| external_id.as_ref() == Some(id))
    };
    let Some(found) = found.filter(|found| trusts(found)) else {
        let message = format!(
            "User: arn:aws:iam::111122223333:user/x is not authorized to perform: sts:AssumeRole on resource: {role}"
        );
        return error(StatusCode::FORBIDDEN, "AccessDenied", &message);
    };
    let ends = SystemTime::now() + Duration::from_secs(found.seconds);
    let ends = OffsetDateTime::from(ends).format(&Rfc3339);
    let ends = ends.unwrap_or_default();
    let number = inside.sessions.len();
    let key = key(number);
    let assumed = role
        .replace(":iam:", ":sts:")
        .replace(":role/", ":assumed-role/");
    inside.sessions.push(Session {
        role,
        name: name.clone(),
        external_id,
    });
    xml(
        StatusCode::OK,
        format!(
            "<AssumeRoleResponse xmlns=\"{XMLNS}\"><AssumeRoleResult>\
             <AssumedRoleUser><Arn>{assumed}/{name}</Arn><AssumedRoleId>AROA0:{name}</AssumedRoleId></AssumedRoleUser>\
             <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s3cr3t{number}</SecretAccessKey>\
             <SessionToken>t0ken{number}</SessionToken><Expiration>{ends}</Expiration></Credentials>\
             </AssumeRoleResult><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></AssumeRoleResponse>"
        ),
    )
}

/// The key of a session, by which a request is known.
fn key(number: usize) -> String {
    format!("ASIA{number:016}")
}

/// The answer to a request that is not signed by the owner of what Glue and Redshift have.
pub(crate) fn stranger(inside: &Account, headers: &HeaderMap) -> Option<Response> {
    let owner = inside.settings.owner.as_ref()?;
    let signature = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let mut sessions = inside.sessions.iter().enumerate();
    let is_owner = sessions.any(|(number, session)| {
        session.role == *owner && signature.contains(&format!("Credential={}/", key(number)))
    });
    let refused = || {
        let body = json!({"__type": "AccessDeniedException", "message": "another account"});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    };
    (!is_owner).then(refused)
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let error = format!(
        "<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let body =
        format!("<ErrorResponse xmlns=\"{XMLNS}\">{error}<RequestId>0</RequestId></ErrorResponse>");
    xml(status, body)
}

fn xml(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml")], body).into_response()
}
