//! `lineage-proxy send`: events from files to a proxy, or to any other OpenLineage endpoint, as they stand in the file.
//!
//! Patient where the clients are not: an endpoint that cannot take an event now is asked again.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use futures::StreamExt;
use indicatif::ProgressBar;
use reqwest::{Client, StatusCode, Url};
use serde_json::json;

use super::input::Found;
use super::{FINE, Output, input, no, print};

/// How often an event is sent at most, and how long to wait in between.
const TRIES: usize = 10;
const WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files with events; `-` for standard input.
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
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
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
                .with_context(|| file.display().to_string())?
                .trim()
                .to_owned(),
        ),
        None => arguments.api_key,
    };
    let client = Client::builder().timeout(Duration::from_secs(30)).build()?;
    let events = input::read(&arguments.files)?;
    // Hidden by itself where there is no terminal.
    let progress = ProgressBar::new(events.len() as u64);
    let sent = futures::stream::iter(events)
        .map(|found| {
            let (client, url, key, progress) = (&client, &url, key.as_deref(), &progress);
            async move {
                let answer = send(client, url, key, &found).await;
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
        let told = answer.as_ref().unwrap_or_else(|told| told);
        match arguments.output {
            Output::Json => print(
                json!({"file": found.file, "index": found.index, "sent": is_sent, "answer": told}),
            )?,
            Output::Text if is_sent => {}
            Output::Text => print(format!("{}:{}: {told}", found.file, found.index))?,
        }
    }
    if arguments.output == Output::Text {
        print(format!("{} sent, {failed} not", sent.len() - failed))?;
    }
    Ok(if failed == 0 { FINE } else { no() })
}

/// What the endpoint said at last: `Ok` when it took the event.
async fn send(
    client: &Client,
    url: &Url,
    key: Option<&str>,
    found: &Found,
) -> Result<String, String> {
    let mut last = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(WAIT).await;
        }
        let mut post = client
            .post(url.clone())
            .header("content-type", "application/json")
            .body(found.text.clone());
        if let Some(key) = key {
            post = post.bearer_auth(key);
        }
        match post.send().await {
            Ok(answer) => {
                let status = answer.status();
                last = format!("{status} {}", answer.text().await.unwrap_or_default());
                if status.is_success() {
                    return Ok(last);
                }
                if !matches!(
                    status,
                    StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::BAD_GATEWAY
                        | StatusCode::GATEWAY_TIMEOUT
                ) {
                    return Err(last);
                }
            }
            Err(error) => last = error.without_url().to_string(),
        }
    }
    Err(format!("{last} (tried {TRIES} times)"))
}
