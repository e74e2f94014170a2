//! Writes a request as HTTP and reads the response, within the limit of its size. Called by the runtime of the SDKs.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, Error as ErasedError, Input, Output,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SerializeRequest};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::{LengthLimitError, Limited};
use tokio::sync::Notify;

use crate::protocol::{Request, Response, service_error};
use crate::service::Protocol;

#[derive(Debug)]
pub(super) struct Serializer;

impl SerializeRequest for Serializer {
    fn serialize_input(&self, input: Input, _: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let request = input
            .downcast::<Request>()
            .map_err(|_| BoxError::from("the input has another type"))?;
        let has_body = request.method != "GET" && request.method != "DELETE";
        let length = request.body.len();
        let mut http = HttpRequest::new(SdkBody::from(request.body));
        http.set_method(request.method)?;
        http.set_uri(request.path)?;
        let headers = http.headers_mut();
        if has_body {
            headers.try_insert("content-length", length.to_string())?;
        }
        for (name, value) in request.headers {
            headers.try_insert(name, value)?;
        }
        Ok(http)
    }
}

#[derive(Debug)]
pub(super) struct Deserializer(pub(super) Protocol);

impl DeserializeResponse for Deserializer {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<ErasedError>> {
        let body = response.body().bytes().unwrap_or_default(); // it was read before
        let headers = response.headers();
        if response.status().is_success() {
            let headers = headers.iter();
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            return Ok(Output::erase(Response {
                headers: headers.collect(),
                body: body.to_vec().into(),
            }));
        }
        let header = |name: &str| headers.get(name).map(str::to_owned);
        let error = service_error(self.0, response.status().as_u16(), header, body);
        Err(OrchestratorError::operation(ErasedError::erase(error)))
    }
}

/// Limits the size of a response, and notifies when a response begins.
#[derive(Debug)]
pub(super) struct ResponseWatch {
    pub(super) max_bytes: usize,
    pub(super) begun: Arc<Notify>,
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for ResponseWatch {
    fn name(&self) -> &'static str {
        "ResponseWatch"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        // An error may be retried, and is no more than a beginning of that.
        if response.status().is_success() {
            self.begun.notify_one();
        }
        let length = response.headers().get("content-length");
        let length = length.and_then(|length| length.parse::<u64>().ok());
        // Known in advance: not retried.
        if length.is_some_and(|length| {
            usize::try_from(length).map_or(true, |length| length > self.max_bytes)
        }) {
            return Err(TooLarge.into());
        }
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        *response.body_mut() = SdkBody::from_body_1_x(Limited::new(body, self.max_bytes));
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the response is larger than allowed")]
struct TooLarge;

#[derive(Debug, thiserror::Error)]
#[error("no response began within {0:?}")]
pub(super) struct ResponseTimeout(pub(super) Duration);

pub(super) fn is_too_large(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TooLarge>() || error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
