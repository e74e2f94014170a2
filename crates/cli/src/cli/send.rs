//! `lineage-proxy send`: sends events from files to a proxy, or to another OpenLineage endpoint, unchanged.
//!
//! Unlike most clients it retries when an endpoint cannot accept an event now. It fails at once when the endpoint has
//! never responded.

use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt;
use indicatif::ProgressBar;
use reqwest::{Client, StatusCode, Url};
use serde_json::json;

use super::{FINE, Output, input, no, print};
use crate::cli::tell;
use proxy::config::Errors;

/// The most attempts per event, and the wait between them.
const ATTEMPTS: usize = 10;
const WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files with events.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Endpoint; without a path, `/api/v1/lineage` is used.
    #[arg(long, env = "OPENLINEAGE_URL", default_value = "http://127.0.0.1:5000")]
    url: Url,
    /// File with the API key; or set OPENLINEAGE_API_KEY. A key on the command line would be visible to others.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<std::path::PathBuf>,
    #[arg(long, env = "OPENLINEAGE_API_KEY", hide = true, hide_env_values = true)]
    api_key: Option<String>,
    /// Concurrent requests.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let key = read_key(arguments.api_key_file.as_deref(), arguments.api_key)?;
    let endpoint = Endpoint::new(arguments.url, key)?;
    let (events, all) = input::read(&arguments.files)?;
    // It hides itself without a terminal.
    let progress = ProgressBar::new(events.len() as u64);
    let sent = futures_util::stream::iter(events)
        .map(|found| {
            let (endpoint, progress) = (&endpoint, &progress);
            async move {
                let answer = endpoint.send(&found.text, None).await;
                progress.inc(1);
                (found, answer)
            }
        })
        .buffered(arguments.concurrency.into())
        .collect::<Vec<_>>()
        .await;
    progress.finish_and_clear();
    let mut failed = 0;
    for (found, answer) in &sent {
        let is_sent = answer.is_ok();
        failed += usize::from(!is_sent);
        let answer = answer.as_ref().unwrap_or_else(|error| &error.why);
        match arguments.output {
            Output::Json => print(
                json!({"file": found.file, "line": found.line, "index": found.index, "sent": is_sent, "answer": answer}),
            )?,
            Output::Text if is_sent || Some(answer) == endpoint.unreachable.get() => {}
            Output::Text => print(format!("{}: {answer}{}", found.place(), found.which()))?,
        }
    }
    if let Some(why) = endpoint.unreachable.get() {
        tell(format_args!("lineage-proxy: {why}"));
    }
    if arguments.output == Output::Text {
        print(format!("{} sent, {failed} failed", sent.len() - failed))?;
    }
    Ok(if all && failed == 0 { FINE } else { no() })
}

/// The most bytes that are read of a response: enough for all findings of a large array, and a limit for an endless
/// body.
const READ: usize = 1_000_000;

/// Returns the first bytes of a response as text.
async fn read_start(mut answer: reqwest::Response) -> String {
    let mut read = Vec::new();
    while read.len() < READ
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        read.extend_from_slice(&chunk);
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Returns the API key: that of the file, if there is one.
pub(super) fn read_key(file: Option<&Path>, key: Option<String>) -> Result<Option<String>, Errors> {
    let Some(file) = file else {
        return Ok(key);
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Errors::general(format!("{}: {error}", file.display())))?;
    Ok(Some(text.trim().to_owned()))
}

/// Why an event was not sent.
#[derive(Debug)]
pub(super) struct SendError {
    /// The status of the last response, if there was one.
    status: Option<StatusCode>,
    pub(super) why: String,
}

impl SendError {
    /// Whether the endpoint refused this event for good. Any other response is about the endpoint or the key, and another
    /// event would get it, too.
    pub(super) fn is_verdict(&self) -> bool {
        matches!(
            self.status,
            Some(
                StatusCode::BAD_REQUEST
                    | StatusCode::PAYLOAD_TOO_LARGE
                    | StatusCode::UNSUPPORTED_MEDIA_TYPE
                    | StatusCode::UNPROCESSABLE_ENTITY
            )
        )
    }

    /// Whether it fails until somebody corrects the URL or the key.
    pub(super) fn is_final(&self) -> bool {
        self.status
            .is_some_and(|status| !is_transient(status) && !self.is_verdict())
    }
}

/// The endpoint of events.
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    key: Option<String>,
    /// Whether it has responded before.
    answered: AtomicBool,
    /// Why it is unreachable: further events are not attempted.
    unreachable: OnceLock<String>,
}

impl Endpoint {
    /// Creates one. Without a path in the URL, it is that of a proxy.
    pub(super) fn new(mut url: Url, key: Option<String>) -> anyhow::Result<Endpoint> {
        if matches!(url.path(), "" | "/") {
            url.set_path("/api/v1/lineage");
        }
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            // A redirected POST can become a GET, whose answer says nothing about the event (RFC 9110, section 15.4).
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Endpoint {
            client,
            url,
            key,
            answered: AtomicBool::new(false),
            unreachable: OnceLock::new(),
        })
    }

    /// Returns its response without the key, which an endpoint may echo.
    fn shown(&self, text: &str) -> String {
        let password = self.url.password();
        targets::shown(text, self.key.as_deref().into_iter().chain(password))
    }

    /// Returns the endpoint's last response: `Ok` if it accepted the event.
    ///
    /// `identity` is who the event is, by which an endpoint that knows it takes it once.
    pub(super) async fn send(
        &self,
        text: &[u8],
        identity: Option<&str>,
    ) -> Result<String, SendError> {
        let failed = |status, why| Err(SendError { status, why });
        let mut last = String::new();
        let mut last_status = None;
        for attempt in 0..ATTEMPTS {
            if let Some(why) = self.unreachable.get() {
                return failed(None, why.clone());
            }
            if attempt > 0 {
                tokio::time::sleep(WAIT).await;
            }
            let mut post = self
                .client
                .post(self.url.clone())
                .header("content-type", "application/json")
                .body(text.to_vec());
            if let Some(identity) = identity {
                post = post.header("idempotency-key", format!("\"{identity}\""));
            }
            if let Some(key) = &self.key {
                post = post.bearer_auth(key);
            }
            match post.send().await {
                Ok(answer) => {
                    self.answered.store(true, Ordering::Relaxed);
                    let status = answer.status();
                    last = format!("{status} {}", self.shown(&read_start(answer).await));
                    if status.is_success() {
                        return Ok(last);
                    }
                    if !is_transient(status) {
                        return failed(Some(status), last);
                    }
                    last_status = Some(status);
                }
                Err(error) => {
                    last = self.describe(&error);
                    last_status = None;
                    // An endpoint that has never responded does not exist or is the wrong one, so do not make the user
                    // wait for it.
                    if error.is_connect() && !self.answered.load(Ordering::Relaxed) {
                        return failed(None, self.unreachable.get_or_init(|| last).clone());
                    }
                }
            }
        }
        failed(last_status, format!("{last} (tried {ATTEMPTS} times)"))
    }

    /// Describes URL and cause, without credentials in the URL.
    fn describe(&self, error: &reqwest::Error) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        // Fails for URLs without a host, which have no credentials.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let cause = match error.is_timeout() {
            true => "no response in time".to_owned(),
            false => cause.to_string(),
        };
        format!("{url}: {cause}")
    }
}

/// Whether the same request may succeed later.
pub(super) fn is_transient(status: StatusCode) -> bool {
    let may_pass = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
    );
    may_pass || status.is_server_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_about_the_event_or_the_request_or_may_pass() {
        for (statuses, verdict, fatal) in [
            (&[400, 413, 415, 422][..], true, false),
            (&[301, 401, 403, 404, 405], false, true),
            (&[408, 429, 500, 502, 503, 504], false, false),
        ] {
            for status in statuses {
                let status = StatusCode::from_u16(*status).unwrap();
                let error = SendError {
                    status: Some(status),
                    why: String::new(),
                };
                assert_eq!((error.is_verdict(), error.is_final()), (verdict, fatal));
                assert_eq!(is_transient(status), !verdict && !fatal, "{status}");
            }
        }
    }
}
