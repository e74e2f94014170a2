//! Which endpoint a short Redshift name stands for: asked of AWS, and remembered.
//!
//! GetWorkgroup first, then DescribeClusters. Answers are kept, and so is that there is none; failures are kept for a
//! short while, so that a missing permission costs one call a minute and not one an event. Never an error: an event
//! whose name cannot be looked up goes on with the name it has.

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
                let asked = tokio::time::timeout(LOOKUP, ask(aws, &name)).await;
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
async fn ask(aws: &Aws, name: &ShortName) -> Lookup {
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

/// A client in the region that the name says.
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
