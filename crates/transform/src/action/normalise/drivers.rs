//! Reads driver URLs: which path and which settings of each driver distinguish two tables, and their position on the
//! naming page. All other settings describe the connection and its user, and are removed.
//!
//! A name with fewer parts than its store's names gets the database and schema of the URL. A database in the name
//! either overrides that of the URL (where a statement can name another database) or has to be equal.

mod authority;
mod cloud;
mod table;

pub(crate) use cloud::{athena, bigquery};

use super::url::{Url, setting, settings};
use super::{name, oracle};
use table::DRIVERS;

/// The URLs of a driver, from its documentation.
#[derive(Debug)]
pub(super) struct Driver {
    schemes: &'static [&'static str],
    /// The scheme on the naming page, if it differs.
    scheme: Option<&'static str>,
    /// How many parts a table name has: 3 with a schema, 2 without.
    pub(super) levels: usize,
    path: Path,
    /// Settings, matched in any case: the first spelling is used where it stays in the namespace.
    database: &'static [&'static str],
    schema: &'static [&'static str],
    host: &'static [&'static str],
    port: &'static [&'static str],
    own: NameDatabase,
}

/// The meaning of a URL's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Database,
    DatabaseAndSchema,
    Schema,
    /// Settings or a name.
    Settings,
}

/// How a database in a name relates to the URL's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameDatabase {
    /// It overrides the URL's.
    Counts,
    /// It has to be equal: a connection sees one database.
    Same,
    SameInAnyCase,
}

/// Settings that name the location of tables in most stores that have them.
const IDENTIFYING: [&str; 9] = [
    "database",
    "databasename",
    "db",
    "dbname",
    "initial catalog",
    "catalog",
    "schema",
    "currentschema",
    "keyspace",
];

/// Returns the driver of a scheme, which is in lower case.
pub(super) fn driver(scheme: &str) -> Option<&'static Driver> {
    DRIVERS
        .iter()
        .find(|driver| driver.schemes.contains(&scheme))
}

/// The parts of a URL other than its host.
#[derive(Debug, Default)]
pub(super) struct UrlParts {
    database: Option<String>,
    schema: Option<String>,
    host: Option<String>,
    port: Option<String>,
    instance: Option<String>,
    account: Option<String>,
    /// The path, unchanged.
    pub(super) path: String,
    /// What stays in the namespace until it moves to the name.
    pub(super) tail: String,
    /// What always stays in the namespace.
    pub(super) kept: String,
    /// Whether the URL has a port.
    pub(super) says_port: bool,
    pub(super) not_understood: bool,
    /// Whether a setting names the database or schema.
    by_setting: bool,
}

impl UrlParts {
    /// Reads the path, and the settings that may distinguish two tables, for a driver whose settings are unknown.
    pub(super) fn path(url: &Url<'_>) -> UrlParts {
        let path = before(url.tail, &[';', '?']).to_owned();
        let settings_of_url = settings(
            url.tail
                .get(path.len()..)
                .unwrap_or_default()
                .trim_start_matches([';', '?']),
            &[';', '&', '?', '#'],
        );
        let mut kept: Vec<String> = settings_of_url
            .into_iter()
            .map(|(key, value)| (key.to_ascii_lowercase(), value))
            .filter(|(key, _)| IDENTIFYING.contains(&key.as_str()))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        kept.sort();
        let kept = match kept.is_empty() {
            true => String::new(),
            false => format!("?{}", kept.join("&")),
        };
        UrlParts {
            tail: path.clone() + &kept,
            path,
            ..UrlParts::default()
        }
    }

    pub(super) fn by_setting(&self) -> bool {
        self.by_setting
    }

    /// Reads all parts.
    pub(super) fn as_it_came(url: &Url<'_>) -> UrlParts {
        let driver = driver(&url.lower).filter(|_| url.tail.contains('='));
        UrlParts {
            path: url.tail.to_owned(),
            tail: url.tail.to_owned(),
            says_port: driver.is_some_and(|driver| driver.at(url).port.is_some()),
            ..UrlParts::default()
        }
    }
}

/// Whether a setting identifies the server instead of a host: Google's socket factories
/// <https://github.com/GoogleCloudPlatform/cloud-sql-jdbc-socket-factory>, AlloyDB's, and local sockets.
fn is_instance(key: &str) -> bool {
    const KEYS: [&str; 5] = [
        "cloudSqlInstance",
        "alloydbInstanceName",
        "unixSocketPath",
        "unix_socket",
        "localSocket",
    ];
    KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
}

fn before<'t>(text: &'t str, ends: &[char]) -> &'t str {
    text.get(..text.find(ends).unwrap_or(text.len()))
        .unwrap_or_default()
}

impl Driver {
    fn is(&self, scheme: &str) -> bool {
        self.schemes.contains(&scheme)
    }

    pub(super) fn scheme(&self, written: &str, lower: &str, host_case: bool) -> String {
        match self.scheme {
            Some(scheme) => scheme.to_owned(),
            None if host_case => lower.to_owned(),
            None => written.to_owned(),
        }
    }

    pub(super) fn at(&self, url: &Url<'_>) -> UrlParts {
        let ends: &[char] = if self.is("db2") {
            &[':', ';', '?']
        } else {
            &[';', '?']
        };
        let mut path = before(url.tail, ends);
        let mut settings_of_url = settings(
            url.tail
                .get(path.len()..)
                .unwrap_or_default()
                .trim_start_matches(ends),
            &[';', '&', '?', '#'],
        );
        if self.path == Path::Settings && path.contains('=') {
            settings_of_url = settings(url.tail.trim_start_matches('/'), &[',']);
            path = "";
        }
        let setting = |keys: &[&str]| setting(&settings_of_url, keys);
        let mut at = UrlParts {
            database: setting(self.database),
            schema: setting(self.schema).or_else(|| search_path(&setting(&["options"])?)),
            host: setting(self.host),
            port: setting(self.port).filter(|port| port.parse::<u16>().is_ok()),
            path: path.to_owned(),
            ..UrlParts::default()
        };
        if self.is("mssql") {
            at.instance = setting(&["instancename", "instance"]);
        }
        if self.is("snowflake") {
            at.account = setting(&["account"]);
        }
        // A name service in front of several servers; its own namespace identifies the server.
        if self.is("hive")
            && let Some(namespace) = setting(&["zookeepernamespace"])
        {
            at.kept = format!(";zooKeeperNamespace={namespace}");
        }
        at.says_port = at.port.is_some();
        at.by_setting = at.database.is_some() || at.schema.is_some();
        self.by_path(url, path, &mut at);
        // A connect descriptor replaces the host.
        at.by_setting |= path.is_empty() && at.database.is_some();
        at.tail = match at.not_understood {
            true => UrlParts::path(url).tail,
            false => self.written(&at),
        };
        at.tail.push_str(&at.kept);
        if url.host().is_empty() && at.host.is_none() {
            for (key, value) in settings_of_url.iter().filter(|(key, _)| is_instance(key)) {
                let start = if at.tail.contains('?') { '&' } else { '?' };
                at.tail.push_str(&format!("{start}{key}={value}"));
                at.by_setting = true;
            }
        }
        at
    }

    fn by_path(&self, url: &Url<'_>, path: &str, at: &mut UrlParts) {
        let mut inner = path.trim_matches('/');
        if self.is("oracle") {
            // `/service:mode/instance`, or `:sid`.
            inner = before(inner.trim_start_matches(':'), &[':', '/']);
            if url.authority.starts_with('(') {
                inner = oracle::descriptor(url.authority)
                    .and_then(|(_, service)| service)
                    .unwrap_or_default();
            }
        }
        let mut segments = inner
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned);
        let (first, second) = (segments.next(), segments.next());
        let (database, schema) = match self.path {
            Path::Database | Path::Settings => (first, None),
            Path::DatabaseAndSchema => (first, second.clone()),
            Path::Schema => (None, first),
        };
        let more = match self.path {
            Path::DatabaseAndSchema => segments.next().is_some(),
            Path::Database | Path::Schema | Path::Settings => second.is_some(),
        };
        at.not_understood = more;
        if !more {
            at.database = at.database.take().or(database);
            at.schema = at.schema.take().or(schema);
        }
    }

    /// Renders database and schema as a URL of this driver; reading it returns the same.
    fn written(&self, at: &UrlParts) -> String {
        let (database, schema) = (at.database.as_deref(), at.schema.as_deref());
        let setting = |key: &str, value: Option<&str>| value.map(|value| format!("{key}={value}"));
        let key = |keys: &'static [&'static str]| keys.first().copied().unwrap_or_default();
        let path = |text: Option<&str>| match text {
            // No path can express it.
            Some(text) if text.contains(['/', ':']) => format!("?{}={text}", key(self.database)),
            Some(text) => format!("/{text}"),
            None => String::new(),
        };
        let both = |separator: &str| {
            let both = [
                setting(key(self.database), database),
                setting(key(self.schema), schema),
            ];
            both.into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(separator)
        };
        match self.path {
            Path::Settings => setting("/DATABASE", database).unwrap_or_default(),
            Path::Schema | Path::Database if self.is("mssql") || self.is("databricks") => {
                let both = both(";");
                if both.is_empty() {
                    both
                } else {
                    format!(";{both}")
                }
            }
            Path::DatabaseAndSchema if self.is("snowflake") => {
                let both = both("&");
                if both.is_empty() {
                    both
                } else {
                    format!("/?{both}")
                }
            }
            Path::DatabaseAndSchema => path(database) + &path(schema),
            Path::Database | Path::Schema => {
                let schema = setting(key(self.schema), schema);
                let start = if self.is("db2") { ":" } else { "?" };
                path(database)
                    + &schema
                        .map(|schema| format!("{start}{schema}"))
                        .unwrap_or_default()
            }
        }
    }

    /// Adds the database and schema of the URL to `name`, unless the name has its own.
    pub(super) fn placed(&self, name: &str, at: &UrlParts) -> Result<String, &'static str> {
        let (database, schema) = (at.database.as_deref(), at.schema.as_deref());
        let parts = name::parts(name).filter(|parts| parts.iter().any(|part| !part.is_empty()));
        let Some(parts) = parts else {
            return match (database, schema) {
                (None, None) => Ok(name.to_owned()),
                _ => Err("its name cannot be taken apart"),
            };
        };
        let prefix = |part: &str, name: &str| {
            let part = name::escaped(part)
                .ok_or("the database or schema of its namespace is no part of a name")?;
            Ok(format!("{part}.{name}"))
        };
        match (self.levels.checked_sub(parts.len()), database, schema) {
            (_, None, None) => Ok(name.to_owned()),
            (None, _, _) => Err("its name has more parts than that of a table"),
            (Some(0), Some(database), _) => match (self.own, parts.first()) {
                (NameDatabase::Counts, _) => Ok(name.to_owned()),
                (own, Some(part))
                    if name::is_called(part, database, own == NameDatabase::SameInAnyCase) =>
                {
                    Ok(name.to_owned())
                }
                (NameDatabase::Same | NameDatabase::SameInAnyCase, _) => {
                    Err("its name is of another database than its namespace")
                }
            },
            (Some(0), None, _) => Ok(name.to_owned()),
            (Some(1), Some(database), _) => prefix(database, name),
            (Some(1), None, _) => Ok(name.to_owned()),
            (Some(_), _, Some(schemas)) if schemas.contains(',') => {
                Err("its namespace names several schemas")
            }
            (Some(_), Some(database), Some(schema)) => prefix(database, &prefix(schema, name)?),
            (Some(_), None, Some(schema)) => prefix(schema, name),
            (Some(_), Some(_), None) => Err("its schema is unknown"),
        }
    }
}

/// Reads `search_path` from the options with which PostgreSQL's server is started: `-c search_path=eu`.
fn search_path(options: &str) -> Option<String> {
    let at = options.find("search_path")?;
    let value = options.get(at + "search_path".len()..)?;
    let value = value
        .strip_prefix('=')
        .or_else(|| value.strip_prefix("%3D"))
        .or_else(|| value.strip_prefix("%3d"))?;
    let end = value
        .find([' ', '+'])
        .or_else(|| value.find("%20"))
        .unwrap_or(value.len());
    value
        .get(..end)
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}
