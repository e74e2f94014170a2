//! Looks for the event in CloudWatch Logs Insights, by the query of `lineage-proxy events`: whether its language is understood there as
//! it is meant, and what it finds is complete. Called by `event.rs`, once the batch function has logged the event.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Step;
use crate::cli::events::{self, QueryError};
use crate::cli::stack::Stack;

const STEP: &str = "queries";

/// How long it may take until Insights has a line that is in the log.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two queries, each of which is paid by what it reads.
const PAUSE: Duration = Duration::from_secs(5);

/// Asks for the lines about the run since then.
pub(super) async fn step(stack: &Stack, run: Uuid, since: SystemTime) -> Step {
    let since = since.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    });
    let until = Instant::now() + PATIENCE;
    loop {
        let found = events::finds_run(stack, run, since).await;
        if matches!(found, Ok(false)) && Instant::now() < until {
            sleep(PAUSE).await;
            continue;
        }
        return judged(found);
    }
}

fn judged(found: Result<bool, QueryError>) -> Step {
    match found {
        Ok(true) => Step::good(STEP, "CloudWatch Logs Insights finds the event by its run"),
        Ok(false) => Step::unsure(
            STEP,
            format!("CloudWatch Logs Insights does not find the event within {PATIENCE:?}"),
            "lineage-proxy events --stack may miss events: try it later, with the run of the step accepted",
        ),
        Err(error) => Step::unsure(
            STEP,
            error.to_string(),
            "lineage-proxy events --stack needs it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn only_an_event_that_is_found_is_good() {
        assert_eq!(judged(Ok(true)).verdict, Verdict::Good);
        assert_eq!(judged(Ok(false)).verdict, Verdict::Unsure);
        let refused = judged(Err(QueryError::TooLong));
        assert_eq!(refused.verdict, Verdict::Unsure);
        assert!(refused.found.contains("takes longer"), "{}", refused.found);
    }
}
