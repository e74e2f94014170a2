//! Redshift: provisioned clusters.

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Paginated, Request, Response};
use crate::service::{Exceptions, Protocol, Service};
use crate::xml;

/// Redshift.
pub static SERVICE: Service = Service {
    id: "Redshift",
    signing_name: "redshift",
    host: "redshift",
    protocol: Protocol::Query {
        version: "2012-12-01",
    },
    endpoints: Exceptions::GovCloudIsFips,
};

/// The error code where no cluster has that identifier: `ClusterNotFoundFault` in the model.
pub const CLUSTER_NOT_FOUND: &str = "ClusterNotFound";

/// Describes a cluster, or all clusters of the region (`redshift:DescribeClusters`).
#[derive(Debug, Clone, Default)]
pub struct DescribeClusters {
    /// One cluster.
    pub cluster_identifier: Option<String>,
    /// The page.
    pub marker: Option<String>,
}

/// The clusters of one page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clusters {
    /// The clusters.
    pub clusters: Vec<Cluster>,
    marker: Option<String>,
}

/// A cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Its identifier.
    pub identifier: String,
    /// `arn:aws:redshift:<region>:<account>:namespace:<id>`.
    pub namespace_arn: Option<String>,
    /// The host name, once it has one.
    pub address: Option<String>,
    /// The port.
    pub port: Option<u16>,
}

impl Operation for DescribeClusters {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "DescribeClusters";
    type Output = Clusters;

    fn request(&self) -> Request {
        Request::query::<Self>(&[
            ("ClusterIdentifier", self.cluster_identifier.as_deref()),
            ("Marker", self.marker.as_deref()),
        ])
    }

    fn read(response: Response) -> Result<Clusters, UnreadableResponse> {
        let mut output = Clusters::default();
        xml::document(&response.body, |name, result| match name {
            "DescribeClustersResult" => xml::children(result, |name, element| match name {
                "Clusters" => xml::children(element, |_, member| {
                    output.clusters.push(cluster(member)?);
                    Ok(())
                }),
                "Marker" => {
                    output.marker = Some(xml::text(element)?);
                    Ok(())
                }
                _ => Ok(()),
            }),
            _ => Ok(()),
        })?;
        Ok(output)
    }
}

impl Paginated for DescribeClusters {
    fn next_token(output: &Clusters) -> Option<&str> {
        output.marker.as_deref()
    }

    fn with_token(self, token: String) -> DescribeClusters {
        DescribeClusters {
            marker: Some(token),
            ..self
        }
    }
}

fn cluster(
    element: &mut aws_smithy_xml::decode::ScopedDecoder<'_, '_>,
) -> Result<Cluster, UnreadableResponse> {
    let mut cluster = Cluster::default();
    xml::children(element, |name, field| {
        match name {
            "ClusterIdentifier" => cluster.identifier = xml::text(field)?,
            "ClusterNamespaceArn" => cluster.namespace_arn = Some(xml::text(field)?),
            "Endpoint" => xml::children(field, |name, field| {
                match name {
                    "Address" => cluster.address = Some(xml::text(field)?),
                    "Port" => cluster.port = xml::text(field)?.parse().ok(),
                    _ => {}
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    match cluster.identifier.is_empty() {
        true => Err(UnreadableResponse::without("ClusterIdentifier")),
        false => Ok(cluster),
    }
}
