//! The AWS Glue Data Catalog: lineage and schema of a dataset as parameters of its table.
//!
//! Glue has no API for lineage, so an event becomes facts about the tables that it writes (`glue/fact.rs`), and each is
//! merged into its table (`glue/merge.rs`). What others wrote stays: a table is read, merged, and written only if it changed
//! and is still the one that was read (`glue/catalog.rs`). No data is written. Tables are created only on request.

mod catalog;
mod fact;
mod hive;
mod lineage;
mod merge;
pub(super) mod name;
mod response;
mod seen;
mod slots;

use std::num::NonZeroU32;
use std::time::Duration;

use aws::{Aws, Role};
use aws_config::Region;
use aws_config::retry::RetryConfig;
use openlineage::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{
    AccountId, CheckedText, Count, ExternalId, Flag, OneOf, RoleArn, Setting, Size, Text, TextCheck,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};
use tracing::info;

use crate::rate::RateController;
use crate::response::{OwnCredentials, ResponseDetail, ResponseFilter, escaped};
use crate::{
    Capabilities, Delivery, DeliveryReport, Failure, OpenQuestion, Pace, Reason, RequiredDatasets,
    Scope as FailureScope, SettingError,
};
use catalog::{Catalog, TableOutcome};
use fact::{Fact, facts};
use name::{Scope, TableRef};
use slots::{Slot, Slots};

/// The time for one request. One takes some 50 ms; a longer wait is left to the queue.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of a parameter (service model 2017-03-31, `ParametersMapValue`, max 512000), and the least with which
/// one can say something.
const MAX_PARAMETER_BYTES: u64 = 512_000;
const MIN_PARAMETER_BYTES: u64 = 1_000;

/// Far below what the service permits, which it does not document for these requests, and shares with all of the account.
const TABLES_PER_SECOND: u32 = 10;

/// The settings of a Glue target.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GlueSettings {
    /// The region of the catalog, if it differs from that of the process. Tables of other regions are left alone.
    #[schemars(extend("x-not-on-aws" = "a catalog is in the region of the stack"))]
    pub region: Option<Setting<Text>>,
    /// The account of the catalog. Tables of other accounts are left alone; without it each table is looked for in the
    /// account that its name has.
    #[schemars(extend("x-not-on-aws" = "a role reaches the catalog of another account"))]
    pub catalog_id: Option<Setting<CheckedText<AccountId>>>,
    /// A role to assume, such as one in the account of the catalog.
    pub role_arn: Option<Setting<RoleArn>>,
    /// The external id that the trust policy of the role asks for, if it does.
    pub external_id: Option<Setting<CheckedText<ExternalId>>>,
    /// Whether datasets that are not tables of Glue get tables, in `database`.
    pub create_tables: Setting<Flag>,
    /// The database of the tables that are created. It is created too. Required with `create_tables`.
    pub database: Option<Setting<CheckedText<DatabaseName>>>,
    /// The largest parameter, from 1 KB to 512 KB. What does not fit is left out and counted in the parameter.
    #[schemars(extend("x-not-on-aws" = "the template leaves it to its default"))]
    pub max_parameter_bytes: Setting<Size>,
    /// The most tables a second. Each is read, and written if it changes.
    pub tables_per_second: Setting<Count<1, { u32::MAX }>>,
    /// What of the response to a rejected event is kept in logs and dead letters, as in `openlineage.response`.
    #[schemars(extend("x-not-on-aws" = "the default shows nothing of events"))]
    pub response: Setting<OneOf<ResponseDetail>>,
}

/// The settings of a Glue target, complete and checked.
#[derive(Debug, Clone)]
pub struct GlueConfig {
    region: Option<String>,
    catalog_id: Option<String>,
    role: Option<Role>,
    /// The database of the tables that are created, if they are.
    database: Option<String>,
    max_parameter_bytes: usize,
    tables_per_second: NonZeroU32,
    response: ResponseDetail,
}

/// The name of a database as the catalog keeps it.
pub enum DatabaseName {}

const DATABASE: &str = "database";
const CREATE_TABLES: &str = "create_tables";

impl TextCheck for DatabaseName {
    const EXPECTED: &'static str = "a name of at most 255 lower-case letters, digits and _";

    fn is_valid(text: &str) -> bool {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        (1..=255).contains(&text.len()) && text.bytes().all(is_plain)
    }
}

impl Default for GlueSettings {
    fn default() -> GlueSettings {
        GlueSettings {
            region: None,
            catalog_id: None,
            role_arn: None,
            external_id: None,
            create_tables: Setting(false),
            database: None,
            max_parameter_bytes: Setting(32_000),
            tables_per_second: Setting(TABLES_PER_SECOND),
            response: Setting::default(),
        }
    }
}

impl GlueSettings {
    pub(super) fn validate(self) -> Result<GlueConfig, Vec<SettingError>> {
        let mut errors = Vec::new();
        match (*self.create_tables, &self.database) {
            (true, Some(_)) | (false, None) => {}
            (true, None) => errors.push(SettingError::RequiredWith {
                setting: DATABASE,
                with: CREATE_TABLES,
            }),
            (false, Some(_)) => errors.push(SettingError::OnlyWith {
                setting: DATABASE,
                with: CREATE_TABLES,
                values: "true",
            }),
        }
        if !(MIN_PARAMETER_BYTES..=MAX_PARAMETER_BYTES).contains(&*self.max_parameter_bytes) {
            errors.push(SettingError::Insufficient {
                setting: "max_parameter_bytes",
                reason: "expected a size from 1 KB to 512 KB",
            });
        }
        let role = match Role::of(self.role_arn, self.external_id) {
            Ok(role) if errors.is_empty() => role,
            role => {
                errors.extend(role.err().map(SettingError::from));
                return Err(errors);
            }
        };
        let max_parameter_bytes = usize::try_from(*self.max_parameter_bytes).unwrap_or(usize::MAX);
        Ok(GlueConfig {
            region: self.region.map(Setting::into_value),
            catalog_id: self.catalog_id.map(Setting::into_value),
            role,
            database: self.database.map(Setting::into_value),
            max_parameter_bytes,
            tables_per_second: NonZeroU32::new(*self.tables_per_second).unwrap_or(NonZeroU32::MIN),
            response: *self.response,
        })
    }
}

impl GlueConfig {
    /// Two targets that write the same catalog would both write each table. A role may be in another account.
    pub(super) fn is_same_destination(&self, other: &GlueConfig) -> bool {
        let catalog = |config: &GlueConfig| match &config.catalog_id {
            Some(id) => (Some(id.clone()), None),
            None => (None, config.role_arn().map(str::to_owned)),
        };
        self.region == other.region && catalog(self) == catalog(other)
    }

    /// Identifies its catalog. The external id of a role makes no difference.
    pub(super) fn identity(&self) -> String {
        let GlueConfig {
            region, catalog_id, ..
        } = self;
        format!("{region:?} {catalog_id:?} {:?}", self.role_arn())
    }

    fn role_arn(&self) -> Option<&str> {
        self.role.as_ref().map(Role::arn)
    }
}

/// What a catalog accepts. A run without datasets says nothing of a table.
pub(super) const CAPABILITIES: Capabilities = Capabilities {
    datasets: RequiredDatasets::InputsOrOutputs,
    ..Capabilities::UNLIMITED
};

pub(super) fn check(config: &GlueConfig) -> Vec<OpenQuestion> {
    let what = match &config.database {
        Some(database) => format!("whether tables can be created in the database {database}"),
        None => "whether tables of the catalog can be written".to_owned(),
    };
    vec![OpenQuestion {
        setting: match config.database {
            Some(_) => DATABASE,
            None => "region",
        },
        what,
    }]
}

/// A catalog that lineage is written to.
#[derive(Clone)]
pub(crate) struct Glue {
    catalog: Catalog,
    scope: Scope,
    rate: RateController,
    slots: Slots,
    filter: ResponseFilter,
}

impl std::fmt::Debug for Glue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Glue")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Glue {
    /// Creates a client for the catalog.
    pub(super) async fn new(config: &GlueConfig, aws: &Aws) -> Glue {
        let aws = aws.assume(config.role.as_ref(), "glue");
        // Every request counts against the budget, so `RateController` decides on retries.
        let own = aws.config().await.to_builder();
        let mut own = own.retry_config(RetryConfig::disabled());
        if let Some(region) = &config.region {
            own = own.region(Region::new(region.clone()));
        }
        let own = own.build();
        let region = own.region().map(ToString::to_string);
        Glue {
            catalog: Catalog {
                client: Aws::from(own).client().timeout(REQUEST_TIMEOUT),
                max_bytes: config.max_parameter_bytes,
            },
            scope: Scope {
                region,
                account: config.catalog_id.clone(),
                database: config.database.clone(),
            },
            rate: RateController::new(Some(config.tables_per_second.get())),
            slots: Slots::default(),
            // The credentials change while the process runs: whatever looks like one is removed.
            filter: ResponseFilter {
                response: config.response,
                own: OwnCredentials::default(),
            },
        }
    }

    pub(crate) fn stop(&self) {
        self.rate.stop();
    }

    pub(crate) fn pace(&self, now: Instant) -> Pace {
        self.rate.pace(now)
    }

    /// Writes the tables of an event, one after the other. A table that fails keeps none of the others from being written; an
    /// attempt that follows passes over those that were.
    pub(crate) async fn deliver(&self, event: &Event, until: Instant) -> DeliveryReport {
        let mut total = DeliveryReport {
            delivery: Some(Delivery::Unchanged {
                reason: "it writes no table of the catalog".to_owned(),
            }),
            ..DeliveryReport::default()
        };
        let content = Sha256::digest(event.text()).into();
        for (place, fact) in facts(event, &self.scope, OffsetDateTime::now_utc()) {
            let slot = self.slots.of(&place);
            let report = slot
                .once(content, until, || {
                    self.rate
                        .deliver(until, |time| self.apply(&place, &fact, &slot, event, time))
                })
                .await;
            total.attempts += report.attempts;
            total.throttled += report.throttled;
            let is_over = match &report.delivery {
                Some(Delivery::Transient(failure)) => failure.scope == FailureScope::Target,
                Some(
                    Delivery::Delivered { .. }
                    | Delivery::AlreadyThere
                    | Delivery::Unchanged { .. }
                    | Delivery::Permanent(_),
                ) => false,
                None => true,
            };
            total.delivery = worse(total.delivery, report.delivery);
            if is_over {
                break;
            }
        }
        total
    }

    async fn apply(
        &self,
        place: &TableRef,
        fact: &Fact,
        slot: &Slot,
        event: &Event,
        time: Duration,
    ) -> Delivery {
        let seen = slot.seen();
        match timeout(time, self.catalog.apply(place, fact, &seen)).await {
            Ok(Ok(applied)) => {
                slot.see(fact);
                let (TableRef::Named(table) | TableRef::Created { table, .. }) = place;
                let (database, table) = (&table.database, &table.table);
                match applied {
                    TableOutcome::Done => Delivery::Delivered { id: None },
                    TableOutcome::LeftAlone(reason) => {
                        if slot.is_news() {
                            info!(?database, ?table, reason, "table left alone");
                        }
                        let reason = escaped(&format!("{database}.{table}: {reason}"));
                        Delivery::Unchanged { reason }
                    }
                }
            }
            Ok(Err(error)) => response::classify(&error, |message| match self.filter.response {
                ResponseDetail::Structure => None,
                ResponseDetail::Redacted => Some(self.filter.words(message, event.text())),
            }),
            Err(_) => {
                let message = "no response in time";
                let failure = Failure::new(Reason::Unavailable, FailureScope::Event, message);
                Delivery::Transient(failure)
            }
        }
    }
}

/// What an event with two tables comes to: another attempt if one table needs it, a dead letter if one is rejected, and
/// unchanged if both are left alone.
fn worse(one: Option<Delivery>, other: Option<Delivery>) -> Option<Delivery> {
    let rank = |delivery: &Option<Delivery>| match delivery {
        Some(Delivery::Unchanged { .. }) => 0,
        Some(Delivery::Delivered { .. } | Delivery::AlreadyThere) => 1,
        Some(Delivery::Permanent(_)) => 2,
        None => 3,
        Some(Delivery::Transient(failure)) if failure.scope == FailureScope::Event => 4,
        Some(Delivery::Transient(_)) => 5,
    };
    match rank(&other) > rank(&one) || matches!(one, Some(Delivery::Unchanged { .. })) {
        true => other,
        false => one,
    }
}

#[cfg(test)]
mod tests;
