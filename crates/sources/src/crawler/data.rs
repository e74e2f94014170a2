//! The name of the data behind a table: what the crawler looked at.
//!
//! A table says it by its location, whose form depends on the store (there is no list of forms in the documentation; those
//! here are what crawlers were seen to write). Behind a connection it has no host, which is in the URL of the connection.
//! URLs are read by `transform`, so that data has the same name as in events of other producers.

use openlineage::Identity as DatasetName;
use transform::Normalise;

use super::{Connections, Crawler, Place, Table};

/// The spellings of the naming page (<https://openlineage.io/docs/spec/naming>), but for two things: names keep their
/// case, because a crawler reads them from the store's own catalog; and Redshift keeps its whole address, from which the
/// short form can be made later, but not the other way round.
const SPELLING: Normalise = Normalise {
    name_case: false,
    redshift: false,
    ..Normalise::all()
};

/// Why data has no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unnamed {
    #[error("the table has no location")]
    NoLocation,
    #[error("its location is neither a URL nor behind a connection")]
    NoConnection,
    #[error("its connection cannot be read")]
    UnreadableConnection,
    #[error("its connection has no URL")]
    NoUrl,
    #[error(
        "the URL of its connection is of no driver that is known, or its location does not fit it"
    )]
    UnknownUrl,
}

/// Returns the name of the data behind a table.
pub(super) fn of_table(
    place: &Place,
    crawler: &Crawler,
    table: &Table,
    connections: &Connections,
) -> Result<DatasetName, Unnamed> {
    let location = location(table).ok_or(Unnamed::NoLocation)?;
    if let Some(name) = dynamodb(place, table, location) {
        return Ok(name);
    }
    if let Some((scheme, rest)) = location.split_once("://")
        && is_scheme(scheme)
    {
        return Ok(of_url(scheme, rest));
    }
    let connection = connection_of(crawler, table).ok_or(Unnamed::NoConnection)?;
    let connection = connections
        .get(connection)
        .ok_or(Unnamed::UnreadableConnection)?;
    let url = connection.url.as_deref().ok_or(Unnamed::NoUrl)?;
    match mongodb(url, location) {
        Some(name) => Ok(name),
        None => of_driver(url, location).ok_or(Unnamed::UnknownUrl),
    }
}

/// The connection behind which the data of a table is, if any is needed: its own, or else the only one of its crawler.
pub(super) fn connection_of<'t>(crawler: &'t Crawler, table: &'t Table) -> Option<&'t str> {
    let location = location(table)?;
    if location.starts_with("arn:") || location.contains("://") || is_dynamodb(table) {
        return None;
    }
    let only = || match crawler.connections.len() {
        1 => crawler.connections.first().map(String::as_str),
        _ => None,
    };
    table.connection().or_else(only)
}

/// Where the data is. Of an Iceberg table without a location, the folder above that of its metadata
/// (<https://iceberg.apache.org/docs/latest/configuration/>: `write.metadata.path` is `<location>/metadata`).
fn location(table: &Table) -> Option<&str> {
    let iceberg = || {
        let (folder, file) = table
            .parameter("metadata_location")?
            .rsplit_once("/metadata/")?;
        (!file.contains('/')).then_some(folder)
    };
    table.location.as_deref().or_else(iceberg)
}

fn is_dynamodb(table: &Table) -> bool {
    table.parameter("classification") == Some("dynamodb")
}

/// The specification has no name for DynamoDB: one after the pattern of Glue's, from the ARN or from the name of the table.
fn dynamodb(place: &Place, table: &Table, location: &str) -> Option<DatasetName> {
    if let Some((partition, rest)) = location
        .strip_prefix("arn:")
        .and_then(|rest| rest.split_once(":dynamodb:"))
    {
        let (owner, name) = rest.split_once(":table/")?;
        return Some(DatasetName {
            namespace: format!("arn:{partition}:dynamodb:{owner}"),
            name: format!("table/{name}"),
        });
    }
    let plain = is_dynamodb(table) && !location.contains(['/', ':']);
    plain.then(|| DatasetName {
        namespace: place.arn("dynamodb", &place.account),
        name: format!("table/{location}"),
    })
}

fn is_scheme(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    !text.is_empty() && text.bytes().all(known)
}

/// Objects and files: `scheme://bucket`, and the key without the slash at its end.
fn of_url(scheme: &str, rest: &str) -> DatasetName {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    // Before an @ stands a container of Azure; with any other store it would be a user.
    let has_container = ["abfs", "abfss", "wasb", "wasbs"].contains(&scheme);
    let bucket = match bucket.rsplit_once('@') {
        Some((_, host)) if !has_container => host,
        Some(_) | None => bucket,
    };
    SPELLING.normalise(&DatasetName {
        namespace: format!("{scheme}://{bucket}"),
        name: match key.trim_end_matches('/') {
            "" => "/".to_owned(),
            key => key.to_owned(),
        },
    })
}

/// MongoDB and DocumentDB, for which the specification has no name. The location is `database/collection`.
fn mongodb(url: &str, location: &str) -> Option<DatasetName> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = ["mongodb", "mongodb+srv"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(scheme))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let hosts = rest.get(..end)?;
    let hosts = hosts.rsplit_once('@').map_or(hosts, |(_, hosts)| hosts);
    if hosts.is_empty() {
        return None;
    }
    Some(SPELLING.normalise(&DatasetName {
        namespace: format!("{scheme}://{hosts}"),
        name: location.replacen('/', ".", 1),
    }))
}

/// A table behind a driver. The location is its dotted name.
fn of_driver(url: &str, location: &str) -> Option<DatasetName> {
    let name = SPELLING.normalise(&DatasetName {
        namespace: url.to_owned(),
        name: location.to_owned(),
    });
    // What `transform` does not know it leaves as it is, credentials included.
    let namespace = name.namespace.as_str();
    let (scheme, rest) = namespace.split_once("://")?;
    let is_server =
        is_scheme(scheme) && !rest.is_empty() && !rest.contains(['@', '/', '?', ';', '=', ' ']);
    // The naming page has `mssql`; `transform` leaves the scheme of the driver, which Spark's events have.
    let namespace = match namespace.strip_prefix("sqlserver://") {
        Some(server) => format!("mssql://{server}"),
        None => name.namespace,
    };
    is_server.then_some(DatasetName {
        namespace,
        name: name.name,
    })
}
