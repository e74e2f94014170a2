//! `aws-calls`: makes the calls of the crate `aws` from lines of JSON, so that botocore can check requests and responses
//! (`tests/real/test_aws_calls.py`).
//!
//! A line is `[operation, input]`; the answer is `{"output": …}` or `{"error": code, "status": …}`. The line
//! `["endpoint", [service, region, fips, dual_stack]]` is answered with a URL.

use std::collections::BTreeMap;
use std::io::Write;

use aws::cloudformation::DescribeStacks;
use aws::dynamodb::{BatchGetItem, BatchWriteItem, GetItem, Item, PutItem};
use aws::glue::{
    CrawlsFilter, CreateDatabase, CreateTable, GetConnection, GetCrawler, GetTable, GetTables,
    ListCrawlers, ListCrawls, UpdateTable,
};
use aws::lambda::{
    GetAccountSettings, GetEventSourceMapping, GetFunctionConcurrency, GetFunctionConfiguration,
};
use aws::logs::insights::{GetQueryResults, StartQuery, StopQuery};
use aws::logs::{DescribeLogGroups, FilterLogEvents, GetLogEvents};
use aws::redshift::DescribeClusters;
use aws::redshift_data::{
    CancelStatement, DescribeStatement, ExecuteStatement, GetStatementResult,
};
use aws::redshift_serverless::GetWorkgroup;
use aws::s3::{DeleteObject, GetObject, ListObjects, PutObject};
use aws::secrets_manager::GetSecretValue;
use aws::sns::{
    GetSubscriptionAttributes, ListSubscriptionsByTopic, PublishBatch, PublishBatchEntry,
};
use aws::sts::GetCallerIdentity;
use aws::{Aws, Error, ProvideErrorMetadata, Service};
use serde_json::{Map, Value, json};

const SERVICES: [&Service; 12] = [
    &aws::cloudformation::SERVICE,
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
            operation => match call(&aws, operation, &input).await {
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

fn item(value: Option<&Value>) -> Item {
    let value = value.cloned().unwrap_or_default();
    serde_json::from_value(value).unwrap_or_default()
}

fn endpoint((id, region, fips, dual_stack): &(String, String, bool, bool)) -> Value {
    let service = SERVICES.iter().find(|service| service.id() == id);
    let url = service.map(|service| service.endpoint(region, *fips, *dual_stack));
    match url {
        Some(Ok(url)) => json!(url),
        Some(Err(_)) | None => Value::Null,
    }
}

async fn call(aws: &Aws, operation: &str, input: &Value) -> Result<Value, Error> {
    let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    let needed = |name: &str| text(name).unwrap_or_default();
    let table_input = || {
        let input = input.get("TableInput").and_then(Value::as_object);
        input.cloned().unwrap_or_default()
    };
    let client = aws.client();
    Ok(match operation {
        "DescribeStacks" => {
            let mut pages = client.pages(DescribeStacks {
                stack_name: text("StackName"),
                next_token: text("NextToken"),
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
        "DescribeClusters" => {
            let mut pages = client.pages(DescribeClusters {
                cluster_identifier: text("ClusterIdentifier"),
                marker: text("Marker"),
            });
            let mut clusters = Vec::new();
            while let Some(page) = pages.next().await {
                let found = page?.clusters.into_iter();
                clusters.extend(found.map(|cluster| {
                    json!({
                        "ClusterIdentifier": cluster.identifier,
                        "ClusterNamespaceArn": cluster.namespace_arn,
                        "Endpoint": {"Address": cluster.address, "Port": cluster.port},
                    })
                }));
            }
            json!({"Clusters": clusters})
        }
        "FilterLogEvents" => {
            let mut pages = client.pages(FilterLogEvents {
                log_group_name: text("logGroupName"),
                log_group_identifier: text("logGroupIdentifier"),
                log_stream_name_prefix: text("logStreamNamePrefix"),
                filter_pattern: text("filterPattern"),
                start_time: input.get("startTime").and_then(Value::as_i64),
                end_time: input.get("endTime").and_then(Value::as_i64),
                next_token: text("nextToken"),
            });
            let mut events = Vec::new();
            while let Some(page) = pages.next().await {
                let found = page?.events.into_iter();
                events.extend(found.map(|event| {
                    json!({
                        "logStreamName": event.log_stream_name,
                        "timestamp": event.timestamp,
                        "message": event.message,
                        "eventId": event.event_id,
                    })
                }));
            }
            json!({"events": events})
        }
        "GetLogEvents" => {
            let get = GetLogEvents {
                log_group_name: text("logGroupName"),
                log_group_identifier: text("logGroupIdentifier"),
                log_stream_name: needed("logStreamName"),
                start_time: input
                    .get("startTime")
                    .and_then(Value::as_i64)
                    .unwrap_or_default(),
                start_from_head: true,
                next_token: text("nextToken"),
            };
            let page = client.send(&get).await?;
            let events: Vec<Value> = (page.events.iter())
                .map(|event| json!({"timestamp": event.timestamp, "message": event.message}))
                .collect();
            json!({"events": events, "nextForwardToken": page.next_forward_token})
        }
        "DescribeLogGroups" => {
            let mut pages = client.pages(DescribeLogGroups {
                log_group_name_prefix: needed("logGroupNamePrefix"),
                next_token: text("nextToken"),
            });
            let mut groups = Vec::new();
            while let Some(page) = pages.next().await {
                let found = page?.log_groups.into_iter();
                groups.extend(found.map(|group| {
                    json!({"logGroupName": group.log_group_name, "logGroupClass": group.log_group_class, "retentionInDays": group.retention_in_days})
                }));
            }
            json!({"logGroups": groups})
        }
        "GetFunctionConfiguration" => {
            let get = GetFunctionConfiguration {
                function_name: needed("FunctionName"),
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
                function_name: needed("FunctionName"),
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
        "StartQuery" => {
            let names = input.get("logGroupNames").cloned().unwrap_or_default();
            let number = |name: &str| input.get(name).and_then(Value::as_i64);
            let start = StartQuery {
                log_group_names: serde_json::from_value(names).unwrap_or_default(),
                start_time: number("startTime").unwrap_or_default(),
                end_time: number("endTime").unwrap_or_default(),
                query_string: needed("queryString"),
                limit: number("limit").and_then(|limit| limit.try_into().ok()),
            };
            json!({"queryId": client.send(&start).await?.query_id})
        }
        "GetQueryResults" => {
            let get = GetQueryResults {
                query_id: needed("queryId"),
            };
            let results = client.send(&get).await?;
            let row = |row: &Vec<aws::logs::insights::ResultField>| -> Vec<Value> {
                let field = |field: &aws::logs::insights::ResultField| json!({"field": field.field, "value": field.value});
                row.iter().map(field).collect()
            };
            let rows: Vec<Vec<Value>> = results.results.iter().map(row).collect();
            json!({"results": rows, "status": results.status.name()})
        }
        "StopQuery" => {
            let stop = StopQuery {
                query_id: needed("queryId"),
            };
            json!({"success": client.send(&stop).await?.success})
        }
        "GetEventSourceMapping" => {
            let get = GetEventSourceMapping {
                uuid: needed("UUID"),
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
        "GetWorkgroup" => {
            let get = GetWorkgroup {
                workgroup_name: needed("workgroupName"),
            };
            let workgroup = client.send(&get).await?;
            let endpoint = workgroup.endpoint.as_ref();
            json!({"workgroup": {
                "workgroupArn": workgroup.workgroup_arn,
                "endpoint": {
                    "address": endpoint.and_then(|endpoint| endpoint.address.clone()),
                    "port": endpoint.and_then(|endpoint| endpoint.port),
                },
            }})
        }
        "ExecuteStatement" => {
            let seconds = input.get("SessionKeepAliveSeconds").and_then(Value::as_u64);
            let execute = ExecuteStatement {
                sql: needed("Sql"),
                database: text("Database"),
                workgroup_name: text("WorkgroupName"),
                cluster_identifier: text("ClusterIdentifier"),
                db_user: text("DbUser"),
                secret_arn: text("SecretArn"),
                client_token: text("ClientToken"),
                statement_name: text("StatementName"),
                session_id: text("SessionId"),
                session_keep_alive_seconds: seconds.and_then(|seconds| seconds.try_into().ok()),
            };
            let begun = client.send(&execute).await?;
            json!({"Id": begun.id, "SessionId": begun.session_id})
        }
        "DescribeStatement" => {
            let describe = DescribeStatement { id: needed("Id") };
            let statement = client.send(&describe).await?;
            json!({
                "Status": statement.status,
                "Error": statement.error,
                "HasResultSet": statement.has_result_set,
                "ResultRows": statement.result_rows,
            })
        }
        "GetStatementResult" => {
            let get = GetStatementResult {
                id: needed("Id"),
                next_token: text("NextToken"),
            };
            let page = client.send(&get).await?;
            let json: Value = serde_json::from_slice(&page.json).unwrap_or_default();
            json!({
                "ColumnMetadata": json.get("ColumnMetadata"),
                "Records": json.get("Records"),
                "NextToken": page.next_token,
            })
        }
        "CancelStatement" => {
            let cancel = CancelStatement { id: needed("Id") };
            json!({"Status": client.send(&cancel).await?})
        }
        "GetTable" => {
            let get = GetTable {
                catalog_id: text("CatalogId"),
                database_name: needed("DatabaseName"),
                name: needed("Name"),
            };
            json!({"Table": client.send(&get).await?.members})
        }
        // GetTable, answered with the table as it is written back.
        "TableInput" => {
            let get = GetTable {
                catalog_id: None,
                database_name: needed("DatabaseName"),
                name: needed("Name"),
            };
            let input: Map<String, Value> = client.send(&get).await?.to_input();
            json!(input)
        }
        "GetItem" => {
            let get = GetItem {
                table_name: needed("TableName"),
                key: item(input.get("Key")),
            };
            json!({"Item": client.send(&get).await?})
        }
        "PutItem" => {
            let names = input.get("ExpressionAttributeNames").cloned();
            let put = PutItem {
                table_name: needed("TableName"),
                item: item(input.get("Item")),
                condition_expression: text("ConditionExpression"),
                expression_attribute_names: names
                    .and_then(|names| serde_json::from_value(names).ok())
                    .unwrap_or_default(),
                expression_attribute_values: item(input.get("ExpressionAttributeValues")),
            };
            client.send(&put).await?;
            json!({})
        }
        "BatchGetItem" => {
            let keys = input.pointer("/RequestItems/seen/Keys");
            let get = BatchGetItem {
                table_name: "seen".to_owned(),
                keys: keys
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .map(|key| item(Some(key)))
                    .collect(),
            };
            let read = client.send(&get).await?;
            json!({"Responses": {"seen": read.items}, "UnprocessedKeys": {"seen": {"Keys": read.unprocessed}}})
        }
        "BatchWriteItem" => {
            let puts = input
                .pointer("/RequestItems/seen")
                .and_then(Value::as_array);
            let write = BatchWriteItem {
                table_name: "seen".to_owned(),
                items: puts
                    .into_iter()
                    .flatten()
                    .map(|put| item(put.pointer("/PutRequest/Item")))
                    .collect(),
            };
            let left = client.send(&write).await?;
            let left: Vec<Value> = left
                .iter()
                .map(|item| json!({"PutRequest": {"Item": item}}))
                .collect();
            json!({"UnprocessedItems": {"seen": left}})
        }
        "ListCrawlers" => {
            let mut pages = client.pages(ListCrawlers {
                next_token: text("NextToken"),
            });
            let mut names = Vec::new();
            while let Some(page) = pages.next().await {
                names.extend(page?.crawler_names);
            }
            json!({"CrawlerNames": names})
        }
        "GetCrawler" => {
            let name = needed("Name");
            json!({"Crawler": client.send(&GetCrawler { name }).await?})
        }
        "ListCrawls" => {
            let mut pages = client.pages(ListCrawls {
                crawler_name: needed("CrawlerName"),
                max_results: Some(7),
                filters: vec![CrawlsFilter {
                    field_name: "START_TIME",
                    filter_operator: "GE",
                    field_value: "1700000000000".to_owned(),
                }],
                next_token: text("NextToken"),
            });
            let mut crawls = Vec::new();
            while let Some(page) = pages.next().await {
                crawls.extend(page?.crawls);
            }
            json!({"Crawls": crawls})
        }
        "GetTables" => {
            let mut pages = client.pages(GetTables {
                database_name: needed("DatabaseName"),
                next_token: text("NextToken"),
            });
            let mut tables = Vec::new();
            while let Some(page) = pages.next().await {
                tables.extend(page?.table_list);
            }
            json!({"TableList": tables})
        }
        "GetConnection" => {
            let name = needed("Name");
            json!({"Connection": client.send(&GetConnection { name }).await?})
        }
        "GetCallerIdentity" => {
            let caller = client.send(&GetCallerIdentity).await?;
            json!({"Account": caller.account})
        }
        "CreateDatabase" => {
            let database = input.get("DatabaseInput");
            let text_of = |name: &str| Some(database?.get(name)?.as_str()?.to_owned());
            let create = CreateDatabase {
                catalog_id: text("CatalogId"),
                name: text_of("Name").unwrap_or_default(),
                description: text_of("Description"),
            };
            client.send(&create).await?;
            json!({})
        }
        "CreateTable" => {
            let create = CreateTable {
                catalog_id: text("CatalogId"),
                database_name: needed("DatabaseName"),
                table_input: table_input(),
            };
            client.send(&create).await?;
            json!({})
        }
        "UpdateTable" => {
            let update = UpdateTable {
                catalog_id: text("CatalogId"),
                database_name: needed("DatabaseName"),
                table_input: table_input(),
                version_id: needed("VersionId"),
            };
            client.send(&update).await?;
            json!({})
        }
        "GetSecretValue" => {
            let get = GetSecretValue {
                secret_id: needed("SecretId"),
            };
            json!({"SecretString": client.send(&get).await?.secret_string})
        }
        "PublishBatch" => {
            let entries = input["PublishBatchRequestEntries"].as_array();
            let publish = PublishBatch {
                topic_arn: needed("TopicArn"),
                entries: entries.into_iter().flatten().map(entry).collect(),
            };
            let result = client.send(&publish).await?;
            let successful = result.successful.iter().map(|id| json!({"Id": id}));
            let failed = result
                .failed
                .iter()
                .map(|entry| json!({"Id": entry.id, "Code": entry.code, "Message": entry.message}));
            json!({
                "Successful": successful.collect::<Vec<_>>(),
                "Failed": failed.collect::<Vec<_>>(),
            })
        }
        "ListSubscriptionsByTopic" => {
            let mut pages = client.pages(ListSubscriptionsByTopic {
                topic_arn: needed("TopicArn"),
                next_token: text("NextToken"),
            });
            let mut subscriptions = Vec::new();
            while let Some(page) = pages.next().await {
                let found = page?.subscriptions.into_iter();
                subscriptions.extend(found.map(|found| {
                    json!({"SubscriptionArn": found.arn, "Protocol": found.protocol, "Endpoint": found.endpoint})
                }));
            }
            json!({"Subscriptions": subscriptions})
        }
        "GetSubscriptionAttributes" => {
            let get = GetSubscriptionAttributes {
                subscription_arn: needed("SubscriptionArn"),
            };
            let attributes: BTreeMap<_, _> = client.send(&get).await?.into_iter().collect();
            json!({"Attributes": attributes})
        }
        "PutObject" => {
            let put = PutObject {
                bucket: needed("Bucket"),
                key: needed("Key"),
                content_type: "application/json",
                body: needed("Body").into(),
            };
            client.send(&put).await?;
            json!({})
        }
        "GetObject" => {
            let get = GetObject {
                bucket: needed("Bucket"),
                key: needed("Key"),
            };
            let body = client.send(&get).await?;
            json!({"Body": String::from_utf8_lossy(&body)})
        }
        "ListObjectsV2" => {
            let mut pages = client.pages(ListObjects {
                bucket: needed("Bucket"),
                prefix: needed("Prefix"),
                start_after: text("StartAfter"),
                token: text("ContinuationToken"),
            });
            let mut objects = Vec::new();
            while let Some(page) = pages.next().await {
                objects.extend(page?.keys.into_iter().map(|key| json!({"Key": key})));
            }
            json!({"Contents": objects})
        }
        "DeleteObject" => {
            let delete = DeleteObject {
                bucket: needed("Bucket"),
                key: needed("Key"),
            };
            client.send(&delete).await?;
            json!({})
        }
        _ => Value::Null,
    })
}

/// Reads a message to publish.
fn entry(input: &Value) -> PublishBatchEntry {
    let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    let attributes = input.get("MessageAttributes").and_then(Value::as_object);
    let attribute = |(name, value): (&String, &Value)| {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        (name.clone(), text("DataType"), text("StringValue"))
    };
    PublishBatchEntry {
        id: text("Id").unwrap_or_default(),
        message: text("Message").unwrap_or_default(),
        attributes: attributes.into_iter().flatten().map(attribute).collect(),
        message_group_id: text("MessageGroupId"),
        message_deduplication_id: text("MessageDeduplicationId"),
    }
}
