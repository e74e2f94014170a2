//! Which warehouse the statements ran in, and what its datasets are called. Called by `extract`; the settings and look-ups
//! that it comes from are in `fetch`.
//!
//! Names follow <https://openlineage.io/docs/spec/naming>: `redshift://host:port` and `database.schema.table`. The action
//! `redshift` of rules rewrites them to the form of a catalogue.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::catalogue::{Catalogue, ExternalSource};

/// Where statements ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warehouse {
    namespace: String,
    region: Option<String>,
    account: Option<String>,
    datashares: BTreeMap<String, DatasetName>,
}

/// A text that is not the address of a warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected host or host:port, without a scheme or a path")]
pub struct NotAnAddress;

/// The name of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetName {
    /// Its namespace.
    pub namespace: String,
    /// Its name in it.
    pub name: String,
}

/// A table of a warehouse, as its own catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Place {
    #[serde(rename = "d")]
    pub(super) database: String,
    #[serde(rename = "s")]
    pub(super) schema: String,
    #[serde(rename = "t")]
    pub(super) table: String,
}

/// What statements read and write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    Table(Place),
    S3 { bucket: String, key: String },
    DynamoDb(String),
    Emr { cluster: String, path: String },
}

impl Source {
    /// The files at a URL of S3.
    pub(super) fn at_s3(url: &str) -> Option<Source> {
        let (scheme, rest) = url.split_at_checked("s3://".len())?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let is_place = scheme.eq_ignore_ascii_case("s3://") && !bucket.is_empty();
        is_place.then(|| Source::S3 {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }
}

/// Redshift's own (<https://docs.aws.amazon.com/redshift/latest/mgmt/rs-ports.html>).
const DEFAULT_PORT: u16 = 5439;

/// The database by which Redshift names the Glue catalogue of its account.
const GLUE_DATABASE: &str = "awsdatacatalog";

impl Warehouse {
    /// Creates the warehouse at an address, `host` or `host:port`. Region and account follow from the host name where it
    /// has them: `workgroup.account.region.redshift-serverless.amazonaws.com`, `cluster.hash.region.redshift.amazonaws.com`.
    ///
    /// # Errors
    ///
    /// It is not an address.
    pub fn at(address: &str) -> Result<Warehouse, NotAnAddress> {
        let address = address
            .trim()
            .trim_start_matches("redshift://")
            .to_ascii_lowercase();
        let (host, port) = match address.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| NotAnAddress)?),
            None => (address.as_str(), DEFAULT_PORT),
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if host.is_empty() || host.len() > 255 || !host.bytes().all(is_plain) {
            return Err(NotAnAddress);
        }
        let labels: Vec<&str> = host.split('.').collect();
        let is_account =
            |label: &&str| label.len() == 12 && label.bytes().all(|byte| byte.is_ascii_digit());
        let (region, account) = match labels[..] {
            [_, second, region, "redshift-serverless" | "redshift", ..] => {
                (Some(region), Some(second).filter(is_account))
            }
            _ => (None, None),
        };
        Ok(Warehouse {
            namespace: format!("redshift://{host}:{port}"),
            region: region.map(str::to_owned),
            account: account.map(str::to_owned),
            datashares: BTreeMap::new(),
        })
    }

    /// Sets the region and the account where they are known otherwise.
    #[must_use]
    pub fn with_owner(self, region: Option<String>, account: Option<String>) -> Warehouse {
        Warehouse {
            region: region.or(self.region),
            account: account.or(self.account),
            ..self
        }
    }

    /// Names the databases of datashares as their producers do: `namespace` of the producer's warehouse and its database.
    #[must_use]
    pub fn with_datashares(self, datashares: BTreeMap<String, DatasetName>) -> Warehouse {
        Warehouse { datashares, ..self }
    }

    /// The namespace of its tables.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of what a statement reads or writes. `Err` is the name that it gets although where it is stored is unknown.
    pub(super) fn name(
        &self,
        source: &Source,
        catalogue: &Catalogue,
    ) -> Result<DatasetName, DatasetName> {
        let named = |namespace: String, name: String| Ok(DatasetName { namespace, name });
        match source {
            Source::Table(place) => self.table(place, catalogue),
            Source::S3 { bucket, key } => {
                // A folder is the same with and without its last slash; a root has none.
                let key = key.trim_matches('/');
                let key = if key.is_empty() { "/" } else { key };
                named(format!("s3://{bucket}"), key.to_owned())
            }
            // Not in the naming specification: after the pattern of Glue's names.
            Source::DynamoDb(table) => match (&self.region, &self.account) {
                (Some(region), Some(account)) => {
                    let namespace =
                        format!("arn:{}:dynamodb:{region}:{account}", partition(region));
                    named(namespace, format!("table/{table}"))
                }
                _ => named("dynamodb".to_owned(), format!("table/{table}")),
            },
            Source::Emr { cluster, path } => named(format!("hdfs://{cluster}"), format!("/{path}")),
        }
    }

    fn table(&self, place: &Place, catalogue: &Catalogue) -> Result<DatasetName, DatasetName> {
        let Place {
            database,
            schema,
            table,
        } = place;
        let own = || DatasetName {
            namespace: self.namespace.clone(),
            name: format!("{database}.{schema}.{table}"),
        };
        if database == GLUE_DATABASE {
            return self.glue(schema, table, None, None).ok_or_else(own);
        }
        if let Some(producer) = self.datashares.get(database) {
            return Ok(DatasetName {
                namespace: producer.namespace.clone(),
                name: format!("{}.{schema}.{table}", producer.name),
            });
        }
        match catalogue.external_schema(database, schema) {
            None | Some(ExternalSource::Unknown) => Ok(own()),
            Some(ExternalSource::Glue {
                database,
                region,
                account,
            }) => self
                .glue(database, table, region.as_deref(), account.as_deref())
                .ok_or_else(own),
            Some(ExternalSource::Redshift { database, schema }) => Ok(DatasetName {
                namespace: self.namespace.clone(),
                name: format!("{database}.{schema}.{table}"),
            }),
            Some(ExternalSource::Hive { address, database }) => Ok(DatasetName {
                namespace: format!("hive://{address}"),
                name: format!("{database}.{table}"),
            }),
            Some(ExternalSource::Postgres {
                address,
                database,
                schema,
            }) => Ok(DatasetName {
                namespace: format!("postgres://{address}"),
                name: format!("{database}.{schema}.{table}"),
            }),
            Some(ExternalSource::MySql { address, database }) => Ok(DatasetName {
                namespace: format!("mysql://{address}"),
                name: format!("{database}.{table}"),
            }),
        }
    }

    fn glue(
        &self,
        database: &str,
        table: &str,
        region: Option<&str>,
        account: Option<&str>,
    ) -> Option<DatasetName> {
        let region = region.or(self.region.as_deref())?;
        let account = account.or(self.account.as_deref())?;
        Some(DatasetName {
            namespace: format!("arn:{}:glue:{region}:{account}", partition(region)),
            name: format!("table/{database}/{table}"),
        })
    }
}

/// The partition of a region (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>).
fn partition(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVERLESS: &str =
        "corp-wg.111122223333.eu-west-1.redshift-serverless.amazonaws.com:5439";

    fn named(
        warehouse: &Warehouse,
        [database, schema, table]: [&str; 3],
        catalogue: &Catalogue,
    ) -> String {
        let place = Place {
            database: database.to_owned(),
            schema: schema.to_owned(),
            table: table.to_owned(),
        };
        let name = warehouse.name(&Source::Table(place), catalogue);
        match name {
            Ok(name) => format!("{} {}", name.namespace, name.name),
            Err(name) => format!("? {}", name.name),
        }
    }

    #[test]
    fn a_table_of_an_external_schema_is_named_as_its_glue_table() {
        let warehouse = Warehouse::at(SERVERLESS).unwrap();
        let mut catalogue = Catalogue::default();
        catalogue.add_external_schema("spectrum", 1, "lake", "{}");
        let name = named(&warehouse, ["dev", "spectrum", "clicks"], &catalogue);
        assert_eq!(
            name,
            "arn:aws:glue:eu-west-1:111122223333 table/lake/clicks"
        );
        let other = named(&warehouse, ["awsdatacatalog", "lake", "clicks"], &catalogue);
        assert_eq!(other, name);
    }

    #[test]
    fn the_catalogue_of_a_role_in_another_account_is_there() {
        let warehouse = Warehouse::at(SERVERLESS).unwrap();
        let mut catalogue = Catalogue::default();
        let options = r#"{"IAM_ROLE": "arn:aws:iam::111122223333:role/a,arn:aws:iam::444455556666:role/b", "REGION": "us-east-1"}"#;
        catalogue.add_external_schema("spectrum", 1, "lake", options);
        let name = named(&warehouse, ["dev", "spectrum", "clicks"], &catalogue);
        assert_eq!(
            name,
            "arn:aws:glue:us-east-1:444455556666 table/lake/clicks"
        );
    }

    #[test]
    fn a_cluster_does_not_tell_its_account() {
        let warehouse = Warehouse::at("dwh.abc123.eu-west-1.redshift.amazonaws.com").unwrap();
        assert_eq!(
            warehouse.namespace(),
            "redshift://dwh.abc123.eu-west-1.redshift.amazonaws.com:5439"
        );
        let name = named(
            &warehouse,
            ["awsdatacatalog", "lake", "clicks"],
            &Catalogue::default(),
        );
        assert_eq!(name, "? awsdatacatalog.lake.clicks");
        let owned = warehouse.with_owner(None, Some("111122223333".to_owned()));
        let name = named(
            &owned,
            ["awsdatacatalog", "lake", "clicks"],
            &Catalogue::default(),
        );
        assert!(name.starts_with("arn:aws:glue:eu-west-1:111122223333 "));
    }

    #[test]
    fn a_datashare_is_named_as_here_unless_it_is_known_whose_it_is() {
        let warehouse = Warehouse::at(SERVERLESS).unwrap();
        let place = ["partner_share", "public", "fx_rates"];
        let here = named(&warehouse, place, &Catalogue::default());
        assert!(here.ends_with(":5439 partner_share.public.fx_rates"));
        let producer = DatasetName {
            namespace: "redshift://partner.eu-west-1:5439".to_owned(),
            name: "prod".to_owned(),
        };
        let known = warehouse.with_datashares([("partner_share".to_owned(), producer)].into());
        let there = named(&known, place, &Catalogue::default());
        assert_eq!(
            there,
            "redshift://partner.eu-west-1:5439 prod.public.fx_rates"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "a b",
            "host:port",
            "https://host",
            "host/db",
            "host:1:2",
        ] {
            assert_eq!(Warehouse::at(text), Err(NotAnAddress), "{text}");
        }
    }
}
