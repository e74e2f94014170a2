//! One store, one spelling: the variants of a dataset's namespace and name that mean the same, brought to the form of
//! the OpenLineage naming page (`website/docs/spec/naming.md`).
//!
//! Knows the stores of that page by the scheme of their namespace. What it does not know comes out as it went in:
//! namespaces need not be URIs (`bigquery`, `file`), and ARNs are nobody's variant. Looks nothing up; the rule that
//! turns Redshift's names into the catalogue's is `redshift.rs`. Called by the rule action of that name.

use openlineage::Identity;

use crate::endpoint::{Told, host_and_port, told};

/// What is brought to one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalise {
    /// `s3a://` and `s3n://` are `s3://`, and object names start without a slash (the bucket's root stays `/`).
    pub s3: bool,
    /// Scheme and host are in lower case; buckets and containers, database names and paths stay.
    pub host_case: bool,
    /// The port that the vendor's clients take when none is said is said.
    pub default_ports: bool,
    /// `redshift://<cluster or workgroup>.<region>:<port>`, and the database in the name, not in the namespace.
    pub redshift: bool,
    /// No slash at the end of a namespace, nor of the name of a file or an object.
    pub trailing_slash: bool,
    /// What a JDBC URL leaves in a namespace is gone: `jdbc:`, the driver's settings, user and password.
    pub jdbc: bool,
}

/// How the namespaces of a store are built, by the naming page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    /// `scheme://host:port`, with the port that clients of the store take by default, where there is one.
    Server(Option<u16>),
    /// `scheme://host`, perhaps with a path: no port by itself.
    Host,
    /// `scheme://bucket`: the authority is a name of its own.
    Bucket,
    /// `scheme://container@host`.
    Container,
    /// `hdfs://namenode:port` and `file://host`: a host, and names that are paths.
    Files,
}

impl Default for Normalise {
    fn default() -> Normalise {
        Normalise::all()
    }
}

impl Normalise {
    /// Everything.
    pub fn all() -> Normalise {
        Normalise {
            s3: true,
            host_case: true,
            default_ports: true,
            redshift: true,
            trailing_slash: true,
            jdbc: true,
        }
    }

    /// The one spelling of `dataset`. Doing it twice does nothing more.
    pub fn normalise(&self, dataset: &Identity) -> Identity {
        self.known(dataset).unwrap_or_else(|| dataset.clone())
    }

    /// `None` for what is none of the stores known here.
    fn known(&self, dataset: &Identity) -> Option<Identity> {
        let (scheme, rest) = self.scheme(&dataset.namespace)?;
        let lower = scheme.to_ascii_lowercase();
        let store = store(&lower)?;
        let scheme = match lower.as_str() {
            "s3a" | "s3n" if self.s3 => "s3",
            "postgresql" if self.jdbc => "postgres",
            _ if self.host_case => &lower,
            _ => scheme,
        };
        let end = rest.find(['/', ';', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at_checked(end)?;
        if lower == "awsathena" && self.jdbc {
            return Some(athena(dataset, scheme, rest));
        }
        if authority.is_empty() {
            return None;
        }
        let authority = self.authority(store, authority);
        let mut tail = self.tail(store, tail);
        let mut name = self.name(store, scheme, &dataset.name);
        if self.redshift && lower == "redshift" {
            if let Some(database) = tail.strip_prefix('/').filter(|rest| !rest.contains('/')) {
                name = with_database(database, name);
                tail = "";
            }
            let namespace = format!("redshift://{authority}");
            let short = short_redshift(&namespace).unwrap_or(format!("{scheme}://{authority}"));
            let namespace = short + tail;
            return Some(Identity { namespace, name });
        }
        if self.jdbc
            && let Some(whole) = with_default_database(&lower, tail, &name)
        {
            (name, tail) = (whole, "");
        }
        let namespace = format!("{scheme}://{authority}{tail}");
        Some(Identity { namespace, name })
    }

    /// Scheme and what follows its `://`.
    fn scheme<'n>(&self, namespace: &'n str) -> Option<(&'n str, &'n str)> {
        let (scheme, rest) = namespace.split_once("://")?;
        let (scheme, jdbc) = match scheme.split_once(':') {
            Some((first, last)) if self.jdbc && first.eq_ignore_ascii_case("jdbc") => (last, true),
            _ => (scheme, false),
        };
        match scheme.split_once(':') {
            // `jdbc:redshift:iam://`, which is how the same warehouse is reached, not another one.
            Some((first, last))
                if self.redshift
                    && first.eq_ignore_ascii_case("redshift")
                    && last.eq_ignore_ascii_case("iam") =>
            {
                Some((first, rest))
            }
            Some(_) => None,
            None if jdbc
                && !scheme.eq_ignore_ascii_case("snowflake")
                && !matches!(store(&scheme.to_ascii_lowercase()), Some(Store::Server(_))) =>
            {
                (scheme.eq_ignore_ascii_case("awsathena")).then_some((scheme, rest))
            }
            None => Some((scheme, rest)),
        }
    }

    fn authority(&self, store: Store, authority: &str) -> String {
        let lower = |text: &str| match self.host_case {
            true => text.to_ascii_lowercase(),
            false => text.to_owned(),
        };
        let without_user = match authority.rsplit_once('@') {
            Some((_, host)) if self.jdbc && !host.is_empty() => host,
            _ => authority,
        };
        match store {
            Store::Bucket => authority.to_owned(),
            Store::Files => lower(authority),
            Store::Host => lower(without_user),
            Store::Container => match authority.rsplit_once('@') {
                Some((container, host)) => format!("{container}@{}", lower(host)),
                None => authority.to_owned(),
            },
            Store::Server(port) => {
                let mut host = lower(without_user);
                if let Some(port) = port.filter(|_| self.default_ports && lacks_port(&host)) {
                    host = format!("{}:{port}", host.trim_end_matches(':'));
                }
                host
            }
        }
    }

    /// What follows the authority: a path, or the settings of a driver.
    fn tail<'n>(&self, store: Store, tail: &'n str) -> &'n str {
        let settings = match store {
            Store::Server(_) | Store::Host if self.jdbc => tail.find([';', '?']),
            _ => None,
        };
        let tail = settings.and_then(|at| tail.get(..at)).unwrap_or(tail);
        if self.trailing_slash {
            tail.trim_end_matches('/')
        } else {
            tail
        }
    }

    fn name(&self, store: Store, scheme: &str, name: &str) -> String {
        let mut name = name;
        match store {
            Store::Bucket | Store::Container | Store::Files => {
                if self.trailing_slash {
                    name = or_root(name, name.trim_end_matches('/'));
                }
                if self.s3 && scheme.eq_ignore_ascii_case("s3") {
                    name = or_root(name, name.trim_start_matches('/'));
                }
            }
            Store::Server(_) | Store::Host => {}
        }
        name.to_owned()
    }
}

/// The stores of the naming page whose namespaces have an authority. A default port stands here only where the
/// vendor's documentation gives one; where it depends (Trino: with or without TLS; Db2: 50000, 446 or what the client
/// library says; HDFS: a name service has none; Kafka: always said) none is filled in.
fn store(scheme: &str) -> Option<Store> {
    Some(match scheme {
        // PostgreSQL, "Connection Settings": port, 5432.
        "postgres" | "postgresql" => Store::Server(Some(5432)),
        // CrateDB, "Ports": psql.port, 5432.
        "crate" => Store::Server(Some(5432)),
        // MySQL Reference Manual, "Server System Variables": port, 3306.
        "mysql" => Store::Server(Some(3306)),
        // OceanBase, system parameter mysql_port: 2881.
        "oceanbase" => Store::Server(Some(2881)),
        // Amazon Redshift Management Guide, "Configuring an ODBC/JDBC connection": 5439.
        "redshift" => Store::Server(Some(5439)),
        // Microsoft, "Configure SQL Server to listen on a specific TCP port": the default instance, 1433.
        "mssql" | "sqlserver" => Store::Server(Some(1433)),
        // Oracle Net Services, "Configuring the listener": 1521.
        "oracle" => Store::Server(Some(1521)),
        // Teradata JDBC Driver reference: DBS_PORT, 1025.
        "teradata" => Store::Server(Some(1025)),
        // Apache Hive, configuration properties: hive.server2.thrift.port, 10000.
        "hive" => Store::Server(Some(10000)),
        // Apache Cassandra, cassandra.yaml: native_transport_port, 9042.
        "cassandra" => Store::Server(Some(9042)),
        // MongoDB Manual, "Connection Strings": 27017; with `+srv` the name service says the ports.
        "mongodb" => Store::Server(Some(27017)),
        // Milvus, "Connect to Milvus server": 19530.
        "milvus" => Store::Server(Some(19530)),
        "mongodb+srv" | "db2" | "trino" | "kafka" | "fabric-warehouse" | "unitycatalog" => {
            Store::Server(None)
        }
        "awsathena" | "azurecosmos" | "azurekusto" | "box" | "filenet" | "mssharepoint"
        | "snowflake" => Store::Host,
        "s3" | "s3a" | "s3n" | "gs" | "dbfs" => Store::Bucket,
        "abfss" | "wasbs" => Store::Container,
        "hdfs" | "file" => Store::Files,
        _ => return None,
    })
}

/// Whether a port may be added: not to a list of hosts, nor to an instance of SQL Server that is found by its name.
fn lacks_port(host: &str) -> bool {
    let after_address = host.rsplit_once(']').map_or(host, |(_, after)| after);
    let port = after_address.split_once(':').map(|(_, port)| port);
    port.is_none_or(str::is_empty)
        && !host.contains([',', '\\', '='])
        && !matches!(host.trim_end_matches(':').chars().last(), None | Some('@'))
}

/// `short` unless nothing is left of a name that had something: then it is the root.
fn or_root<'n>(name: &'n str, short: &'n str) -> &'n str {
    if short.is_empty() && !name.is_empty() {
        "/"
    } else {
        short
    }
}

fn short_redshift(namespace: &str) -> Option<String> {
    let (host, port) = host_and_port(namespace)?;
    match told(host, port) {
        Told::Endpoint(endpoint)
            if !endpoint.identifier.is_empty() && !endpoint.region.is_empty() =>
        {
            let (identifier, region) = (endpoint.identifier, endpoint.region);
            Some(format!("redshift://{identifier}.{region}:{port}"))
        }
        Told::Endpoint(_) | Told::Short(_) | Told::Other => None,
    }
}

/// `schema.table` with the database that its namespace gave.
fn with_database(database: &str, name: String) -> String {
    if !database.is_empty() && name.split('.').count() == 2 {
        format!("{database}.{name}")
    } else {
        name
    }
}

/// The name with the database that a driver's URL connects to: `schema.table` in PostgreSQL, `table` in MySQL, where
/// the database of a name counts more. `None` when the path is no such database.
fn with_default_database(scheme: &str, tail: &str, name: &str) -> Option<String> {
    let database = tail.strip_prefix('/')?.trim_end_matches('/');
    let parts: Vec<&str> = name.split('.').collect();
    if database.is_empty() || database.contains(['/', '.', ';', '?']) || parts.contains(&"") {
        return None;
    }
    match (scheme, parts.as_slice()) {
        ("postgres" | "postgresql", [_, _]) | ("mysql", [_]) => Some(format!("{database}.{name}")),
        ("postgres" | "postgresql", [own, _, _]) if *own == database => Some(name.to_owned()),
        ("mysql", [_, _]) => Some(name.to_owned()),
        _ => None,
    }
}

/// A driver's URL of Athena names the region in the host or in a setting; the rest (output location, credentials,
/// port) is no part of the store's name.
fn athena(dataset: &Identity, scheme: &str, rest: &str) -> Identity {
    let mut parts = rest.split(';');
    let host = parts.next().unwrap_or_default();
    let settings = || {
        rest.split(';')
            .filter_map(|setting| setting.split_once('='))
    };
    let region = settings()
        .find(|(key, _)| ["awsregion", "region"].contains(&key.to_ascii_lowercase().as_str()))
        .map(|(_, region)| region.to_ascii_lowercase());
    let authority = match region {
        Some(region) if host.contains('=') || host.is_empty() => {
            format!("athena.{region}.amazonaws.com")
        }
        Some(_) | None => {
            let host = host.trim_end_matches('/').to_ascii_lowercase();
            host.strip_suffix(":443").map(str::to_owned).unwrap_or(host)
        }
    };
    if authority.is_empty() {
        return dataset.clone();
    }
    Identity {
        namespace: format!("{scheme}://{authority}"),
        name: dataset.name.clone(),
    }
}

#[cfg(test)]
mod tests;
