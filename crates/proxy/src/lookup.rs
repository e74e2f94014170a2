//! Which endpoint a short Redshift name stands for: asked of AWS, and remembered.
//!
//! GetWorkgroup first, then DescribeClusters. Answers are kept, and so is that there is none; failures are kept for a
//! short while, so that a missing permission costs one call a minute and not one an event. Never an error: an event
//! whose name cannot be looked up goes on with the name it has.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::aws_error::said;
use aws::Aws;
use aws_config::{Region, SdkConfig};
use aws_sdk_redshift::operation::describe_clusters::DescribeClustersError;
use aws_sdk_redshiftserverless::operation::get_workgroup::GetWorkgroupError;
use futures::future::join_all;
use moka::Expiry;
use moka::future::Cache;
use transform::{Endpoint, Flavour, Lookup, ShortName};

/// How long answers are good for. A warehouse keeps its address for life; a name that is unknown may be created.
const FOUND: Duration = Duration::from_secs(3_600);
const NO_SUCH: Duration = Duration::from_secs(300);
const FAILED: Duration = Duration::from_secs(60);

/// Names that are remembered: more than an account has warehouses (quota 200), less than a stranger could invent.
const REMEMBERED: u64 = 10_000;

/// For both calls together. A batch waits for it once, not once an event.
const LOOKUP: Duration = Duration::from_secs(3);

/// The look-ups of one process.
#[derive(Debug, Clone)]
pub struct Lookups {
    aws: Option<Aws>,
    known: Cache<ShortName, Lookup>,
}

impl Lookups {
    /// Asks AWS for names that are not known yet.
    pub fn new(aws: &Aws) -> Lookups {
        Lookups::with(Some(aws.clone()))
    }

    /// Resolves no name.
    pub fn disabled() -> Lookups {
        Lookups::with(None)
    }

    fn with(aws: Option<Aws>) -> Lookups {
        let known = Cache::builder()
            .max_capacity(REMEMBERED)
            .expire_after(ByAnswer)
            .build();
        Lookups { aws, known }
    }

    /// The answers to `wanted`, from memory or asked side by side.
    pub async fn resolve(&self, wanted: BTreeSet<ShortName>) -> HashMap<ShortName, Lookup> {
        let Some(aws) = &self.aws else {
            return HashMap::new();
        };
        let resolved = wanted.into_iter().map(|name| async move {
            let ask = async {
                let asked =
                    tokio::time::timeout(LOOKUP, async { ask(aws.config().await, &name).await })
                        .await;
                asked.unwrap_or_else(|_| Lookup::Failed("the look-up took too long".to_owned()))
            };
            let answer = self.known.get_with_by_ref(&name, ask).await;
            (name, answer)
        });
        join_all(resolved).await.into_iter().collect()
    }
}

struct ByAnswer;

impl Expiry<ShortName, Lookup> for ByAnswer {
    fn expire_after_create(&self, _: &ShortName, answer: &Lookup, _: Instant) -> Option<Duration> {
        Some(match answer {
            Lookup::Found(_) => FOUND,
            Lookup::NoSuch => NO_SUCH,
            Lookup::Failed(_) => FAILED,
        })
    }
}

/// A workgroup of that name, or a cluster.
async fn ask(aws: &SdkConfig, name: &ShortName) -> Lookup {
    let workgroup = workgroup(aws, name).await;
    if let Ok(Some(endpoint)) = workgroup {
        return Lookup::Found(endpoint);
    }
    match (workgroup, cluster(aws, name).await) {
        (_, Ok(Some(endpoint))) => Lookup::Found(endpoint),
        (Ok(_), Ok(None)) => Lookup::NoSuch,
        (Err(error), Ok(None)) | (_, Err(error)) => Lookup::Failed(error),
    }
}

async fn workgroup(aws: &SdkConfig, name: &ShortName) -> Result<Option<Endpoint>, String> {
    let config = aws_sdk_redshiftserverless::config::Builder::from(aws)
        .region(Region::new(name.region.clone()));
    let client = aws_sdk_redshiftserverless::Client::from_conf(config.build());
    let workgroup = match client
        .get_workgroup()
        .workgroup_name(&name.identifier)
        .send()
        .await
    {
        Ok(answer) => answer.workgroup,
        Err(error) => match error.as_service_error() {
            // ValidationException: cluster identifiers may be shorter than workgroup names.
            Some(
                GetWorkgroupError::ResourceNotFoundException(_)
                | GetWorkgroupError::ValidationException(_),
            ) => None,
            _ => return Err(format!("GetWorkgroup: {}", said(&error))),
        },
    };
    Ok(workgroup.and_then(|workgroup| {
        let endpoint = workgroup.endpoint?;
        // arn:aws:redshift-serverless:<region>:<account>:workgroup/<id>
        let account = workgroup
            .workgroup_arn
            .as_deref()
            .and_then(|arn| arn.split(':').nth(4));
        Some(found(
            Flavour::Serverless,
            name,
            account.map(str::to_owned),
            endpoint.address?,
            endpoint.port,
        ))
    }))
}

async fn cluster(aws: &SdkConfig, name: &ShortName) -> Result<Option<Endpoint>, String> {
    let config =
        aws_sdk_redshift::config::Builder::from(aws).region(Region::new(name.region.clone()));
    let client = aws_sdk_redshift::Client::from_conf(config.build());
    let clusters = match client
        .describe_clusters()
        .cluster_identifier(&name.identifier)
        .send()
        .await
    {
        Ok(answer) => answer.clusters.unwrap_or_default(),
        Err(error) => match error.as_service_error() {
            Some(DescribeClustersError::ClusterNotFoundFault(_)) => Vec::new(),
            _ => return Err(format!("DescribeClusters: {}", said(&error))),
        },
    };
    Ok(clusters.into_iter().next().and_then(|cluster| {
        let endpoint = cluster.endpoint?;
        // arn:aws:redshift:<region>:<account>:namespace:<id>
        let account = cluster
            .cluster_namespace_arn
            .as_deref()
            .and_then(|arn| arn.split(':').nth(4));
        Some(found(
            Flavour::Provisioned,
            name,
            account.map(str::to_owned),
            endpoint.address?,
            endpoint.port,
        ))
    }))
}

fn found(
    flavour: Flavour,
    name: &ShortName,
    account: Option<String>,
    address: String,
    port: Option<i32>,
) -> Endpoint {
    Endpoint {
        flavour,
        identifier: name.identifier.clone(),
        region: name.region.clone(),
        account,
        address,
        port: port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(name.port),
    }
}
