//! GetDomain of DataZone, after the service model of 2018-05-10.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::Shared;
use crate::faults::error;

pub(crate) async fn get(State(shared): State<Shared>, Path(domain): Path<String>) -> Response {
    let inside = shared.lock();
    if inside.settings.reads_denied {
        return error(403, "AccessDeniedException", "not authorized");
    }
    if inside.settings.domain != domain {
        return error(404, "ResourceNotFoundException", "Domain not found");
    }
    let mut found = Map::new();
    found.insert("id".to_owned(), json!(domain));
    found.insert("status".to_owned(), json!("AVAILABLE"));
    found.insert("domainVersion".to_owned(), json!("V2"));
    let role = "arn:aws:iam::123456789012:role/service-role/AmazonDataZoneDomainExecution";
    found.insert("domainExecutionRole".to_owned(), json!(role));
    if let Some(key) = &inside.settings.domain_key {
        found.insert("kmsKeyIdentifier".to_owned(), json!(key));
    }
    Json(Value::Object(found)).into_response()
}
