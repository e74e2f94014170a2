//! How protojson writes values: enums by name or number, numbers also as text, times as RFC 3339, and nothing as `null`.
//! <https://protobuf.dev/programming-guides/json/>
//!
//! A name that an enum does not have here is [`UNKNOWN`], so that a new one makes no message unreadable.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A member of an enum that Flyte has got since.
pub(super) const UNKNOWN: i32 = -1;

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Timestamp {
    /// As RFC 3339 in UTC, if it is a time that can be written so.
    pub(super) fn rfc3339(self) -> Option<String> {
        let nanos = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos);
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
        time.format(&Rfc3339).ok()
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = OffsetDateTime::parse(&text, &Rfc3339);
        let time = time.map_err(|_| D::Error::custom("not a time"))?;
        Ok(Timestamp {
            seconds: time.unix_timestamp(),
            nanos: i32::try_from(time.nanosecond()).map_err(D::Error::custom)?,
        })
    }
}

/// Reads a message from its text. A member that is `null` is one that is not there.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    let mut value = serde_json::from_slice(text).ok()?;
    without_nulls(&mut value);
    serde_json::from_value(value).ok()
}

/// As deep as the parser went, which is 127 levels.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A number, which is a text where it has 64 bits.
pub(super) fn unsigned_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| D::Error::custom("not a number"))
}

fn member<'de, D: Deserializer<'de>>(deserializer: D, names: &[&str]) -> Result<i32, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Number(number) => {
            let number = number
                .as_i64()
                .and_then(|number| i32::try_from(number).ok());
            number.ok_or_else(|| D::Error::custom("not a member of an enum"))
        }
        Value::String(name) => {
            let index = names.iter().position(|known| *known == name);
            Ok(index
                .and_then(|index| i32::try_from(index).ok())
                .unwrap_or(UNKNOWN))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(D::Error::custom("not a member of an enum"))
        }
    }
}

/// The name of a member, if it has one here.
pub(super) fn name(names: &'static [&'static str], number: i32) -> Option<&'static str> {
    names.get(usize::try_from(number).ok()?).copied()
}

/// `flyteidl.core.WorkflowExecution.Phase`, by number, as the enums that follow.
pub(super) const WORKFLOW_PHASES: &[&str] = &[
    "UNDEFINED",
    "QUEUED",
    "RUNNING",
    "SUCCEEDING",
    "SUCCEEDED",
    "FAILING",
    "FAILED",
    "ABORTED",
    "TIMED_OUT",
    "ABORTING",
];

/// `flyteidl.core.NodeExecution.Phase`.
pub(super) const NODE_PHASES: &[&str] = &[
    "UNDEFINED",
    "QUEUED",
    "RUNNING",
    "SUCCEEDED",
    "FAILING",
    "FAILED",
    "ABORTED",
    "SKIPPED",
    "TIMED_OUT",
    "DYNAMIC_RUNNING",
    "RECOVERED",
];

/// `flyteidl.core.TaskExecution.Phase`.
pub(super) const TASK_PHASES: &[&str] = &[
    "UNDEFINED",
    "QUEUED",
    "RUNNING",
    "SUCCEEDED",
    "ABORTED",
    "FAILED",
    "INITIALIZING",
    "WAITING_FOR_RESOURCES",
    "RETRYABLE_FAILED",
];

/// `flyteidl.core.CatalogCacheStatus`.
pub(super) const CACHE_STATUSES: &[&str] = &[
    "CACHE_DISABLED",
    "CACHE_MISS",
    "CACHE_HIT",
    "CACHE_POPULATED",
    "CACHE_LOOKUP_FAILURE",
    "CACHE_PUT_FAILURE",
    "CACHE_SKIPPED",
    "CACHE_EVICTED",
];

/// `flyteidl.core.SimpleType`.
pub(super) const SIMPLE_TYPES: &[&str] = &[
    "NONE", "INTEGER", "FLOAT", "STRING", "BOOLEAN", "DATETIME", "DURATION", "BINARY", "ERROR",
    "STRUCT",
];

/// `flyteidl.core.SchemaType.SchemaColumn.SchemaColumnType`.
pub(super) const COLUMN_TYPES: &[&str] = &[
    "INTEGER", "FLOAT", "STRING", "BOOLEAN", "DATETIME", "DURATION",
];

/// `flyteidl.core.ResourceType`.
const RESOURCE_TYPES: &[&str] = &["UNSPECIFIED", "TASK", "WORKFLOW", "LAUNCH_PLAN", "DATASET"];

pub(super) fn workflow_phase<'de, D: Deserializer<'de>>(found: D) -> Result<i32, D::Error> {
    member(found, WORKFLOW_PHASES)
}

pub(super) fn node_phase<'de, D: Deserializer<'de>>(found: D) -> Result<i32, D::Error> {
    member(found, NODE_PHASES)
}

pub(super) fn task_phase<'de, D: Deserializer<'de>>(found: D) -> Result<i32, D::Error> {
    member(found, TASK_PHASES)
}

pub(super) fn cache_status<'de, D: Deserializer<'de>>(found: D) -> Result<i32, D::Error> {
    member(found, CACHE_STATUSES)
}

pub(super) fn simple_type<'de, D: Deserializer<'de>>(found: D) -> Result<Option<i32>, D::Error> {
    member(found, SIMPLE_TYPES).map(Some)
}

pub(super) fn column_type<'de, D: Deserializer<'de>>(found: D) -> Result<i32, D::Error> {
    member(found, COLUMN_TYPES)
}

pub(super) fn resource_type<'de, D: Deserializer<'de>>(found: D) -> Result<i32, D::Error> {
    member(found, RESOURCE_TYPES)
}
