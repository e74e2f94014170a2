//! The middleware that admits requests with a key of the right role.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::{Denial, Keys};
use super::caller::Sender;
use super::discard::discard_body;
use crate::config::KeyRole;
use crate::telemetry::metric::Metric;

/// Admits requests by their key. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    keys: Keys,
}

impl Guard {
    /// Creates a guard that admits holders of `keys`.
    pub fn new(keys: Keys) -> Guard {
        Guard { keys }
    }

    /// Whether there are keys, or may be.
    pub(crate) fn has_keys(&self) -> bool {
        self.keys.are_configured()
    }

    /// Admits a request that carries a key with the role. Returns its sender, or none if no key is needed.
    pub(crate) async fn admit(
        &self,
        headers: &HeaderMap,
        role: KeyRole,
    ) -> Result<Option<Sender>, Denial> {
        self.keys.admit(headers, role).await
    }

    /// Admits the holder of the key with this SHA-256, likewise.
    pub(crate) async fn admit_hash(
        &self,
        key: &[u8; 32],
        role: KeyRole,
    ) -> Result<Option<Sender>, Denial> {
        self.keys.admit_hashes(&[*key], role).await
    }
}

/// Marks a response with its sender, and counts it by the name of the key, which comes from the configuration or the secret.
pub(crate) fn attribute(sender: Option<Sender>, mut response: Response) -> Response {
    if let Some(sender) = sender {
        let name = sender.0.clone();
        let status = response.status().as_str().to_owned();
        Metric::SenderRequests.add([name.into(), status.into()], 1);
        response.extensions_mut().insert(sender);
    }
    response
}

/// Authorises a request before its body is read.
pub(crate) async fn authorise(
    State((guard, role)): State<(Guard, KeyRole)>,
    mut request: Request,
    next: Next,
) -> Response {
    match guard.keys.admit(request.headers(), role).await {
        Ok(sender) => {
            if let Some(sender) = &sender {
                request.extensions_mut().insert(sender.clone());
            }
            let response = next.run(request).await;
            attribute(sender, response)
        }
        Err(Denial { rejection, sender }) => {
            discard_body(request).await;
            attribute(sender, rejection.into_response())
        }
    }
}
