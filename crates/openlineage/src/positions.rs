//! Every position of an event where the specification puts the namespace and name of a dataset or job.
//!
//! A rewrite that misses one of them splits the graph, and one that rewrites any object with a `name` breaks it:
//! so positions are walked by type, only here. `holders` finds the runs, jobs and datasets, including those in
//! forwarded facets. Called by transforms.

use crate::holders::{Kind, holders};
use crate::json::{Json, Member};

/// The kind of object that a name identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A dataset.
    Dataset,
    /// A job.
    Job,
}

/// A namespace and a name, with their positions.
#[derive(Debug, Clone, Copy)]
pub struct Name<'t> {
    /// The kind of the named object.
    pub role: Role,
    /// The position, in the specification's terms: `inputs`, `symlinks`, `columnLineage`, `parent`, …
    pub place: &'static str,
    /// The namespace, a JSON string.
    pub namespace: Json<'t>,
    /// The name, a JSON string.
    pub name: Json<'t>,
}

/// A position that repeats a dataset's namespace without naming the dataset. A user interface that shows both shows two
/// sources if only one is renamed.
#[derive(Debug, Clone, Copy)]
pub struct Mention<'t> {
    /// The facet and its member: `dataSource.name`, `dataSource.uri`, `externalQuery.source`.
    pub place: &'static str,
    /// The text, a JSON string.
    pub text: Json<'t>,
    /// The namespace and name of the dataset that has the facet; of a run's facet, none.
    pub of: Option<(Json<'t>, Json<'t>)>,
}

/// The positions where an event names datasets and jobs.
#[derive(Debug, Default)]
pub struct Positions<'t> {
    /// Namespaces with names.
    pub names: Vec<Name<'t>>,
    /// Namespaces alone.
    pub mentions: Vec<Mention<'t>>,
}

/// Returns all names in an event, in no particular order. Walks all duplicated keys.
pub fn names<'t>(event: Json<'t>) -> Vec<Name<'t>> {
    positions(event).names
}

/// Like [`names`], with the positions that repeat a namespace.
pub fn positions<'t>(event: Json<'t>) -> Positions<'t> {
    let mut found = Positions::default();
    holders(event, &mut |holder, _| {
        let named = holder.named();
        let role = match holder.kind {
            Kind::Run => None,
            Kind::Job => Some(Role::Job),
            Kind::Dataset | Kind::Input | Kind::Output => Some(Role::Dataset),
        };
        if let (Some(role), Some((namespace, name))) = (role, named) {
            let place = holder.place;
            found.names.push(Name {
                role,
                place,
                namespace,
                name,
            });
        }
        for set in holder.facet_sets() {
            match set.kind {
                Kind::Run => of_run(set.members(), &mut found),
                Kind::Job => of_job(set.members(), &mut found.names),
                Kind::Dataset => of_dataset(set.members(), named, &mut found),
                Kind::Input | Kind::Output => {}
            }
        }
    });
    found
}

/// The parent, the root and dependencies are holders themselves.
fn of_run<'t>(facets: &[Member<'t>], found: &mut Positions<'t>) {
    for facet in facets.iter().filter(|facet| facet.is("externalQuery")) {
        only(facet.value, "source", |text| {
            mention("externalQuery.source", text, None, found);
        });
    }
}

fn of_job<'t>(facets: &[Member<'t>], found: &mut Vec<Name<'t>>) {
    for facet in facets.iter().filter(|facet| facet.is("lineage")) {
        all(facet.value, "entries", |entry| {
            typed(entry, found);
            lineage(entry, found);
        });
    }
}

fn of_dataset<'t>(
    facets: &[Member<'t>],
    of: Option<(Json<'t>, Json<'t>)>,
    found: &mut Positions<'t>,
) {
    for facet in facets {
        match facet.key.string().as_deref() {
            Some("symlinks") => all(facet.value, "identifiers", |id| {
                named(id, Role::Dataset, "symlinks", &mut found.names);
            }),
            Some("columnLineage") => {
                let mut input =
                    |field| named(field, Role::Dataset, "columnLineage", &mut found.names);
                for member in facet.value.members() {
                    if member.is("dataset") {
                        each(member.value, &mut input);
                    } else if member.is("fields") {
                        for column in member.value.members() {
                            all(column.value, "inputFields", &mut input);
                        }
                    }
                }
            }
            Some("lifecycleStateChange") => only(facet.value, "previousIdentifier", |id| {
                named(id, Role::Dataset, "lifecycleStateChange", &mut found.names);
            }),
            Some("lineage") => lineage(facet.value, &mut found.names),
            Some("dataSource") => {
                only(facet.value, "name", |text| {
                    mention("dataSource.name", text, of, found)
                });
                only(facet.value, "uri", |text| {
                    mention("dataSource.uri", text, of, found)
                });
            }
            Some(_) | None => {}
        }
    }
}

/// The `inputs` and `fields.*.inputs` of a lineage facet, or of an entry of one.
fn lineage<'t>(holder: Json<'t>, found: &mut Vec<Name<'t>>) {
    all(holder, "inputs", |input| typed(input, found));
    for field in under(holder, "fields") {
        all(field.value, "inputs", |input| typed(input, found));
    }
}

/// An entry of the lineage facet whose `type` is DATASET or JOB.
fn typed<'t>(value: Json<'t>, found: &mut Vec<Name<'t>>) {
    match value.get("type").and_then(Json::string).as_deref() {
        Some("DATASET") => named(value, Role::Dataset, "lineage", found),
        Some("JOB") => named(value, Role::Job, "lineage", found),
        _ => {}
    }
}

fn named<'t>(value: Json<'t>, role: Role, place: &'static str, found: &mut Vec<Name<'t>>) {
    let members = value.members();
    let string = |name| crate::json::last(&members, name).filter(|value| value.kind() == "string");
    if let (Some(namespace), Some(name)) = (string("namespace"), string("name")) {
        found.push(Name {
            role,
            place,
            namespace,
            name,
        });
    }
}

fn mention<'t>(
    place: &'static str,
    text: Json<'t>,
    of: Option<(Json<'t>, Json<'t>)>,
    found: &mut Positions<'t>,
) {
    if text.kind() == "string" {
        found.mentions.push(Mention { place, text, of });
    }
}

/// Every member called `name`.
fn only<'t>(value: Json<'t>, name: &str, f: impl FnMut(Json<'t>)) {
    value
        .members()
        .into_iter()
        .filter(|member| member.is(name))
        .map(|member| member.value)
        .for_each(f);
}

/// The members of every member called `name`.
fn under<'t>(value: Json<'t>, name: &str) -> Vec<Member<'t>> {
    let mut members = Vec::new();
    only(value, name, |inner| members.extend(inner.members()));
    members
}

/// The elements of every member called `name`.
fn all<'t>(value: Json<'t>, name: &str, mut f: impl FnMut(Json<'t>)) {
    only(value, name, |list| each(list, &mut f));
}

fn each<'t>(list: Json<'t>, f: impl FnMut(Json<'t>)) {
    list.items().into_iter().for_each(f);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_typed_position_is_found_and_no_other() {
        let id = |n: u32| format!(r#""namespace":"ns","name":"{n}""#);
        let text = format!(
            r#"{{"name":"no","namespace":"no","run":{{"facets":{{"parent":{{"job":{{{}}},"root":{{"job":{{{}}}}}}},
            "jobDependencies":{{"upstream":[{{"job":{{{}}}}}],"downstream":[{{"job":{{{}}}}}]}},"custom":{{{}}}}}}},
            "job":{{{},"facets":{{"lineage":{{"entries":[{{"type":"DATASET",{},"inputs":[{{"type":"JOB",{}}}],
              "fields":{{"c":{{"inputs":[{{"type":"DATASET",{}}}]}}}}}},{{"type":"JOB"}},{{"type":"OTHER",{}}}]}}}}}},
            "inputs":[{{{},"facets":{{"symlinks":{{"identifiers":[{{{},"type":"TABLE"}}]}},"schema":{{"fields":[{{"name":"x"}}]}}}}}}, 7],
            "outputs":[{{{},"facets":{{"columnLineage":{{"fields":{{"name":{{"inputFields":[{{{},"field":"a"}}]}}}},"dataset":[{{{}}}]}},
              "lineage":{{"inputs":[{{"type":"DATASET",{}}}]}},"lifecycleStateChange":{{"previousIdentifier":{{{}}}}}}}}}]}}"#,
            id(1),
            id(2),
            id(3),
            id(4),
            id(900),
            id(5),
            id(6),
            id(7),
            id(8),
            id(901),
            id(9),
            id(10),
            id(11),
            id(12),
            id(13),
            id(14),
            id(15)
        );
        let mut found: Vec<(u32, Role)> = names(Json::parse(&text).unwrap())
            .into_iter()
            .map(|name| (name.name.string().unwrap().parse().unwrap(), name.role))
            .collect();
        found.sort_by_key(|(n, _)| *n);
        let job = [1, 2, 3, 4, 5, 7];
        let expected: Vec<(u32, Role)> = (1..=15)
            .map(|n| {
                (
                    n,
                    if job.contains(&n) {
                        Role::Job
                    } else {
                        Role::Dataset
                    },
                )
            })
            .collect();
        assert_eq!(found, expected);
    }
}
