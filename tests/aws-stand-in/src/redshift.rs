//! The two look-ups: GetWorkgroup (AWS JSON 1.1, 2021-04-21) and DescribeClusters (AWS Query, 2012-12-01).

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Account, Shared};

/// A serverless workgroup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Workgroup {
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Its port.
    pub port: u16,
}

/// A provisioned cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    /// Its full host name.
    pub address: String,
    /// Its port.
    pub port: u16,
}

/// The XML namespace of the Query protocol's answers.
const XMLNS: &str = "http://redshift.amazonaws.com/doc/2012-12-01/";

pub(crate) async fn look_up(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let hangs = shared.lock().settings.lookups_hang.clone();
    if hangs.is_some_and(|name| body.contains(&name)) {
        return std::future::pending().await;
    }
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok());
    let (operation, response) = match target {
        Some("RedshiftServerless.GetWorkgroup") => {
            ("GetWorkgroup", get_workgroup(&shared.lock(), &body))
        }
        Some(_) => ("unknown", StatusCode::BAD_REQUEST.into_response()),
        None => ("DescribeClusters", describe_clusters(&shared.lock(), &body)),
    };
    shared.count(operation, response.status().as_u16());
    response
}

fn get_workgroup(inside: &Account, body: &str) -> Response {
    let error = |code: &str, message: &str| {
        let body = Json(json!({"__type": code, "message": message}));
        (StatusCode::BAD_REQUEST, body).into_response()
    };
    if inside.settings.lookups_denied || inside.settings.workgroups_denied {
        let message = "not authorized to perform: redshift-serverless:GetWorkgroup";
        return error("AccessDeniedException", message);
    }
    if inside.settings.lookups_throttled {
        return error("ThrottlingException", "Rate exceeded");
    }
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let name = request
        .get("workgroupName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let Some(Workgroup {
        account,
        region,
        port,
    }) = inside.settings.workgroups.get(name)
    else {
        return error("ResourceNotFoundException", "The workgroup doesn't exist.");
    };
    let address = format!("{name}.{account}.{region}.redshift-serverless.amazonaws.com");
    let workgroup = json!({
        "workgroupName": name,
        "workgroupArn": format!("arn:aws:redshift-serverless:{region}:{account}:workgroup/0f0f0f0f"),
        "endpoint": {"address": address, "port": port},
        "status": "AVAILABLE",
    });
    Json(json!({"workgroup": workgroup})).into_response()
}

fn describe_clusters(inside: &Account, body: &str) -> Response {
    let xml = |status: StatusCode, body: String| {
        (status, [(header::CONTENT_TYPE, "text/xml")], body).into_response()
    };
    let error = |status, code: &str, message: &str| {
        let error = format!(
            "<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        xml(
            status,
            format!(
                "<ErrorResponse xmlns=\"{XMLNS}\">{error}<RequestId>0</RequestId></ErrorResponse>"
            ),
        )
    };
    let is_denied = inside.settings.lookups_denied || inside.settings.clusters_denied;
    if is_denied || !inside.allows("redshift:DescribeClusters") {
        let message = "not authorized to perform: redshift:DescribeClusters";
        return error(StatusCode::FORBIDDEN, "AccessDenied", message);
    }
    if inside.settings.lookups_throttled {
        return error(StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded");
    }
    let pairs = body
        .split('&')
        .find_map(|pair| pair.strip_prefix("ClusterIdentifier="));
    let name = pairs.unwrap_or_default();
    let Some(Cluster { address, port }) = inside.settings.clusters.get(name) else {
        return error(
            StatusCode::NOT_FOUND,
            "ClusterNotFound",
            "Cluster not found.",
        );
    };
    let endpoint = format!("<Endpoint><Address>{address}</Address><Port>{port}</Port></Endpoint>");
    let cluster =
        format!("<Cluster><ClusterIdentifier>{name}</ClusterIdentifier>{endpoint}</Cluster>");
    let result =
        format!("<DescribeClustersResult><Clusters>{cluster}</Clusters></DescribeClustersResult>");
    let metadata = "<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata>";
    let body = format!(
        "<DescribeClustersResponse xmlns=\"{XMLNS}\">{result}{metadata}</DescribeClustersResponse>"
    );
    xml(StatusCode::OK, body)
}
