//! `events DIR` and `events URL`: what the history of a `serve` tells, from its data folder or over HTTP.
//!
//! Both give the same pages. They are printed as the events of a stack are: each outcome is a line of its target.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ::history::{FindError, Found, FoundEvent, FoundOutcome, History as Database, Page, Search};
use anyhow::Context as _;
use proxy::config::Errors;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::sleep;

use super::history::{History, Line};
use super::{Arguments, now, show};
use crate::cli::{FINE, no, send};

/// How often to poll for changes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The most events of one poll.
const POLL: usize = 1_000;

/// The most bytes of a response: more than a page of events with many datasets has.
const MAX_RESPONSE: usize = 64_000_000;

/// Why a history cannot be searched.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum LookError {
    /// The same request will fail again.
    #[error("{0}")]
    Refused(String),
    /// It may succeed later.
    #[error("{0}")]
    Unavailable(String),
}

impl LookError {
    /// The exit status of the process.
    pub(in crate::cli) fn exit_status(&self) -> u8 {
        match self {
            LookError::Refused(_) => 2,
            LookError::Unavailable(_) => 75,
        }
    }
}

/// Where a history is read.
enum Source {
    Folder(Database),
    Url(Remote),
}

/// The history of a `serve` that runs.
struct Remote {
    client: Client,
    url: Url,
    key: Option<String>,
}

/// Prints the events of the history in a data folder, or at a URL.
pub(super) async fn run(from: &str, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let search = arguments.search.join(" ");
    let search: Search = search.parse().context("the search")?;
    let source = Source::open(from, arguments)?;
    let work = async {
        match arguments.follow {
            true => follow(&source, &search, arguments).await,
            false => once(&source, &search, arguments).await,
        }
    };
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)), // as a shell reports SIGINT
    }
}

/// Prints the newest events, the oldest of them first.
async fn once(source: &Source, search: &Search, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let found = source
        .find(search, Page::Before(None), arguments.limit as usize)
        .await?;
    for event in found.events.iter().rev() {
        show::event(&story(event), arguments.output)?;
    }
    if found.events.is_empty() {
        eprintln!(
            "lineage-proxy: no such event in the history. An event that waits for its first attempt is not in it yet"
        );
        return Ok(no());
    }
    if found.more {
        eprintln!(
            "lineage-proxy: there are more events: these are the {} that changed last. See --limit",
            found.events.len()
        );
    }
    Ok(FINE)
}

/// Prints the newest outcomes, and then new ones until it is stopped.
async fn follow(
    source: &Source,
    search: &Search,
    arguments: &Arguments,
) -> anyhow::Result<ExitCode> {
    let limit = arguments.limit as usize;
    let begin = source.find(search, Page::Before(None), limit).await?;
    let mut printed = OffsetDateTime::UNIX_EPOCH;
    for event in begin.events.iter().rev() {
        printed = print_changes(event, printed, arguments)?;
    }
    let mut position = begin.newest;
    loop {
        let found = source.find(search, Page::After(position), POLL).await?;
        for event in &found.events {
            printed = print_changes(event, printed, arguments)?;
        }
        position = match found.events.last() {
            Some(last) if found.more => last.position,
            // Smaller than before, if the history began anew.
            Some(_) | None => found.newest,
        };
        if !found.more {
            sleep(arguments.interval.unwrap_or(INTERVAL)).await;
        }
    }
}

/// Prints what happened to an event last, and what happened to it after `printed`. Returns when the last of both was.
fn print_changes(
    event: &FoundEvent,
    printed: OffsetDateTime,
    arguments: &Arguments,
) -> anyhow::Result<OffsetDateTime> {
    let last = time_of(&event.changed_at);
    for line in lines(event) {
        if line.time > printed || line.time == last {
            show::line(&line, arguments.output)?;
        }
    }
    Ok(printed.max(last))
}

impl Source {
    fn open(from: &str, arguments: &Arguments) -> anyhow::Result<Source> {
        if let Some(url) = url(from)? {
            let key = send::read_key(arguments.api_key_file.as_deref(), arguments.api_key.clone())?;
            return Ok(Source::Url(Remote::new(url, key)?));
        }
        let folder = Path::new(from);
        if !Database::path(folder).is_file() {
            let why = "no history: expected the URL of a serve, or its data folder, unless history.age is 0 or the queue is SQS";
            return Err(Errors::general(format!("{from}: {why}")).into());
        }
        let opened = Database::open(folder);
        let database = opened.map_err(|error| LookError::Unavailable(error.to_string()))?;
        Ok(Source::Folder(database))
    }

    async fn find(&self, search: &Search, page: Page, limit: usize) -> Result<Found, LookError> {
        match self {
            Source::Url(remote) => remote.find(search, page, limit).await,
            Source::Folder(database) => {
                let found = database.find(search.clone(), page, limit, now()).await;
                found.map_err(|error| match error {
                    FindError::TooLong => LookError::Refused(error.to_string()),
                    FindError::Failed(_) => LookError::Unavailable(error.to_string()),
                })
            }
        }
    }
}

/// Returns the URL that a text is, if it begins like one.
fn url(text: &str) -> Result<Option<Url>, Errors> {
    if !["http://", "https://"]
        .iter()
        .any(|it| text.starts_with(it))
    {
        return Ok(None);
    }
    let url = text.parse().map(Some);
    url.map_err(|error| Errors::general(format!("{text}: {error}")))
}

impl Remote {
    /// The path of the URL is the prefix of the paths of the proxy.
    fn new(mut url: Url, key: Option<String>) -> anyhow::Result<Remote> {
        url.set_path(&format!(
            "{}/api/v1/events",
            url.path().trim_end_matches('/')
        ));
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            // The key is meant for this proxy.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Remote { client, url, key })
    }

    async fn find(&self, search: &Search, page: Page, limit: usize) -> Result<Found, LookError> {
        let mut url = self.url.clone();
        let mut query = url.query_pairs_mut();
        query.clear().append_pair("q", &search.to_string());
        query.append_pair("limit", &limit.to_string());
        let place = match page {
            Page::Before(None) => None,
            Page::Before(Some(position)) => Some(("before", position)),
            Page::After(position) => Some(("after", position)),
        };
        if let Some((name, position)) = place {
            query.append_pair(name, &position.to_string());
        }
        drop(query);
        let mut request = self.client.get(url);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let unavailable = |error: reqwest::Error| {
            let error = error.without_url();
            LookError::Unavailable(format!("{}: {error:#}", self.name()))
        };
        let mut response = request.send().await.map_err(unavailable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if body.len() + chunk.len() > MAX_RESPONSE {
                let why = format!("{}: the response is too large: see --limit", self.name());
                return Err(LookError::Refused(why));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            let detail = problem
                .get("detail")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let detail = targets::shown(detail, self.key.as_deref());
            let why = format!("{}: {status}: {detail}", self.name());
            return Err(match status.is_server_error() {
                true => LookError::Unavailable(why),
                false => LookError::Refused(why),
            });
        }
        serde_json::from_slice(&body).map_err(|error| {
            LookError::Refused(format!(
                "{}: not the history of a proxy: {error}",
                self.name()
            ))
        })
    }

    /// The host, for errors: a URL may have a password.
    fn name(&self) -> String {
        let port = self
            .url
            .port()
            .map_or_else(String::new, |port| format!(":{port}"));
        format!("{}{port}", self.url.host_str().unwrap_or_default())
    }
}

/// Returns the event as those of a stack are.
fn story(event: &FoundEvent) -> History {
    let job = event.job.as_ref();
    let is_final = |it: &&FoundOutcome| it.outcome != ::history::Outcome::Retry.name();
    let outcomes = event.outcomes.iter().filter(is_final);
    History {
        id: Some(event.id.clone()),
        run: event.run.clone(),
        namespace: job.map(|job| job.namespace.clone()),
        name: job.map(|job| job.name.clone()),
        event_type: event.kind.clone(),
        accepted_at: Some(super::history::written(time_of(&event.accepted_at))),
        outcomes: outcomes.map(|it| it.outcome.clone()).collect(),
        steps: lines(event).iter().map(Line::step).collect(),
    }
}

/// Returns a line for each outcome, with the fields of the line in the log.
fn lines(event: &FoundEvent) -> Vec<Line> {
    let job = event.job.as_ref();
    let line = |outcome: &FoundOutcome| {
        let rules = (!outcome.rules.is_empty()).then(|| outcome.rules.join(", "));
        let mut fields = json!({
            "message": message(&outcome.outcome),
            "outcome": outcome.outcome,
            "id": event.id,
            "run.id": event.run,
            "job.namespace": job.map(|job| &job.namespace),
            "job.name": job.map(|job| &job.name),
            "event.type": event.kind,
            "attempts": outcome.attempts,
            "duration_ms": outcome.duration_ms,
            "reason": outcome.reason,
            "error": outcome.detail,
            "rules": rules,
            "merged": outcome.merged,
        });
        if let Some(fields) = fields.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        Line {
            time: time_of(&outcome.at),
            function: outcome.target.clone(),
            fields,
            key: String::new(),
        }
    };
    event.outcomes.iter().map(line).collect()
}

/// The message of the line in the log.
fn message(outcome: &str) -> &str {
    use ::history::Outcome;
    let known = Outcome::ALL.into_iter().find(|it| it.name() == outcome);
    match known {
        Some(Outcome::Delivered) => "event delivered",
        Some(Outcome::Unchanged) => "event left the target unchanged",
        Some(Outcome::Dropped) => "event dropped by rule",
        Some(Outcome::DeadLettered) => "event dead-lettered",
        Some(Outcome::Retry) => "delivery failed, will retry",
        None => outcome, // of a newer proxy
    }
}

fn time_of(text: &str) -> OffsetDateTime {
    OffsetDateTime::parse(text, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_as_that_of_a_stack() {
        let event: FoundEvent = serde_json::from_value(json!({
            "position": 3, "id": "01a1", "accepted_at": "2026-11-20T10:00:00Z", "changed_at": "2026-11-20T10:00:09.5Z",
            "kind": "RunEvent START", "run": "01b2", "job": {"namespace": "air", "name": "load"}, "datasets": [],
            "size_bytes": 7,
            "outcomes": [
                {"target": "one", "outcome": "delivered", "at": "2026-11-20T10:00:05Z", "attempts": 1, "duration_ms": 3, "rules": ["a", "b"]},
                {"target": "two", "outcome": "retry", "at": "2026-11-20T10:00:09.5Z", "attempts": 2, "duration_ms": 4,
                 "reason": "throttled", "detail": "throttled: 429"},
            ],
        }))
        .unwrap();
        let told = serde_json::to_value(story(&event)).unwrap();
        let expected = json!({
            "id": "01a1", "run.id": "01b2", "job.namespace": "air", "job.name": "load", "event.type": "RunEvent START",
            "accepted_at": "2026-11-20T10:00:00Z", "outcomes": ["delivered"],
            "steps": [
                {"time": "2026-11-20T10:00:05Z", "function": "one", "message": "event delivered",
                 "details": {"attempts": 1, "duration_ms": 3, "rules": "a, b"}},
                {"time": "2026-11-20T10:00:09.5Z", "function": "two", "message": "delivery failed, will retry",
                 "details": {"attempts": 2, "duration_ms": 4, "reason": "throttled", "error": "throttled: 429"}},
            ],
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn a_url_has_the_prefix_of_the_proxy_and_shows_no_password() {
        let remote = Remote::new("https://u:secret@h:1/lineage/".parse().unwrap(), None).unwrap();
        assert_eq!(remote.url.path(), "/lineage/api/v1/events");
        assert_eq!(remote.name(), "h:1");
    }
}
