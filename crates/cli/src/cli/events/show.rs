//! What is printed: one block an event, or one line a step while `--follow` goes on.

use ::history::Name;
use serde_json::{Map, Value, json};

use super::history::{History, Line, Step};
use crate::cli::{Output, print};

/// Prints an event.
pub(super) fn event(history: &History, output: Output) -> anyhow::Result<()> {
    match output {
        Output::Json => print(serde_json::to_string(history)?),
        Output::Text => print(block(history)),
    }
}

/// Prints a line.
pub(super) fn line(line: &Line, output: Output) -> anyhow::Result<()> {
    let step = line.step();
    match output {
        Output::Json => {
            let mut value = serde_json::to_value(&step)?;
            if let (Some(all), Some(fields)) = (value.as_object_mut(), line.fields.as_object()) {
                let identity = fields
                    .iter()
                    .filter(|(name, _)| !step.details.contains_key(*name));
                let identity = identity.filter(|(name, _)| *name != "message");
                all.extend(identity.map(|(name, value)| (name.clone(), value.clone())));
            }
            print(value)
        }
        Output::Text => {
            let text = |name: &str| line.fields.get(name).and_then(Value::as_str);
            let datasets = line.fields.get("datasets").cloned().unwrap_or_default();
            let datasets: Vec<Name> = serde_json::from_value(datasets).unwrap_or_default();
            let subject = subject(text("job.namespace"), text("job.name"), &datasets);
            let id = text("id").unwrap_or("-");
            print(format!(
                "{}  {id}  {}  {subject}  {}  {}",
                clean(&step.time),
                clean(&step.function),
                clean(&step.message),
                details(&step.details)
            ))
        }
    }
}

/// The block of an event: a head, and a line for each step.
fn block(history: &History) -> String {
    let id = history.id.as_deref().unwrap_or("(rejected: no id)");
    let kind = history.event_type.as_deref().unwrap_or("event");
    let (namespace, name) = (history.namespace.as_deref(), history.name.as_deref());
    let subject = subject(namespace, name, &history.datasets);
    let run = history.run.as_deref().unwrap_or("-");
    let cut = history.dataset_count.map_or_else(String::new, |count| {
        format!(
            ", {count} datasets of which {} were recorded",
            history.datasets.len()
        )
    });
    let outcome = match history.outcomes.is_empty() {
        true => "no outcome yet".to_owned(),
        false => Vec::from_iter(history.outcomes.iter().map(String::as_str)).join(", "),
    };
    let mut text = format!(
        "{}  {}\n  {} of {subject}, run {}{cut}",
        clean(id),
        clean(&outcome),
        clean(kind),
        clean(run)
    );
    let accepted = history.accepted_at.as_ref().map(|time| Step {
        time: time.clone(),
        function: "ingest".to_owned(),
        message: "accepted".to_owned(),
        details: Map::new(),
    });
    let steps: Vec<&Step> = accepted.iter().chain(&history.steps).collect();
    let width = |of: fn(&Step) -> &str| {
        let widths = steps.iter().map(|step| clean(of(step)).chars().count());
        widths.max().unwrap_or_default()
    };
    let functions = width(|step| &step.function);
    let messages = width(|step| &step.message);
    for step in &steps {
        let line = format!(
            "\n  {:<24}  {:<functions$}  {:<messages$}  {}",
            clean(&step.time),
            clean(&step.function),
            clean(&step.message),
            details(&step.details)
        );
        text.push_str(line.trim_end_matches(' '));
    }
    text.push('\n');
    text
}

/// What the event is about: the job, or without one its datasets.
fn subject(namespace: Option<&str>, name: Option<&str>, datasets: &[Name]) -> String {
    if name.is_some() || datasets.is_empty() {
        return job(namespace, name);
    }
    let each = datasets.iter();
    let each = each.map(|it| job(Some(&it.namespace), Some(&it.name)));
    each.collect::<Vec<_>>().join(", ")
}

fn job(namespace: Option<&str>, name: Option<&str>) -> String {
    match (namespace, name) {
        (Some(namespace), Some(name)) => format!("{}/{}", clean(namespace), clean(name)),
        (None, Some(name)) => clean(name),
        (_, None) => "-".to_owned(),
    }
}

/// The details as `name=value`.
fn details(details: &Map<String, Value>) -> String {
    let pairs = details.iter().map(|(name, value)| match value {
        Value::String(text) if text.contains([' ', '"', '=']) => {
            format!("{}={}", clean(name), clean(&json!(text).to_string()))
        }
        Value::String(text) => format!("{}={}", clean(name), clean(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!("{}={}", clean(name), clean(&value.to_string()))
        }
    });
    pairs.collect::<Vec<_>>().join(" ")
}

/// Replaces control characters: text from events must not move the cursor.
fn clean(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(function: &str, message: &str, details: Value) -> Step {
        Step {
            time: "2026-11-20T10:00:05.123Z".to_owned(),
            function: function.to_owned(),
            message: message.to_owned(),
            details: details.as_object().cloned().unwrap_or_default(),
        }
    }

    #[test]
    fn a_block_tells_the_path_of_an_event() {
        let history = History {
            id: Some("01a1".to_owned()),
            run: Some("01b2".to_owned()),
            namespace: Some("shop".to_owned()),
            name: Some("load\u{1b}[31m".to_owned()),
            datasets: Vec::new(),
            dataset_count: Some(1_234),
            event_type: Some("COMPLETE".to_owned()),
            accepted_at: Some("2026-11-20T10:00:00.000Z".to_owned()),
            outcomes: ["dead_lettered".to_owned()].into(),
            steps: vec![
                step(
                    "batch",
                    "delivery failed, will retry",
                    json!({"attempts": 1, "reason": "throttled"}),
                ),
                step(
                    "batch",
                    "event dead-lettered",
                    json!({"error": "403: not \"allowed\""}),
                ),
            ],
        };
        let expected = "\
01a1  dead_lettered
  COMPLETE of shop/load [31m, run 01b2, 1234 datasets of which 0 were recorded
  2026-11-20T10:00:00.000Z  ingest  accepted
  2026-11-20T10:00:05.123Z  batch   delivery failed, will retry  attempts=1 reason=throttled
  2026-11-20T10:00:05.123Z  batch   event dead-lettered          error=\"403: not \\\"allowed\\\"\"
";
        assert_eq!(block(&history), expected);
    }
}
