//! `aws-calls`: makes the calls of the crate `aws` from lines of JSON, so that botocore can check requests and responses
//! (`tests/real/test_aws_calls.py`).
//!
//! A line is `[operation, input]`; the answer is `{"output": …}` or `{"error": code, "status": …}`. The line
//! `["endpoint", [service, region, fips, dual_stack]]` is answered with a URL.

mod data;
mod glue;
mod input;
mod logs;
mod redshift;
mod stack;
mod topic;

use std::io::Write;

use aws::{Aws, Error, ProvideErrorMetadata, Service};
use serde_json::{Value, json};

use input::Input;

const SERVICES: [&Service; 14] = [
    &aws::api_gateway::SERVICE,
    &aws::cloudformation::SERVICE,
    &aws::cloudwatch::SERVICE,
    &aws::dynamodb::SERVICE,
    &aws::glue::SERVICE,
    &aws::lambda::SERVICE,
    &aws::logs::SERVICE,
    &aws::redshift::SERVICE,
    &aws::redshift_data::SERVICE,
    &aws::redshift_serverless::SERVICE,
    &aws::s3::SERVICE,
    &aws::secrets_manager::SERVICE,
    &aws::sns::SERVICE,
    &aws::sts::SERVICE,
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let aws = Aws::new();
    for line in std::io::stdin().lines() {
        let (operation, input): (String, Value) = serde_json::from_str(&line?)?;
        let answer = match operation.as_str() {
            "endpoint" => endpoint(&serde_json::from_value(input)?),
            operation => match call(&aws, operation, Input(&input)).await {
                Ok(output) => json!({"output": output}),
                Err(Error::Service(error)) => {
                    json!({"error": error.code(), "message": error.message(), "status": error.status, "id": error.request_id})
                }
                Err(error) => json!({"failure": aws::error_chain(&error)}),
            },
        };
        writeln!(std::io::stdout().lock(), "{answer}")?;
    }
    Ok(())
}

fn endpoint((id, region, fips, dual_stack): &(String, String, bool, bool)) -> Value {
    let service = SERVICES.iter().find(|service| service.id() == id);
    let url = service.map(|service| service.endpoint(region, *fips, *dual_stack));
    match url {
        Some(Ok(url)) => json!(url),
        Some(Err(_)) | None => Value::Null,
    }
}

/// Makes a call, by the module that has it; null if none has.
async fn call(aws: &Aws, operation: &str, input: Input<'_>) -> Result<Value, Error> {
    let client = &aws.client();
    if let Some(output) = data::call(client, operation, input).await? {
        return Ok(output);
    }
    if let Some(output) = glue::call(client, operation, input).await? {
        return Ok(output);
    }
    if let Some(output) = logs::call(client, operation, input).await? {
        return Ok(output);
    }
    if let Some(output) = redshift::call(client, operation, input).await? {
        return Ok(output);
    }
    if let Some(output) = stack::call(client, operation, input).await? {
        return Ok(output);
    }
    let output = topic::call(client, operation, input).await?;
    Ok(output.unwrap_or_default())
}
