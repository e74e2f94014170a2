//! Checks the parts of a stack one by one.
//!
//! Uses the permissions of the user who runs `doctor`. A part that cannot be read is reported as unsure: it may be fine.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use aws::lambda::{FunctionConfiguration, GetEventSourceMapping, GetFunctionConfiguration};
use aws::secrets_manager::{self, ReadError};
use aws::{Aws, Client, ProvideErrorMetadata};
use aws_config::Region;
use aws_sdk_sqs::types::QueueAttributeName;
use proxy::aws_error::summarize;
use proxy::config::{KeyEntry, KeyRole};
use reqwest::{StatusCode, Url};

use super::Step;
use crate::cli::stack::{PATIENCE, Stack};

/// How long to wait for a function that was just deployed, in seconds.
const DEPLOYMENT_TIMEOUT: u32 = 30;

/// Checks the stack itself.
pub(super) fn stack(step: &'static str, stack: &Stack) -> Step {
    let found = format!("{} is {}", stack.name, stack.status);
    if stack.status.ends_with("_COMPLETE") && !stack.status.contains("DELETE") {
        Step::good(step, found)
    } else {
        let advice = "see its events: aws cloudformation describe-stack-events";
        Step::bad(step, found, advice)
    }
}

/// Checks a function, which an output of the stack names.
pub(super) async fn function(
    aws: &Aws,
    stack: &Stack,
    step: &'static str,
    output: &str,
) -> anyhow::Result<Step> {
    let name = stack.output(output)?;
    let function = match settled(&aws.client(), name).await {
        Ok(function) => function,
        Err(error) => return Ok(unseen(step, &error, "lambda:GetFunctionConfiguration")),
    };
    let is_up = function.state.as_deref() == Some("Active")
        && function.last_update_status.as_deref() != Some("Failed");
    let code = function.code_sha256.as_deref().unwrap_or("unknown");
    let found = format!("{name}, code {code}");
    let tracing = function.tracing_config.as_ref();
    let is_traced = tracing.and_then(|tracing| tracing.mode.as_deref()) == Some("Active");
    if is_up && stack.parameter("Tracing") == Some("on") && !is_traced {
        let found = format!("{found}: it sends no traces to X-Ray, although Tracing is on");
        return Ok(Step::bad(step, found, "deploy the stack again"));
    }
    if is_up {
        return Ok(Step::good(step, found));
    }
    let state = function.state.as_deref().unwrap_or("unknown");
    let reasons = [function.last_update_status_reason, function.state_reason];
    let mut reasons = reasons.into_iter().flatten();
    let why = reasons.find(|why| !why.is_empty());
    let why = why.unwrap_or("unknown reason".to_owned());
    let found = format!("{found}: {state}, {why}");
    Ok(Step::bad(step, found, "deploy the stack again"))
}

/// Checks the event source of the batch function.
pub(super) async fn source(aws: &Aws, stack: &Stack) -> anyhow::Result<Step> {
    let get = GetEventSourceMapping {
        uuid: stack.output("BatchSource")?.to_owned(),
    };
    let mapping = match aws.client().send(&get).await {
        Ok(mapping) => mapping,
        Err(error) => return Ok(unseen("source", &error, "lambda:GetEventSourceMapping")),
    };
    let state = mapping.state.as_deref().unwrap_or("unknown");
    let partial = "ReportBatchItemFailures".to_owned();
    let types = mapping.function_response_types.unwrap_or_default();
    Ok(if state == "Disabled" && is_paused(stack) {
        let found = "paused by the parameter Paused: events wait in the queue";
        Step::unsure("source", found, "deploy with Paused=false to deliver them")
    } else if state != "Enabled" {
        let advice = "run aws lambda update-event-source-mapping --enabled; until then, events wait in the queue";
        Step::bad("source", format!("the event source is {state}"), advice)
    } else if !types.contains(&partial) {
        let advice = "deploy the stack again: without ReportBatchItemFailures one failed event makes its whole batch fail";
        Step::bad("source", "partial batch failures are not reported", advice)
    } else {
        let size = mapping.batch_size.unwrap_or_default();
        let at_once = mapping
            .scaling_config
            .and_then(|scaling| scaling.maximum_concurrency);
        let at_once = at_once.map_or(String::new(), |most| format!(", {most} batches at once"));
        Step::good("source", format!("enabled, {size} events a batch{at_once}"))
    })
}

/// Whether the stack was deployed to deliver nothing for now.
pub(super) fn is_paused(stack: &Stack) -> bool {
    stack.optional("Paused") == Some("true")
}

/// Returns a function once it is no longer pending, as it is for some seconds after a deployment.
async fn settled(client: &Client, name: &str) -> Result<FunctionConfiguration, aws::Error> {
    let get = GetFunctionConfiguration {
        function_name: name.to_owned(),
    };
    let mut retries = 0..DEPLOYMENT_TIMEOUT;
    loop {
        let function = client.send(&get).await?;
        let is_settled = function.state.as_deref() != Some("Pending")
            && function.last_update_status.as_deref() != Some("InProgress");
        if is_settled || retries.next().is_none() {
            return Ok(function);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Checks the queue and its dead-letter queue.
pub(super) async fn queues(aws: &Aws, stack: &Stack) -> anyhow::Result<Vec<Step>> {
    let client = aws_sdk_sqs::Client::new(aws.config().await);
    let mut steps = Vec::new();
    for (step, output) in [
        ("queue", "QueueUrl"),
        ("dead letters", "DeadLetterQueueUrl"),
    ] {
        let request = client.get_queue_attributes();
        let request = request
            .queue_url(stack.output(output)?)
            .attribute_names(QueueAttributeName::All);
        let attributes = match request.send().await {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) => {
                steps.push(unseen(step, &error, "sqs:GetQueueAttributes"));
                continue;
            }
        };
        let waiting = count(&attributes, QueueAttributeName::ApproximateNumberOfMessages);
        let away = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let found = format!("{waiting} waiting, {} in flight", count(&attributes, away));
        steps.push(match step {
            "queue" if !attributes.contains_key(&QueueAttributeName::RedrivePolicy) => Step::bad(
                step,
                found,
                "it has no dead-letter queue: deploy the stack again",
            ),
            "dead letters" if waiting > 0 => {
                let name = &stack.name;
                let advice = format!(
                    "lineage-proxy dead-letters list --stack {name}; then redrive or delete them"
                );
                Step::unsure(step, found, advice)
            }
            _ => Step::good(step, found),
        });
    }
    Ok(steps)
}

/// Returns a key with the role send: the one that was passed, or one from the stack's secret.
pub(super) async fn key(
    aws: &Aws,
    stack: &Stack,
    api_key: Option<String>,
) -> anyhow::Result<(Option<String>, Step)> {
    let auth = stack.output("Auth")?;
    if api_key.is_some() {
        return Ok((
            api_key,
            Step::good("key", "from the command line or OPENLINEAGE_API_KEY"),
        ));
    }
    let Some(secret) = stack.optional("KeysSecretArn") else {
        let step = match auth {
            "none" => Step::unsure(
                "key",
                "no key is needed: anyone can send",
                "deploy with Auth=key",
            ),
            "jwt" => Step::unsure("key", "a token is needed", "set OPENLINEAGE_API_KEY to one"),
            _ => Step::good("key", format!("none: Auth is {auth}")),
        };
        return Ok((None, step));
    };
    let text = match secrets_manager::read_text(aws, secret, PATIENCE).await {
        Ok(text) => text,
        Err(ReadError::NoText) => String::new(),
        Err(ReadError::Call(error)) => {
            let step = unseen("key", &error, "secretsmanager:GetSecretValue");
            return Ok((None, step));
        }
    };
    Ok(match proxy::http::auth::keys(&text) {
        Ok(keys) if !keys.is_empty() => {
            let found = format!("{} in {secret}", keys.len());
            // A key that may send and is in plain text: a hash is of no use to a client.
            let sends = |key: &KeyEntry| {
                key.roles.contains(&KeyRole::Send) && !key.text.starts_with("sha256:")
            };
            match keys.into_iter().find(sends) {
                Some(key) => (Some(key.text), Step::good("key", found)),
                None => (
                    None,
                    Step::unsure(
                        "key",
                        found,
                        "it holds no plain key with the role send: set OPENLINEAGE_API_KEY to one",
                    ),
                ),
            }
        }
        Ok(_) => (
            None,
            Step::bad(
                "key",
                format!("{secret} holds no key"),
                "add one: nobody can send",
            ),
        ),
        Err(why) => (
            None,
            Step::bad(
                "key",
                why.to_string(),
                "correct the secret: ingest rejects every request",
            ),
        ),
    })
}

/// Checks that the endpoint responds, and that it rejects requests without a key.
pub(super) async fn endpoint(stack: &Stack, url: &Url) -> anyhow::Result<Vec<Step>> {
    let client = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(30))
        .build()?;
    let at = |path: &str| at(url, path);
    let answer = match client.get(at("/healthz")?).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let advice = match stack.optional("Auth") {
                _ if url.host_str().is_some_and(|host| host.contains("vpce-")) => {
                    "a private endpoint can be reached only from inside its VPC: run doctor there"
                }
                _ => "is the URL right, and reachable from here? (--url for a custom domain)",
            };
            let why = format!("{url}: {:#}", anyhow::Error::from(error.without_url()));
            return Ok(vec![Step::bad("endpoint", why, advice)]);
        }
    };
    let status = answer.status();
    let mut steps = Vec::new();
    if status.is_success() || matches!(stack.output("Auth")?, "iam" | "jwt") {
        steps.push(Step::good("endpoint", format!("{url} responds")));
    } else {
        let advice = "the ingest function's log has the reason";
        steps.push(Step::bad(
            "endpoint",
            format!("/healthz responded with {status}"),
            advice,
        ));
        return Ok(steps);
    }
    let is_open = stack.output("Auth")? == "none";
    let answer = client
        .post(at("/api/v1/lineage")?)
        .body("{}")
        .send()
        .await?;
    let is_rejected = matches!(
        answer.status(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    );
    steps.push(match (is_rejected, is_open) {
        (true, _) => Step::good("locked", "requests without a key are rejected"),
        (false, true) => Step::unsure(
            "locked",
            "anyone can send: Auth is none",
            "deploy with Auth=key",
        ),
        (false, false) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
            let advice = "can the ingest function read its secret? See its log";
            Step::bad("locked", "the keys cannot be read", advice)
        }
        (false, false) => {
            let found = format!(
                "the response to a request without a key was {}",
                answer.status()
            );
            Step::bad("locked", found, "anyone can send: deploy the stack again")
        }
    });
    Ok(steps)
}

/// Returns a client in the region of the domain.
pub(super) async fn datazone(aws: &Aws, stack: &Stack) -> aws_sdk_datazone::Client {
    let mut config = aws_sdk_datazone::config::Builder::from(aws.config().await);
    if let Some(region) = stack.optional("DomainRegion") {
        config = config.region(Region::new(region.to_owned()));
    }
    aws_sdk_datazone::Client::from_conf(config.build())
}

/// Joins a path to the URL that clients use.
pub(super) fn at(url: &Url, path: &str) -> anyhow::Result<Url> {
    let base = url.as_str().trim_end_matches('/');
    format!("{base}{path}")
        .parse()
        .context("the URL of the endpoint")
}

/// Reports a part that the user may not read.
pub(super) fn unseen<E: std::error::Error + ProvideErrorMetadata>(
    step: &'static str,
    error: &E,
    action: &str,
) -> Step {
    let advice = format!("you need {action} to see it; the stack may be fine");
    Step::unsure(step, summarize(error), advice)
}

fn count(attributes: &HashMap<QueueAttributeName, String>, name: QueueAttributeName) -> u64 {
    attributes
        .get(&name)
        .and_then(|value| value.parse().ok())
        .unwrap_or_default()
}
