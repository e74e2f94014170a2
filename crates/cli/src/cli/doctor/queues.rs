//! Checks how the two queues are set: how long they keep events, how long a batch may take, how large an event may be, and the order.

use std::collections::HashMap;

use aws::Aws;
use aws::lambda::GetFunctionConfiguration;
use aws_sdk_sqs::types::QueueAttributeName as Name;

use super::Step;
use super::parts::unseen;
use crate::cli::stack::Stack;

const STEP: &str = "queue settings";

/// The most that SQS takes, in bytes: messages of 1 MiB
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MOST_BYTES: u64 = 1_048_576;

/// A visibility timeout in timeouts of the function, as Lambda advises
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>).
const TIMEOUTS: u64 = 6;

/// Less than this in seconds, an event may be deleted while a target is down over a weekend: SQS deletes by age, and moves nothing.
const SHORT: u64 = 4 * 86_400;

/// The attributes of a queue.
type Attributes = HashMap<Name, String>;

/// Reads the attributes of both queues and the timeout of the function.
pub(super) async fn step(aws: &Aws, stack: &Stack) -> anyhow::Result<Step> {
    let client = aws_sdk_sqs::Client::new(aws.config().await);
    let mut queues = Vec::new();
    for output in ["QueueUrl", "DeadLetterQueueUrl"] {
        let get = client.get_queue_attributes();
        let get = get
            .queue_url(stack.output(output)?)
            .attribute_names(Name::All);
        match get.send().await {
            Ok(response) => queues.push(response.attributes.unwrap_or_default()),
            Err(error) => return Ok(unseen(STEP, &error, "sqs:GetQueueAttributes")),
        }
    }
    let get = GetFunctionConfiguration {
        function_name: stack.output("BatchFunction")?.to_owned(),
    };
    let timeout = match aws.client().send(&get).await {
        Ok(function) => function.timeout.map(u64::from),
        Err(error) => return Ok(unseen(STEP, &error, "lambda:GetFunctionConfiguration")),
    };
    Ok(match queues.as_slice() {
        [queue, dead_letters] => judged(queue, dead_letters, timeout),
        _ => Step::unsure(STEP, "two queues are expected", "deploy the stack again"),
    })
}

fn judged(queue: &Attributes, dead_letters: &Attributes, timeout: Option<u64>) -> Step {
    let again = "deploy the stack again: somebody has changed the queue";
    let of = |attributes: &Attributes, name| -> u64 {
        let value = attributes.get(&name).and_then(|value| value.parse().ok());
        value.unwrap_or_default()
    };
    let kept = of(queue, Name::MessageRetentionPeriod);
    let kept_dead = of(dead_letters, Name::MessageRetentionPeriod);
    let visibility = of(queue, Name::VisibilityTimeout);
    let sizes = [queue, dead_letters].map(|queue| of(queue, Name::MaximumMessageSize));
    let is = |name, value: &str| queue.get(&name).is_some_and(|found| found == value);
    let in_order = is(Name::FifoQueue, "true");
    let by_group = is(Name::DeduplicationScope, "messageGroup")
        && is(Name::FifoThroughputLimit, "perMessageGroupId");
    if kept_dead < kept {
        let found = format!(
            "the queue keeps events for {}, and their dead letters only for {}",
            days(kept),
            days(kept_dead)
        );
        return Step::bad(STEP, found, again);
    }
    if let Some(timeout) = timeout
        && visibility < TIMEOUTS * timeout
    {
        let found = format!(
            "the visibility timeout is {visibility} s, and that of the function {timeout} s: an event may be delivered twice"
        );
        return Step::bad(STEP, found, again);
    }
    if let Some(size) = sizes.into_iter().find(|size| *size < MOST_BYTES) {
        let found = format!("a queue accepts {size} bytes: larger events are rejected with 413");
        return Step::unsure(STEP, found, "set its MaximumMessageSize to 1048576");
    }
    if in_order && !by_group {
        let found = "the FIFO queue is limited to 300 requests a second for all runs together";
        return Step::unsure(STEP, found, again);
    }
    if kept < SHORT {
        let found = format!("events that wait longer than {} are deleted", days(kept));
        return Step::unsure(
            STEP,
            found,
            "deploy with a longer MessageRetention, at most 14 days",
        );
    }
    let order = if in_order {
        ", in the order of each run"
    } else {
        ""
    };
    Step::good(
        STEP,
        format!(
            "events are kept for {}, dead letters for {}{order}",
            days(kept),
            days(kept_dead)
        ),
    )
}

fn days(seconds: u64) -> String {
    match seconds % 86_400 {
        0 => format!("{} days", seconds / 86_400),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    const DEPLOYED: [(Name, &str); 3] = [
        (Name::MessageRetentionPeriod, "1209600"),
        (Name::VisibilityTimeout, "240"),
        (Name::MaximumMessageSize, "1048576"),
    ];

    fn with(changes: &[(Name, &str)]) -> Attributes {
        let all = DEPLOYED.iter().chain(changes);
        all.map(|(name, value)| (name.clone(), (*value).to_owned()))
            .collect()
    }

    fn verdict(queue: &[(Name, &str)], dead: &[(Name, &str)], timeout: u64) -> Verdict {
        judged(&with(queue), &with(dead), Some(timeout)).verdict
    }

    #[test]
    fn queues_as_they_are_deployed_are_good() {
        assert_eq!(verdict(&[], &[], 30), Verdict::Good);
        let fifo = [
            (Name::FifoQueue, "true"),
            (Name::DeduplicationScope, "messageGroup"),
            (Name::FifoThroughputLimit, "perMessageGroupId"),
        ];
        assert_eq!(verdict(&fifo, &[], 30), Verdict::Good);
        assert_eq!(verdict(&fifo[..1], &[], 30), Verdict::Unsure);
    }

    #[test]
    fn each_setting_that_loses_or_repeats_events_is_found() {
        let short = [(Name::MessageRetentionPeriod, "86400")];
        assert_eq!(verdict(&[], &short, 30), Verdict::Bad);
        assert_eq!(verdict(&short, &[], 30), Verdict::Unsure);
        assert_eq!(verdict(&[], &[], 41), Verdict::Bad);
        let small = [(Name::MaximumMessageSize, "262144")];
        assert_eq!(verdict(&small, &[], 30), Verdict::Unsure);
        assert_eq!(verdict(&[], &small, 30), Verdict::Unsure);
    }
}
