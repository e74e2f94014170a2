//! Stores without a server: Athena and BigQuery, whose namespaces name a service. Called by `normalise.rs`.

use openlineage::Identity;

use super::super::{
    NormalisedDataset, name, placed,
    url::{Url, setting, settings},
};
use super::table::PLAIN;
use super::{Driver, UrlParts, before};

/// Athena's: <https://docs.aws.amazon.com/athena/latest/ug/jdbc-v3-driver-basic-connection-parameters.html>.
const ATHENA: Driver = Driver {
    database: &["catalog"],
    schema: &["schema", "database"],
    ..PLAIN
};

/// An Athena URL has the region in the host or in a setting. The rest (output location, credentials,
/// port) is not part of the store's name.
pub(crate) fn athena(url: &Url<'_>, dataset: &Identity) -> NormalisedDataset {
    let mut parts = url.rest.split(';');
    let host = parts.next().unwrap_or_default();
    let found = settings(url.rest, &[';', '&', '?']);
    let setting = |keys: &[&str]| setting(&found, keys);
    let authority =
        match setting(&["awsregion", "region"]).map(|region| region.to_ascii_lowercase()) {
            Some(region) if host.contains('=') || host.is_empty() => {
                format!("athena.{region}.amazonaws.com")
            }
            Some(_) | None => {
                let host = before(host.trim_start_matches('/'), &['/', '?']).to_ascii_lowercase();
                host.strip_suffix(":443").map(str::to_owned).unwrap_or(host)
            }
        };
    if authority.is_empty() {
        return dataset.clone().into();
    }
    let mut at = UrlParts {
        database: setting(ATHENA.database),
        schema: setting(ATHENA.schema),
        ..UrlParts::default()
    };
    at.by_setting = at.database.is_some() || at.schema.is_some();
    if dataset.name.is_empty() {
        at.path = before(url.tail, &[';', '?']).to_owned();
    }
    let written = || written("Catalog", &at.database) + &written("Schema", &at.schema);
    let (name, tail, left) = match placed(&ATHENA, &at, &dataset.name) {
        Ok(name) => (name, String::new(), None),
        Err(why) => (
            dataset.name.clone(),
            at.path.clone() + &written(),
            Some(why),
        ),
    };
    NormalisedDataset {
        dataset: Identity {
            namespace: format!("awsathena://{authority}{tail}"),
            name,
        },
        left,
    }
}

/// BigQuery's: <https://cloud.google.com/bigquery/docs/reference/odbc-jdbc-drivers> (ProjectId, DefaultDataset). The
/// namespace is the word `bigquery`, and names are complete.
const BIGQUERY: Driver = Driver {
    database: &["projectid", "project"],
    schema: &["defaultdataset", "dataset"],
    ..PLAIN
};

pub(crate) fn bigquery(url: &Url<'_>, dataset: &Identity) -> NormalisedDataset {
    let found = settings(url.rest, &[';', '&', '?']);
    let setting = |keys: &[&str]| setting(&found, keys);
    let at = UrlParts {
        database: setting(BIGQUERY.database),
        schema: setting(BIGQUERY.schema),
        ..UrlParts::default()
    };
    // SQLAlchemy's `bigquery://project/dataset`, and a whole name in the place of a host.
    let plain = before(url.rest, &[';', '?']);
    let whole = dataset.name.is_empty()
        && name::parts(plain).is_some_and(|parts| parts.len() == BIGQUERY.levels);
    let by_setting = (at.database.clone(), at.schema.clone());
    let own = |plain: &str| !plain.is_empty() && !plain.contains(['.', '=']);
    let mut path = plain.split('/').filter(|_| own(before(plain, &['/'])));
    let at = UrlParts {
        database: at.database.or_else(|| path.next().map(str::to_owned)),
        schema: at.schema.or_else(|| path.next().map(str::to_owned)),
        ..UrlParts::default()
    };
    let placed = match dataset.name.is_empty() {
        true if whole && !plain.contains(['/', ':']) => Ok(plain.to_owned()),
        true => Err("it has no name"),
        false => BIGQUERY.placed(&dataset.name, &at),
    };
    let (namespace, name, left) = match placed {
        Ok(name) => ("bigquery".to_owned(), name, None),
        // Without the other settings, which describe the user.
        Err(why) if dataset.name.is_empty() => {
            let settings =
                written("ProjectId", &by_setting.0) + &written("DefaultDataset", &by_setting.1);
            (
                format!("bigquery://{plain}{settings}"),
                String::new(),
                Some(why),
            )
        }
        Err(why) => {
            let settings =
                written("ProjectId", &at.database) + &written("DefaultDataset", &at.schema);
            (
                format!("bigquery://{settings}"),
                dataset.name.clone(),
                Some(why),
            )
        }
    };
    NormalisedDataset {
        dataset: Identity { namespace, name },
        left,
    }
}

/// A setting as it stays in a namespace; nothing without a value.
fn written(key: &str, value: &Option<String>) -> String {
    let written = value.as_ref().map(|value| format!(";{key}={value}"));
    written.unwrap_or_default()
}
