//! The table of drivers, with the settings that distinguish tables according to each driver's documentation. Read by `drivers.rs`.

use super::{Driver, NameDatabase, Path};

/// The drivers.
pub(super) const DRIVERS: [Driver; 15] = [
    // https://jdbc.postgresql.org/documentation/use/ (currentSchema), libpq "Connection URIs" (dbname, host, port).
    Driver {
        schemes: &["postgres", "postgresql"],
        scheme: Some("postgres"),
        database: &["dbname", "database"],
        schema: &["currentSchema", "searchpath", "search_path", "schema"],
        host: &["host"],
        port: &["port"],
        own: NameDatabase::Same,
        ..PLAIN
    },
    // https://docs.aws.amazon.com/redshift/latest/mgmt/jdbc20-configuration-options.html; a statement can name another
    // database ("Querying data across databases").
    Driver {
        schemes: &["redshift"],
        schema: &["currentSchema", "searchpath", "schema"],
        host: &["host"],
        port: &["port"],
        ..PLAIN
    },
    // https://dev.mysql.com/doc/connector-j/en/connector-j-reference-jdbc-url-format.html and MariaDB Connector/J.
    Driver {
        schemes: &["mysql", "mariadb", "oceanbase"],
        levels: 2,
        ..PLAIN
    },
    // https://learn.microsoft.com/sql/connect/jdbc/setting-the-connection-properties; jTDS and SQLAlchemy have the database
    // in the path.
    Driver {
        schemes: &["sqlserver", "mssql", "fabric-warehouse"],
        database: &["databaseName", "database"],
        host: &["serverName", "server"],
        port: &["portNumber", "port"],
        ..PLAIN
    },
    // https://docs.snowflake.com/en/developer-guide/jdbc/jdbc-configure (db, schema); SQLAlchemy has both in the path.
    Driver {
        schemes: &["snowflake"],
        path: Path::DatabaseAndSchema,
        database: &["db", "database"],
        schema: &["schema"],
        ..PLAIN
    },
    // https://docs.oracle.com/en/database/oracle/oracle-database/21/jajdb: the service, or the SID.
    Driver {
        schemes: &["oracle"],
        database: &["service_name", "sid"],
        own: NameDatabase::SameInAnyCase,
        ..PLAIN
    },
    // Teradata JDBC Driver Reference, chapter 2: parameters follow the slash, with commas between them.
    Driver {
        schemes: &["teradata"],
        levels: 2,
        path: Path::Settings,
        database: &["database"],
        port: &["dbs_port"],
        ..PLAIN
    },
    // https://www.ibm.com/docs/en/db2/11.5: "URL format for IBM Data Server Driver for JDBC and SQLJ type 4".
    Driver {
        schemes: &["db2"],
        schema: &["currentSchema", "currentSQLID"],
        own: NameDatabase::SameInAnyCase,
        ..PLAIN
    },
    // https://trino.io/docs/current/client/jdbc.html: host:port/catalog/schema.
    Driver {
        schemes: &["trino", "presto"],
        path: Path::DatabaseAndSchema,
        ..PLAIN
    },
    // https://docs.databricks.com/en/integrations/jdbc/properties-oss.html (ConnCatalog, ConnSchema); the cluster or
    // warehouse (httpPath) is how the workspace is reached. SQLAlchemy: catalog, schema.
    Driver {
        schemes: &["databricks", "spark"],
        path: Path::Schema,
        database: &["ConnCatalog", "catalog"],
        schema: &["ConnSchema", "schema"],
        ..PLAIN
    },
    // https://cwiki.apache.org/confluence/display/hive/hiveserver2+clients: host:port/db;session?conf#vars.
    Driver {
        schemes: &["hive", "hive2"],
        scheme: Some("hive"),
        levels: 2,
        ..PLAIN
    },
    // Cloudera JDBC Connector for Apache Impala: host:port/schema;settings.
    Driver {
        schemes: &["impala"],
        levels: 2,
        ..PLAIN
    },
    // https://clickhouse.com/docs/integrations/language-clients/java/jdbc: host:port/database?settings.
    Driver {
        schemes: &["clickhouse", "ch"],
        scheme: Some("clickhouse"),
        levels: 2,
        database: &["database"],
        ..PLAIN
    },
    // https://github.com/ing-bank/cassandra-jdbc-wrapper: host1--host2:port/keyspace?settings.
    Driver {
        schemes: &["cassandra"],
        levels: 2,
        ..PLAIN
    },
    // No driver URL contains parts of the name; its names have three parts.
    Driver {
        schemes: &["unitycatalog"],
        path: Path::DatabaseAndSchema,
        ..PLAIN
    },
];

/// Names of three parts, with the database in the path.
pub(super) const PLAIN: Driver = Driver {
    schemes: &[],
    scheme: None,
    levels: 3,
    path: Path::Database,
    database: &["database"],
    schema: &[],
    host: &[],
    port: &[],
    own: NameDatabase::Counts,
};
