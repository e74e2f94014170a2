//! The settings of this source as they are written, and their check.

mod config;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{
    AccountId, CheckedText, Choice, ExternalId, Flag, List, OneOf, Pairs, RoleArn, Seconds,
    Setting, Text, TextCheck,
};
use sources::redshift::{DatasetName, Options, Reporter, SqlFacet, Warehouse};

use crate::SettingError;
pub(crate) use config::SavedHistory;
pub use config::{RedshiftConfig, WarehouseName};

/// How far back the first poll reads without a setting.
const LOOKBACK: Duration = Duration::from_secs(24 * 3600);

/// How late the row of a statement may appear, without a setting. Redshift documents no limit.
const OVERLAP: Duration = Duration::from_secs(15 * 60);

/// For how long the views keep statements
/// (<https://docs.aws.amazon.com/redshift/latest/dg/serverless_views-monitoring.html>: seven days).
const KEPT_SECONDS: u64 = 7 * 24 * 3600;

/// The settings of a source of Redshift's history.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedshiftSettings {
    /// The serverless workgroup. Either this or `cluster` is required.
    pub workgroup: Option<Setting<CheckedText<Workgroup>>>,
    /// The provisioned cluster, by its identifier.
    pub cluster: Option<Setting<CheckedText<Cluster>>>,
    /// The database to connect to. Required. The history is that of all databases; external schemas and late-binding views
    /// are those of this one.
    pub database: Option<Setting<Text>>,
    /// The databases whose statements are reported. All, without it.
    pub databases: Setting<List>,
    /// The user of the cluster to connect as. The user of the IAM identity, without it.
    pub db_user: Option<Setting<Text>>,
    /// The ARN of a secret with user and password, in place of the IAM identity.
    pub secret_arn: Option<Setting<Text>>,
    /// The region of the warehouse, if it differs from that of the process.
    pub region: Option<Setting<Text>>,
    /// A role to assume, such as one in the account of the warehouse.
    pub role_arn: Option<Setting<RoleArn>>,
    /// The external id that the trust policy of the role asks for, if it does.
    pub external_id: Option<Setting<CheckedText<ExternalId>>>,
    /// The host of the warehouse, with or without a port, as names of tables have it. Looked up without it.
    pub host: Option<Setting<CheckedText<Host>>>,
    /// The account of the warehouse, for names of tables in Glue. Looked up without it.
    pub account: Option<Setting<CheckedText<AccountId>>>,
    /// How much of the text of statements is in events: with literals, without, or nothing.
    pub sql: Setting<OneOf<SqlText>>,
    /// Whether `INSERT … VALUES` has an event, too. It reads nothing.
    pub insert_values: Setting<Flag>,
    /// Whether there is an event at the start of each statement, too. The other one has both times.
    pub start_events: Setting<Flag>,
    /// Who reports its statements itself, so that these are left out: `dbt`, `airflow`. Known by their comments.
    pub skip: Setting<List>,
    /// The namespace of jobs. That of the warehouse, without it.
    pub job_namespace: Option<Setting<Text>>,
    /// The databases of datashares, each with `host:port/database` of its producer. Named as here, without it.
    pub datashares: Setting<Pairs>,
    /// How late a statement may appear in the history. So much is read again each time.
    pub overlap: Setting<Seconds<60, { 24 * 3600 }>>,
    /// How far back the first poll reads. Later polls continue where the last one ended.
    pub lookback: Setting<Seconds<0, KEPT_SECONDS>>,
}

/// How much of the text of statements is in events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SqlText {
    /// All of it.
    Full,
    /// Without literals.
    #[default]
    Redacted,
    /// Nothing.
    None,
}

/// The name of a workgroup.
pub enum Workgroup {}

/// The identifier of a cluster.
pub enum Cluster {}

/// The host of a warehouse.
pub enum Host {}

impl Choice for SqlText {
    const CHOICES: &'static [(&'static str, SqlText)] = &[
        ("full", SqlText::Full),
        ("redacted", SqlText::Redacted),
        ("none", SqlText::None),
    ];
}

impl TextCheck for Workgroup {
    const EXPECTED: &'static str =
        "the name of a workgroup: 3 to 64 lower-case letters, digits and -";

    fn is_valid(text: &str) -> bool {
        (3..=64).contains(&text.len()) && text.bytes().all(is_of_name)
    }
}

impl TextCheck for Cluster {
    const EXPECTED: &'static str =
        "the identifier of a cluster: 1 to 63 lower-case letters, digits and -";

    fn is_valid(text: &str) -> bool {
        (1..=63).contains(&text.len()) && text.bytes().all(is_of_name)
    }
}

impl TextCheck for Host {
    const EXPECTED: &'static str = "a host, or host:port";

    fn is_valid(text: &str) -> bool {
        Warehouse::at(text).is_ok()
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

impl Default for RedshiftSettings {
    fn default() -> RedshiftSettings {
        RedshiftSettings {
            workgroup: None,
            cluster: None,
            database: None,
            databases: Setting::default(),
            db_user: None,
            secret_arn: None,
            region: None,
            role_arn: None,
            external_id: None,
            host: None,
            account: None,
            sql: Setting::default(),
            insert_values: Setting(false),
            start_events: Setting(false),
            skip: Setting::default(),
            job_namespace: None,
            datashares: Setting::default(),
            overlap: Setting(OVERLAP),
            lookback: Setting(LOOKBACK),
        }
    }
}

impl RedshiftSettings {
    /// Checks the settings together.
    ///
    /// # Errors
    ///
    /// All that is wrong: no warehouse or two, no database, a user where none can be given, an unknown reporter, a datashare
    /// without a database, an external id without a role.
    pub fn validate(self) -> Result<RedshiftConfig, Vec<SettingError>> {
        let mut errors = Vec::new();
        let mut invalid = |setting, problem: &str| {
            let problem = problem.to_owned();
            errors.push(SettingError { setting, problem });
        };
        let options = self.options(&mut invalid);
        let datashares = self.datashares(&mut invalid);
        let user = self.db_user.map(Setting::into_value);
        if user.is_some() && self.secret_arn.is_some() {
            invalid("db_user", "the secret of secret_arn has the user");
        }
        if user.is_some() && self.workgroup.is_some() {
            invalid(
                "db_user",
                "a workgroup takes the user of the IAM identity, or of secret_arn",
            );
        }
        let workgroup = self.workgroup.map(Setting::into_value);
        let cluster = self.cluster.map(Setting::into_value);
        let warehouse = match (workgroup, cluster) {
            (Some(name), None) => Some(WarehouseName::Workgroup(name)),
            (None, Some(name)) => Some(WarehouseName::Cluster { name, user }),
            (None, None) => {
                invalid("workgroup", "required, or cluster");
                None
            }
            (Some(_), Some(_)) => {
                invalid(
                    "cluster",
                    "there is workgroup already: a source has one warehouse",
                );
                None
            }
        };
        let database = self.database.map(Setting::into_value);
        if database.is_none() {
            invalid("database", "required");
        }
        let role = Role::of(self.role_arn, self.external_id);
        let role = role
            .map_err(|error| errors.push(error.into()))
            .ok()
            .flatten();
        match (warehouse, database) {
            (Some(warehouse), Some(database)) if errors.is_empty() => Ok(RedshiftConfig {
                role,
                warehouse,
                database,
                secret_arn: self.secret_arn.map(Setting::into_value),
                region: self.region.map(Setting::into_value),
                host: self.host.map(Setting::into_value),
                account: self.account.map(Setting::into_value),
                datashares,
                options,
                overlap: *self.overlap,
                lookback: *self.lookback,
                since: None,
                until: None,
                deadline: None,
            }),
            _ => Err(errors),
        }
    }

    /// Checks the settings for results that were saved.
    pub(crate) fn saved(self) -> Result<SavedHistory, Vec<SettingError>> {
        let mut errors = Vec::new();
        let mut invalid = |setting, problem: &str| {
            let problem = problem.to_owned();
            errors.push(SettingError { setting, problem });
        };
        let options = self.options(&mut invalid);
        let datashares = self.datashares(&mut invalid);
        // Its form was checked when it was read.
        let warehouse = self.host.and_then(|host| Warehouse::at(&host).ok());
        if warehouse.is_none() {
            invalid("host", "required: saved results do not tell it");
        }
        match warehouse {
            Some(warehouse) if errors.is_empty() => Ok(SavedHistory {
                warehouse: warehouse
                    .with_owner(
                        self.region.map(Setting::into_value),
                        self.account.map(Setting::into_value),
                    )
                    .with_datashares(datashares),
                options,
            }),
            _ => Err(errors),
        }
    }

    /// What is reported of statements.
    fn options(&self, invalid: &mut impl FnMut(&'static str, &str)) -> Options {
        let mut skip = BTreeSet::new();
        for name in self.skip.iter() {
            match name.as_str() {
                "dbt" => drop(skip.insert(Reporter::Dbt)),
                "airflow" => drop(skip.insert(Reporter::Airflow)),
                _ => invalid("skip", "expected dbt or airflow"),
            }
        }
        Options {
            sql: match *self.sql {
                SqlText::Full => SqlFacet::Full,
                SqlText::Redacted => SqlFacet::Redacted,
                SqlText::None => SqlFacet::None,
            },
            insert_values: *self.insert_values,
            start_events: *self.start_events,
            skip,
            databases: self.databases.iter().cloned().collect(),
            job_namespace: self.job_namespace.as_ref().map(|name| (**name).clone()),
        }
    }

    /// The datashares.
    fn datashares(
        &self,
        invalid: &mut impl FnMut(&'static str, &str),
    ) -> BTreeMap<String, DatasetName> {
        let mut datashares = BTreeMap::new();
        for (here, there) in self.datashares.iter() {
            let producer = there
                .rsplit_once('/')
                .filter(|(_, database)| !database.is_empty());
            let producer =
                producer.and_then(|(host, database)| Some((Warehouse::at(host).ok()?, database)));
            let Some((warehouse, database)) = producer else {
                invalid("datashares", "expected host:port/database of the producer");
                continue;
            };
            let name = DatasetName {
                namespace: warehouse.namespace().to_owned(),
                name: database.to_owned(),
            };
            datashares.insert(here.clone(), name);
        }
        datashares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> Result<RedshiftConfig, Vec<String>> {
        let settings: RedshiftSettings =
            serde_json::from_value(json).map_err(|error| vec![error.to_string()])?;
        let errors = |errors: Vec<SettingError>| errors.iter().map(ToString::to_string).collect();
        settings.validate().map_err(errors)
    }

    #[test]
    fn a_workgroup_and_a_database_are_enough() {
        let config =
            read(serde_json::json!({"workgroup": "analytics", "database": "dev"})).unwrap();
        assert_eq!(
            config.warehouse,
            WarehouseName::Workgroup("analytics".to_owned())
        );
        assert_eq!(config.options, Options::default());
    }

    #[test]
    fn all_that_is_wrong_is_said_together() {
        let errors = read(
            serde_json::json!({"db_user": "x", "secret_arn": "y", "skip": "spark", "datashares": "a=b"}),
        );
        let expected = [
            "skip: expected dbt or airflow",
            "datashares: expected host:port/database of the producer",
            "db_user: the secret of secret_arn has the user",
            "workgroup: required, or cluster",
            "database: required",
        ];
        assert_eq!(errors.unwrap_err(), expected);
        let two =
            read(serde_json::json!({"workgroup": "abc", "cluster": "dwh", "database": "dev"}));
        assert_eq!(two.unwrap_err().len(), 1);
    }

    #[test]
    fn a_datashare_is_its_producer_s_database() {
        let config = read(serde_json::json!({
            "cluster": "dwh",
            "database": "dev",
            "datashares": {"partner": "Partner.eu-west-1:5440/prod"},
        }));
        let datashares = config.unwrap().datashares;
        assert_eq!(
            datashares["partner"].namespace,
            "redshift://partner.eu-west-1:5440"
        );
        assert_eq!(datashares["partner"].name, "prod");
    }
}
