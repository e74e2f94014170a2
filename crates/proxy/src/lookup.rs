//! Looks up the endpoint of a short Redshift name in AWS, and caches it.
//!
//! Calls GetWorkgroup first, then DescribeClusters. Caches endpoints, and that there is none; caches failures for a short
//! while, so that a missing permission costs one call a minute and not one an event. Never fails: an event whose name cannot
//! be looked up keeps its name.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use aws::redshift::{CLUSTER_NOT_FOUND, DescribeClusters};
use aws::redshift_serverless::{GetWorkgroup, INVALID, NOT_FOUND};
use aws::{Aws, Client};
use futures_util::future::join_all;
use moka::Expiry;
use moka::future::Cache;
use transform::{Endpoint, Flavour, Lookup, ShortName};

use crate::aws_error::summarize;

/// How long answers are cached. A warehouse keeps its address for life; an unknown name may be created.
const FOUND: Duration = Duration::from_secs(3_600);
const NO_SUCH: Duration = Duration::from_secs(300);
const FAILED: Duration = Duration::from_secs(60);

/// Names that are cached: more than an account has warehouses (quota 200), less than a stranger could invent.
const CACHED: u64 = 10_000;

/// The time-out of both calls together. A batch waits for it once, not once an event.
const LOOKUP: Duration = Duration::from_secs(3);

/// The lookups of one process.
#[derive(Debug, Clone)]
pub struct Lookups {
    aws: Option<Aws>,
    cache: Cache<ShortName, Lookup>,
}

impl Lookups {
    /// Asks AWS for names that are not cached.
    pub fn new(aws: &Aws) -> Lookups {
        Lookups::with(Some(aws.clone()))
    }

    /// Resolves no name.
    pub fn disabled() -> Lookups {
        Lookups::with(None)
    }

    fn with(aws: Option<Aws>) -> Lookups {
        let cache = Cache::builder()
            .max_capacity(CACHED)
            .expire_after(ByAnswer)
            .build();
        Lookups { aws, cache }
    }

    /// Returns the answers for `wanted`, from the cache or from AWS, all at the same time.
    pub async fn resolve(&self, wanted: BTreeSet<ShortName>) -> HashMap<ShortName, Lookup> {
        let Some(aws) = &self.aws else {
            return HashMap::new();
        };
        let resolved = wanted.into_iter().map(|name| async move {
            let lookup = async {
                let answer = tokio::time::timeout(LOOKUP, look_up(aws, &name)).await;
                answer.unwrap_or_else(|_| Lookup::Failed("the lookup timed out".to_owned()))
            };
            let answer = self.cache.get_with_by_ref(&name, lookup).await;
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

/// Looks for a workgroup with that name, then for a cluster.
async fn look_up(aws: &Aws, name: &ShortName) -> Lookup {
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

async fn workgroup(aws: &Aws, name: &ShortName) -> Result<Option<Endpoint>, String> {
    let get = GetWorkgroup {
        workgroup_name: name.identifier.clone(),
    };
    let workgroup = match client(aws, name).send(&get).await {
        Ok(workgroup) => workgroup,
        // Cluster identifiers may be shorter than workgroup names.
        Err(error) if error.is(NOT_FOUND) || error.is(INVALID) => return Ok(None),
        Err(error) => return Err(format!("GetWorkgroup: {}", summarize(&error))),
    };
    // arn:aws:redshift-serverless:<region>:<account>:workgroup/<id>
    let account = account(workgroup.workgroup_arn.as_deref());
    Ok(workgroup.endpoint.and_then(|endpoint| {
        let (address, port) = (endpoint.address?, endpoint.port);
        Some(found(Flavour::Serverless, name, account, address, port))
    }))
}

async fn cluster(aws: &Aws, name: &ShortName) -> Result<Option<Endpoint>, String> {
    let describe = DescribeClusters {
        cluster_identifier: Some(name.identifier.clone()),
        marker: None,
    };
    let clusters = match client(aws, name).send(&describe).await {
        Ok(answer) => answer.clusters,
        Err(error) if error.is(CLUSTER_NOT_FOUND) => return Ok(None),
        Err(error) => return Err(format!("DescribeClusters: {}", summarize(&error))),
    };
    Ok(clusters.into_iter().next().and_then(|cluster| {
        // arn:aws:redshift:<region>:<account>:namespace:<id>
        let account = account(cluster.namespace_arn.as_deref());
        let (address, port) = (cluster.address?, cluster.port);
        Some(found(Flavour::Provisioned, name, account, address, port))
    }))
}

/// Returns a client in the region of the name.
fn client(aws: &Aws, name: &ShortName) -> Client {
    aws.client().region(name.region.as_str()).timeout(LOOKUP)
}

fn account(arn: Option<&str>) -> Option<String> {
    arn?.split(':').nth(4).map(str::to_owned)
}

fn found(
    flavour: Flavour,
    name: &ShortName,
    account: Option<String>,
    address: String,
    port: Option<u16>,
) -> Endpoint {
    Endpoint {
        flavour,
        identifier: name.identifier.clone(),
        region: name.region.clone(),
        account,
        address,
        port: port.unwrap_or(name.port),
    }
}
