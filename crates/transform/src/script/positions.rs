//! The typed positions of names in the map of a script: the same as those of [`openlineage::names`] in the text, which
//! a test ensures (`tests.rs`).

use openlineage::Role;
use rhai::{Array, Dynamic, Map};

/// Calls `f` for each object of the event that names a dataset or job, until it fails.
pub(super) fn each<E>(event: &mut Map, f: &mut NameVisitor<'_, E>) -> Result<(), E> {
    items(event, "inputs", &mut |dataset| io(dataset, f))?;
    items(event, "outputs", &mut |dataset| io(dataset, f))?;
    object(event, "dataset", &mut |dataset| io(dataset, f))?;
    object(event, "job", &mut |found| job(found, f))?;
    object(event, "run", &mut |found| run(found, f))
}

/// A function for an object that has a namespace and a name.
pub(super) type NameVisitor<'f, E> = dyn FnMut(Role, &mut Map) -> Result<(), E> + 'f;

/// A function for an object.
type Visit<'v, E> = dyn FnMut(&mut Map) -> Result<(), E> + 'v;

fn io<E>(dataset: &mut Map, f: &mut NameVisitor<'_, E>) -> Result<(), E> {
    named(dataset, Role::Dataset, f)?;
    object(dataset, "facets", &mut |facets| {
        object(facets, "symlinks", &mut |symlinks| {
            items(symlinks, "identifiers", &mut |id| {
                named(id, Role::Dataset, f)
            })
        })?;
        object(facets, "columnLineage", &mut |columns| {
            items(columns, "dataset", &mut |input| {
                named(input, Role::Dataset, f)
            })?;
            values(columns, "fields", &mut |column| {
                items(column, "inputFields", &mut |input| {
                    named(input, Role::Dataset, f)
                })
            })
        })?;
        object(facets, "lifecycleStateChange", &mut |change| {
            object(change, "previousIdentifier", &mut |id| {
                named(id, Role::Dataset, f)
            })
        })?;
        object(facets, "lineage", &mut |holder| lineage(holder, f))
    })
}

fn job<E>(job: &mut Map, f: &mut NameVisitor<'_, E>) -> Result<(), E> {
    named(job, Role::Job, f)?;
    object(job, "facets", &mut |facets| {
        object(facets, "lineage", &mut |facet| {
            items(facet, "entries", &mut |entry| {
                typed(entry, f)?;
                lineage(entry, f)
            })
        })
    })
}

/// Visits a run, and the runs and jobs that its facets contain.
fn run<E>(run: &mut Map, f: &mut NameVisitor<'_, E>) -> Result<(), E> {
    object(run, "facets", &mut |facets| {
        for parent in ["parent", "parentRun"] {
            object(facets, parent, &mut |parent| {
                linked(parent, f)?;
                object(parent, "root", &mut |root| linked(root, f))
            })?;
        }
        object(facets, "jobDependencies", &mut |dependencies| {
            for direction in ["upstream", "downstream"] {
                items(dependencies, direction, &mut |dependency| {
                    linked(dependency, f)
                })?;
            }
            Ok(())
        })
    })
}

/// A reference to a run and its job.
fn linked<E>(holder: &mut Map, f: &mut NameVisitor<'_, E>) -> Result<(), E> {
    object(holder, "run", &mut |found| run(found, f))?;
    object(holder, "job", &mut |found| job(found, f))
}

/// The `inputs` and `fields.*.inputs` of a lineage facet, or of an entry of one.
fn lineage<E>(holder: &mut Map, f: &mut NameVisitor<'_, E>) -> Result<(), E> {
    items(holder, "inputs", &mut |input| typed(input, f))?;
    values(holder, "fields", &mut |field| {
        items(field, "inputs", &mut |input| typed(input, f))
    })
}

/// An entry of the lineage facet, whose `type` is DATASET or JOB.
fn typed<E>(value: &mut Map, f: &mut NameVisitor<'_, E>) -> Result<(), E> {
    let kind = value.get("type").and_then(|kind| {
        kind.read_lock::<rhai::ImmutableString>()
            .map(|kind| kind.clone())
    });
    match kind.as_deref() {
        Some("DATASET") => named(value, Role::Dataset, f),
        Some("JOB") => named(value, Role::Job, f),
        _ => Ok(()),
    }
}

fn named<E>(value: &mut Map, role: Role, f: &mut NameVisitor<'_, E>) -> Result<(), E> {
    let string = |name: &str| value.get(name).is_some_and(Dynamic::is_string);
    if string("namespace") && string("name") {
        f(role, value)?;
    }
    Ok(())
}

/// Returns the member `name`, if it is an object.
fn object<E>(holder: &mut Map, name: &str, f: &mut Visit<'_, E>) -> Result<(), E> {
    match holder
        .get_mut(name)
        .and_then(|value| value.write_lock::<Map>())
    {
        Some(mut map) => f(&mut map),
        None => Ok(()),
    }
}

/// Returns the elements of the member `name` that are objects.
fn items<E>(holder: &mut Map, name: &str, f: &mut Visit<'_, E>) -> Result<(), E> {
    if let Some(mut array) = holder
        .get_mut(name)
        .and_then(|value| value.write_lock::<Array>())
    {
        for item in array.iter_mut() {
            if let Some(mut map) = item.write_lock::<Map>() {
                f(&mut map)?;
            }
        }
    }
    Ok(())
}

/// Returns the members of the member `name` that are objects.
fn values<E>(holder: &mut Map, name: &str, f: &mut Visit<'_, E>) -> Result<(), E> {
    object(holder, name, &mut |inner| {
        for value in inner.values_mut() {
            if let Some(mut map) = value.write_lock::<Map>() {
                f(&mut map)?;
            }
        }
        Ok(())
    })
}
