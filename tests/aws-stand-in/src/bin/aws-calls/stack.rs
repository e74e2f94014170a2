//! What `doctor` reads of a stack, and invokes: CloudFormation, API Gateway, Lambda and STS.

use aws::api_gateway::{GetDeployment, GetStage};
use aws::cloudformation::{DescribeStackResource, DescribeStacks};
use aws::lambda::{
    GetAccountSettings, GetEventSourceMapping, GetFunctionConcurrency, GetFunctionConfiguration,
    Invoke,
};
use aws::sts::GetCallerIdentity;
use aws::{Client, Error};
use serde_json::{Value, json};

use crate::input::Input;

/// Makes the call, if it is one of these.
pub(crate) async fn call(
    client: &Client,
    operation: &str,
    input: Input<'_>,
) -> Result<Option<Value>, Error> {
    Ok(Some(match operation {
        "DescribeStacks" => {
            let mut pages = client.pages(DescribeStacks {
                stack_name: input.text("StackName"),
                next_token: input.text("NextToken"),
            });
            let mut stacks = Vec::new();
            while let Some(page) = pages.next().await {
                let found = page?.stacks.into_iter();
                stacks.extend(found.map(|stack| {
                    let outputs: Vec<Value> = (stack.outputs.iter())
                        .map(|(key, value)| json!({"OutputKey": key, "OutputValue": value}))
                        .collect();
                    let parameters: Vec<Value> = (stack.parameters.iter())
                        .map(|(key, value)| json!({"ParameterKey": key, "ParameterValue": value}))
                        .collect();
                    json!({"StackName": stack.name, "StackStatus": stack.status, "Parameters": parameters, "Outputs": outputs})
                }));
            }
            json!({"Stacks": stacks})
        }
        "DescribeStackResource" => {
            let describe = DescribeStackResource {
                stack_name: input.needed("StackName"),
                logical_resource_id: input.needed("LogicalResourceId"),
            };
            let resource = client.send(&describe).await?;
            json!({"StackResourceDetail": {
                "PhysicalResourceId": resource.physical_resource_id,
                "LastUpdatedTimestamp": resource.last_updated,
            }})
        }
        "GetStage" => {
            let get = GetStage {
                rest_api_id: input.needed("restApiId"),
                stage_name: input.needed("stageName"),
            };
            json!({"deploymentId": client.send(&get).await?.deployment_id})
        }
        "GetDeployment" => {
            let get = GetDeployment {
                rest_api_id: input.needed("restApiId"),
                deployment_id: input.needed("deploymentId"),
            };
            json!({"createdDate": client.send(&get).await?.created_date})
        }
        "Invoke" => {
            let invoke = Invoke {
                function_name: input.needed("FunctionName"),
                payload: input.needed("Payload").into(),
            };
            let invocation = client.send(&invoke).await?;
            json!({"FunctionError": invocation.function_error, "Payload": String::from_utf8_lossy(&invocation.payload)})
        }
        "GetFunctionConfiguration" => {
            let get = GetFunctionConfiguration {
                function_name: input.needed("FunctionName"),
            };
            let function = client.send(&get).await?;
            json!({
                "State": function.state,
                "StateReason": function.state_reason,
                "LastUpdateStatus": function.last_update_status,
                "LastUpdateStatusReason": function.last_update_status_reason,
                "CodeSha256": function.code_sha256,
                "Timeout": function.timeout,
                "TracingConfig": {"Mode": function.tracing_config.and_then(|tracing| tracing.mode)},
            })
        }
        "GetFunctionConcurrency" => {
            let get = GetFunctionConcurrency {
                function_name: input.needed("FunctionName"),
            };
            let concurrency = client.send(&get).await?;
            json!({"ReservedConcurrentExecutions": concurrency.reserved_concurrent_executions})
        }
        "GetAccountSettings" => {
            let limit = client.send(&GetAccountSettings).await?.account_limit;
            json!({"AccountLimit": {
                "ConcurrentExecutions": limit.concurrent_executions,
                "UnreservedConcurrentExecutions": limit.unreserved_concurrent_executions,
            }})
        }
        "GetEventSourceMapping" => {
            let get = GetEventSourceMapping {
                uuid: input.needed("UUID"),
            };
            let mapping = client.send(&get).await?;
            json!({
                "State": mapping.state,
                "BatchSize": mapping.batch_size,
                "MaximumBatchingWindowInSeconds": mapping.maximum_batching_window_in_seconds,
                "ScalingConfig": {"MaximumConcurrency": mapping.scaling_config.and_then(|scaling| scaling.maximum_concurrency)},
                "FunctionResponseTypes": mapping.function_response_types,
            })
        }
        "GetCallerIdentity" => {
            let caller = client.send(&GetCallerIdentity).await?;
            json!({"Account": caller.account})
        }
        _ => return Ok(None),
    }))
}
