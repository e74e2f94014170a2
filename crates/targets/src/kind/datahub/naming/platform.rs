//! The platform of a dataset, and its name there, of the namespace and the name in an event. Pure.
//!
//! What is configured for a namespace is not in here. Called by `naming.rs`.

use crate::kind::glue::name::GlueName;

/// Platforms whose name in DataHub is not the scheme of the namespace.
const PLATFORMS: [(&str, &str); 2] = [("awsathena", "athena"), ("sqlserver", "mssql")];

/// Schemes of file systems, and their platforms.
const FILE_SYSTEMS: [(&str, &str); 11] = [
    ("s3", "s3"),
    ("s3a", "s3"),
    ("s3n", "s3"),
    ("gs", "gcs"),
    ("gcs", "gcs"),
    ("abfs", "abs"),
    ("abfss", "abs"),
    ("wasb", "abs"),
    ("wasbs", "abs"),
    ("dbfs", "dbfs"),
    ("file", "file"),
];

/// The platform of a path that has no plain form.
const HDFS: &str = "hdfs";

const GLUE: &str = "glue";
pub(super) const HIVE: &str = "hive";

/// Platform and name of a dataset without a symlink.
pub(super) fn physical(namespace: &str, name: &str) -> (String, String) {
    if is_glue(namespace) {
        return glue(namespace, name);
    }
    let Some((scheme, _)) = namespace.split_once("://") else {
        return (namespace.to_owned(), name.to_owned());
    };
    if FILE_SYSTEMS.iter().any(|(prefix, _)| *prefix == scheme) {
        return file(namespace, name);
    }
    let known = PLATFORMS.iter().find(|(prefix, _)| *prefix == scheme);
    let platform = known.map_or(scheme, |(_, platform)| platform);
    (platform.to_owned(), name.to_owned())
}

/// Platform and name of a path: the whole URI without its scheme.
fn file(namespace: &str, name: &str) -> (String, String) {
    let slash = match namespace.ends_with('/') || name.starts_with('/') {
        true => "",
        false => "/",
    };
    let uri = format!("{namespace}{slash}{name}");
    let uri = uri.trim_end_matches('/');
    match uri.split_once("://") {
        Some((scheme, path)) if !path.is_empty() && !path.contains("://") => {
            let known = FILE_SYSTEMS.iter().find(|(prefix, _)| *prefix == scheme);
            let platform = known.map_or(HDFS, |(_, platform)| platform);
            let path = match platform {
                "file" => path,
                _ => path.strip_prefix('/').unwrap_or(path),
            };
            (platform.to_owned(), path.to_owned())
        }
        Some(_) | None => (HDFS.to_owned(), uri.to_owned()),
    }
}

/// Before OpenLineage 0.17.1, the namespace had no `arn:`.
pub(super) fn is_glue(namespace: &str) -> bool {
    namespace.starts_with("arn:aws:glue:") || namespace.starts_with("aws:glue:")
}

/// Platform and name of a table of Glue, in any of the forms of its name.
pub(super) fn glue(namespace: &str, name: &str) -> (String, String) {
    let dotted = match GlueName::parse(namespace, name) {
        Some(table) => table.dotted(),
        None => dotted(name),
    };
    (GLUE.to_owned(), dotted)
}

/// `table/db/t`, as OpenLineage names a table of Glue, is `db.t` in DataHub.
pub(super) fn dotted(name: &str) -> String {
    match name.strip_prefix("table/") {
        Some(table) => table.replace('/', "."),
        None => name.to_owned(),
    }
}
