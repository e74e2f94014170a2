//! A client that posts bodies to one URL: authenticated, within limits of time and size, and once more with a new credential
//! if the old one was rejected.

use std::time::Duration;

use aws::{Aws, error_chain};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, Url};
use tokio::time::{Instant, timeout};

use super::address::{Address, without_password};
use super::auth::{AuthConfig, Authenticator, RereadPolicy, Session};
use super::body::{Compression, read_start, request_body};
use super::response::HttpResponse;
use super::tls::{self, TlsFiles};
use crate::rate::RateController;
use crate::response::{MAX_READ, ResponseDetail, ResponseFilter};
use crate::secret::Credential;
use crate::{Delivery, Failure, OpenError, OpenQuestion, Pace, Reason, Scope};

/// What a client needs to know.
pub(crate) struct HttpConfig<'a> {
    /// The setting that names the URL.
    pub(crate) setting: &'static str,
    /// Where bodies are posted to.
    pub(crate) url: Url,
    /// The credentials that are part of it.
    pub(crate) of_url: Vec<String>,
    pub(crate) auth: &'a AuthConfig,
    pub(crate) tls: &'a TlsFiles,
    /// Headers of every request besides.
    pub(crate) headers: HeaderMap,
    pub(crate) compression: Compression,
    /// The time for a whole request.
    pub(crate) timeout: Duration,
    /// What is kept of responses.
    pub(crate) response: ResponseDetail,
}

/// Posts bodies to one URL.
pub(crate) struct HttpClient {
    client: Client,
    url: Url,
    auth: Authenticator,
    headers: HeaderMap,
    compression: Compression,
    timeout: Duration,
    /// Every request has to be made by its leave.
    pub(crate) rate: RateController,
}

/// Without the URL, which may carry a key.
impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient")
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

/// One request.
pub(crate) struct Post<'a> {
    /// The body, in JSON.
    pub(crate) body: &'a str,
    /// The events that the body was made from, where it does not contain their text: no part of them may be kept of a response.
    pub(crate) events: &'a [&'a str],
    /// A parameter of the URL.
    pub(crate) parameter: Option<(&'a str, String)>,
    /// How much of the body of a success is read, in bytes.
    pub(crate) max_success: usize,
}

/// The result of a request, and what was read of a success.
pub(crate) type PostResult<T> = (Delivery, Option<T>);

/// What is not known of a client that was created without an error: whether its host answers, and whether its credential can
/// be read.
pub(crate) fn open_questions(
    setting: &'static str,
    url: &Address,
    auth: &AuthConfig,
) -> Result<Vec<OpenQuestion>, OpenError> {
    let mut questions = vec![OpenQuestion {
        setting,
        what: format!("whether {} answers", url.host()),
    }];
    if let Some((setting, source)) = &auth.secret {
        source.check(setting)?;
        questions.extend(source.unchecked(setting));
    }
    Ok(questions)
}

/// What tells a destination from others, but for credentials, which are replaced. May hold a key in the query of the URL.
pub(crate) fn identity(url: Url, auth: &AuthConfig, tls: &TlsFiles) -> String {
    let url = without_password(url);
    format!("{url} {:?} {:?}", auth.method, tls.certificate)
}

impl HttpClient {
    /// Creates a client, which reads the files for TLS and nothing else.
    pub(crate) fn new(
        config: HttpConfig<'_>,
        aws: &Aws,
        rereads: RereadPolicy,
    ) -> Result<HttpClient, OpenError> {
        let build = |with: fn(ClientBuilder) -> ClientBuilder| {
            let builder = tls::configure(Client::builder(), config.tls)?
                .user_agent(concat!("lineage-proxy/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none()); // a redirected POST becomes a GET
            with(builder).build().map_err(|error| OpenError::Invalid {
                setting: config.setting,
                message: format!("cannot create an HTTP client: {}", error.without_url()),
            })
        };
        let client = build(|builder| builder)?;
        // The metadata server knows who asks by the connection, and its tokens are not encrypted: a proxy would get its own,
        // or ours (<https://cloud.google.com/compute/docs/metadata/querying-metadata>).
        let of_tokens = match config.auth.method.asks_this_machine() {
            true => build(ClientBuilder::no_proxy)?,
            false => client.clone(),
        };
        let auth = Authenticator::new(
            config.auth.clone(),
            of_tokens,
            aws,
            config.response,
            config.of_url,
            rereads,
        );
        auth.check()?;
        Ok(HttpClient {
            client,
            url: config.url,
            auth,
            headers: config.headers,
            compression: config.compression,
            timeout: config.timeout,
            rate: RateController::new(None),
        })
    }

    /// Starts with a credential that was read before; without it, it is read for the first event.
    pub(crate) async fn open(&self, credential: Option<&Credential>) -> Result<(), OpenError> {
        match credential {
            Some(credential) => self.auth.open(credential).await,
            None => Ok(()),
        }
    }

    /// How fast requests are sent.
    pub(crate) fn pace(&self, now: Instant) -> Pace {
        self.rate.pace(now)
    }

    /// Ends all waiting.
    pub(crate) fn stop(&self) {
        self.rate.stop();
    }

    /// Posts a body, and once more if the credential was rejected and there is a new one. `read` classifies a response; it
    /// gets what is kept of the body, for a failure.
    pub(crate) async fn post<T, F>(&self, post: &Post<'_>, time: Duration, read: F) -> PostResult<T>
    where
        F: Fn(&HttpResponse<'_>, &dyn Fn() -> Option<String>) -> PostResult<T>,
    {
        let until = Instant::now() + time;
        let session = match timeout(time, self.auth.session()).await {
            Ok(Ok(session)) => session,
            Ok(Err(failure)) => return (Delivery::Transient(failure), None),
            Err(_) => return unavailable("no credential in time", Scope::Target),
        };
        let answer = self.send(&session, post, time, &read).await;
        let is_rejected = matches!(&answer.0, Delivery::Transient(failure) if failure.reason == Reason::Permission);
        if !is_rejected {
            return answer;
        }
        let left = until.saturating_duration_since(Instant::now());
        match timeout(left, self.auth.renew(&session)).await {
            Ok(Some(renewed)) => {
                let left = until.saturating_duration_since(Instant::now());
                self.send(&renewed, post, left, &read).await
            }
            Ok(None) | Err(_) => answer,
        }
    }

    async fn send<T, F>(
        &self,
        session: &Session,
        post: &Post<'_>,
        time: Duration,
        read: &F,
    ) -> PostResult<T>
    where
        F: Fn(&HttpResponse<'_>, &dyn Fn() -> Option<String>) -> PostResult<T>,
    {
        let request = match self.request(session, post, time) {
            Ok(request) => request,
            Err(failure) => return (Delivery::Transient(failure), None),
        };
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                return unavailable(&causes(&error, &session.filter), scope_of(&error));
            }
        };
        let limit = match response.status().is_success() {
            true => post.max_success,
            false => MAX_READ,
        };
        let start = match read_start(&mut response, limit).await {
            Ok(start) => start,
            Err(error) => return unavailable(&causes(&error, &session.filter), Scope::Event),
        };
        let reply = HttpResponse {
            status: response.status(),
            after: retry_after(response.headers()),
            body: &start.bytes,
            is_whole: start.is_whole,
        };
        read(&reply, &|| {
            kept(session, post, response.headers(), &start.bytes)
        })
    }

    /// The request for a body. Fails if it cannot be signed.
    fn request(
        &self,
        session: &Session,
        post: &Post<'_>,
        time: Duration,
    ) -> Result<RequestBuilder, Failure> {
        let body = request_body(post.body, self.compression);
        let mut url = session.url(&self.url);
        if let Some((name, value)) = &post.parameter {
            url.query_pairs_mut().append_pair(name, value);
        }
        let headers = session.headers(&url, &body.bytes)?;
        let request = self
            .client
            .post(url)
            .headers(self.headers.clone())
            .headers(headers)
            .timeout(time.min(self.timeout))
            .header(CONTENT_TYPE, "application/json")
            .body(body.bytes);
        Ok(match body.is_gzip {
            true => request.header(CONTENT_ENCODING, "gzip"),
            false => request,
        })
    }
}

/// What a request without a response says something about. Where nothing listens, every event fails alike.
fn scope_of(error: &reqwest::Error) -> Scope {
    match error.is_connect() && !error.is_timeout() {
        true => Scope::Target,
        false => Scope::Event,
    }
}

/// How long the endpoint asks to wait, if it does.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// What is kept of the body of a response, without what was sent.
fn kept(session: &Session, post: &Post<'_>, headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let media_type = headers.get(CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    match post.events {
        [] => session.filter.body(media_type, body, post.body),
        events => {
            let sent = format!("{}\n{}", post.body, events.join("\n"));
            session.filter.body(media_type, body, &sent)
        }
    }
}

/// A request without a response.
fn unavailable<T>(message: &str, scope: Scope) -> PostResult<T> {
    let failure = Failure::new(Reason::Unavailable, scope, message);
    (Delivery::Transient(failure), None)
}

/// The error and its causes, without the URL (which may carry a key).
pub(super) fn causes(error: &reqwest::Error, filter: &ResponseFilter) -> String {
    if error.is_timeout() {
        return "no response in time".to_owned();
    }
    let causes = std::error::Error::source(error).map(error_chain);
    let causes = causes.map_or(String::new(), |causes| format!(": {causes}"));
    filter.causes(&format!("no complete response{causes}"))
}
