//! Looks up the endpoint of a short Redshift name in AWS, and caches it.
//!
//! Calls GetWorkgroup first, then DescribeClusters. Caches what it finds, and that a name does not exist. Caches failures
//! too, but for a short time, so that a missing permission costs one call a minute and not one for each event. Never
//! fails: an event whose name cannot be looked up keeps its name. Called by the pipeline.

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

/// How long an endpoint is cached: a warehouse never changes its address.
const FOUND_TTL: Duration = Duration::from_secs(3_600);
/// How long it is cached that a name does not exist: somebody may create it.
const NOT_FOUND_TTL: Duration = Duration::from_secs(300);
/// How long a failure is cached.
const FAILED_TTL: Duration = Duration::from_secs(60);

/// The most names in the cache: more than an account has warehouses (quota 200), fewer than a stranger could invent.
const CACHE_CAPACITY: u64 = 10_000;

/// The timeout of both calls together. A batch waits for it once, not once for each event.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// The lookups of one process.
#[derive(Debug, Clone)]
pub struct Lookups {
    aws: Option<Aws>,
    cache: Cache<ShortName, Lookup>,
}

impl Lookups {
    /// Looks up names in AWS that are not cached: in the account of these credentials.
    pub fn new(aws: &Aws) -> Lookups {
        Lookups::with(Some(aws.clone()))
    }

    /// Resolves no name.
    pub fn disabled() -> Lookups {
        Lookups::with(None)
    }

    fn with(aws: Option<Aws>) -> Lookups {
        let cache = Cache::builder()
            .max_capacity(CACHE_CAPACITY)
            .expire_after(LookupExpiry)
            .build();
        Lookups { aws, cache }
    }

    /// Returns the results for `names`, from the cache or from AWS. All names are looked up at the same time.
    pub async fn resolve(&self, names: BTreeSet<ShortName>) -> HashMap<ShortName, Lookup> {
        let Some(aws) = &self.aws else {
            return HashMap::new();
        };
        let resolved = names.into_iter().map(|name| async move {
            let lookup = async {
                let result = tokio::time::timeout(LOOKUP_TIMEOUT, look_up(aws, &name)).await;
                result.unwrap_or_else(|_| Lookup::Failed("the lookup timed out".to_owned()))
            };
            let result = self.cache.get_with_by_ref(&name, lookup).await;
            (name, result)
        });
        join_all(resolved).await.into_iter().collect()
    }
}

struct LookupExpiry;

impl Expiry<ShortName, Lookup> for LookupExpiry {
    fn expire_after_create(&self, _: &ShortName, result: &Lookup, _: Instant) -> Option<Duration> {
        Some(match result {
            Lookup::Found(_) => FOUND_TTL,
            Lookup::NotFound => NOT_FOUND_TTL,
            Lookup::Failed(_) => FAILED_TTL,
        })
    }
}

/// Looks for a workgroup of that name, then for a cluster.
async fn look_up(aws: &Aws, name: &ShortName) -> Lookup {
    let workgroup = workgroup(aws, name).await;
    if let Ok(Some(endpoint)) = workgroup {
        return Lookup::Found(endpoint);
    }
    match (workgroup, cluster(aws, name).await) {
        (_, Ok(Some(endpoint))) => Lookup::Found(endpoint),
        (Ok(_), Ok(None)) => Lookup::NotFound,
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
        Some(endpoint_of(
            Flavour::Serverless,
            name,
            account,
            address,
            port,
        ))
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
        Some(endpoint_of(
            Flavour::Provisioned,
            name,
            account,
            address,
            port,
        ))
    }))
}

/// Returns a client in the region of the name.
fn client(aws: &Aws, name: &ShortName) -> Client {
    aws.client()
        .region(name.region.as_str())
        .timeout(LOOKUP_TIMEOUT)
}

fn account(arn: Option<&str>) -> Option<String> {
    arn?.split(':').nth(4).map(str::to_owned)
}

fn endpoint_of(
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

#[cfg(test)]
mod tests {
    use aws_stand_in::{AssumableRole, Settings, StandIn};

    use super::*;

    const ROLE: &str = "arn:aws:iam::444455556666:role/lookup";

    fn names() -> BTreeSet<ShortName> {
        let name = |identifier: &str, region: &str| ShortName {
            identifier: identifier.to_owned(),
            region: region.to_owned(),
            port: 5_439,
        };
        [name("wg", "eu-west-1"), name("dwh", "us-east-1")].into()
    }

    /// The warehouses of another account, which its role alone may look up.
    async fn resolved(roles: &[&str]) -> (HashMap<ShortName, Lookup>, StandIn) {
        let trusting = |role: &&str| ((*role).to_owned(), AssumableRole::default());
        let settings = Settings {
            owner: Some(ROLE.to_owned()),
            roles: roles.iter().map(trusting).collect(),
            ..Settings::warehouses()
        };
        let address = ([127, 0, 0, 1], 0).into();
        let service = StandIn::start(address, settings).await.unwrap();
        let role = aws::Role::of(Some(ROLE.to_owned()), None::<String>).unwrap();
        let lookups = Lookups::new(&service.aws().assume(role.as_ref(), "lookup"));
        (lookups.resolve(names()).await, service)
    }

    #[tokio::test]
    async fn warehouses_of_another_account_are_looked_up_by_a_role_that_is_assumed_once() {
        let (found, service) = resolved(&[ROLE]).await;
        for (name, lookup) in found {
            assert!(matches!(lookup, Lookup::Found(_)), "{name:?}: {lookup:?}");
        }
        let sessions = service.sessions();
        let [session] = sessions.as_slice() else {
            panic!("{sessions:?}");
        };
        assert_eq!(session.name, "lineage-proxy-lookup");
    }

    #[tokio::test]
    async fn a_role_that_may_not_be_assumed_is_named_and_the_look_up_has_failed() {
        let (found, _service) = resolved(&[]).await;
        assert_eq!(found.len(), 2);
        for (name, lookup) in found {
            let Lookup::Failed(why) = &lookup else {
                panic!("{name:?}: {lookup:?}");
            };
            assert!(
                why.contains(&format!("role {ROLE} cannot be assumed")),
                "{why}"
            );
        }
    }
}
