//! Where the specification puts names: the second, independent reading of it that the laws hold the crate to.
//!
//! A table of paths, copied from `OpenLineage.json` and the facets' schemas, over a decoded event. Nothing of
//! `openlineage::names` is used here: a place that it forgets is found by this.

use openlineage::Role;
use serde_json::Value;

/// A name: what it stands for, and the pointer to the object that has `namespace` and `name`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Occurrence {
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

/// From a run to the runs and jobs that its facets refer to: `ParentRunFacet`, by its old name too, and
/// `JobDependenciesRunFacet`. Each can have facets, which can refer on.
const LINKS: [&str; 6] = [
    "/facets/parent",
    "/facets/parent/root",
    "/facets/parentRun",
    "/facets/parentRun/root",
    "/facets/jobDependencies/upstream/*",
    "/facets/jobDependencies/downstream/*",
];

/// `LineageFacet` of a job, whose entries and inputs say themselves what they are.
const TYPED: [&str; 3] = [
    "/facets/lineage/entries/*",
    "/facets/lineage/entries/*/inputs/*",
    "/facets/lineage/entries/*/fields/*/inputs/*",
];

const TYPED_IN_DATASETS: [&str; 2] = [
    "/facets/lineage/inputs/*",
    "/facets/lineage/fields/*/inputs/*",
];

/// Every name in `event`.
pub(crate) fn walk(event: &Value) -> Vec<Occurrence> {
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
                found.push(Occurrence {
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
    for job in jobs(event) {
        say(&job, Some(Role::Job));
        for path in TYPED {
            say(&format!("{job}{path}"), None);
        }
    }
    found
}

/// The paths of all jobs, that of the event and those that runs refer to, from each to the next.
fn jobs(event: &Value) -> Vec<String> {
    let (mut jobs, mut runs) = (vec!["/job".to_owned()], vec!["/run".to_owned()]);
    while let Some(run) = runs.pop() {
        for link in LINKS {
            let link = format!("{run}{link}");
            if !places(event, &link).is_empty() {
                jobs.push(format!("{link}/job"));
                runs.push(format!("{link}/run"));
            }
        }
    }
    jobs
}

/// A place that repeats the namespace of the dataset whose facet it is in, and may go on behind it.
#[derive(Debug)]
pub(crate) struct Repeats {
    pub(crate) pointer: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) text: String,
}

/// `DatasourceDatasetFacet`.
pub(crate) fn repeats(event: &Value) -> Vec<Repeats> {
    let mut found = Vec::new();
    for (dataset, value) in DATASETS.iter().flat_map(|path| places(event, path)) {
        let text =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(namespace), Some(name)) = (text(value, "namespace"), text(value, "name")) else {
            continue;
        };
        for member in ["name", "uri"] {
            if let Some(text) = value
                .pointer("/facets/dataSource")
                .and_then(|facet| text(facet, member))
            {
                found.push(Repeats {
                    pointer: format!("{dataset}/facets/dataSource/{member}"),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    text,
                });
            }
        }
    }
    found
}

/// The pointer to a facet that another forwards, as if it were the event's own.
pub(crate) fn unforwarded(pointer: &str) -> String {
    let mut at = pointer.to_owned();
    loop {
        let mut links = LINKS.iter().filter_map(|link| {
            let link: Vec<&str> = link.split('/').skip(1).collect();
            let mut rest = at.strip_prefix("/run/")?;
            for token in link {
                let (first, after) = rest.split_once('/')?;
                rest = (token == "*" || token == first).then_some(after)?;
            }
            (rest.starts_with("run/facets") || rest.starts_with("job/facets"))
                .then(|| format!("/{rest}"))
        });
        match links.next() {
            Some(shorter) => at = shorter,
            None => return at,
        }
    }
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
