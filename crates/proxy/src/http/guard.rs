//! The middleware that admits requests with a key of the right role.

use axum::extract::{Request, State};
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
}

/// Marks a response with its sender, and counts it by the name of the key, which comes from the configuration or the secret.
fn attribute(sender: Option<Sender>, mut response: Response) -> Response {
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
