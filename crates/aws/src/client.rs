//! Sends operations: signs them, retries them, limits their time and the size of their responses.
//!
//! This is what the generated SDKs do, through the same runtime: standard retries with a budget per service and region
//! (`AWS_RETRY_MODE`, `AWS_MAX_ATTEMPTS`, `Retry-After` in milliseconds), correction of a wrong clock, proxies and
//! certificates of the system, cached credentials. Differences: every call has timeouts, and every response a limit.

mod codec;
mod plugins;

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime::client::orchestrator::invoke;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{Error as ErasedError, Input};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::error::{Error, ServiceError};
use crate::handle::Aws;
use crate::protocol::{Operation, Paginated, Response};
use crate::service::Service;
use codec::{ResponseTimeout, is_too_large};
use plugins::layer;

/// The largest response of an API, in bytes: a page of log events has at most 1 MB of them, more as JSON.
const MAX_RESPONSE: usize = 8_000_000;

/// A way to call services, with a region and limits. Cheap to create and to clone.
#[derive(Debug, Clone)]
pub struct Client {
    aws: Aws,
    region: Option<String>,
    timeout: Option<Duration>,
    attempt: Option<Duration>,
    first_byte: Option<Duration>,
    max_bytes: usize,
}

impl Client {
    pub(crate) fn new(aws: Aws) -> Client {
        Client {
            aws,
            region: None,
            timeout: None,
            attempt: None,
            first_byte: None,
            max_bytes: MAX_RESPONSE,
        }
    }

    /// Calls the services of another region than the configured one.
    #[must_use]
    pub fn region(self, region: impl Into<String>) -> Client {
        Client {
            region: Some(region.into()),
            ..self
        }
    }

    /// Limits a call, its retries and the reading of its response included.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Client {
        Client {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Limits each attempt of a call, so that one that hangs leaves time for another.
    #[must_use]
    pub fn attempt_timeout(self, timeout: Duration) -> Client {
        Client {
            attempt: Some(timeout),
            ..self
        }
    }

    /// Limits how long a call may take until its response begins, its retries included. What is left of the [`timeout`] is for
    /// the response, as long as that moves: one that stands still for 5 s is cut.
    ///
    /// [`timeout`]: Client::timeout
    #[must_use]
    pub fn first_byte(self, limit: Duration) -> Client {
        Client {
            first_byte: Some(limit),
            ..self
        }
    }

    /// Limits the size of a response. What is larger is [`Error::TooLarge`].
    #[must_use]
    pub fn max_bytes(self, max_bytes: usize) -> Client {
        Client { max_bytes, ..self }
    }

    /// Calls a service.
    ///
    /// # Errors
    ///
    /// The service answers with an error, or not at all, or with what cannot be read.
    pub async fn send<O: Operation>(&self, operation: &O) -> Result<O::Output, Error> {
        let service = O::SERVICE;
        let config = self.aws.config().await;
        let mut request = operation.request();
        let begun = Arc::new(Notify::new());
        let plugins = self
            .plugins(config, service, &mut request, begun.clone())
            .map_err(|error| Error::not_sent(service.id, error))?;
        let plugins =
            plugins.with_operation_plugin(StaticRuntimePlugin::new().with_config(layer(|layer| {
                layer.store_put(Metadata::new(O::NAME, service.id));
            })));
        let input = Input::erase(request);
        // It takes 4 KB, which every future that may call a service would carry, such as that of a request to ingest.
        let call = Box::pin(invoke(service.id, O::NAME, input, &plugins));
        let output = tokio::select! {
            output = call => output.map_err(|error| self.error(service, error))?,
            late = self.not_begun(&begun) => return Err(Error::NoResponse {
                service: service.id,
                source: late.into(),
            }),
        };
        let response = output.downcast::<Response>().map_err(|_| Error::NotSent {
            service: service.id,
            source: "the response has another type".into(), // our own deserializer makes it
        })?;
        O::read(response).map_err(|source| Error::Unreadable {
            service: service.id,
            source,
        })
    }

    /// Waits until a response should have begun and has not.
    async fn not_begun(&self, begun: &Notify) -> ResponseTimeout {
        if let Some(limit) = self.first_byte
            && timeout(limit, begun.notified()).await.is_err()
        {
            return ResponseTimeout(limit);
        }
        std::future::pending().await
    }

    /// Calls a service for one page after the other.
    pub fn pages<O: Paginated + Clone>(&self, operation: O) -> Pages<O> {
        Pages {
            client: self.clone(),
            next: Some(operation),
            token: None,
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "non-exhaustive: every other error means that there is no response"
    )]
    fn error(&self, service: &Service, error: SdkError<ErasedError, HttpResponse>) -> Error {
        let service = service.id;
        if is_too_large(&error) {
            let limit = self.max_bytes;
            return Error::TooLarge { service, limit };
        }
        match error {
            SdkError::ServiceError(context) => {
                match context.into_err().downcast::<ServiceError>() {
                    Ok(error) => Error::Service(error),
                    Err(_) => Error::NotSent {
                        service,
                        source: "the error has another type".into(), // our own deserializer makes it
                    },
                }
            }
            error @ SdkError::ConstructionFailure(_) => Error::NotSent {
                service,
                source: source(error),
            },
            error => Error::NoResponse {
                service,
                source: source(error),
            },
        }
    }
}

/// The pages of a paginated operation.
#[derive(Debug)]
pub struct Pages<O> {
    client: Client,
    next: Option<O>,
    token: Option<String>,
}

impl<O: Paginated + Clone> Pages<O> {
    /// Fetches the next page; `None` after the last and after an error.
    pub async fn next(&mut self) -> Option<Result<O::Output, Error>> {
        let operation = self.next.take()?;
        let page = self.client.send(&operation).await;
        if let Ok(page) = &page {
            let token = O::next_token(page).filter(|token| !token.is_empty());
            // A service that repeats itself would be asked for ever.
            if let Some(token) = token.filter(|token| self.token.as_deref() != Some(*token)) {
                self.token = Some(token.to_owned());
                self.next = Some(operation.with_token(token.to_owned()));
            }
        }
        Some(page)
    }
}

/// Returns the cause of an error, without the raw response.
fn source(error: SdkError<ErasedError, HttpResponse>) -> BoxError {
    let kind = error.to_string();
    error.into_source().unwrap_or_else(|_| kind.into())
}

#[cfg(test)]
mod tests;
