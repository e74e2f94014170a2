//! Checks whether a running proxy can queue events, for containers without `curl`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::Url;

use super::{FINE, no, print};

/// The timeout of the response: longer than SQS may take to answer the proxy.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The proxy to check.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The URL of the proxy; `readyz` or `healthz` is added to its path.
    #[arg(long, default_value = "http://127.0.0.1:5000")]
    url: Url,
    /// Check only whether the proxy runs, not whether it can queue events. Use it for restarts: a full disk or an
    /// unavailable SQS is not a reason to restart the proxy.
    #[arg(long)]
    live: bool,
}

/// Prints `ready` or `alive` and ends with 0, or prints the reason and ends with 1.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut url = arguments.url;
    let (route, state) = match arguments.live {
        true => ("healthz", "alive"),
        false => ("readyz", "ready"),
    };
    let path = format!("{}/{route}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .build()?;
    let problem = match client.get(url).send().await {
        Ok(response) if response.status().is_success() => {
            print(state)?;
            return Ok(FINE);
        }
        Ok(response) => response.status().to_string(),
        Err(error) if error.is_connect() => "cannot connect".to_owned(),
        Err(error) if error.is_timeout() => "no response in time".to_owned(),
        Err(error) => error.without_url().to_string(),
    };
    print(format_args!("not {state}: {problem}"))?;
    Ok(no())
}
