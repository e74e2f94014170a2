//! Checks that CloudWatch counts what clients send by the name that the alarm `GatewayRejects` and the dashboard ask for. A name that it
//! does not know has no data, and an alarm without data does not ring.

use aws::cloudformation::DescribeStackResource;
use aws::cloudwatch::{Dimension, ListMetrics};
use aws::{Aws, Error};

use super::Step;
use super::parts::unseen;
use crate::cli::stack::Stack;

const STEP: &str = "metrics";

/// Looks for the metric of requests.
pub(super) async fn step(aws: &Aws, ingest: &Stack) -> anyhow::Result<Step> {
    let list = match requests(aws, ingest).await? {
        Ok(list) => list,
        Err(error) => return Ok(unseen(STEP, &error, "cloudformation:DescribeStackResource")),
    };
    let mut pages = aws.client().pages(list.clone());
    while let Some(page) = pages.next().await {
        match page {
            // Those of single routes and methods have further dimensions.
            Ok(page)
                if page
                    .metrics
                    .iter()
                    .any(|metric| metric.dimensions == list.dimensions) =>
            {
                return Ok(judged(&list, true));
            }
            Ok(_) => {}
            Err(error) => return Ok(unseen(STEP, &error, "cloudwatch:ListMetrics")),
        }
    }
    Ok(judged(&list, false))
}

/// The metric of requests, as the template names it, by the kind of the endpoint.
async fn requests(aws: &Aws, ingest: &Stack) -> anyhow::Result<Result<ListMetrics, Error>> {
    let metric = |namespace: &str, metric_name: &str, name: &str, value: &str| ListMetrics {
        namespace: namespace.to_owned(),
        metric_name: metric_name.to_owned(),
        dimensions: vec![Dimension {
            name: name.to_owned(),
            value: value.to_owned(),
        }],
        next_token: None,
    };
    Ok(Ok(match ingest.parameter("Endpoint") {
        Some("function-url") => {
            let function = ingest.output("IngestFunction")?;
            metric("AWS/Lambda", "UrlRequestCount", "FunctionName", function)
        }
        Some("rest" | "private") => metric("AWS/ApiGateway", "Count", "ApiName", &ingest.name),
        Some(_) | None => {
            let describe = DescribeStackResource {
                stack_name: ingest.name.clone(),
                logical_resource_id: "HttpApi".to_owned(),
            };
            match aws.client().send(&describe).await {
                Ok(api) => metric(
                    "AWS/ApiGateway",
                    "Count",
                    "ApiId",
                    &api.physical_resource_id,
                ),
                Err(error) => return Ok(Err(error)),
            }
        }
    }))
}

fn judged(list: &ListMetrics, is_there: bool) -> Step {
    let of: Vec<String> = list
        .dimensions
        .iter()
        .map(|it| format!("{} {}", it.name, it.value))
        .collect();
    let metric = format!(
        "{} {} of {}",
        list.namespace,
        list.metric_name,
        of.join(", ")
    );
    if is_there {
        return Step::good(STEP, format!("CloudWatch has {metric}"));
    }
    Step::unsure(
        STEP,
        format!("CloudWatch does not list {metric}; a new metric takes up to 15 minutes"),
        "run doctor again in 15 minutes: if it is still not listed, the alarm GatewayRejects cannot ring",
    )
}
