//! `lineage-proxy send`: events from files to a proxy, or to any other OpenLineage endpoint, as they stand in the file.
//!
//! Patient where the clients are not: an endpoint that cannot take an event now is asked again. One that was never there
//! is given up at once.

use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use indicatif::ProgressBar;
use reqwest::{Client, StatusCode, Url};
use serde_json::json;

use super::input::Found;
use super::{FINE, Output, input, no, print};
use proxy::config::Errors;

/// How often an event is sent at most, and how long to wait in between.
const TRIES: usize = 10;
const WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files with events.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The endpoint; without a path, `/api/v1/lineage` is meant.
    #[arg(long, env = "OPENLINEAGE_URL", default_value = "http://127.0.0.1:5000")]
    url: Url,
    /// A file that holds the key. Or set OPENLINEAGE_API_KEY: a key on the command line could be seen by others.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<std::path::PathBuf>,
    #[arg(long, env = "OPENLINEAGE_API_KEY", hide = true, hide_env_values = true)]
    api_key: Option<String>,
    /// Requests under way at once.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut url = arguments.url;
    if matches!(url.path(), "" | "/") {
        url.set_path("/api/v1/lineage");
    }
    let key = match arguments.api_key_file {
        Some(file) => Some(
            std::fs::read_to_string(&file)
                .map_err(|error| Errors(vec![format!("{}: {error}", file.display())]))?
                .trim()
                .to_owned(),
        ),
        None => arguments.api_key,
    };
    let client = Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .build()?;
    let (events, all) = input::read(&arguments.files)?;
    let endpoint = Endpoint {
        client,
        url,
        key,
        answered: AtomicBool::new(false),
        unreachable: OnceLock::new(),
    };
    // Hidden by itself where there is no terminal.
    let progress = ProgressBar::new(events.len() as u64);
    let sent = futures::stream::iter(events)
        .map(|found| {
            let (endpoint, progress) = (&endpoint, &progress);
            async move {
                let answer = endpoint.send(&found).await;
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
        let answer = answer.as_ref().unwrap_or_else(|error| error);
        match arguments.output {
            Output::Json => print(
                json!({"file": found.file, "line": found.line, "index": found.index, "sent": is_sent, "answer": answer}),
            )?,
            Output::Text if is_sent || Some(answer) == endpoint.unreachable.get() => {}
            Output::Text => print(format!("{}: {answer}{}", found.place(), found.which()))?,
        }
    }
    if let Some(why) = endpoint.unreachable.get() {
        eprintln!("lineage-proxy: {why}");
    }
    if arguments.output == Output::Text {
        print(format!("{} sent, {failed} not", sent.len() - failed))?;
    }
    Ok(if all && failed == 0 { FINE } else { no() })
}

/// What of an answer is read, in bytes: all findings of a large array, and not what has no end.
const READ: usize = 1_000_000;

/// The beginning of an answer, as text.
async fn beginning(mut answer: reqwest::Response) -> String {
    let mut read = Vec::new();
    while read.len() < READ
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        read.extend_from_slice(&chunk);
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Where events are sent.
struct Endpoint {
    client: Client,
    url: Url,
    key: Option<String>,
    /// Whether there was any answer yet.
    answered: AtomicBool,
    /// Why it cannot be reached at all: there is no use in trying with the other events.
    unreachable: OnceLock<String>,
}

impl Endpoint {
    /// What it said, without the key: an endpoint may give back what it was sent.
    fn shown(&self, text: &str) -> String {
        let password = self.url.password();
        targets::shown(text, self.key.as_deref().into_iter().chain(password))
    }

    /// What the endpoint said at last: `Ok` when it took the event.
    async fn send(&self, found: &Found) -> Result<String, String> {
        let mut last = String::new();
        for attempt in 0..TRIES {
            if let Some(why) = self.unreachable.get() {
                return Err(why.clone());
            }
            if attempt > 0 {
                tokio::time::sleep(WAIT).await;
            }
            let mut post = self
                .client
                .post(self.url.clone())
                .header("content-type", "application/json")
                .body(found.text.clone());
            if let Some(key) = &self.key {
                post = post.bearer_auth(key);
            }
            match post.send().await {
                Ok(answer) => {
                    self.answered.store(true, Ordering::Relaxed);
                    let status = answer.status();
                    last = format!("{status} {}", self.shown(&beginning(answer).await));
                    if status.is_success() {
                        return Ok(last);
                    }
                    if !is_transient(status) {
                        return Err(last);
                    }
                }
                Err(error) => {
                    last = self.unanswered(&error);
                    // What never answered is not there, or is not what was meant: nobody should have to wait for that.
                    if error.is_connect() && !self.answered.load(Ordering::Relaxed) {
                        return Err(self.unreachable.get_or_init(|| last).clone());
                    }
                }
            }
        }
        Err(format!("{last} (tried {TRIES} times)"))
    }

    /// The URL and the cause. What stands in the URL to identify the sender is left out.
    fn unanswered(&self, error: &reqwest::Error) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        // Fails for URLs without a host, which have neither.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let cause = match error.is_timeout() {
            true => "no answer in time".to_owned(),
            false => cause.to_string(),
        };
        format!("{url}: {cause}")
    }
}

fn is_transient(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::GATEWAY_TIMEOUT
    )
}
