//! Which events are replayed: the filters of the command line. Pure.

use std::time::Duration;

use ::transform::Conditions;
use clap::{Args, ValueEnum};
use openlineage::Event;
use proxy::config::{Errors, PointInTime};
use proxy::queue::AcceptedBetween;
use serde_json::json;
use uuid::Uuid;

use super::progress::Identity;

/// The arguments that select events.
#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// Only events of this time or later: 2026-11-20T10:00:00Z, 2026-11-20, or how long ago (2h).
    #[arg(long, value_name = "TIME", value_parser = point)]
    pub(super) since: Option<TimeArg>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = point)]
    pub(super) until: Option<TimeArg>,
    /// Only events of jobs with this name; `*` stands for any text.
    #[arg(long, value_name = "NAME")]
    pub(super) job: Option<String>,
    /// Only the events of a run.
    #[arg(long, value_name = "ID")]
    pub(super) run: Option<Uuid>,
    /// Only RunEvents, JobEvents or DatasetEvents.
    #[arg(long, value_enum)]
    pub(super) kind: Option<Kind>,
    /// Only events that meet these conditions, written as those of a rule: '{job: {namespace: "airflow*"}}'.
    #[arg(long = "where", value_name = "CONDITIONS")]
    pub(super) conditions: Option<String>,
}

/// A time as it was written, and as it was read.
#[derive(Debug, Clone)]
pub(super) struct TimeArg {
    text: String,
    point: PointInTime,
}

fn point(text: &str) -> Result<TimeArg, String> {
    Ok(TimeArg {
        text: text.to_owned(),
        point: PointInTime::parse_text(text)?,
    })
}

/// What an event describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
// Without doc comments: each would make the help longer.
pub(super) enum Kind {
    Run,
    Job,
    Dataset,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Run => "run",
            Kind::Job => "job",
            Kind::Dataset => "dataset",
        }
    }
}

/// The filters, ready to use.
#[derive(Debug)]
pub(super) struct Filter {
    /// The times of acceptance; for events without one, those of the events themselves.
    pub(super) times: AcceptedBetween,
    run: Option<Uuid>,
    conditions: Vec<Conditions>,
}

impl FilterArgs {
    /// Adds the filters to what identifies a replay.
    pub(super) fn identify(&self, identity: &mut Identity) {
        let text = |time: &Option<TimeArg>| time.as_ref().map(|time| time.text.clone());
        identity.since = text(&self.since);
        identity.until = text(&self.until);
        identity.job = self.job.clone();
        identity.run = self.run.map(|run| run.to_string());
        identity.kind = self.kind.map(|kind| kind.name().to_owned());
        identity.conditions = self.conditions.clone();
    }

    /// Whether a time is given by how long ago it was.
    pub(super) fn is_relative(&self) -> bool {
        let is_relative = |time: &TimeArg| matches!(time.point, PointInTime::Ago(_));
        [&self.since, &self.until]
            .into_iter()
            .flatten()
            .any(is_relative)
    }

    /// Builds the filters of a replay that began at `started_at`: what is accepted later does not belong to it, also because
    /// a replay to a proxy would otherwise read what it sends.
    pub(super) fn build(&self, started_at: i64) -> Result<Filter, Errors> {
        let resolve = |time: &Option<TimeArg>| time.as_ref().map(|it| it.point.resolve(started_at));
        let times = AcceptedBetween {
            since: resolve(&self.since).unwrap_or(i64::MIN),
            until: resolve(&self.until).unwrap_or(i64::MAX),
        };
        if times.since >= times.until {
            let why = "--since: is not before --until: no event is in between";
            return Err(Errors::general(why));
        }
        let mut conditions = Vec::new();
        if let Some(text) = &self.conditions {
            conditions.push(read("--where", text)?);
        }
        if let Some(kind) = self.kind {
            conditions.push(read("--kind", &json!({"kind": kind.name()}).to_string())?);
        }
        if let Some(job) = &self.job {
            conditions.push(read("--job", &json!({"job": {"name": job}}).to_string())?);
        }
        Ok(Filter {
            times,
            run: self.run,
            conditions,
        })
    }
}

fn read(flag: &str, text: &str) -> Result<Conditions, Errors> {
    Conditions::parse(text).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Errors::general(format!("{flag}: {}", problems.join("; ")))
    })
}

/// A time in milliseconds since 1970, for a person.
pub(super) fn time_text(millis: i64) -> String {
    let millis = u64::try_from(millis).unwrap_or(0);
    let time = std::time::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
    time.map_or_else(String::new, |time| {
        humantime::format_rfc3339_seconds(time).to_string()
    })
}

impl Filter {
    /// The times, for a person; empty without any.
    pub(super) fn shown(&self) -> String {
        let AcceptedBetween { since, until } = self.times;
        let since = (since != i64::MIN).then(|| format!(", from {}", time_text(since)));
        let until = (until != i64::MAX).then(|| format!(", before {}", time_text(until)));
        since.unwrap_or_default() + &until.unwrap_or_default()
    }

    /// Whether an event is replayed that was accepted at `time`, if that is known.
    pub(super) fn accepts(&self, event: &Event, time: Option<i64>, target: &str) -> bool {
        let time = time.unwrap_or_else(|| {
            let millis = event.time().unix_timestamp_nanos().div_euclid(1_000_000);
            i64::try_from(millis).unwrap_or(i64::MAX)
        });
        time >= self.times.since
            && time < self.times.until
            && self.run.is_none_or(|run| event.run_id() == Some(run))
            && (self.conditions.iter()).all(|conditions| conditions.hold(event, target))
    }
}
