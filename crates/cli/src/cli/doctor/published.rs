//! Checks that a private REST API serves what the stack last made of it: its resource policy names the VPC endpoints, and takes effect with
//! the next deployment (<https://docs.aws.amazon.com/apigateway/latest/developerguide/updating-api.html>). CloudFormation makes none
//! after a change of `VpcEndpointIds`, since no name in a template can depend on a parameter.

use aws::api_gateway::{GetDeployment, GetStage};
use aws::cloudformation::DescribeStackResource;
use aws::{Aws, Error};

use super::Step;
use super::parts::unseen;
use crate::cli::stack::Stack;

const STEP: &str = "published";
/// The stage of the template.
const STAGE: &str = "lineage";

/// Compares the time of the API's last change with that of the deployment, if the endpoint is private.
pub(super) async fn step(aws: &Aws, ingest: &Stack) -> Option<Step> {
    if ingest.parameter("Endpoint") != Some("private") {
        return None;
    }
    Some(match times(aws, ingest).await {
        Ok((api, changed, made)) => judged(&api, changed, made),
        Err(error) => unseen(
            STEP,
            &error,
            "cloudformation:DescribeStackResource and apigateway:GET",
        ),
    })
}

/// Returns the id of the API, when it was changed, and when what it serves was made, if that is known.
async fn times(aws: &Aws, ingest: &Stack) -> Result<(String, i64, Option<f64>), Error> {
    let client = aws.client();
    let describe = DescribeStackResource {
        stack_name: ingest.name.clone(),
        logical_resource_id: "RestApi".to_owned(),
    };
    let api = client.send(&describe).await?;
    let stage = GetStage {
        rest_api_id: api.physical_resource_id.clone(),
        stage_name: STAGE.to_owned(),
    };
    let made = match client.send(&stage).await?.deployment_id {
        Some(deployment_id) => {
            let get = GetDeployment {
                rest_api_id: api.physical_resource_id.clone(),
                deployment_id,
            };
            client.send(&get).await?.created_date
        }
        None => None,
    };
    Ok((api.physical_resource_id, api.last_updated, made))
}

/// Judges by whole seconds: the API is complete before its deployment is begun.
fn judged(api: &str, changed: i64, made: Option<f64>) -> Step {
    let publish =
        format!("aws apigateway create-deployment --rest-api-id {api} --stage-name {STAGE}");
    match made {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
        Some(made) if made >= changed as f64 => {
            Step::good(STEP, "the deployment is as new as the API")
        }
        Some(_) => Step::unsure(
            STEP,
            "the API was changed after it was deployed: VPC endpoints that were added since are not let in, and those that were removed still are",
            publish,
        ),
        None => Step::unsure(STEP, "the time of its deployment is unknown", publish),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn an_api_that_was_changed_after_its_deployment_has_to_be_published() {
        let verdict = |changed, made| judged("a1b2c3", changed, made).verdict;
        assert_eq!(verdict(1_700_000_000, Some(1_700_000_000.0)), Verdict::Good);
        assert_eq!(
            verdict(1_700_000_001, Some(1_700_000_000.9)),
            Verdict::Unsure
        );
        assert_eq!(verdict(1_700_000_000, None), Verdict::Unsure);
        let advice = judged("a1b2c3", 2, Some(1.0)).advice;
        assert!(advice.is_some_and(|advice| advice.contains("--rest-api-id a1b2c3")));
    }
}
