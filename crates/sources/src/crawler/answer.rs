//! Reads what the service answers: `Crawler`, `Crawl`, `Table` and `Connection` of its model of 2017-03-31. What has no
//! meaning for lineage may have any form. Called by `fetch` and by `file.rs`.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{Column, Connection, Crawl, CrawlState, Crawler, Table};

/// An answer lacks what it must have. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} has no {member}")]
pub struct UnreadableAnswer {
    /// What was read.
    pub what: &'static str,
    /// What it must have.
    pub member: &'static str,
}

/// Reads a `Crawler`.
///
/// # Errors
///
/// It has no name.
pub fn crawler(value: &Value) -> Result<Crawler, UnreadableAnswer> {
    let targets = |kind: &str| {
        let found = value.get("Targets").and_then(|targets| targets.get(kind));
        found.and_then(Value::as_array).into_iter().flatten()
    };
    let catalogs = targets("CatalogTargets").filter_map(|target| text(target, "DatabaseName"));
    let databases = text(value, "DatabaseName").into_iter().chain(catalogs);
    let connections = ["JdbcTargets", "MongoDBTargets"]
        .into_iter()
        .flat_map(targets);
    Ok(Crawler {
        name: text(value, "Name").ok_or(missing("a crawler", "Name"))?,
        description: text(value, "Description"),
        databases: databases.collect(),
        connections: connections
            .filter_map(|target| text(target, "ConnectionName"))
            .collect(),
    })
}

/// Reads a `CrawlerHistory`, which is what `ListCrawls` lists.
///
/// # Errors
///
/// It has no id, no state or no start.
pub fn crawl(value: &Value) -> Result<Crawl, UnreadableAnswer> {
    let member = |name: &'static str| missing("a crawl", name);
    let state = text(value, "State").ok_or(member("State"))?;
    Ok(Crawl {
        id: text(value, "CrawlId").ok_or(member("CrawlId"))?,
        state: match state.as_str() {
            "COMPLETED" => CrawlState::Completed,
            "FAILED" => CrawlState::Failed,
            "STOPPED" => CrawlState::Stopped,
            // Also a state that the service may have one day: the crawl is waited for, and reported if that takes too long.
            _ => CrawlState::Running,
        },
        start: value
            .get("StartTime")
            .and_then(time)
            .ok_or(member("StartTime"))?,
        end: value.get("EndTime").and_then(time),
        error: text(value, "ErrorMessage"),
    })
}

/// Reads a `Table`.
///
/// # Errors
///
/// It has no name, or no database.
pub fn table(value: &Value) -> Result<Table, UnreadableAnswer> {
    let storage = value.get("StorageDescriptor");
    let columns = [
        storage.and_then(|storage| storage.get("Columns")),
        value.get("PartitionKeys"),
    ];
    let columns = columns.into_iter().flatten().filter_map(Value::as_array);
    let parameters = value.get("Parameters").and_then(Value::as_object);
    Ok(Table {
        database: text(value, "DatabaseName").ok_or(missing("a table", "DatabaseName"))?,
        name: text(value, "Name").ok_or(missing("a table", "Name"))?,
        catalog: text(value, "CatalogId"),
        location: storage.and_then(|storage| text(storage, "Location")),
        columns: columns.flatten().filter_map(column).collect(),
        created: value.get("CreateTime").and_then(time),
        updated: value.get("UpdateTime").and_then(time),
        parameters: parameters.into_iter().flatten().filter_map(pair).collect(),
        is_link: value
            .get("TargetTable")
            .is_some_and(|target| !target.is_null()),
    })
}

/// Reads a `Connection`, without user and password.
///
/// # Errors
///
/// It has no name.
pub fn connection(value: &Value) -> Result<Connection, UnreadableAnswer> {
    let name = text(value, "Name").ok_or(missing("a connection", "Name"))?;
    let properties = value.get("ConnectionProperties").and_then(Value::as_object);
    let property = |name: &str| {
        let value = properties?.get(name)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    // Before there were URLs, a connection had these three (`ConnectionPropertyKey` of the model).
    let parts = || {
        let (engine, host) = (property("JDBC_ENGINE")?, property("HOST")?);
        let port = property("PORT").map_or_else(String::new, |port| format!(":{port}"));
        Some(format!(
            "jdbc:{}://{host}{port}",
            engine.to_ascii_lowercase()
        ))
    };
    let url = property("JDBC_CONNECTION_URL").or_else(|| property("CONNECTION_URL"));
    Ok(Connection {
        name,
        url: url.or_else(parts),
    })
}

/// A point in time: seconds since 1970, as the wire has it, or RFC 3339, as the AWS CLI prints it.
pub(super) fn time(value: &Value) -> Option<OffsetDateTime> {
    let time = match value {
        Value::Number(seconds) => {
            let millis = (seconds.as_f64()? * 1_000.0).round();
            let in_range = (-1e16..1e16).contains(&millis);
            #[expect(clippy::cast_possible_truncation, reason = "within range, and whole")]
            let nanos = in_range.then(|| millis as i128 * 1_000_000)?;
            OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
        }
        Value::String(text) => openlineage::date_time(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    // RFC 3339 writes no others.
    time.filter(|time| (0..=9999).contains(&time.year()))
}

/// A member that is a text, and not an empty one.
pub(super) fn text(value: &Value, member: &str) -> Option<String> {
    let text = value.get(member)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn column(value: &Value) -> Option<Column> {
    Some(Column {
        name: text(value, "Name")?,
        r#type: text(value, "Type"),
        comment: text(value, "Comment"),
    })
}

fn pair((name, value): (&String, &Value)) -> Option<(String, String)> {
    Some((name.clone(), value.as_str()?.to_owned()))
}

fn missing(what: &'static str, member: &'static str) -> UnreadableAnswer {
    UnreadableAnswer { what, member }
}

/// The members of an answer, if it is an object.
pub(super) fn members(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object()
}
