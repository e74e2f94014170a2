//! The stores whose namespaces have an authority, by scheme, and the default ports of their clients.

/// The structure of a store's namespaces, from the naming page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    /// `scheme://host:port`, with the port that clients of the store take by default, where there is one.
    Server(Option<u16>),
    /// `scheme://host`, perhaps with a path: no port by itself.
    Host,
    /// `awsathena://athena.<region>.amazonaws.com`.
    Athena,
    /// `bigquery`, all of it.
    BigQuery,
    /// `scheme://bucket`: the authority is a name of its own.
    Bucket,
    /// `scheme://container@host`.
    Container,
    /// `hdfs://namenode:port` and `file://host`: a host, and names that are paths.
    Files,
}

/// The store of a scheme in lower case. A default port is listed only where the vendor's documentation has one. Where
/// it varies (Trino: with or without TLS; Db2: 50000, 446 or the client library's; ClickHouse: 8123, 8443 or
/// 9000; Kafka: always explicit) none is added. A scheme shared by several stores is not listed.
pub(super) fn store(scheme: &str) -> Option<Store> {
    Some(match scheme {
        // PostgreSQL, "Connection Settings": port, 5432.
        "postgres" | "postgresql" => Store::Server(Some(5432)),
        // CrateDB, "Ports": psql.port, 5432.
        "crate" => Store::Server(Some(5432)),
        // MySQL Reference Manual and MariaDB, "Server System Variables": port, 3306.
        "mysql" | "mariadb" => Store::Server(Some(3306)),
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
        "hive2" => Store::Server(Some(10000)),
        "hive" => Store::Server(Some(10000)),
        // Apache Impala, "Ports Used by Impala": hs2_port, 21050.
        "impala" => Store::Server(Some(21050)),
        // Databricks JDBC driver: 443.
        "databricks" => Store::Server(Some(443)),
        // Apache Cassandra, cassandra.yaml: native_transport_port, 9042.
        "cassandra" => Store::Server(Some(9042)),
        // MongoDB Manual, "Connection Strings": 27017; with `+srv` the ports come from DNS.
        "mongodb" => Store::Server(Some(27017)),
        // Milvus, "Connect to Milvus server": 19530.
        "milvus" => Store::Server(Some(19530)),
        "mongodb+srv" | "db2" | "trino" | "presto" | "spark" | "clickhouse" | "ch" | "kafka"
        | "fabric-warehouse" | "unitycatalog" => Store::Server(None),
        "azurecosmos" | "azurekusto" | "box" | "filenet" | "mssharepoint" | "snowflake" => {
            Store::Host
        }
        "awsathena" | "athena" => Store::Athena,
        "bigquery" => Store::BigQuery,
        "s3" | "s3a" | "s3n" | "gs" | "gcs" | "oss" | "cos" | "cosn" | "obs" | "dbfs" => {
            Store::Bucket
        }
        "abfss" | "abfs" | "wasbs" | "wasb" => Store::Container,
        "hdfs" | "file" => Store::Files,
        _ => return None,
    })
}
