//! The structure of names in a store, and the path segments that are part of the identity.
//!
//! A UUID or a date usually belongs to a run. Here are the positions where a catalog assigned it to a table, a
//! lakehouse or a volume, so that only it distinguishes two of them. Called by `strip.rs`.

/// The parts of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// A path in a store of files or objects.
    Path,
    /// The same in Microsoft's OneLake, where the path starts with the GUID of an item.
    OneLake,
    /// Parts that each name something (`database.schema.table`, `table/database/table`): none is removed.
    Table,
    /// A topic, whose name may be a date.
    Topic,
    /// Unknown: dates and ids in a path are recognised, `a=b` and 32 hex digits are not.
    Unknown,
}

/// Stores of files and objects, by the scheme of their namespaces.
const FILES: [&str; 28] = [
    "s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "wasb", "wasbs", "adl", "oss", "cos", "cosn",
    "obs", "tos", "bos", "ks3", "oci", "swift", "hdfs", "viewfs", "webhdfs", "swebhdfs", "ofs",
    "o3fs", "alluxio", "file", "dbfs",
];

/// Stores of tables and collections, by the scheme of their namespaces.
const TABLES: [&str; 39] = [
    "arn",
    "aws",
    "awsathena",
    "athena",
    "azurecosmos",
    "azurekusto",
    "bigquery",
    "cassandra",
    "clickhouse",
    "ch",
    "crate",
    "databricks",
    "db2",
    "fabric-warehouse",
    "hive",
    "hive2",
    "impala",
    "jdbc",
    "mariadb",
    "milvus",
    "mongodb",
    "mongodb+srv",
    "mssql",
    "mysql",
    "oceanbase",
    "oracle",
    "postgres",
    "postgresql",
    "presto",
    "pubsub",
    "redshift",
    "snowflake",
    "spanner",
    "spark",
    "sqlserver",
    "teradata",
    "trino",
    "unitycatalog",
    "vertica",
];

/// Directories whose children are named by a catalog. Managed storage of Unity Catalog is
/// `…/__unitystorage/catalogs/<uuid>/tables/<uuid>`, or `<metastore>/tables/<uuid>` (Databricks, "Managed storage").
const OF_A_CATALOG: [&str; 5] = ["tables", "volumes", "models", "catalogs", "schemas"];

/// The contents of a lakehouse: `<workspace>/<lakehouse>/Tables/…` (Microsoft, "OneLake access and APIs").
const OF_A_LAKEHOUSE: [&str; 4] = ["tables", "files", "volumes", "models"];

impl Layout {
    pub(super) fn of(namespace: &str) -> Layout {
        let scheme = namespace.split(':').next().unwrap_or_default();
        let is = |known: &&str| known.eq_ignore_ascii_case(scheme);
        if FILES.iter().any(is) {
            match namespace.contains('@') && contains(namespace, "onelake.") {
                true => Layout::OneLake,
                false => Layout::Path,
            }
        } else if scheme.eq_ignore_ascii_case("kafka") {
            Layout::Topic
        } else if TABLES.iter().any(is) {
            Layout::Table
        } else {
            Layout::Unknown
        }
    }

    pub(super) fn is_path(self) -> bool {
        matches!(self, Layout::Path | Layout::OneLake)
    }

    /// Whether segments of a name are removable at all.
    pub(super) fn has_segments(self) -> bool {
        !matches!(self, Layout::Table | Layout::Topic)
    }

    /// Whether the segment at `index` is part of the identity, whatever its form.
    pub(super) fn keeps(self, segments: &[&str], index: usize) -> bool {
        let is = |segment: &str, known: &[&str]| {
            known.iter().any(|name| name.eq_ignore_ascii_case(segment))
        };
        let at = |index: usize| segments.get(index).copied().unwrap_or_default();
        let previous = index.checked_sub(1).map(at).unwrap_or_default();
        // Hive keeps the tables of a database in `<database>.db` (hive.metastore.warehouse.dir).
        let end = previous.len().checked_sub(3).filter(|end| *end > 0);
        if end
            .and_then(|end| previous.get(end..))
            .is_some_and(|end| end.eq_ignore_ascii_case(".db"))
        {
            return true;
        }
        if !is_id(at(index)) {
            return false;
        }
        let next = segments.iter().skip(index).find(|segment| !is_id(segment));
        let first = || {
            segments
                .iter()
                .take(index)
                .all(|segment| segment.is_empty() || is_id(segment))
        };
        is(previous, &OF_A_CATALOG)
            || next.is_some_and(|next| is(next, &OF_A_LAKEHOUSE))
            || self == Layout::OneLake && first()
            || segments
                .iter()
                .any(|segment| segment.eq_ignore_ascii_case("__unitystorage"))
    }
}

/// Whether a segment is a pattern.
pub(super) fn is_glob(segment: &str) -> bool {
    segment.contains(['*', '?']) || segment.contains('{') && segment.contains('}')
}

/// Whether a segment is a UUID, with dashes or without.
fn is_id(segment: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    match segment.len() {
        32 => segment.bytes().all(|byte| byte.is_ascii_hexdigit()),
        36 => (segment.bytes().enumerate()).all(|(at, byte)| match dashes.contains(&at) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        }),
        _ => false,
    }
}

fn contains(text: &str, part: &str) -> bool {
    let mut windows = text.as_bytes().windows(part.len());
    windows.any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}
