//! Redshift: its two kinds of warehouses, and the Data API.

use aws::redshift::DescribeClusters;
use aws::redshift_data::{
    CancelStatement, DescribeStatement, ExecuteStatement, GetStatementResult,
};
use aws::redshift_serverless::GetWorkgroup;
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
        "DescribeClusters" => {
            let mut pages = client.pages(DescribeClusters {
                cluster_identifier: input.text("ClusterIdentifier"),
                marker: input.text("Marker"),
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
        "GetWorkgroup" => {
            let get = GetWorkgroup {
                workgroup_name: input.needed("workgroupName"),
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
            let seconds = input
                .0
                .get("SessionKeepAliveSeconds")
                .and_then(Value::as_u64);
            let execute = ExecuteStatement {
                sql: input.needed("Sql"),
                database: input.text("Database"),
                workgroup_name: input.text("WorkgroupName"),
                cluster_identifier: input.text("ClusterIdentifier"),
                db_user: input.text("DbUser"),
                secret_arn: input.text("SecretArn"),
                client_token: input.text("ClientToken"),
                statement_name: input.text("StatementName"),
                session_id: input.text("SessionId"),
                session_keep_alive_seconds: seconds.and_then(|seconds| seconds.try_into().ok()),
            };
            let begun = client.send(&execute).await?;
            json!({"Id": begun.id, "SessionId": begun.session_id})
        }
        "DescribeStatement" => {
            let describe = DescribeStatement {
                id: input.needed("Id"),
            };
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
                id: input.needed("Id"),
                next_token: input.text("NextToken"),
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
            let cancel = CancelStatement {
                id: input.needed("Id"),
            };
            json!({"Status": client.send(&cancel).await?})
        }
        _ => return Ok(None),
    }))
}
