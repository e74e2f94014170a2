//! `events DIR` and `events URL`: what the history of a `serve` tells, from its data folder or over HTTP (`events/source.rs`).
//!
//! They are printed as the events of a stack are: each outcome is a line of its target.

use std::process::ExitCode;
use std::time::Duration;

use ::history::{Found, FoundEvent, FoundOutcome, FoundPage, Page, Search, WaitingEvent};
use anyhow::Context as _;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::sleep;

use super::changes::Changes;
use super::history::{History, Line};
use super::source::{LookError, Source};
use super::{Arguments, show};
use crate::cli::tell;
use crate::cli::{FINE, no};

/// How often to poll for changes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The most events of one poll.
const POLL: usize = 1_000;

/// Prints the events of the history in a data folder, or at a URL.
pub(super) async fn run(from: &str, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    refuse_selection(arguments)?;
    let search = arguments.search.join(" ");
    let search: Search = search.parse().context("the search")?;
    let source = Source::open(from, arguments)?;
    let work = async {
        match arguments.follow {
            true => follow(source, &search, arguments).await,
            false => once(&source, &search, arguments).await,
        }
    };
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)), // as a shell reports SIGINT
    }
}

/// Refuses the options that select events of a stack. clap does not: it waives what an option requires if that conflicts with an
/// argument that is there.
pub(super) fn refuse_selection(arguments: &Arguments) -> Result<(), LookError> {
    let options = [
        (arguments.id.is_some(), "id"),
        (arguments.run.is_some(), "run"),
        (arguments.job.is_some(), "job"),
        (arguments.outcome.is_some(), "outcome"),
        (arguments.since.is_some(), "since"),
        (arguments.until.is_some(), "until"),
    ];
    match options.iter().find(|(is_there, _)| *is_there) {
        Some((_, name)) => Err(LookError::Refused(format!(
            "--{name} needs --stack; write {name}:… as part of the search"
        ))),
        None => Ok(()),
    }
}

/// Prints the newest events, the oldest of them first.
async fn once(source: &Source, search: &Search, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let limit = arguments.limit as usize;
    let FoundPage { found, waiting } = source.newest(search, limit).await?;
    for event in found.events.iter().rev() {
        show::event(&story(event), arguments.output)?;
    }
    let waits = waiting.as_ref().map_or(&[][..], |it| &it.events);
    for event in waits.iter().take(limit).rev() {
        show::event(&waiting_story(event), arguments.output)?;
    }
    if let Some(cut) = waiting.as_ref().filter(|it| it.more) {
        let count = cut.looked_through;
        tell(format_args!(
            "lineage-proxy: of the events that wait, the newest {count} were looked through"
        ));
    }
    if found.events.is_empty() && waits.is_empty() {
        let why = match waiting {
            Some(_) => "lineage-proxy: no such event in the history, or among those that wait",
            None => {
                "lineage-proxy: no such event in the history. An event that waits for its first attempt is not in it yet: give the URL of the serve to find it"
            }
        };
        tell(format_args!("{why}"));
        return Ok(no());
    }
    if found.more {
        tell(format_args!(
            "lineage-proxy: there are more events: these are the {} that changed last. See --limit",
            found.events.len()
        ));
    }
    Ok(FINE)
}

/// Prints the newest outcomes, and then new ones until it is stopped. While the history cannot be read, it goes on trying.
async fn follow(
    mut source: Source,
    search: &Search,
    arguments: &Arguments,
) -> anyhow::Result<ExitCode> {
    let limit = arguments.limit as usize;
    let newest = source.find(search, Page::Before(None), limit).await?;
    let (mut changes, lines) = Changes::of_newest(&newest);
    print_lines(&lines, arguments)?;
    let mut is_lost = false;
    loop {
        match next(&mut source, search, &mut changes).await {
            Ok(found) => {
                if is_lost {
                    tell(format_args!("lineage-proxy: the history can be read again"));
                }
                is_lost = false;
                print_lines(&changes.of_page(&found), arguments)?;
                if found.more {
                    continue;
                }
            }
            Err(LookError::Unavailable(why) | LookError::Unreachable(why)) => {
                if !is_lost {
                    tell(format_args!("lineage-proxy: {why}: trying again"));
                }
                is_lost = true;
            }
            Err(LookError::Refused(why)) => return Err(LookError::Refused(why).into()),
        }
        sleep(arguments.interval.unwrap_or(INTERVAL)).await;
    }
}

/// Finds the next page of changes, in the file that is there now.
async fn next(
    source: &mut Source,
    search: &Search,
    changes: &mut Changes,
) -> Result<Found, LookError> {
    if source.renew()? {
        changes.begin_anew();
    }
    source.find(search, changes.page(), POLL).await
}

fn print_lines(lines: &[Line], arguments: &Arguments) -> anyhow::Result<()> {
    lines
        .iter()
        .try_for_each(|line| show::line(line, arguments.output))
}

/// Returns the event as those of a stack are.
fn story(event: &FoundEvent) -> History {
    let job = event.job.as_ref();
    let outcomes = event.outcomes.iter();
    History {
        id: Some(event.id.clone()),
        run: event.run.clone(),
        namespace: job.map(|job| job.namespace.clone()),
        name: job.map(|job| job.name.clone()),
        datasets: event.datasets.clone(),
        dataset_count: event.dataset_count,
        event_type: event.kind.clone(),
        accepted_at: Some(::history::written(time_of(&event.accepted_at))),
        outcomes: outcomes.map(|it| it.outcome.clone()).collect(),
        steps: lines(event).iter().map(Line::step).collect(),
    }
}

/// Returns an event that has no outcome as those of a stack are.
fn waiting_story(event: &WaitingEvent) -> History {
    let job = event.job.as_ref();
    History {
        id: Some(event.id.clone()),
        run: event.run.clone(),
        namespace: job.map(|job| job.namespace.clone()),
        name: job.map(|job| job.name.clone()),
        datasets: Vec::new(),
        dataset_count: None,
        event_type: event.kind.clone(),
        accepted_at: Some(::history::written(time_of(&event.accepted_at))),
        outcomes: ["waiting".to_owned()].into(),
        steps: Vec::new(),
    }
}

/// Returns a line for each outcome, with the fields of the line in the log.
pub(super) fn lines(event: &FoundEvent) -> Vec<Line> {
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
            "datasets": (!event.datasets.is_empty()).then_some(&event.datasets),
            "dataset_count": event.dataset_count,
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
            "kind": "RunEvent START", "run": "01b2", "job": {"namespace": "air", "name": "load"}, "datasets": [{"namespace": "pg", "name": "orders"}],
            "size_bytes": 7,
            "outcomes": [
                {"position": 2, "target": "one", "outcome": "delivered", "at": "2026-11-20T10:00:05Z", "attempts": 1, "duration_ms": 3, "rules": ["a", "b"]},
                {"position": 3, "target": "two", "outcome": "retry", "at": "2026-11-20T10:00:09.5Z", "attempts": 2, "duration_ms": 4,
                 "reason": "throttled", "detail": "throttled: 429"},
            ],
        }))
        .unwrap();
        let told = serde_json::to_value(story(&event)).unwrap();
        let expected = json!({
            "id": "01a1", "run.id": "01b2", "job.namespace": "air", "job.name": "load", "event.type": "RunEvent START",
            "datasets": [{"namespace": "pg", "name": "orders"}],
            "accepted_at": "2026-11-20T10:00:00.000Z", "outcomes": ["delivered", "retry"],
            "steps": [
                {"time": "2026-11-20T10:00:05.000Z", "function": "one", "message": "event delivered",
                 "details": {"attempts": 1, "duration_ms": 3, "rules": "a, b"}},
                {"time": "2026-11-20T10:00:09.500Z", "function": "two", "message": "delivery failed, will retry",
                 "details": {"attempts": 2, "duration_ms": 4, "reason": "throttled", "error": "throttled: 429"}},
            ],
        });
        assert_eq!(told, expected);
    }
}
