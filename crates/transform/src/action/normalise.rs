//! Normalises datasets: variants of a namespace and name with the same meaning get the form of the OpenLineage naming
//! page (<https://openlineage.io/docs/spec/naming>). Two datasets never get the same name.
//!
//! The scheme of the namespace identifies the store. Unknown stores are left unchanged: namespaces need not be URIs
//! (`bigquery`, `file`). Parts that distinguish two datasets move to their position on that page; a part that cannot
//! move stays, and is reported. Does no lookups; `redshift.rs` rewrites Redshift's names to the form of a catalog. Each
//! family of stores has a file. Called by the rule action `normalise`.

mod case;
mod drivers;
mod glue;
mod name;
mod objects;
mod oracle;
mod rule;
mod store;
mod url;

pub use case::Case;
pub(crate) use case::{Fold, folded};
pub(crate) use glue::{is_glue, one_catalog};
pub(super) use rule::NormaliseSettings;

use openlineage::Identity;

use crate::endpoint::{HostForm, host_and_port, parse_host};
use drivers::{Driver, UrlParts, driver};
use store::{Store, store};
use url::Url;

/// The spellings that are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalise {
    /// `s3a://` and `s3n://` become `s3://`, and object names start without a slash (the root of a bucket stays `/`).
    pub s3: bool,
    /// The same for Google, Azure, Alibaba and Tencent, whose schemes, endpoints and slashes vary, and for HDFS.
    pub objects: bool,
    /// Scheme and host become lower case; buckets and containers, database names and paths are unchanged.
    pub host_case: bool,
    /// The default port of the vendor's clients is added.
    pub default_ports: bool,
    /// `redshift://<cluster or workgroup>.<region>:<port>`, and the database in the name, not in the namespace.
    pub redshift: bool,
    /// `arn:aws:glue:<region>:<account>` and `table/<database>/<table>`, also for the old `aws:glue:…`.
    pub glue: bool,
    /// Removes a trailing slash from a namespace and from the name of a file or an object.
    pub trailing_slash: bool,
    /// Moves the contents of a driver URL to their positions: database and schema to the name, the port to the host.
    /// Removes `jdbc:`, the driver's other settings, user and password.
    pub jdbc: bool,
    /// Folds names to the case to which their store folds identifiers that are not quoted.
    pub name_case: bool,
    /// Folds names to this case, for every store.
    pub case: Option<Case>,
}

/// A normalised dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NormalisedDataset {
    pub(crate) dataset: Identity,
    /// Why a part stays in a wrong position.
    pub(crate) left: Option<&'static str>,
}

impl Default for Normalise {
    fn default() -> Normalise {
        Normalise::all()
    }
}

impl From<Identity> for NormalisedDataset {
    fn from(dataset: Identity) -> NormalisedDataset {
        NormalisedDataset {
            dataset,
            left: None,
        }
    }
}

impl Normalise {
    /// Returns no normalisation, as the start of a selection.
    pub(crate) const NONE: Normalise = Normalise {
        s3: false,
        objects: false,
        host_case: false,
        default_ports: false,
        redshift: false,
        glue: false,
        trailing_slash: false,
        jdbc: false,
        name_case: false,
        case: None,
    };

    /// Returns all normalisations that depend on the store.
    pub const fn all() -> Normalise {
        Normalise {
            s3: true,
            objects: true,
            host_case: true,
            default_ports: true,
            redshift: true,
            glue: true,
            trailing_slash: true,
            jdbc: true,
            name_case: true,
            case: None,
        }
    }

    /// Only moves the database from a driver URL to the name.
    pub(crate) fn database_in_name() -> Normalise {
        Normalise {
            jdbc: true,
            ..Normalise::NONE
        }
    }

    /// Normalises `dataset`. Idempotent.
    pub fn normalise(&self, dataset: &Identity) -> Identity {
        self.normalised(dataset).dataset
    }

    pub(crate) fn normalised(&self, dataset: &Identity) -> NormalisedDataset {
        let mut done = self.located(dataset);
        // A value in quotes or braces, or a second port before a name, may need a second pass.
        for _ in 0..MOST_LOOKS {
            if done.dataset == *dataset || !is_odd(&done.dataset) {
                break;
            }
            let again = self.located(&done.dataset);
            if again.dataset == done.dataset {
                break;
            }
            done = again;
        }
        let fold = match self.case {
            Some(case) => Some(Fold::asked(case)),
            None if self.name_case => Fold::of(&done.dataset.namespace),
            None => None,
        };
        if let Some(name) = fold.and_then(|fold| folded(&done.dataset.name, fold)) {
            done.dataset.name = name;
        }
        done
    }

    /// Returns the full address of the warehouse of a Redshift dataset, which the short form leaves out: datasets with
    /// different addresses are in different warehouses.
    pub(crate) fn warehouse(&self, dataset: &Identity) -> Option<String> {
        let namespace = &dataset.namespace;
        if !self.redshift || !namespace.contains(".amazonaws.com") {
            return None;
        }
        let url = Url::read(namespace, self)?;
        let (host, port) = host_and_port(&format!("redshift://{}", url.host()))?;
        match parse_host(host, port) {
            HostForm::Endpoint(endpoint) => Some(endpoint.address),
            HostForm::Short(_) | HostForm::Other => None,
        }
    }

    /// Moves namespace and name parts to their positions, without folding.
    fn located(&self, dataset: &Identity) -> NormalisedDataset {
        let unchanged = || NormalisedDataset::from(dataset.clone());
        if is_glue(&dataset.namespace) {
            return one_catalog(dataset, self.glue, self.trailing_slash)
                .map_or_else(unchanged, NormalisedDataset::from);
        }
        if self.jdbc && oracle::is_driver(&dataset.namespace) {
            return match oracle::read(&dataset.namespace) {
                Some(url) => self.of_url(&url, Store::Server(Some(1521)), dataset),
                None => NormalisedDataset {
                    dataset: Identity {
                        namespace: oracle::without_user(&dataset.namespace),
                        name: dataset.name.clone(),
                    },
                    left: Some("its URL names no host"),
                },
            };
        }
        let Some(url) = Url::read(&dataset.namespace, self) else {
            return unchanged();
        };
        let Some(store) = store(&url.lower) else {
            return unchanged();
        };
        match store {
            Store::Athena if self.jdbc => drivers::athena(&url, dataset),
            Store::BigQuery if self.jdbc => drivers::bigquery(&url, dataset),
            Store::Athena | Store::BigQuery => unchanged(),
            Store::Bucket | Store::Container | Store::Files => {
                objects::spelled(self, store, &url, dataset)
                    .map_or_else(unchanged, NormalisedDataset::from)
            }
            Store::Server(_) | Store::Host => self.of_url(&url, store, dataset),
        }
    }

    /// Normalises a dataset on a server, from its URL and its name.
    fn of_url(&self, url: &Url<'_>, store: Store, dataset: &Identity) -> NormalisedDataset {
        let (redshift, mut left) = (self.redshift && url.lower == "redshift", None);
        let opened = self.jdbc || redshift;
        let driver = driver(&url.lower).filter(|_| opened);
        let at = match (opened, driver) {
            (true, Some(driver)) => driver.at(url),
            (true, None) => UrlParts::path(url),
            (false, _) => UrlParts::as_it_came(url),
        };
        let mut authority = self.authority(url, &at, driver);
        let mut name = dataset.name.clone();
        if matches!(store, Store::Server(_)) && (self.jdbc || self.default_ports) {
            match port_of(&name, &authority) {
                NamedPort::None => {}
                NamedPort::Same(rest) => name = rest.to_owned(),
                NamedPort::Moved(port, rest) => {
                    authority = format!("{}:{port}", authority.trim_end_matches(':'));
                    name = rest.to_owned();
                }
                NamedPort::Other => left = Some("its name has another port than its namespace"),
            }
        }
        if authority.is_empty() && at.tail.is_empty() {
            return dataset.clone().into();
        }
        if authority.is_empty() && at.by_setting() {
            left = left.or(Some("its URL names no host"));
        }
        if let Store::Server(Some(port)) = store
            && self.default_ports
            && lacks_port(&authority)
            && (opened || !at.says_port)
        {
            authority = format!("{}:{port}", authority.trim_end_matches(':'));
        }
        // A path may be a complete name. Settings cannot be, so they are treated as if there were a name.
        let mut tail = match name.is_empty() && !at.by_setting() {
            true => at.path.clone(),
            false => at.tail.clone(),
        };
        if self.trailing_slash {
            tail.truncate(tail.trim_end_matches('/').len());
        }
        if let Some(driver) = driver.filter(|_| !authority.is_empty()) {
            match placed(driver, &at, &name) {
                Ok(whole) => {
                    name = whole;
                    tail = at.kept.clone();
                }
                Err(why) => left = left.or(Some(why)),
            }
        } else if self.jdbc && url.lower == "kafka" && name.is_empty() {
            let topic = at.path.trim_matches('/');
            if !topic.is_empty() && !topic.contains('/') {
                (name, tail) = (topic.to_owned(), String::new());
            }
        }
        let scheme = match driver {
            Some(driver) => driver.scheme(url.scheme, &url.lower, self.host_case),
            None if self.host_case => url.lower.clone(),
            None => url.scheme.to_owned(),
        };
        let mut namespace = format!("{scheme}://{authority}");
        if redshift {
            let short = short_redshift(&format!("redshift://{authority}"));
            namespace = short.unwrap_or(namespace);
        }
        NormalisedDataset {
            dataset: Identity {
                namespace: namespace + &tail,
                name,
            },
            left,
        }
    }

    fn authority(&self, url: &Url<'_>, at: &UrlParts, driver: Option<&Driver>) -> String {
        let mut authority = match self.jdbc {
            true => url.host().to_owned(),
            false => url.authority.to_owned(),
        };
        if let Some(driver) = driver {
            authority = driver.authority(authority, url, at);
        }
        match self.host_case {
            true => authority.to_ascii_lowercase(),
            false => authority,
        }
    }
}

/// The most passes over a name. Each removes something, and few names need two.
const MOST_LOOKS: usize = 8;

/// Whether another pass may change more: whether the name contains something that the naming page does not use.
fn is_odd(dataset: &Identity) -> bool {
    dataset.namespace.contains(['{', '\'', '"', '&', '#', '='])
        || dataset.name.starts_with(|c: char| c.is_ascii_digit())
}

/// Combines the name with the parts from the URL.
fn placed(driver: &Driver, at: &UrlParts, name: &str) -> Result<String, &'static str> {
    if !name.is_empty() {
        return match at.not_understood {
            true => Err("the path of its namespace is not understood"),
            false => driver.placed(name, at),
        };
    }
    // A complete name in the namespace is valid if it has all parts of a table name.
    let whole = at.path.trim_matches(['/', ':']);
    match name::parts(whole) {
        Some(parts)
            if parts.len() == driver.levels
                && parts.iter().all(|part| !part.is_empty())
                && !whole.contains(['/', '?', ';', '=']) =>
        {
            Ok(whole.to_owned())
        }
        _ if whole.is_empty() && !at.by_setting() => Ok(String::new()),
        _ if whole.is_empty() => Err("it has no name"),
        _ => Err("it has no name, and the path of its namespace is none"),
    }
}

/// A port before a name, where a driver URL was split in the wrong position.
enum NamedPort<'n> {
    None,
    /// Equal to the port of the namespace.
    Same(&'n str),
    /// The namespace has no port; it belongs there.
    Moved(&'n str, &'n str),
    /// A different port.
    Other,
}

fn port_of<'n>(name: &'n str, authority: &str) -> NamedPort<'n> {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let Some((port, rest)) = name
        .split_at_checked(digits)
        .filter(|(port, _)| port.parse::<u16>().is_ok_and(|port| port > 0))
    else {
        return NamedPort::None;
    };
    let Some(rest) = rest
        .strip_prefix(['/', ':'])
        .filter(|rest| !rest.is_empty())
    else {
        return NamedPort::None;
    };
    match authority.rsplit_once(':') {
        Some((_, own)) if own == port => NamedPort::Same(rest),
        _ if lacks_port(authority) => NamedPort::Moved(port, rest),
        _ => NamedPort::Other,
    }
}

/// Whether a port may be added: not to a list of hosts, nor to a SQL Server instance that clients look up by name.
fn lacks_port(host: &str) -> bool {
    let after_address = host.rsplit_once(']').map_or(host, |(_, after)| after);
    let port = after_address.split_once(':').map(|(_, port)| port);
    port.is_none_or(str::is_empty)
        && !host.contains([',', '\\', '=', '('])
        && !matches!(host.trim_end_matches(':').chars().last(), None | Some('@'))
}

fn short_redshift(namespace: &str) -> Option<String> {
    let (host, port) = host_and_port(namespace)?;
    match parse_host(host, port) {
        HostForm::Endpoint(endpoint)
            if !endpoint.identifier.is_empty() && !endpoint.region.is_empty() =>
        {
            let (identifier, region) = (endpoint.identifier, endpoint.region);
            Some(format!("redshift://{identifier}.{region}:{port}"))
        }
        HostForm::Endpoint(_) | HostForm::Short(_) | HostForm::Other => None,
    }
}

#[cfg(test)]
mod tests;
