//! The settings of a DataZone target, and their check.

use std::num::NonZeroU32;

use aws::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{CheckedText, Count, ExternalId, Format, OneOf, RoleArn, Setting, Text};

use crate::response::ResponseDetail;
use crate::{JobEvents, Kind, SettingError};

/// The settings of a DataZone target.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataZoneSettings {
    /// The domain. Required.
    pub domain_id: Option<Setting<DomainId>>,
    /// The region of the domain, if it differs from that of the process.
    pub region: Option<Setting<Text>>,
    /// A role to assume for delivery, such as one in the account of the domain.
    pub role_arn: Option<Setting<RoleArn>>,
    /// The external id that the trust policy of the role asks for, if it does.
    pub external_id: Option<Setting<CheckedText<ExternalId>>>,
    /// The most requests a second. The quota of PostLineageEvent is per account and region, so it is shared.
    pub posts_per_second: Setting<Count<1, { u32::MAX }>>,
    /// What is done with JobEvents, which DataZone does not accept: `convert` makes RunEvents of those with inputs or
    /// outputs, `drop` drops all.
    pub job_events: Setting<OneOf<JobEvents>>,
    /// What of the response to a rejected event is kept in logs and dead letters, as in `openlineage.response`.
    #[schemars(extend("x-not-on-aws" = "the default shows nothing of events"))]
    pub response: Setting<OneOf<ResponseDetail>>,
}

/// The settings of a DataZone target, complete and checked.
#[derive(Debug, Clone)]
pub struct DataZoneConfig {
    /// The domain, `dzd_…`.
    pub domain_id: String,
    /// The region of the domain, if it differs from that of the process.
    pub region: Option<String>,
    /// The role to assume for delivery.
    pub role: Option<Role>,
    /// The most requests a second.
    pub posts_per_second: NonZeroU32,
    /// What is done with JobEvents.
    pub job_events: JobEvents,
    /// What is kept of a response that reports a failure.
    pub response: ResponseDetail,
    /// What makes client tokens other ones than those of the content alone; empty for these.
    pub(super) token_salt: String,
}

impl DataZoneConfig {
    /// Makes client tokens of the content and this salt: with one that is new, DataZone takes events again that it has accepted
    /// already.
    pub(in crate::kind) fn salt_tokens(&mut self, salt: &str) {
        salt.clone_into(&mut self.token_salt);
    }

    /// The id of a domain is unique.
    pub(in crate::kind) fn is_same_destination(&self, other: &DataZoneConfig) -> bool {
        self.domain_id == other.domain_id
    }

    /// What tells its destination from others.
    pub(in crate::kind) fn identity(&self) -> String {
        format!("{:?}", self.domain_id)
    }
}

/// `DomainId` of the DataZone service model: `dzd[-_][a-zA-Z0-9_-]{1,36}`.
pub enum DomainId {}

/// Quota of PostLineageEvent, in requests a second for an account and region (Amazon DataZone, "Quotas").
const QUOTA: u32 = 20;

impl Default for DataZoneSettings {
    fn default() -> DataZoneSettings {
        DataZoneSettings {
            domain_id: None,
            region: None,
            role_arn: None,
            external_id: None,
            posts_per_second: Setting(QUOTA),
            job_events: Setting::default(),
            response: Setting::default(),
        }
    }
}

impl DataZoneSettings {
    pub(in crate::kind) fn validate(self) -> Result<DataZoneConfig, Vec<SettingError>> {
        let role = Role::of(self.role_arn, self.external_id).map_err(SettingError::from);
        let domain_id = self.domain_id.ok_or(SettingError::Required {
            setting: DOMAIN_ID,
            kind: Kind::DataZone,
        });
        let (domain_id, role) = match (domain_id, role) {
            (Ok(domain_id), Ok(role)) => (domain_id, role),
            (domain_id, role) => {
                return Err(domain_id.err().into_iter().chain(role.err()).collect());
            }
        };
        Ok(DataZoneConfig {
            domain_id: domain_id.into_value(),
            region: self.region.map(Setting::into_value),
            role,
            posts_per_second: NonZeroU32::new(*self.posts_per_second).unwrap_or(NonZeroU32::MIN),
            job_events: *self.job_events,
            response: *self.response,
            token_salt: String::new(),
        })
    }
}

pub(super) const DOMAIN_ID: &str = "domain_id";

impl Format for DomainId {
    type Value = String;

    fn expected() -> String {
        "a domain id such as dzd_a1b2c3".to_owned()
    }

    fn parse(text: &str) -> Result<String, String> {
        let rest = (text.strip_prefix("dzd_")).or_else(|| text.strip_prefix("dzd-"));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        match rest {
            Some(rest) if (1..=36).contains(&rest.len()) && rest.bytes().all(is_plain) => {
                Ok(text.to_owned())
            }
            Some(_) | None => Err(format!("expected {}, found {text:?}", Self::expected())),
        }
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}
