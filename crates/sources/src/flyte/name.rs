//! Names the dataset at a URI, physically as OpenLineage does, or logically after the node that wrote it.
//! <https://openlineage.io/docs/spec/naming>

use regex::Regex;

/// The name of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DatasetName {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// Who wrote data below the raw output prefix of Flyte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Producer {
    /// The path of the raw output prefix, without slashes around it. Mostly empty.
    pub(super) prefix: String,
    pub(super) execution: String,
    pub(super) node: String,
    pub(super) attempt: String,
}

/// Names the dataset at a URI. What follows the part that `stable` matches is left out. A URI names no dataset if it has no
/// path.
pub(super) fn physical(uri: &str, stable: Option<&Regex>) -> Option<DatasetName> {
    let uri = match stable.and_then(|stable| stable.find(uri)) {
        Some(found) if found.start() == 0 && !found.is_empty() => found.as_str(),
        Some(_) | None => uri,
    };
    let (scheme, rest) = match uri.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => ("file".to_owned(), uri), // a path
    };
    match scheme.as_str() {
        "s3" | "s3a" | "s3n" => object("s3", rest),
        "gs" | "gcs" => object("gs", rest),
        // `abfs` and `abfss` differ in TLS alone, as do `wasb` and `wasbs`.
        "abfs" | "abfss" => object("abfss", rest),
        "wasb" | "wasbs" => object("wasbs", rest),
        // `bq://project:dataset.table`, as flytekit writes it.
        "bq" | "bigquery" => {
            let name = without_query(rest).trim_matches('/').replace(':', ".");
            named("bigquery".to_owned(), name)
        }
        // `snowflake://user:account/warehouse/database/schema/table`, as flytekit writes it.
        "snowflake" => {
            let (account, path) = without_query(rest).split_once('/')?;
            let account = account.rsplit([':', '@']).next()?;
            let parts: Vec<&str> = path
                .split('/')
                .skip(1)
                .filter(|part| !part.is_empty())
                .collect();
            named(format!("snowflake://{account}"), parts.join("."))
        }
        "file" => {
            let path = rest.trim_end_matches('/');
            named("file".to_owned(), path.to_owned())
        }
        "hdfs" | "viewfs" => {
            let (host, path) = split(rest);
            named(format!("{scheme}://{host}"), format!("/{path}"))
        }
        scheme => {
            let (host, path) = split(without_query(rest));
            named(format!("{scheme}://{host}"), path.to_owned())
        }
    }
}

/// The kind of store, for the facet that names it.
pub(super) fn storage(namespace: &str) -> &str {
    namespace
        .split_once("://")
        .map_or(namespace, |(scheme, _)| scheme)
}

/// A URI as it may be shown: without credentials, a query or a fragment.
pub(super) fn shown(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return without_query(uri).to_owned();
    };
    let rest = without_query(rest);
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}://{}{path}", without_credentials(host))
}

/// Finds who wrote the data at a URI: Flyte puts it below `{prefix}/{shard}/{execution}-{node}-{attempt}/`, with a shard of
/// two characters (`flytestdlib/ioutils`, `flyteplugins/go/tasks/pluginmachinery/ioutils`). Executions of other names than
/// those that Flyte makes, which have no `-`, are recognised only as `own`.
pub(super) fn producer(uri: &str, own: &str) -> Option<Producer> {
    let (_, path) = uri.split_once("://")?;
    let segments: Vec<&str> = path.split('/').collect();
    let mut pairs = segments.windows(2).enumerate();
    pairs.find_map(|(at, pair)| match pair {
        [shard, name] if shard.len() == 2 => {
            // The first segment is the bucket.
            let prefix = segments.get(1..at).unwrap_or_default().join("/");
            generated(name, own).map(|found| Producer { prefix, ..found })
        }
        _ => None,
    })
}

fn generated(name: &str, own: &str) -> Option<Producer> {
    let rest = name
        .strip_prefix(own)
        .and_then(|rest| rest.strip_prefix('-'));
    let (execution, rest) = match rest {
        Some(rest) => (own, rest),
        None => name.split_once('-')?,
    };
    let (node, attempt) = rest.rsplit_once('-')?;
    let is_made = execution.starts_with(|c: char| c.is_ascii_lowercase())
        && execution
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_node = node.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_attempt =
        (1..=4).contains(&attempt.len()) && attempt.bytes().all(|byte| byte.is_ascii_digit());
    ((is_made || execution == own) && is_node && is_attempt).then(|| Producer {
        prefix: String::new(),
        execution: execution.to_owned(),
        node: node.to_owned(),
        attempt: attempt.to_owned(),
    })
}

fn object(scheme: &str, rest: &str) -> Option<DatasetName> {
    let (bucket, key) = split(rest);
    match bucket.is_empty() {
        true => None,
        false => named(format!("{scheme}://{bucket}"), key.to_owned()),
    }
}

/// Host without credentials, and path without slashes around it.
fn split(rest: &str) -> (&str, &str) {
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    (without_credentials(host), path.trim_matches('/'))
}

/// In `container@account` the first part is no credential; `user:password@host` has a colon.
fn without_credentials(host: &str) -> &str {
    match host.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => host,
        Some(_) | None => host,
    }
}

/// A query may be a signature that grants access.
fn without_query(rest: &str) -> &str {
    rest.split(['?', '#']).next().unwrap_or(rest)
}

fn named(namespace: String, name: String) -> Option<DatasetName> {
    let is_named = !name.is_empty() && name != "/";
    is_named.then_some(DatasetName { namespace, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(uri: &str) -> Option<(String, String)> {
        physical(uri, None).map(|name| (name.namespace, name.name))
    }

    #[test]
    fn a_uri_is_named_as_openlineage_names_what_is_there() {
        for (uri, namespace, dataset) in [
            ("s3://b/a/k", "s3://b", "a/k"),
            ("s3a://b/a/k/", "s3://b", "a/k"),
            ("gs://b/k", "gs://b", "k"),
            (
                "abfs://c@a.dfs.core.windows.net/k",
                "abfss://c@a.dfs.core.windows.net",
                "k",
            ),
            ("bq://p:d.t", "bigquery", "p.d.t"),
            ("bq://p.d.t", "bigquery", "p.d.t"),
            (
                "snowflake://u:org-acc/wh/db/sc/t",
                "snowflake://org-acc",
                "db.sc.t",
            ),
            ("file:///tmp/x", "file", "/tmp/x"),
            ("/tmp/x", "file", "/tmp/x"),
            ("hdfs://n:8020/a/b", "hdfs://n:8020", "/a/b"),
            ("https://u:p@h/x?sig=secret", "https://h", "x"),
        ] {
            let expected = Some((namespace.to_owned(), dataset.to_owned()));
            assert_eq!(name(uri), expected, "{uri}");
        }
        for uri in [
            "",
            "s3://",
            "s3://b",
            "s3://b/",
            "s3:///k",
            "bq://",
            "snowflake://u:a",
        ] {
            assert_eq!(name(uri), None, "{uri}");
        }
    }

    #[test]
    fn what_follows_a_stable_prefix_is_left_out() {
        let stable = Regex::new("^s3://lake/curated/[^/]+").unwrap();
        let name = |uri| physical(uri, Some(&stable)).unwrap().name;
        assert_eq!(
            name("s3://lake/curated/orders/2026/part-0"),
            "curated/orders"
        );
        assert_eq!(name("s3://lake/raw/orders"), "raw/orders");
    }

    #[test]
    fn the_writer_of_data_is_in_its_uri() {
        let found = |uri: &str| {
            let found = producer(uri, "my-own-run")?;
            Some([found.prefix, found.execution, found.node, found.attempt])
        };
        let by = |parts: [&str; 4]| Some(parts.map(str::to_owned));
        assert_eq!(found("s3://d/xy/f3a1-n0-0/k"), by(["", "f3a1", "n0", "0"]));
        assert_eq!(
            found("s3://d/p/q/xy/my-own-run-n1-0-dn2-3/k"),
            by(["p/q", "my-own-run", "n1-0-dn2", "3"])
        );
        assert_eq!(found("s3://d/xy/f3a1-n0-0"), by(["", "f3a1", "n0", "0"]));
        for uri in [
            "s3://d/xy/old/k",
            "s3://d/2026/part-00-1/k",
            "s3://d/xy/part-00-1/k",
            "xy/f3a1-n0-0",
            "s3://lake/orders",
        ] {
            assert_eq!(found(uri), None, "{uri}");
        }
    }
}
