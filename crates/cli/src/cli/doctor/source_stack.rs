//! Checks the stack of a source: its function, where it sends to, what failed for good, and a poll as its schedule makes it, with the
//! permissions of the function and of the role that it assumes. A poll changes what it always changes: lineage that is new is queued, and
//! the next poll goes on behind it.

use std::time::Duration;

use aws::Aws;
use aws::lambda::{Invocation, Invoke};
use aws_sdk_sqs::types::QueueAttributeName;
use proxy::aws_error::summarize;
use proxy::queue::MOVED_MEANWHILE;
use serde_json::Value;

use super::assumed_role::AssumedRole;
use super::check::failure;
use super::parts::unseen;
use super::{Step, StepPrinter, alarms, fan_out, logs, parts, spinner};
use crate::cli::stack::Stack;

const DESTINATION: &str = "destination";
const POLL: &str = "poll";

/// The longest time of an invocation (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html>).
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What the function is invoked with: nothing that it knows, so it polls.
const PAYLOAD: &str = r#"{"source":"lineage-proxy.doctor"}"#;

/// What becomes of lineage while there is nowhere to send it.
const UNTIL_THEN: &str = "until then polls fail, and the next one begins where the last one did";

/// Prints the steps of a source. Polls only if `polls`.
pub(super) async fn check(
    aws: &Aws,
    stack: &Stack,
    polls: bool,
    printer: &mut StepPrinter,
) -> anyhow::Result<()> {
    printer.print(&parts::function(aws, stack, "function", "SourceFunction").await?)?;
    printer.print(&destination(aws, stack).await)?;
    for step in parts::queues(aws, stack).await? {
        printer.print(&step)?;
    }
    printer.print(&logs::step(aws, stack).await)?;
    for step in alarms::steps(aws, stack).await {
        printer.print(&step)?;
    }
    // Others are invoked with what they read, and have no schedule.
    if polls && stack.parameter("Schedule").is_some() {
        let waiting = spinner();
        waiting.set_message("waiting for the source to poll");
        let step = poll(stack).await;
        waiting.finish_and_clear();
        printer.print(&step?)?;
    }
    Ok(())
}

/// Looks for the queue or the topic of the main stack.
async fn destination(aws: &Aws, stack: &Stack) -> Step {
    if let Some(topic) = stack.parameter("TopicArn") {
        let missing =
            format!("deploy the stack with the topic of the main stack as TopicArn; {UNTIL_THEN}");
        let lonely = "create a target stack; until then polls fail";
        return fan_out::topic_step(aws, topic, [&missing, lonely]).await;
    }
    let Some(queue) = stack.parameter("QueueUrl") else {
        let found = "the stack has neither QueueUrl nor TopicArn";
        return Step::bad(DESTINATION, found, "deploy it with one of them");
    };
    let client = aws_sdk_sqs::Client::new(aws.config().await);
    let get = client
        .get_queue_attributes()
        .queue_url(queue)
        .attribute_names(QueueAttributeName::QueueArn);
    match get.send().await {
        Ok(_) => Step::good(DESTINATION, queue),
        Err(error) if is_missing(&error) => Step::bad(
            DESTINATION,
            format!("{queue} does not exist"),
            format!("deploy the stack with the output QueueUrl of the main stack; {UNTIL_THEN}"),
        ),
        Err(error) => unseen(DESTINATION, &error, "sqs:GetQueueAttributes"),
    }
}

fn is_missing(
    error: &aws_sdk_sqs::error::SdkError<
        aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError,
    >,
) -> bool {
    error
        .as_service_error()
        .is_some_and(|error| error.is_queue_does_not_exist())
}

/// Lets the function poll, as its schedule does.
async fn poll(stack: &Stack) -> anyhow::Result<Step> {
    let invoke = Invoke {
        function_name: stack.output("SourceFunction")?.to_owned(),
        payload: PAYLOAD.into(),
    };
    // Other calls of doctor end sooner.
    let aws = Aws::with_operation_timeout(LONGEST);
    let invocation = aws.client().attempt_timeout(LONGEST).send(&invoke).await;
    Ok(match invocation {
        Ok(invocation) => judged(&invocation, stack),
        Err(error) if error.is("AccessDeniedException") => {
            unseen(POLL, &error, "lambda:InvokeFunction")
        }
        Err(error) => Step::bad(POLL, summarize(&error), "run doctor again"),
    })
}

fn judged(invocation: &Invocation, stack: &Stack) -> Step {
    let Some(error) = &failure(invocation) else {
        let answer: Value = serde_json::from_slice(&invocation.payload).unwrap_or_default();
        return match answer.get("done") {
            Some(Value::Bool(true)) => Step::good(POLL, "read and queued everything that is new"),
            _ => Step::good(
                POLL,
                "read and queued a part of what is new; the next poll continues",
            ),
        };
    };
    let role = (stack.optional("SourceRoleArn")).unwrap_or("the role of the function");
    if error.contains(MOVED_MEANWHILE) {
        let advice = "another poll was running: run doctor again when it has ended";
        return Step::unsure(POLL, error, advice);
    }
    let advice = match AssumedRole::Source.is_cause_of(error, stack) {
        true => AssumedRole::Source.advice(role, stack),
        false => format!(
            "nothing is lost: the next poll begins where this one did. See the log {}",
            stack.optional("SourceLogGroup").unwrap_or("SourceLogGroup")
        ),
    };
    Step::bad(POLL, error, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    fn failed(message: &str) -> Step {
        let stack = Stack::with(
            "s",
            &[
                ("RoleArn", "arn:aws:iam::2:role/reader"),
                ("ExternalId", "team-a"),
            ],
            &[
                ("SourceRoleArn", "arn:aws:iam::1:role/s-SourceRole-a"),
                ("SourceLogGroup", "/aws/lambda/s"),
            ],
        );
        let error = serde_json::json!({"errorType": "e", "errorMessage": message});
        let invocation = Invocation {
            function_error: Some("Unhandled".to_owned()),
            payload: error.to_string().into(),
        };
        judged(&invocation, &stack)
    }

    #[test]
    fn a_role_that_may_not_be_assumed_is_named_with_who_assumes_it() {
        let step = failed("x is not authorized to perform: sts:AssumeRole on resource: y");
        assert_eq!(step.verdict, Verdict::Bad);
        let advice = step.advice.unwrap_or_default();
        assert!(
            advice.starts_with(
                "let arn:aws:iam::2:role/reader trust arn:aws:iam::1:role/s-SourceRole-a:"
            ),
            "{advice}"
        );
        assert!(
            advice.contains("the external id team-a or none"),
            "{advice}"
        );
    }

    #[test]
    fn a_poll_beside_another_one_is_no_fault() {
        assert_eq!(
            failed(&format!("the position of glue was moved {MOVED_MEANWHILE}")).verdict,
            Verdict::Unsure
        );
    }

    #[test]
    fn another_error_is_told_with_the_log_that_says_more() {
        let step = failed("AccessDeniedException: glue:ListCrawlers");
        assert_eq!(step.verdict, Verdict::Bad);
        assert!(
            step.advice
                .is_some_and(|advice| advice.contains("/aws/lambda/s"))
        );
    }
}
