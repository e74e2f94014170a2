//! The built-in actions that the laws are held to, with what each may touch; and renames with what they have to give.

use openlineage::Role;
use transform::Difference;

use crate::walk::{Occurrence, fits, unforwarded};

/// What an action may change.
pub(crate) enum Touches {
    /// Names at typed places of that role.
    Names(Role),
    /// The same of datasets, of which several may become one in inputs and outputs.
    NamesUnited,
    /// Whole facets go.
    Facets,
    /// Elements of inputs and outputs go.
    Datasets,
    /// Facets come, or get more.
    MoreFacets,
    /// Any string, by another.
    Strings,
    /// Values at these paths, by strings.
    Values(&'static [&'static str]),
}

/// What becomes of the text.
pub(crate) enum Effect {
    /// Other strings, all else as it was.
    Strings,
    /// Less.
    Removes,
    /// More.
    Adds,
    /// Less here, more there.
    Any,
}

const FACETS: [&str; 9] = [
    "/run/facets/*",
    "/job/facets/*",
    "/dataset/facets/*",
    "/inputs/*/facets/*",
    "/outputs/*/facets/*",
    "/inputs/*/inputFacets/*",
    "/outputs/*/outputFacets/*",
    "/inputs/*/inputFacets",
    "/outputs/*/outputFacets",
];

/// What repeats a dataset's namespace.
const REPEATS: [&str; 7] = [
    "/inputs/*/facets/dataSource/name",
    "/inputs/*/facets/dataSource/uri",
    "/outputs/*/facets/dataSource/name",
    "/outputs/*/facets/dataSource/uri",
    "/dataset/facets/dataSource/name",
    "/dataset/facets/dataSource/uri",
    "/run/facets/externalQuery/source",
];

impl Touches {
    pub(crate) fn may(&self, names: &[Occurrence], difference: &Difference) -> bool {
        let own = unforwarded(&difference.pointer);
        let at = own.as_str();
        let is_string = |text: &Option<String>| {
            text.as_ref()
                .is_some_and(|text| text.starts_with('"') && text.len() >= 2)
        };
        let strings = is_string(&difference.before) && is_string(&difference.after);
        match self {
            Touches::Names(role) => {
                let names = names.iter().filter(|name| name.role == *role);
                let mut places = names.flat_map(|name| {
                    ["namespace", "name"].map(|end| format!("{}/{end}", name.pointer))
                });
                let repeats = *role == Role::Dataset && REPEATS.iter().any(|path| fits(path, at));
                strings && (repeats || places.any(|place| place == difference.pointer))
            }
            Touches::NamesUnited => {
                at.starts_with("/inputs/")
                    || at.starts_with("/outputs/")
                    || Touches::Names(Role::Dataset).may(names, difference)
            }
            Touches::Facets => {
                difference.after.is_none() && FACETS.iter().any(|path| fits(path, at))
            }
            Touches::Datasets => at.starts_with("/inputs/") || at.starts_with("/outputs/"),
            Touches::MoreFacets => {
                let levels: Vec<&str> = at.split('/').collect();
                let upto = |n: usize| levels.get(..n).map(|parts| parts.join("/"));
                let in_facets = (4..=5).filter_map(upto);
                let mut in_facets = in_facets.chain([at.to_owned()]);
                // Where a holder has no facets yet, all of them come at once.
                let first = difference.before.is_none() && at.ends_with("acets");
                first || in_facets.any(|at| FACETS.iter().any(|path| fits(path, &at)))
            }
            Touches::Strings => strings,
            Touches::Values(paths) => {
                is_string(&difference.after) && paths.iter().any(|path| fits(path, at))
            }
        }
    }

    pub(crate) fn effect(&self) -> Effect {
        match self {
            Touches::Names(_) | Touches::Strings | Touches::Values(_) => Effect::Strings,
            Touches::NamesUnited => Effect::Any,
            Touches::Facets | Touches::Datasets => Effect::Removes,
            Touches::MoreFacets => Effect::Adds,
        }
    }
}

pub(crate) const DATASET: Touches = Touches::Names(Role::Dataset);
const UNITED: Touches = Touches::NamesUnited;
const JOB: Touches = Touches::Names(Role::Job);

/// Every built-in action that lets an event go on.
pub(crate) const ACTIONS: &[(&str, Touches)] = &[
    ("normalise: all", DATASET),
    ("normalise: s3", DATASET),
    ("normalise: [objects, glue]", DATASET),
    ("normalise: name_case", DATASET),
    (
        "normalise: {only: {namespace: 's3*'}, case: upper}",
        DATASET,
    ),
    ("normalise: host_case", DATASET),
    ("normalise: default_ports", DATASET),
    ("normalise: redshift", DATASET),
    ("normalise: trailing_slash", DATASET),
    ("normalise: jdbc", DATASET),
    ("strip: all", UNITED),
    ("strip: {only: {namespace: 's3*'}, parts: all}", UNITED),
    ("strip: [partitions, dates]", UNITED),
    ("strip: {of: job, parts: all}", JOB),
    ("symlink_to_primary: true", DATASET),
    (
        "symlink_to_primary: {namespace: 's3:*', type: TABLE}",
        DATASET,
    ),
    (
        "facets: {remove: ['spark.*', custom, symlinks]}",
        Touches::Facets,
    ),
    ("facets: {remove: '*', on: [run, output]}", Touches::Facets),
    ("facets: {keep: [schema, 'sql']}", Touches::Facets),
    ("facets: {cap: {parent: 1 B, '*': 100 B}}", Touches::Facets),
    ("redact: {sql_literals: true}", Touches::Strings),
    ("redact: {connection_secrets: true}", Touches::Strings),
    (
        "redact: {environment: ['*PASSWORD*', 'spark.*'], with: hash}",
        Touches::Values(&[
            "/run/facets/environmentVariables/environmentVariables/*/value",
            "/run/facets/spark_properties/properties/*",
            "/run/facets/environment-properties/environment-properties/*",
        ]),
    ),
    (
        "redact: {pointers: [/run/facets/custom/namespace, /job/facets/sql/query]}",
        Touches::Values(&["/run/facets/custom/namespace", "/job/facets/sql/query"]),
    ),
    (
        "redact: {pointers: /job/facets/sql/query, with: hash}",
        Touches::Values(&["/job/facets/sql/query"]),
    ),
    (
        "redact: {sql_literals: true, connection_secrets: true, environment: '*PASS*'}",
        Touches::Strings,
    ),
    (
        "add: {tags: {domain: finance}, environment: prod, on: all}",
        Touches::MoreFacets,
    ),
    (
        "add: {owners: [{name: 'team:a', type: OWNER}], on: [job, dataset]}",
        Touches::MoreFacets,
    ),
    (
        "add: {documentation: words, on: [job, output]}",
        Touches::MoreFacets,
    ),
    (
        "add: {job_type: {processing_type: BATCH, integration: SPARK}}",
        Touches::MoreFacets,
    ),
    (
        "add: {facets: {mine: {a: 1}, outputStatistics: {rowCount: 1}}, on: all}",
        Touches::MoreFacets,
    ),
    (
        "drop_datasets: {namespace: ['s3a:*', file], name: '*o*'}",
        Touches::Datasets,
    ),
    (
        "redshift: {style: arn, account: '123456789012', hosts: {10.1.2.3: dwh.abc.us-east-1.redshift.amazonaws.com}}",
        DATASET,
    ),
    (
        "redshift: {style: openlineage, hosts: {10.1.2.3: dwh.abc.us-east-1.redshift.amazonaws.com}}",
        DATASET,
    ),
    (
        "redshift: {style: account_host, account: '123456789012', hosts: {10.1.2.3: dwh.abc.us-east-1.redshift.amazonaws.com}}",
        DATASET,
    ),
    ("rename: {name: {regex: '^/?raw/', to: 'bronze/'}}", DATASET),
    (
        "rename: {of: job, name: {map: {shop.public.orders: orders}}}",
        JOB,
    ),
];

/// A rename, and what a name has to become by it.
pub(crate) struct Rename {
    pub(crate) action: &'static str,
    pub(crate) of: Role,
    /// The new namespace and name of one that changes.
    pub(crate) expected: fn(&str, &str) -> Option<(String, String)>,
    /// Namespaces that nothing of this role has any more.
    pub(crate) gone: fn(&str) -> bool,
}

fn moved(namespace: &str, name: &str) -> Option<(String, String)> {
    Some((namespace.to_owned(), name.to_owned()))
}

/// Renames of namespaces.
pub(crate) const RENAMES: &[Rename] = &[
    Rename {
        action: "rename: {namespace: {map: {'s3a://lake': 's3://lake', file: 'file://host'}}}",
        of: Role::Dataset,
        expected: |namespace, name| match namespace {
            "s3a://lake" => moved("s3://lake", name),
            "file" => moved("file://host", name),
            _ => None,
        },
        gone: |namespace| namespace == "s3a://lake" || namespace == "file",
    },
    Rename {
        action: "rename: {namespace: {prefix: {'s3a://': 's3://', 's3n://': 's3://'}}}",
        of: Role::Dataset,
        expected: |namespace, name| {
            let bucket = namespace
                .strip_prefix("s3a://")
                .or(namespace.strip_prefix("s3n://"))?;
            moved(&format!("s3://{bucket}"), name)
        },
        gone: |namespace| namespace.starts_with("s3a://") || namespace.starts_with("s3n://"),
    },
    Rename {
        action: "rename: {namespace: {regex: '^s3[an]://', to: 's3://'}}",
        of: Role::Dataset,
        expected: |namespace, name| {
            let bucket = namespace
                .strip_prefix("s3a://")
                .or(namespace.strip_prefix("s3n://"))?;
            moved(&format!("s3://{bucket}"), name)
        },
        gone: |namespace| namespace.starts_with("s3a://") || namespace.starts_with("s3n://"),
    },
    Rename {
        action: "rename: {namespace: {hosts: [10.1.2.3, Other], to: db.example.com}}",
        of: Role::Dataset,
        expected: |namespace, name| {
            let (before, after) = namespace.split_once("10.1.2.3")?;
            moved(&format!("{before}db.example.com{after}"), name)
        },
        gone: |namespace| namespace.contains("10.1.2.3"),
    },
    Rename {
        action: "rename: {only: {namespace: 's3a://lake'}, namespace: lake, name: table}",
        of: Role::Dataset,
        expected: |namespace, _| (namespace == "s3a://lake").then(|| moved("lake", "table"))?,
        gone: |namespace| namespace == "s3a://lake",
    },
    Rename {
        action: "rename: {of: job, only: {namespace: [airflow-prod, af-ns, spark-ns]}, namespace: production}",
        of: Role::Job,
        expected: |namespace, name| {
            let known = ["airflow-prod", "af-ns", "spark-ns"].contains(&namespace);
            known.then(|| moved("production", name))?
        },
        gone: |namespace| ["airflow-prod", "af-ns", "spark-ns"].contains(&namespace),
    },
    Rename {
        action: "redshift: {hosts: {10.1.2.3: dwh.abc.us-east-1.redshift.amazonaws.com}}",
        of: Role::Dataset,
        // As the catalog has them, those too whose endpoint needs no lookup.
        expected: |namespace, name| {
            let name = name.to_ascii_lowercase();
            match namespace {
                "redshift://10.1.2.3:5439" => moved(
                    "redshift://dwh.abc.us-east-1.redshift.amazonaws.com:5439",
                    &name,
                ),
                _ if namespace.contains(".redshift-serverless.amazonaws.com") => {
                    moved(namespace, &name)
                }
                _ => None,
            }
        },
        gone: |namespace| namespace.starts_with("redshift://10.1.2.3"),
    },
    Rename {
        action: "normalise: s3",
        of: Role::Dataset,
        expected: |namespace, name| {
            let (scheme, bucket) = namespace.split_once("://")?;
            let s3 = match scheme.to_ascii_lowercase().as_str() {
                "s3" | "s3a" | "s3n" => "s3",
                _ => return None,
            };
            let key = name.trim_start_matches('/');
            let key = if key.is_empty() && !name.is_empty() {
                "/"
            } else {
                key
            };
            moved(&format!("{s3}://{bucket}"), key)
        },
        gone: |namespace| {
            let namespace = namespace.to_ascii_lowercase();
            namespace.starts_with("s3a://") || namespace.starts_with("s3n://")
        },
    },
];
