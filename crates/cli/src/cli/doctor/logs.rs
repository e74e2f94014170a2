//! Checks the log groups, in which the outcome of each event stands: that they exist, and can be searched.

use aws::Aws;
use aws::logs::{DescribeLogGroups, LogGroup};

use super::Step;
use super::parts::unseen;
use crate::cli::stack::Stack;

const STEP: &str = "logs";

/// Describes the log groups of a stack.
pub(super) async fn step(aws: &Aws, stack: &Stack) -> Step {
    let outputs = [
        "IngestLogGroup",
        "BatchLogGroup",
        "CheckLogGroup",
        "SourceLogGroup",
    ];
    let names: Vec<&str> = outputs
        .into_iter()
        .filter_map(|output| stack.optional(output))
        .collect();
    let mut found = Vec::new();
    for name in names {
        let mut pages = aws.client().pages(DescribeLogGroups {
            log_group_name_prefix: name.to_owned(),
            next_token: None,
        });
        let mut group = None;
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => {
                    let mut groups = page.log_groups.into_iter();
                    group = group.or(groups.find(|group| group.log_group_name == name));
                }
                Err(error) => return unseen(STEP, &error, "logs:DescribeLogGroups"),
            }
        }
        found.push((name, group));
    }
    judged(&found)
}

fn judged(groups: &[(&str, Option<LogGroup>)]) -> Step {
    let mut kept = Vec::new();
    for (name, group) in groups {
        let Some(group) = group else {
            let advice = "deploy the stack again: nobody can say what became of an event";
            return Step::bad(STEP, format!("{name} does not exist"), advice);
        };
        let class = group.log_group_class.as_deref().unwrap_or("STANDARD");
        if class != "STANDARD" {
            // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html
            let found = format!(
                "{name} is of the class {class}, which cannot be searched and has no metrics of the functions"
            );
            return Step::bad(
                STEP,
                found,
                "a log group keeps its class: deploy the stack under another name",
            );
        }
        kept.push(group.retention_in_days);
    }
    let kept = match kept.iter().flatten().min() {
        Some(days) => format!("kept for {days} days"),
        None => "kept for ever".to_owned(),
    };
    let count = match groups.len() {
        1 => "1 log group".to_owned(),
        count => format!("{count} log groups"),
    };
    Step::good(STEP, format!("{count}, {kept}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn a_log_group_that_is_missing_or_cannot_be_searched_is_named() {
        let group = |class: Option<&str>| LogGroup {
            log_group_name: "batch".to_owned(),
            log_group_class: class.map(str::to_owned),
            retention_in_days: Some(30),
        };
        let good = judged(&[
            ("ingest", Some(group(None))),
            ("batch", Some(group(Some("STANDARD")))),
        ]);
        assert_eq!(
            (good.verdict, &*good.found),
            (Verdict::Good, "2 log groups, kept for 30 days")
        );
        for (bad, named) in [
            (None, "does not exist"),
            (Some(group(Some("INFREQUENT_ACCESS"))), "INFREQUENT_ACCESS"),
        ] {
            let step = judged(&[("ingest", Some(group(None))), ("batch", bad)]);
            assert_eq!(step.verdict, Verdict::Bad);
            assert!(
                step.found.starts_with("batch") && step.found.contains(named),
                "{}",
                step.found
            );
        }
    }
}
