//! The law of all drivers: what a database would tell apart comes out apart, what is written in two ways comes out one,
//! and no secret comes out.

use super::*;

const SECRET: &str = "hunter2";

/// A table as a database knows it, and how it is written.
#[derive(Debug, Clone)]
struct Table {
    driver: usize,
    host: &'static str,
    port: Option<u16>,
    database: Option<&'static str>,
    schema: Option<&'static str>,
    table: &'static str,
    /// Whether the name has all parts that it can have.
    in_name: bool,
    form: usize,
}

/// Scheme, parts of a name, and the default port.
const DRIVERS: [(&str, usize, Option<u16>); 15] = [
    ("postgres", 3, Some(5432)),
    ("mysql", 2, Some(3306)),
    ("sqlserver", 3, Some(1433)),
    ("snowflake", 3, None),
    ("oracle", 3, Some(1521)),
    ("teradata", 2, Some(1025)),
    ("db2", 3, None),
    ("redshift", 3, Some(5439)),
    ("trino", 3, None),
    ("databricks", 3, Some(443)),
    ("hive2", 2, Some(10000)),
    ("impala", 2, Some(21050)),
    ("clickhouse", 2, None),
    ("bigquery", 3, None),
    ("awsathena", 3, None),
];

impl Table {
    /// What the database would tell apart.
    fn key(&self) -> impl PartialEq + std::fmt::Debug {
        let (_, levels, port) = DRIVERS[self.driver];
        let schema = self.schema.filter(|_| levels == 3);
        let server = match DRIVERS[self.driver].0 {
            "bigquery" => None,
            _ => Some((self.host, self.port().or(port))),
        };
        (self.driver, server, self.database, schema, self.table)
    }

    fn port(&self) -> Option<u16> {
        self.port
            .filter(|_| !["snowflake", "bigquery", "awsathena"].contains(&DRIVERS[self.driver].0))
    }

    fn is_whole(&self) -> bool {
        self.database.is_some() && (self.schema.is_some() || DRIVERS[self.driver].1 == 2)
    }

    fn written(&self) -> (String, String) {
        let (scheme, levels, _) = DRIVERS[self.driver];
        let schema = self.schema.filter(|_| levels == 3);
        let by_setting = !["oracle", "sqlserver", "hive2", "impala"].contains(&scheme);
        // A name contains its database only with its schema, and its schema only if no setting names it.
        let schema_in_name = schema.is_some()
            && (self.in_name || !by_setting || scheme == "trino" && self.database.is_none());
        let database_in_name =
            self.database.is_some() && self.in_name && (levels == 2 || schema_in_name);
        let (mut url_database, mut url_schema) = (self.database, schema);
        let mut name = self.table.to_owned();
        if schema_in_name {
            url_schema = None;
            name = format!("{}.{name}", schema.unwrap());
        }
        if database_in_name {
            url_database = None;
            name = format!("{}.{name}", self.database.unwrap());
        }
        (self.url(scheme, url_database, url_schema), name)
    }

    fn url(&self, scheme: &str, database: Option<&str>, schema: Option<&str>) -> String {
        let form = |of: usize| self.form % of;
        let port = self
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        let (host, user) = (self.host, format!("scott:{SECRET}@"));
        let at = match form(2) {
            0 => format!("{host}{port}"),
            _ => format!("{user}{host}{port}"),
        };
        let path = database
            .map(|database| format!("/{database}"))
            .unwrap_or_default();
        let setting = |key: &str, value: Option<&str>, end: &str| {
            value
                .map(|value| format!("{key}={value}{end}"))
                .unwrap_or_default()
        };
        match scheme {
            "postgres" => {
                let scheme = [
                    "postgres",
                    "jdbc:postgresql",
                    "postgresql+psycopg2",
                    "PostgreSQL",
                ][form(4)];
                format!(
                    "{scheme}://{at}{path}?{}password={SECRET}",
                    setting("currentSchema", schema, "&")
                )
            }
            "redshift" => format!(
                "redshift://{at}{path}?{}password={SECRET}",
                setting("currentSchema", schema, "&")
            ),
            "mysql" => match form(3) {
                0 => format!("jdbc:mysql://{at}{path}?password={SECRET}"),
                1 => format!("mysql+pymysql://{at}{path}"),
                _ => {
                    let port = self
                        .port()
                        .map(|port| format!("(port={port})"))
                        .unwrap_or_default();
                    format!(
                        "jdbc:mysql://address=(host={host}){port}(user=u)(password={SECRET}){path}"
                    )
                }
            },
            "sqlserver" => {
                let at = match (form(3), self.port()) {
                    (0, Some(port)) => format!("{host};portNumber={port}"),
                    (1, Some(port)) => format!(";serverName={host};port={port}"),
                    _ => format!("{host}{port}"),
                };
                let key = ["databaseName", "database", "DatabaseName"][form(3)];
                format!(
                    "jdbc:sqlserver://{at};password={{{SECRET};x}};{}encrypt=true",
                    setting(key, database, ";")
                )
            }
            "snowflake" => {
                let domain =
                    ["", ".snowflakecomputing.com", ".snowflakecomputing.com:443"][form(3)];
                match (form(2), database, schema) {
                    (1, Some(database), Some(schema)) => {
                        format!("snowflake://{user}{host}{domain}/{database}/{schema}?role=r")
                    }
                    _ => format!(
                        "jdbc:snowflake://{host}{domain}/?{}{}password={SECRET}",
                        setting("db", database, "&"),
                        setting("schema", schema, "&")
                    ),
                }
            }
            "oracle" => {
                let number = self.port().unwrap_or(1521);
                match (form(5), database) {
                    (0, Some(service)) => {
                        format!("jdbc:oracle:thin:scott/{SECRET}@//{host}{port}/{service}")
                    }
                    (1, Some(service)) => {
                        format!("jdbc:oracle:thin:scott/{SECRET}@{host}:{number}:{service}")
                    }
                    (2, service) => format!(
                        "jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS=(HOST={host})(PORT={number}))(CONNECT_DATA={}))",
                        service
                            .map(|service| format!("(SERVICE_NAME={service})"))
                            .unwrap_or_default()
                    ),
                    (3, service) => format!(
                        "jdbc:oracle:thin:@tcps://{host}{port}{}?wallet={SECRET}",
                        service.map(|s| format!("/{s}")).unwrap_or_default()
                    ),
                    _ => format!("oracle://{at}{path}"),
                }
            }
            "teradata" => format!(
                "jdbc:teradata://{host}/{}{}PASSWORD={SECRET}",
                setting(
                    "DBS_PORT",
                    self.port().map(|port| port.to_string()).as_deref(),
                    ","
                ),
                setting("DATABASE", database, ","),
            ),
            "db2" => format!(
                "jdbc:db2://{host}{port}{path}:{}password={SECRET};",
                setting("currentSchema", schema, ";")
            ),
            "trino" => {
                let schema = schema
                    .map(|schema| format!("/{schema}"))
                    .unwrap_or_default();
                format!("jdbc:trino://{at}{path}{schema}?password={SECRET}")
            }
            "databricks" => {
                let path = if form(2) == 0 {
                    schema.map(|schema| format!("/{schema}"))
                } else {
                    None
                };
                let schema = setting("ConnSchema", schema.filter(|_| path.is_none()), ";");
                format!(
                    "jdbc:databricks://{host}{port}{};{schema}{}PWD={SECRET}",
                    path.unwrap_or_default(),
                    setting("ConnCatalog", database, ";")
                )
            }
            "hive2" | "impala" => {
                format!("jdbc:{scheme}://{host}{port}{path};ssl=true;password={SECRET}")
            }
            "clickhouse" => match form(2) {
                0 => format!("jdbc:clickhouse:http://{at}{path}?password={SECRET}"),
                _ => format!(
                    "jdbc:ch://{at}?{}password={SECRET}",
                    setting("database", database, "&")
                ),
            },
            "bigquery" => format!(
                "jdbc:bigquery://https://www.googleapis.com/bigquery/v2:443;OAuthPvtKey={SECRET};{}{}",
                setting("ProjectId", database, ";"),
                setting("DefaultDataset", schema, ";")
            ),
            _ => format!(
                "jdbc:awsathena://AwsRegion={host};Password={SECRET};{}{}",
                setting("Catalog", database, ";"),
                setting("Schema", schema, ";")
            ),
        }
    }
}

fn table() -> impl Strategy<Value = Table> {
    let part = |texts: [&'static str; 3]| {
        proptest::option::weighted(0.8, proptest::sample::select(texts.to_vec()))
    };
    (
        0..DRIVERS.len(),
        proptest::sample::select(vec!["one", "two"]),
        proptest::sample::select(vec![None, Some(1433), Some(5432), Some(9999)]),
        part(["sales", "archive", "eu"]),
        part(["eu", "us", "sales"]),
        proptest::sample::select(vec!["orders", "eu"]),
        any::<bool>(),
        0usize..60,
    )
        .prop_map(
            |(driver, host, port, database, schema, table, in_name, form)| Table {
                driver,
                host,
                port,
                database,
                schema,
                table,
                in_name,
                form,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    #[test]
    fn two_tables_stay_two_and_two_spellings_become_one(one in table(), mut two in table(), same in any::<bool>()) {
        two.driver = one.driver;
        if same {
            let (in_name, form) = (two.in_name, two.form);
            two = Table { in_name, form, ..one.clone() };
        }
        let ((a, a_name), (b, b_name)) = (one.written(), two.written());
        let (first, second) = (SPELLING.normalise(&id(&a, &a_name)), SPELLING.normalise(&id(&b, &b_name)));
        let message = format!("{a} {a_name} -> {first:?}\n{b} {b_name} -> {second:?}");
        if one.key() != two.key() {
            prop_assert_ne!(&first, &second, "{}", message);
        } else if one.is_whole() {
            prop_assert_eq!(&first, &second, "{}", message);
        }
        for done in [&first, &second] {
            prop_assert!(!done.namespace.contains(SECRET) && !done.name.contains(SECRET), "{}", message);
            prop_assert_eq!(&SPELLING.normalise(done), done, "{}", message);
        }
    }
}
