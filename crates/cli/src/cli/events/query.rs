//! What to look for, as queries of CloudWatch Logs Insights, and as a test of the lines that they find. Pure.
//!
//! A query only narrows: it may find more than is looked for, and [`Selection::selects`] decides. So text of the command line never
//! has to be quoted. Of it, only letters, digits, `_` and `-` reach a query, and everything else becomes a wildcard.

use std::fmt::Write;

use clap::ValueEnum;
use serde_json::Value;
use uuid::Uuid;

/// Ids in a query: 38 characters each, of the 10,000 that a query may have
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html>).
const IDS: usize = 200;

/// Characters of a name that narrow a query.
const NAME: usize = 500;

/// The events to look for: those to which everything applies.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    /// The id that ingest returned.
    pub(super) id: Option<Uuid>,
    /// The run.
    pub(super) run: Option<Uuid>,
    /// `NAMESPACE/NAME` of the job, or its name; `*` stands for any text.
    pub(super) job: Option<String>,
    /// How it ended.
    pub(super) outcome: Option<OutcomeName>,
}

/// How an event ended.
// Values without doc comments: each would make the help longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum OutcomeName {
    Delivered,
    Unchanged,
    Dropped,
    DeadLettered,
    Rejected,
}

impl OutcomeName {
    pub(super) fn name(self) -> &'static str {
        match self {
            OutcomeName::Delivered => "delivered",
            OutcomeName::Unchanged => "unchanged",
            OutcomeName::Dropped => "dropped",
            OutcomeName::DeadLettered => "dead_lettered",
            OutcomeName::Rejected => "rejected",
        }
    }
}

impl Selection {
    /// Whether every line about an event is selected.
    pub(super) fn is_everything(&self) -> bool {
        let Selection {
            id,
            run,
            job,
            outcome,
        } = self;
        id.is_none() && run.is_none() && job.is_none() && outcome.is_none()
    }

    /// Returns the query for lines that select an event.
    pub(super) fn query(&self) -> String {
        let mut filters = String::new();
        let mut filter = |pattern: &str| {
            // Writing to a String does not fail.
            let _ = write!(filters, " | filter @message like /{pattern}/");
        };
        match self.outcome {
            None => filter(r".id.:.|.ids.:.|request rejected"),
            Some(OutcomeName::Rejected) => filter("request rejected"),
            Some(outcome) => filter(&format!(".outcome.:.{}.", outcome.name())),
        }
        if let Some(id) = self.id {
            filter(&id.to_string());
        }
        if let Some(run) = self.run {
            filter(&format!(".run.id.:.{run}"));
        }
        if let Some(job) = &self.job {
            filter(&format!(".job.name[a-z]*.:.{}", wildcards(job)));
        }
        fields(&filters)
    }

    /// Whether a line selects its event. `fields` are those of a log line.
    pub(super) fn selects(&self, fields: &Value) -> bool {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let is_rejection = text("message") == Some("request rejected");
        let has_id = |id: &Uuid| {
            let id = id.to_string();
            let mut ids = text("ids").unwrap_or_default().split(' ');
            text("id") == Some(&id) || ids.any(|other| other == id)
        };
        let has_job = |job: &String| match (text("job.namespace"), text("job.name")) {
            (Some(namespace), Some(name)) => {
                matches(job, name) || matches(job, &format!("{namespace}/{name}"))
            }
            _ => false,
        };
        let is_run = |run: &Uuid| {
            let logged = text("run.id").and_then(|logged| logged.parse::<Uuid>().ok());
            logged == Some(*run)
        };
        let has_outcome = |outcome: &OutcomeName| match outcome {
            OutcomeName::Rejected => is_rejection,
            OutcomeName::Delivered
            | OutcomeName::Unchanged
            | OutcomeName::Dropped
            | OutcomeName::DeadLettered => text("outcome") == Some(outcome.name()),
        };
        (is_rejection || text("id").is_some())
            && self.id.as_ref().is_none_or(has_id)
            && self.run.as_ref().is_none_or(is_run)
            && self.job.as_ref().is_none_or(has_job)
            && self.outcome.as_ref().is_none_or(has_outcome)
    }
}

/// Returns queries for all lines about these events.
pub(super) fn by_ids(ids: &[Uuid]) -> Vec<String> {
    let query = |ids: &[Uuid]| {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        fields(&format!(" | filter @message like /{}/", ids.join("|")))
    };
    ids.chunks(IDS).map(query).collect()
}

/// Returns a query with these filters. The newest lines come first, as a limit leaves out the last.
fn fields(filters: &str) -> String {
    format!("fields @timestamp, @log, @logStream, @message{filters} | sort @timestamp desc")
}

/// Returns a regular expression that matches the text as a log line has it: quoted in JSON, with the namespace and the name of a
/// job apart.
fn wildcards(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars().take(NAME) {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => pattern.push(c),
            // Either a slash of a name, or what is between namespace and name: `","job.name":"`.
            '/' => pattern.push_str(".{1,20}"),
            '*' => pattern.push_str(".*"),
            ' '..='~' if !matches!(c, '"' | '\\') => pattern.push('.'),
            // Escaped, or several units of what a regular expression counts.
            _ => pattern.push_str(".{1,12}"),
        }
    }
    pattern
}

/// Whether `text` is as `pattern` says, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty(); // there is no `*`
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const RUN: &str = "01a1faa6-e194-708b-a993-000000000001";

    fn by_job(job: &str) -> Selection {
        Selection {
            job: Some(job.to_owned()),
            ..Selection::default()
        }
    }

    #[test]
    fn a_job_is_its_name_or_its_namespace_and_name() {
        let line = json!({"id": "x", "job.namespace": "postgres://db:5432", "job.name": "etl.daily/orders"});
        for job in [
            "etl.daily/orders",
            "postgres://db:5432/etl.daily/orders",
            "etl.*",
            "postgres://*",
            "*orders",
            "*daily*s",
        ] {
            assert!(by_job(job).selects(&line), "{job}");
        }
        for job in [
            "etl",
            "etl.daily",
            "orders",
            "postgres://db:5432",
            "*x*",
            "",
        ] {
            assert!(!by_job(job).selects(&line), "{job}");
        }
    }

    #[test]
    fn an_event_is_selected_by_all_that_was_asked_for() {
        let line = json!({"message": "event dead-lettered", "outcome": "dead_lettered", "id": RUN, "run.id": RUN, "job.namespace": "a", "job.name": "b"});
        let run = Selection {
            run: RUN.parse().ok(),
            ..by_job("a/b")
        };
        assert!(run.selects(&line));
        let outcome = |outcome| Selection {
            outcome: Some(outcome),
            ..run.clone()
        };
        assert!(outcome(OutcomeName::DeadLettered).selects(&line));
        assert!(!outcome(OutcomeName::Delivered).selects(&line));
        assert!(!outcome(OutcomeName::Rejected).selects(&line));
        let other = Selection {
            run: Some(Uuid::nil()),
            ..run.clone()
        };
        assert!(!other.selects(&line));
        // A batch that is retried names the event among others.
        let retried =
            json!({"message": "delivery failed, will retry", "id": "x", "ids": format!("x {RUN}")});
        let id = Selection {
            id: RUN.parse().ok(),
            ..Selection::default()
        };
        assert!(id.selects(&retried) && id.selects(&line));
        // Not about an event.
        assert!(!Selection::default().selects(&json!({"message": "rules loaded"})));
        assert!(Selection::default().selects(&json!({"message": "request rejected"})));
    }

    #[test]
    fn queries_of_many_ids_are_as_long_as_they_may_be() {
        let ids: Vec<Uuid> = (0..450).map(Uuid::from_u128).collect();
        let queries = by_ids(&ids);
        assert_eq!(queries.len(), 3);
        assert!(queries.iter().all(|query| query.len() < 10_000));
    }

    proptest! {
        /// What is typed adds no command, no delimiter and no operator to a query.
        #[test]
        fn text_cannot_change_a_query(job in any::<String>()) {
            let query = by_job(&job).query();
            let plain = by_job("x").query();
            prop_assert_eq!(query.matches(['|', '/', '"', '\'', '`', '#', '\\', '\n']).count(), plain.matches(['|', '/', '"', '\'', '`', '#', '\\', '\n']).count());
            prop_assert!(query.len() < 10_000);
            let pattern = wildcards(&job);
            prop_assert!(pattern.chars().all(|c| c.is_ascii_alphanumeric() || "_-.*{},".contains(c)), "{}", pattern);
        }

        /// Every job that is meant is found: the line is as tracing writes it.
        #[test]
        fn a_query_finds_what_is_selected(namespace in "[ -~é\u{1F600}]{1,20}", name in "[ -~é\u{1F600}]{1,20}") {
            let line = json!({"fields": {"id": "x", "job.namespace": namespace, "job.name": name}});
            let text = format!(r#"{{"id":"x","job.namespace":{},"job.name":{}}}"#, json!(namespace), json!(name));
            let job = format!("{namespace}/{name}");
            prop_assert!(by_job(&job).selects(&line["fields"]));
            let pattern = format!(".job.name[a-z]*.:.{}", wildcards(&job));
            prop_assert!(regex::Regex::new(&pattern).unwrap().is_match(&text), "{} in {}", pattern, text);
        }
    }
}
