//! Checks how many invocations at once the account leaves for ingest: where there are none, requests are throttled and lost, and a
//! flood of requests takes them from the account's other functions.

use aws::Aws;
use aws::lambda::{AccountLimit, GetAccountSettings, GetFunctionConcurrency};

use super::Step;
use super::parts::unseen;
use crate::cli::stack::Stack;

const STEP: &str = "concurrency";

/// Below this, a burst of clients is throttled: a new account may start with 10 instead of the usual 1,000
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const FEW: u32 = 100;

/// Reads the limits, and what ingest has reserved.
pub(super) async fn step(aws: &Aws, ingest: &Stack) -> anyhow::Result<Step> {
    let client = aws.client();
    let limit = match client.send(&GetAccountSettings).await {
        Ok(settings) => settings.account_limit,
        Err(error) => return Ok(unseen(STEP, &error, "lambda:GetAccountSettings")),
    };
    let get = GetFunctionConcurrency {
        function_name: ingest.output("IngestFunction")?.to_owned(),
    };
    Ok(match client.send(&get).await {
        Ok(own) => judged(&limit, own.reserved_concurrent_executions),
        Err(error) => unseen(STEP, &error, "lambda:GetFunctionConcurrency"),
    })
}

fn judged(limit: &AccountLimit, reserved: Option<u32>) -> Step {
    let Some(all) = limit.concurrent_executions else {
        return Step::unsure(STEP, "the account's limit is unknown", "see Service Quotas");
    };
    match reserved {
        Some(0) => Step::bad(
            STEP,
            "ingest may not run: its reserved concurrency is 0",
            "deploy the stack again, or remove the reservation",
        ),
        Some(reserved) => Step::good(
            STEP,
            format!(
                "{reserved} of the account's {all} invocations at once are reserved for ingest, and its limit"
            ),
        ),
        None if all < FEW => Step::unsure(
            STEP,
            format!(
                "the account runs {all} functions at once, those of others included: a burst of requests is throttled"
            ),
            "ask for the usual quota of Lambda's concurrent executions in Service Quotas",
        ),
        None => Step::good(
            STEP,
            format!(
                "shared: the account runs {all} functions at once, and IngestReservedConcurrency is not set"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn an_account_without_room_for_ingest_is_found() {
        let verdict = |all, reserved| {
            let limit = AccountLimit {
                concurrent_executions: all,
                unreserved_concurrent_executions: all,
            };
            judged(&limit, reserved).verdict
        };
        assert_eq!(verdict(Some(1_000), None), Verdict::Good);
        assert_eq!(verdict(Some(10), None), Verdict::Unsure);
        assert_eq!(verdict(Some(200), Some(50)), Verdict::Good);
        assert_eq!(verdict(Some(1_000), Some(0)), Verdict::Bad);
        assert_eq!(verdict(None, Some(50)), Verdict::Unsure);
    }
}
