//! Sends the events of the demo, follows their outcomes, and shows them. Called by `demo.rs`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::super::table::{Fit, Table};
use super::super::{FINE, Output, no, print};
use proxy::pipeline::{Observer, Outcome, OutcomeRecord};

/// One event per line, in the order of time: what the jobs of a small shop report in a morning, each with the quirks of its
/// producer. A Spark job spells a bucket in its own way, a task of Airflow fails, and a dbt model reads what it did not write.
const EVENTS: &str = include_str!("events.jsonl");

/// The timeout for the outcomes of all events.
const OUTCOMES: Duration = Duration::from_secs(30);

/// One event of the demo: the response of ingest, and its final outcome at each target that has one.
pub(super) struct Trace {
    label: String,
    repaired: Vec<String>,
    outcomes: BTreeMap<String, OutcomeRecord>,
}

/// Sends outcomes to the table.
pub(super) struct Outcomes(pub(super) mpsc::UnboundedSender<OutcomeRecord>);

impl Observer for Outcomes {
    fn observe(&self, outcomes: &[OutcomeRecord]) {
        for outcome in outcomes {
            let _ = self.0.send(outcome.clone()); // the table may be complete
        }
    }
}

/// Sends the events, waits until each has a final outcome at each of `targets`, and prints them. It succeeds if each has one and
/// the first target has all events.
pub(super) async fn show(
    url: &str,
    targets: &[&str],
    outcomes: mpsc::UnboundedReceiver<OutcomeRecord>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let mut traces = send(url).await?;
    let follow = follow(&mut traces, targets.len(), outcomes);
    let is_complete = tokio::time::timeout(OUTCOMES, follow).await.is_ok();
    let traces: Vec<Trace> = traces.into_values().collect();
    match output {
        Output::Json => {
            for trace in &traces {
                print(trace.json())?;
            }
        }
        Output::Text => {
            print(table(&traces))?;
            for target in targets {
                print(summary(&traces, target))?;
            }
        }
    }
    let has_all = |target: &&str| traces.iter().all(|trace| trace.is_delivered(target));
    Ok(match is_complete && targets.first().is_some_and(has_all) {
        true => FINE,
        false => no(),
    })
}

/// Sends each event as a client would. Returns them in the order of their ids, which is that of time.
async fn send(url: &str) -> anyhow::Result<BTreeMap<String, Trace>> {
    let client = reqwest::Client::new();
    let mut traces = BTreeMap::new();
    for line in EVENTS.lines().filter(|line| !line.is_empty()) {
        let post = client
            .post(format!("{url}/api/v1/lineage"))
            .header("content-type", "application/json");
        let answer = post
            .body(line)
            .send()
            .await
            .context("the proxy did not respond")?;
        let status = answer.status();
        let answer: Value = serde_json::from_str(&answer.text().await?).unwrap_or_default();
        let id = answer.get("id").and_then(Value::as_str);
        let id = id
            .with_context(|| format!("the proxy responded with {status}: {answer}"))?
            .to_owned();
        let repaired = answer
            .get("repaired")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let repaired = repaired.map(|finding| {
            let field = |name| {
                finding
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            format!("{}: {}", field("pointer"), field("message"))
        });
        traces.insert(
            id,
            Trace {
                label: label(line),
                repaired: repaired.collect(),
                outcomes: BTreeMap::new(),
            },
        );
    }
    Ok(traces)
}

fn label(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |pointer| event.pointer(pointer).and_then(Value::as_str);
    let subject = text("/job/name").or(text("/dataset/name")).unwrap_or("?");
    let kind = match (text("/eventType"), event.get("run"), event.get("job")) {
        (Some(event_type), ..) => event_type,
        (None, Some(_), _) => "RunEvent",
        (None, None, Some(_)) => "JobEvent",
        (None, None, None) => "DatasetEvent",
    };
    format!("{kind}\n{subject}")
}

/// Waits until each event has a final outcome at so many targets.
async fn follow(
    traces: &mut BTreeMap<String, Trace>,
    targets: usize,
    mut outcomes: mpsc::UnboundedReceiver<OutcomeRecord>,
) {
    while traces.values().any(|trace| trace.outcomes.len() < targets) {
        let Some(outcome) = outcomes.recv().await else {
            return;
        };
        let trace = traces.get_mut(&*outcome.id);
        if let (Some(trace), Some(_)) = (trace, final_outcome(&outcome.outcome)) {
            let target = outcome.target.as_str().to_owned();
            trace.outcomes.insert(target, outcome);
        }
    }
}

/// Returns the name of a final outcome.
fn final_outcome(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Delivered { .. } => Some("delivered"),
        Outcome::Unchanged { .. } => Some("unchanged"),
        Outcome::Dropped { .. } => Some("dropped"),
        Outcome::DeadLettered { .. } => Some("dead letter"),
        Outcome::Retry { .. } => None,
    }
}

impl Trace {
    fn is_delivered(&self, target: &str) -> bool {
        let record = self.outcomes.get(target);
        record.is_some_and(|it| matches!(it.outcome, Outcome::Delivered { .. }))
    }

    /// The outcome at each target.
    fn outcomes(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let outcomes = self.outcomes.iter();
        outcomes.filter_map(|(target, it)| Some((target.as_str(), final_outcome(&it.outcome)?)))
    }

    /// The outcome for a person: one word if it is the same at each target, or else what is not delivered and where.
    fn outcome(&self) -> String {
        let outcomes: Vec<(&str, &str)> = self.outcomes().collect();
        match outcomes.split_first() {
            None => "in progress".to_owned(),
            Some(((_, first), others)) if others.iter().all(|(_, it)| it == first) => {
                (*first).to_owned()
            }
            Some(_) => {
                let others = outcomes
                    .iter()
                    .filter(|(target, _)| !self.is_delivered(target));
                let lines = others.map(|(target, it)| format!("{it}\nat {target}"));
                lines.collect::<Vec<_>>().join("\n")
            }
        }
    }

    /// Why it is a dead letter, for each target where it is.
    fn reasons(&self) -> impl Iterator<Item = String> {
        let outcomes = self.outcomes.iter();
        outcomes.filter_map(|(target, record)| match &record.outcome {
            Outcome::DeadLettered { error, .. } => Some(format!("{target}: {error}")),
            Outcome::Delivered { .. }
            | Outcome::Unchanged { .. }
            | Outcome::Dropped { .. }
            | Outcome::Retry { .. } => None,
        })
    }

    /// Returns the rewritten namespaces: position, before and after.
    fn rewritten(&self) -> Vec<(&'static str, &str, &str)> {
        // The rules are the same for all targets.
        let record = self.outcomes.values().next();
        let renames = record.into_iter().flat_map(|it| &it.transform.renames);
        renames
            .filter_map(|rename| {
                let before = rename.before.as_ref()?;
                Some((
                    rename.place,
                    before.namespace.as_str(),
                    rename.after.namespace.as_str(),
                ))
            })
            .collect()
    }

    /// Returns the rewritten namespaces for a person: each change once, with all its positions.
    fn renamed(&self) -> Vec<String> {
        let mut places: Vec<((&str, &str), Vec<&str>)> = Vec::new();
        for (place, before, after) in self.rewritten() {
            match places
                .iter_mut()
                .find(|(change, _)| *change == (before, after))
            {
                Some((_, places)) => places.push(place),
                None => places.push(((before, after), vec![place])),
            }
        }
        let renamed = places.into_iter();
        renamed
            .map(|((before, after), places)| format!("{}: {before}\n→ {after}", places.join(", ")))
            .collect()
    }

    fn json(&self) -> Value {
        let rewritten: Vec<Value> = self
            .rewritten()
            .into_iter()
            .map(|(place, before, after)| json!({"place": place, "before": before, "after": after}))
            .collect();
        json!({
            "event": self.label.replace('\n', " "),
            "repaired": self.repaired,
            "rewritten": rewritten,
            "outcomes": self.outcomes().collect::<BTreeMap<_, _>>(),
        })
    }
}

fn table(traces: &[Trace]) -> String {
    let mut table = Table::new([
        ("event", Fit::Whole),
        ("outcome", Fit::Whole),
        ("repaired, renamed, or rejected", Fit::Wrap),
    ]);
    for trace in traces {
        let changes = trace.repaired.iter().cloned();
        let changes = changes.chain(trace.renamed()).chain(trace.reasons());
        table.row([
            trace.label.clone(),
            trace.outcome(),
            changes.collect::<Vec<_>>().join("\n"),
        ]);
    }
    table.text()
}

fn summary(traces: &[Trace], target: &str) -> String {
    let delivered = traces.iter().filter(|it| it.is_delivered(target)).count();
    format!("{target}: {delivered} of {} events delivered", traces.len())
}
