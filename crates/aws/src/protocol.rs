//! Requests and responses, and how each protocol writes them. Pure.
//!
//! Request URIs and error codes follow the protocols' definitions (<https://smithy.io/2.0/aws/protocols/>).

use std::fmt;

use aws_smithy_types::error::metadata::ErrorMetadata;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

use crate::error::{ServiceError, UnreadableResponse};
use crate::service::{Protocol, Service};
use crate::xml;

/// All but the unreserved characters of RFC 3986, as signatures require it.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Codes are short words; whatever is longer is not one.
const LONGEST_CODE: usize = 100;

/// A call of a service: builds its request, reads its response. Holds no state and does no IO.
pub trait Operation: Sync {
    /// The service.
    const SERVICE: &'static Service;
    /// The name in the service's model.
    const NAME: &'static str;
    /// What the service answers.
    type Output: Send;

    /// Builds the request.
    fn request(&self) -> Request;

    /// Reads the response to it.
    ///
    /// # Errors
    ///
    /// The response does not follow the service's model.
    fn read(response: Response) -> Result<Self::Output, UnreadableResponse>;
}

/// An operation that answers in pages.
pub trait Paginated: Operation + Send + Sized {
    /// Returns the token of the page after this one.
    fn next_token(output: &Self::Output) -> Option<&str>;

    /// Returns the request for the page that `token` names.
    #[must_use]
    fn with_token(self, token: String) -> Self;
}

/// A request, without endpoint and signature.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: &'static str,
    /// Percent-encoded, with the query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// Whose host name or path the request goes to, for S3.
    pub(crate) bucket: Option<String>,
}

/// Without the body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { method, path, .. } = self;
        write!(f, "{method} {path}, {} bytes", self.body.len())
    }
}

impl Request {
    /// Builds a request of the awsJson protocols.
    pub(crate) fn json<O: Operation>(input: &impl Serialize) -> Request {
        let (target, version) = match O::SERVICE.protocol {
            Protocol::Json { target_prefix } => (format!("{target_prefix}.{}", O::NAME), "1.1"),
            Protocol::Json10 { target_prefix } => (format!("{target_prefix}.{}", O::NAME), "1.0"),
            Protocol::RestJson | Protocol::Query { .. } | Protocol::S3 => {
                (O::NAME.to_owned(), "1.1")
            }
        };
        Request {
            method: "POST",
            path: "/".to_owned(),
            headers: vec![
                ("content-type", format!("application/x-amz-json-{version}")),
                ("x-amz-target", target),
            ],
            // Inputs are structs of texts and numbers, which can always be written.
            body: serde_json::to_vec(input).unwrap_or_default().into(),
            bucket: None,
        }
    }

    /// Builds a request of the awsQuery protocol.
    pub(crate) fn query<O: Operation>(parameters: &[(&str, Option<&str>)]) -> Request {
        let version = match O::SERVICE.protocol {
            Protocol::Query { version } => version,
            Protocol::Json { .. } | Protocol::Json10 { .. } | Protocol::RestJson | Protocol::S3 => {
                ""
            }
        };
        let mut form = format!("Action={}&Version={version}", O::NAME);
        for (name, value) in parameters {
            if let Some(value) = value {
                form.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        let form_type = "application/x-www-form-urlencoded".to_owned();
        Request {
            method: "POST",
            path: "/".to_owned(),
            headers: vec![("content-type", form_type)],
            body: form.into(),
            bucket: None,
        }
    }

    /// Builds a request without a body, for the protocols in which a path names the resource.
    pub(crate) fn get(path: String) -> Request {
        Request {
            method: "GET",
            path,
            headers: Vec::new(),
            body: Bytes::new(),
            bucket: None,
        }
    }
}

/// Percent-encodes a text as one segment of a path, or one value.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}

/// Percent-encodes a path, and keeps its slashes.
pub(crate) fn encoded_path(text: &str) -> String {
    const PATH: AsciiSet = RESERVED.remove(b'/');
    utf8_percent_encode(text, &PATH).to_string()
}

/// A successful response.
pub struct Response {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// Without headers and body: it may hold a secret.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.body.len())
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Reads an error response.
pub(crate) fn service_error(
    protocol: Protocol,
    status: u16,
    header: impl Fn(&str) -> Option<String>,
    body: &[u8],
) -> ServiceError {
    let (code, message, id_in_body) = match protocol {
        Protocol::Json { .. } | Protocol::Json10 { .. } | Protocol::RestJson => {
            let (code, message) = json_error(body);
            (header("x-amzn-errortype").or(code), message, None)
        }
        Protocol::Query { .. } | Protocol::S3 => xml::error(body),
    };
    let mut metadata = ErrorMetadata::builder();
    if let Some(code) = code.as_deref().and_then(code_of) {
        metadata = metadata.code(code);
    }
    if let Some(message) = message {
        metadata = metadata.message(message);
    }
    let id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id"));
    ServiceError {
        status,
        request_id: id.or(id_in_body).filter(|id| is_word(id)),
        metadata: metadata.build(),
    }
}

fn json_error(body: &[u8]) -> (Option<String>, Option<String>) {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| body.get(name)?.as_str());
        found.map(str::to_owned)
    };
    let code = text(&["__type", "code"]);
    (code, text(&["message", "Message", "errorMessage"]))
}

/// The name of an error: `aws.protocols#FooError:http://example.com/` is `FooError`.
fn code_of(text: &str) -> Option<&str> {
    let code = text.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default().trim();
    is_word(code).then_some(code)
}

fn is_word(text: &str) -> bool {
    let is_allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'=' | b'/' | b'+');
    (1..=LONGEST_CODE).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::error::metadata::ProvideErrorMetadata;

    const JSON: Protocol = Protocol::Json { target_prefix: "p" };

    fn read(protocol: Protocol, headers: &[(&str, &str)], body: &str) -> ServiceError {
        let header = |name: &str| {
            let found = headers.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        service_error(protocol, 400, header, body.as_bytes())
    }

    #[test]
    fn an_error_is_read_from_wherever_its_protocol_puts_it() {
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>m</Message></Error><RequestId>r-1</RequestId></ErrorResponse>";
        let s3 = "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>m</Message><RequestId>r-1</RequestId></Error>";
        let id = ("x-amzn-requestid", "r-1");
        let cases = [
            (
                read(
                    JSON,
                    &[id],
                    r#"{"__type":"com.amazon#NotFound","message":"m"}"#,
                ),
                "NotFound",
            ),
            (
                read(
                    Protocol::RestJson,
                    &[id, ("x-amzn-errortype", "NotFound:http://x/")],
                    r#"{"Message":"m"}"#,
                ),
                "NotFound",
            ),
            (
                read(Protocol::Query { version: "1" }, &[], xml),
                "ValidationError",
            ),
            (read(Protocol::S3, &[], s3), "NoSuchKey"),
        ];
        for (error, code) in cases {
            assert_eq!(error.code(), Some(code));
            assert_eq!(error.message(), Some("m"));
            assert_eq!(
                error.to_string(),
                format!("{code} (status 400, request r-1)")
            );
        }
    }

    #[test]
    fn an_error_response_that_is_not_one_has_no_code() {
        for body in [
            "",
            "<html>Bad gateway</html>",
            "{",
            "[]",
            r#"{"__type":"a b"}"#,
            "<Error><Code>",
            "\u{0}",
        ] {
            for protocol in [
                JSON,
                Protocol::RestJson,
                Protocol::S3,
                Protocol::Query { version: "1" },
            ] {
                assert_eq!(
                    read(protocol, &[], body).code(),
                    None,
                    "{protocol:?} {body}"
                );
            }
        }
    }

    #[test]
    fn the_message_of_a_service_is_not_displayed() {
        let error = read(JSON, &[], r#"{"__type":"Denied","message":"token s3cr3t"}"#);
        let error = crate::Error::from(error);
        assert_eq!(format!("{error} {error:?}").find("s3cr3t"), None);
    }
}
