//! Reads how long the first requests of new instances of ingest took, which the emulator cannot tell: clients give up after 5 s.

use aws::Aws;
use aws::logs::FilterLogEvents;

use super::Step;
use super::parts::unseen;
use crate::cli::stack::Stack;

const STEP: &str = "cold start";

/// What is looked at: the last day, in milliseconds.
const SINCE: i64 = 86_400_000;

/// The most pages of lines; a busy function has fewer cold starts than requests.
const PAGES: usize = 20;

/// Half of the time that Python and Java clients wait for a response, in milliseconds.
const SLOW: f64 = 2_500.0;

/// Searches the log of ingest for the lines that Lambda writes of first requests. `now` is in milliseconds since 1970.
pub(super) async fn step(aws: &Aws, ingest: &Stack, now: i64) -> anyhow::Result<Step> {
    let mut pages = aws.client().pages(FilterLogEvents {
        log_group_name: Some(ingest.output("IngestLogGroup")?.to_owned()),
        filter_pattern: Some("\"Init Duration\"".to_owned()),
        start_time: Some(now - SINCE),
        ..FilterLogEvents::default()
    });
    let mut starts = Vec::new();
    for _ in 0..PAGES {
        match pages.next().await {
            Some(Ok(page)) => {
                let lines = page.events.iter().map(|event| event.message.as_str());
                starts.extend(lines.filter_map(first_request));
            }
            Some(Err(error)) => return Ok(unseen(STEP, &error, "logs:FilterLogEvents")),
            None => return Ok(judged(&starts, ingest.parameter("IngestMemory"))),
        }
    }
    // The oldest lines come first.
    let found = format!(
        "{} first requests of new instances were found in a part of the log: the last day has more lines",
        starts.len()
    );
    let advice = "run it again after a quiet night, or search the log for \"Init Duration\"";
    Ok(Step::unsure(STEP, found, advice.to_owned()))
}

/// Returns how long the first request of an instance took, in milliseconds, from the line that Lambda writes after it: with the
/// start of the process, `Init Duration`, which other lines do not have
/// (<https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html>).
fn first_request(report: &str) -> Option<f64> {
    let field = |name: &str| {
        let mut fields = report.split('\t').map(str::trim);
        let value = fields.find_map(|field| field.strip_prefix(name))?;
        let value = value.strip_prefix(": ")?.strip_suffix(" ms")?;
        value.parse::<f64>().ok().filter(|time| time.is_finite())
    };
    Some(field("Init Duration")? + field("Duration")?)
}

fn judged(starts: &[f64], memory: Option<&str>) -> Step {
    let Some(slowest) = starts.iter().copied().reduce(f64::max) else {
        let found = "its log has no first request of a new instance in the last day";
        return Step::good(STEP, found);
    };
    let count = starts.len();
    let found = format!(
        "the slowest of {count} first requests of new instances in the last day took {slowest:.0} ms"
    );
    if slowest < SLOW {
        return Step::good(STEP, found);
    }
    let memory = memory.unwrap_or("256");
    let advice = format!(
        "clients give up after 5 s and send again: raise IngestMemory, now {memory} MB, with which a function has more of a processor"
    );
    Step::unsure(STEP, found, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn a_first_request_is_the_start_and_the_request() {
        let first = "REPORT RequestId: 8f507cfc\tDuration: 423.60 ms\tBilled Duration: 624 ms\tMemory Size: 256 MB\tMax Memory Used: 24 MB\tInit Duration: 200.40 ms\t\n";
        assert_eq!(first_request(first), Some(624.0));
        let warm = "REPORT RequestId: 8f507cfc\tDuration: 9.60 ms\tBilled Duration: 10 ms\tMemory Size: 256 MB\tMax Memory Used: 24 MB\t\n";
        assert_eq!(first_request(warm), None);
        assert_eq!(first_request("\tInit Duration: soon\tDuration: 1 ms"), None);
        assert_eq!(first_request("{\"message\":\"Init Duration: 7 ms\"}"), None);
    }

    #[test]
    fn one_that_takes_half_of_what_clients_wait_is_told() {
        assert_eq!(judged(&[], None).verdict, Verdict::Good);
        assert_eq!(judged(&[300.0, 900.0], None).verdict, Verdict::Good);
        let slow = judged(&[300.0, 2_600.0], Some("128"));
        assert_eq!(slow.verdict, Verdict::Unsure);
        assert!(slow.found.contains("2600 ms"), "{}", slow.found);
        assert!(slow.advice.is_some_and(|advice| advice.contains("128 MB")));
    }
}
