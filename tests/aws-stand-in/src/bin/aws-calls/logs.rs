//! CloudWatch: logs, their queries, and metrics.

use aws::cloudwatch::ListMetrics;
use aws::logs::insights::{GetQueryResults, ResultField, StartQuery, StopQuery};
use aws::logs::{DescribeLogGroups, FilterLogEvents, GetLogEvents};
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
        "ListMetrics" => {
            let dimensions = input.0["Dimensions"].clone();
            let mut pages = client.pages(ListMetrics {
                namespace: input.needed("Namespace"),
                metric_name: input.needed("MetricName"),
                dimensions: serde_json::from_value(dimensions).unwrap_or_default(),
                next_token: input.text("NextToken"),
            });
            let mut metrics = Vec::new();
            while let Some(page) = pages.next().await {
                let found = page?.metrics.into_iter();
                metrics.extend(found.map(|metric| json!({"Dimensions": metric.dimensions})));
            }
            json!({"Metrics": metrics})
        }
        "FilterLogEvents" => {
            let mut pages = client.pages(FilterLogEvents {
                log_group_name: input.text("logGroupName"),
                log_group_identifier: input.text("logGroupIdentifier"),
                log_stream_name_prefix: input.text("logStreamNamePrefix"),
                filter_pattern: input.text("filterPattern"),
                start_time: input.number("startTime"),
                end_time: input.number("endTime"),
                next_token: input.text("nextToken"),
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
                log_group_name: input.text("logGroupName"),
                log_group_identifier: input.text("logGroupIdentifier"),
                log_stream_name: input.needed("logStreamName"),
                start_time: input.number("startTime").unwrap_or_default(),
                start_from_head: true,
                next_token: input.text("nextToken"),
            };
            let page = client.send(&get).await?;
            let events: Vec<Value> = (page.events.iter())
                .map(|event| json!({"timestamp": event.timestamp, "message": event.message}))
                .collect();
            json!({"events": events, "nextForwardToken": page.next_forward_token})
        }
        "DescribeLogGroups" => {
            let mut pages = client.pages(DescribeLogGroups {
                log_group_name_prefix: input.needed("logGroupNamePrefix"),
                next_token: input.text("nextToken"),
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
        "StartQuery" => {
            let names = input.0.get("logGroupNames").cloned().unwrap_or_default();
            let start = StartQuery {
                log_group_names: serde_json::from_value(names).unwrap_or_default(),
                start_time: input.number("startTime").unwrap_or_default(),
                end_time: input.number("endTime").unwrap_or_default(),
                query_string: input.needed("queryString"),
                limit: input
                    .number("limit")
                    .and_then(|limit| limit.try_into().ok()),
            };
            json!({"queryId": client.send(&start).await?.query_id})
        }
        "GetQueryResults" => {
            let get = GetQueryResults {
                query_id: input.needed("queryId"),
            };
            let results = client.send(&get).await?;
            let row = |row: &Vec<ResultField>| -> Vec<Value> {
                let field =
                    |field: &ResultField| json!({"field": field.field, "value": field.value});
                row.iter().map(field).collect()
            };
            let rows: Vec<Vec<Value>> = results.results.iter().map(row).collect();
            json!({"results": rows, "status": results.status.name()})
        }
        "StopQuery" => {
            let stop = StopQuery {
                query_id: input.needed("queryId"),
            };
            json!({"success": client.send(&stop).await?.success})
        }
        _ => return Ok(None),
    }))
}
