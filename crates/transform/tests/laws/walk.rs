//! Where the specification puts names: the second, independent reading of it that the laws hold the crate to.
//!
//! A table of paths, copied from `OpenLineage.json` and the facets' schemas, over a decoded event. Nothing of
//! `openlineage::names` is used here: a place that it forgets is found by this.

use openlineage::Role;
use serde_json::Value;

/// A name: what it stands for, and the pointer to the object that has `namespace` and `name`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) role: Role,
    pub(crate) pointer: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// `InputDataset`, `OutputDataset` and `StaticDataset`.
const DATASETS: [&str; 3] = ["/inputs/*", "/outputs/*", "/dataset"];

/// In the facets of a dataset: `SymlinksDatasetFacet`, `ColumnLineageDatasetFacet`, `LifecycleStateChangeDatasetFacet`.
const IN_DATASETS: [&str; 4] = [
    "/facets/symlinks/identifiers/*",
    "/facets/columnLineage/fields/*/inputFields/*",
    "/facets/columnLineage/dataset/*",
    "/facets/lifecycleStateChange/previousIdentifier",
];

/// `Job`, `ParentRunFacet`, `JobDependenciesRunFacet`.
const JOBS: [&str; 5] = [
    "/job",
    "/run/facets/parent/job",
    "/run/facets/parent/root/job",
    "/run/facets/jobDependencies/upstream/*/job",
    "/run/facets/jobDependencies/downstream/*/job",
];

/// `LineageFacet`, whose entries and inputs say themselves what they are.
const TYPED: [&str; 3] = [
    "/job/facets/lineage/entries/*",
    "/job/facets/lineage/entries/*/inputs/*",
    "/job/facets/lineage/entries/*/fields/*/inputs/*",
];

const TYPED_IN_DATASETS: [&str; 2] = [
    "/facets/lineage/inputs/*",
    "/facets/lineage/fields/*/inputs/*",
];

/// Every name in `event`.
pub(crate) fn walk(event: &Value) -> Vec<Found> {
    let mut found = Vec::new();
    let mut say = |path: &str, role: Option<Role>| {
        for (pointer, value) in places(event, path) {
            let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
            let typed = match text("type").as_deref() {
                Some("DATASET") => Some(Role::Dataset),
                Some("JOB") => Some(Role::Job),
                _ => None,
            };
            if let (Some(role), Some(namespace), Some(name)) =
                (role.or(typed), text("namespace"), text("name"))
            {
                found.push(Found {
                    role,
                    pointer,
                    namespace,
                    name,
                });
            }
        }
    };
    for dataset in DATASETS {
        say(dataset, Some(Role::Dataset));
        for path in IN_DATASETS {
            say(&format!("{dataset}{path}"), Some(Role::Dataset));
        }
        for path in TYPED_IN_DATASETS {
            say(&format!("{dataset}{path}"), None);
        }
    }
    for path in JOBS {
        say(path, Some(Role::Job));
    }
    for path in TYPED {
        say(path, None);
    }
    found
}

/// What a path with `*` for any member or element leads to.
pub(crate) fn places<'v>(root: &'v Value, path: &str) -> Vec<(String, &'v Value)> {
    let mut places = vec![(String::new(), root)];
    for token in path.split('/').skip(1) {
        let step = |(at, value): (String, &'v Value)| -> Vec<(String, &'v Value)> {
            match (token, value) {
                ("*", Value::Array(items)) => (items.iter().enumerate())
                    .map(|(index, item)| (format!("{at}/{index}"), item))
                    .collect(),
                ("*", Value::Object(members)) => (members.iter())
                    .map(|(key, value)| (format!("{at}/{}", escaped(key)), value))
                    .collect(),
                (name, Value::Object(members)) => (members.get(name).into_iter())
                    .map(|value| (format!("{at}/{}", escaped(name)), value))
                    .collect(),
                _ => Vec::new(),
            }
        };
        places = places.into_iter().flat_map(step).collect();
    }
    places
}

/// Whether `pointer` is one that `path` stands for.
pub(crate) fn fits(path: &str, pointer: &str) -> bool {
    let (path, pointer): (Vec<&str>, Vec<&str>) =
        (path.split('/').collect(), pointer.split('/').collect());
    path.len() == pointer.len()
        && (path.iter().zip(&pointer)).all(|(token, part)| *token == "*" || token == part)
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
