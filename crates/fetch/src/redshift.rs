//! Amazon Redshift: the history of statements, by the Data API. No password and no path into the VPC are needed.
//!
//! A poll asks for the statements that started since the position of the cursor, then for what their rows do not hold:
//! long texts, columns, steps, how transactions ended (`redshift/poll.rs`). Statements run by `redshift/data_api.rs`.
//! What they mean, and where the next poll begins, is decided in `sources`; `redshift/cursor.rs` writes it down.
//!
//! Each poll wakes a workgroup that is paused, and is paid for then: so it is made every [`RedshiftSource::INTERVAL`], with
//! one session for all of its statements.

mod cursor;
mod data_api;
mod poll;
mod settings;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ::sources::redshift::{Catalogue, History, Warehouse};
use aws::redshift::DescribeClusters;
use aws::redshift_serverless::GetWorkgroup;
use aws::{Aws, Client};
use time::OffsetDateTime;

use crate::{Checkpoint, FetchError, Fetched};
use cursor::Cursor;
use data_api::DataApi;
use poll::Limit;

pub(crate) use settings::SavedHistory;
pub use settings::{RedshiftConfig, RedshiftSettings, WarehouseName};

/// What fetches the statements of a warehouse.
#[derive(Debug)]
pub struct RedshiftSource {
    config: RedshiftConfig,
    client: Client,
    data_api: DataApi,
    warehouse: Option<Warehouse>,
    catalogue: Catalogue,
    /// Users and the version.
    about: History,
    /// When databases, schemas and users were asked for.
    surroundings: Option<OffsetDateTime>,
    limit: Limit,
}

impl RedshiftSource {
    /// How often to poll, without a setting: a poll may wake a paused workgroup, which costs a minute of it.
    pub const INTERVAL: Duration = Duration::from_secs(15 * 60);

    /// Creates a source that has called nothing yet.
    pub fn new(config: RedshiftConfig, aws: &Aws) -> RedshiftSource {
        let aws = aws.assume(config.role.as_ref(), "redshift");
        let client = match &config.region {
            Some(region) => aws.client().region(region.clone()),
            None => aws.client(),
        };
        RedshiftSource {
            data_api: DataApi::new(&config, client.clone()),
            config,
            client,
            warehouse: None,
            catalogue: Catalogue::default(),
            about: History::default(),
            surroundings: None,
            limit: Limit::default(),
        }
    }

    /// Polls the warehouse for the statements that started since the position of the cursor.
    ///
    /// # Errors
    ///
    /// The service does not answer or refuses, a view that is needed cannot be read, or the cursor is none of this source.
    pub async fn next(
        &mut self,
        cursor: Option<&serde_json::Value>,
        now: OffsetDateTime,
    ) -> Result<Fetched, FetchError> {
        let at = match cursor {
            Some(cursor) => Cursor::read(cursor)?,
            None => Cursor::beginning(self.config.begin(now)),
        };
        let warehouse = self.warehouse().await?;
        let (found, is_complete) = self.poll(&at, &warehouse, now).await?;
        let next = Cursor {
            from: found.next,
            state: found.state,
        };
        Ok(Fetched {
            extraction: found.extraction,
            checkpoint: Checkpoint::Cursor(next.written()),
            more: !is_complete,
        })
    }

    /// The warehouse, whose endpoint is looked up once unless it is set.
    async fn warehouse(&mut self) -> Result<Warehouse, FetchError> {
        if let Some(warehouse) = &self.warehouse {
            return Ok(warehouse.clone());
        }
        let (address, account) = match &self.config.host {
            Some(host) => (host.clone(), None),
            None => self.endpoint().await?,
        };
        let warehouse = Warehouse::at(&address).map_err(|error| {
            FetchError::Refused(format!("the endpoint of the warehouse: {error}"))
        })?;
        let of_role = || Some(self.config.role.as_ref()?.account()?.to_owned());
        let account = self.config.account.clone().or(account).or_else(of_role);
        let warehouse = warehouse
            .with_owner(self.config.region.clone(), account)
            .with_datashares(self.config.datashares.clone());
        self.warehouse = Some(warehouse.clone());
        Ok(warehouse)
    }

    /// The address of the warehouse, and the account that it belongs to.
    async fn endpoint(&self) -> Result<(String, Option<String>), FetchError> {
        let named = |host: Option<String>, port: Option<u16>, arn: Option<String>| {
            let host = host.ok_or_else(|| {
                FetchError::Unavailable("the warehouse has no endpoint yet".to_owned())
            })?;
            let address = match port {
                Some(port) => format!("{host}:{port}"),
                None => host,
            };
            let account = arn.and_then(|arn| arn.split(':').nth(4).map(str::to_owned));
            Ok((address, account))
        };
        match &self.config.warehouse {
            WarehouseName::Workgroup(name) => {
                let get = GetWorkgroup {
                    workgroup_name: name.clone(),
                };
                let workgroup = self.client.send(&get).await;
                let workgroup = workgroup.map_err(|error| FetchError::of(&error))?;
                let endpoint = workgroup.endpoint;
                let (host, port) = endpoint.map_or((None, None), |it| (it.address, it.port));
                named(host, port, workgroup.workgroup_arn)
            }
            WarehouseName::Cluster { name, .. } => {
                let mut pages = self.client.pages(DescribeClusters {
                    cluster_identifier: Some(name.clone()),
                    marker: None,
                });
                let page = pages.next().await.transpose();
                let page = page.map_err(|error| FetchError::of(&error))?;
                let cluster = page.and_then(|page| page.clusters.into_iter().next());
                let cluster = cluster
                    .ok_or_else(|| FetchError::Refused(format!("there is no cluster {name}")))?;
                named(cluster.address, cluster.port, cluster.namespace_arn)
            }
        }
    }
}
