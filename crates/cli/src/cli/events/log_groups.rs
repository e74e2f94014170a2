//! The log groups in which an event of a stack may be: those of ingest, of its targets and of its sources. Pure.

use std::collections::BTreeMap;

use crate::cli::stack::Stack;

/// The outputs of a stack that name a log group, and what they are the log of.
const OUTPUTS: [(&str, &str); 4] = [
    ("IngestLogGroup", "ingest"),
    ("BatchLogGroup", "batch"),
    ("CheckLogGroup", "check"),
    ("SourceLogGroup", "source"),
];

/// Log groups by name, and the function of each, such as `batch`; with its stack, if that is not the one that was asked for.
pub(super) type LogGroups = BTreeMap<String, String>;

/// Returns the log groups of `stack`, of the stack `ingest` that its events come from (the same, if it is no target), and of
/// those in `all` that belong to them: targets that are attached, unless `stack` is one, and sources.
pub(super) fn related(stack: &Stack, ingest: &Stack, all: &[Stack]) -> LogGroups {
    let is_target = stack.name != ingest.name;
    let attached = all.iter().filter(|other| {
        let of = other.optional("IngestStackName");
        !is_target && of == Some(ingest.name.as_str())
    });
    let sources = all.iter().filter(|other| feeds(other, ingest));
    let mut groups = LogGroups::new();
    for from in attached.chain(sources).chain([ingest, stack]) {
        for (output, function) in OUTPUTS {
            if let Some(group) = from.optional(output) {
                let label = match from.name == stack.name {
                    true => function.to_owned(),
                    false => format!("{} {function}", from.name),
                };
                groups.insert(group.to_owned(), label);
            }
        }
    }
    groups
}

/// Whether a stack is a source that puts events onto the queue or the topic of `ingest`.
fn feeds(source: &Stack, ingest: &Stack) -> bool {
    let same = |parameter: &str, output: &str| {
        let value = source.parameter(parameter);
        value.is_some() && value == ingest.optional(output)
    };
    source.optional("SourceLogGroup").is_some()
        && (same("QueueUrl", "QueueUrl") || same("TopicArn", "FanOutTopicArn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_has_the_logs_of_its_targets_and_sources_and_of_no_other() {
        let main = Stack::with(
            "main",
            &[],
            &[
                ("IngestLogGroup", "i"),
                ("BatchLogGroup", "b"),
                ("QueueUrl", "q"),
                ("FanOutTopicArn", "t"),
            ],
        );
        let target = |name: &str, of: &str, log: &str| {
            Stack::with(
                name,
                &[],
                &[
                    ("IngestStackName", of),
                    ("BatchLogGroup", log),
                    ("QueueUrl", "own"),
                ],
            )
        };
        let source = |name: &str, parameter: (&str, &str), log: &str| {
            Stack::with(
                name,
                &[parameter],
                &[("SourceLogGroup", log), ("QueueUrl", "q2")],
            )
        };
        let all = [
            main.clone(),
            target("marquez", "main", "m"),
            target("stranger", "other", "s"),
            source("glue", ("QueueUrl", "q"), "g"),
            source("flyte", ("TopicArn", "t"), "f"),
            source("elsewhere", ("QueueUrl", "q3"), "e"),
            Stack::with("unrelated", &[("QueueUrl", "q")], &[]),
        ];
        let labels = |groups: &LogGroups| {
            let labels = groups
                .iter()
                .map(|(group, label)| format!("{group}={label}"));
            labels.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            labels(&related(&main, &main, &all)),
            "b=batch f=flyte source g=glue source i=ingest m=marquez batch"
        );
        // Of one target, not what others make of the events.
        assert_eq!(
            labels(&related(&all[1], &main, &all)),
            "b=main batch f=flyte source g=glue source i=main ingest m=batch"
        );
    }
}
