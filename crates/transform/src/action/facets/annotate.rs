//! Annotations that are maintained centrally: tags, owners, the type of a job, documentation.
//!
//! They are added to those of the producer, never replace them, and are never duplicated.

use openlineage::{Event, Json, Kind, quote};

use super::FacetHolders;
use super::add::{Change, base, edit};

/// A tag of a run, a job or a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// The source: `USER`, `INTEGRATION`, ….
    pub source: Option<String>,
}

/// An owner of a job or a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The name, preferably a URN: `team:data`.
    pub name: String,
    /// The type: `MAINTAINER`, ….
    pub kind: Option<String>,
}

/// The type of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobType {
    /// `BATCH`, `STREAMING` or `SERVICE`.
    pub processing_type: String,
    /// `AIRFLOW`, `SPARK`, `DBT`, ….
    pub integration: String,
    /// `TASK`, `QUERY`, `MODEL`, ….
    pub job_type: Option<String>,
}

/// The documentation of a job or a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documentation {
    /// The text.
    pub description: String,
    /// Its MIME type.
    pub content_type: Option<String>,
}

/// Adds `tags` to all selected holders; `None` if all exist. A tag exists if one with the same key, value
/// and source does, unless it is a tag of a column.
pub fn add_tags(event: &Event, on: FacetHolders, tags: &[Tag]) -> Option<String> {
    let items: Vec<Item<'_>> = tags.iter().map(Tag::item).collect();
    edit(event, on, "tags", |facet, kind| {
        append(facet, "tags", kind, "tags", &items)
    })
}

/// Adds `owners` to the selected jobs and datasets (runs have none); `None` if all exist.
pub fn add_owners(event: &Event, on: FacetHolders, owners: &[Owner]) -> Option<String> {
    let items: Vec<Item<'_>> = owners.iter().map(Owner::item).collect();
    edit(event, not_run(on), "ownership", |facet, kind| {
        append(facet, "ownership", kind, "owners", &items)
    })
}

impl Tag {
    fn item(&self) -> Item<'_> {
        let mut members = vec![("key", self.key.as_str()), ("value", self.value.as_str())];
        members.extend(self.source.as_deref().map(|source| ("source", source)));
        Item {
            members,
            same: &["key", "value", "source", "field"],
        }
    }
}

impl Owner {
    fn item(&self) -> Item<'_> {
        let mut members = vec![("name", self.name.as_str())];
        members.extend(self.kind.as_deref().map(|kind| ("type", kind)));
        Item {
            members,
            same: &["name", "type"],
        }
    }
}

impl JobType {
    /// Adds this type to the event's job, keeping the producer's members. `None` if nothing is missing.
    pub fn add(&self, event: &Event) -> Option<String> {
        let mut members = vec![
            ("processingType", self.processing_type.as_str()),
            ("integration", self.integration.as_str()),
        ];
        members.extend(
            self.job_type
                .as_deref()
                .map(|job_type| ("jobType", job_type)),
        );
        let job = FacetHolders {
            job: true,
            ..FacetHolders::default()
        };
        edit(event, job, "jobType", |facet, kind| {
            fill(facet, "jobType", kind, &members)
        })
    }
}

impl Documentation {
    /// Adds this documentation to the selected jobs and datasets (runs have none); an existing one
    /// is kept, or replaced with `overwrite`. `None` if nothing changes.
    pub fn add(&self, event: &Event, on: FacetHolders, overwrite: bool) -> Option<String> {
        let mut members = vec![("description", self.description.as_str())];
        members.extend(
            self.content_type
                .as_deref()
                .map(|mime| ("contentType", mime)),
        );
        let is_same = |facet: Json<'_>| {
            let same = |name: &str| {
                let wanted = members.iter().find(|(member, _)| *member == name);
                facet.get(name).and_then(Json::string).as_deref() == wanted.map(|(_, text)| *text)
            };
            same("description") && same("contentType")
        };
        edit(
            event,
            not_run(on),
            "documentation",
            |facet, kind| match facet {
                Some(facet) if !overwrite || is_same(facet) => Change::None,
                Some(_) | None => fill(None, "documentation", kind, &members),
            },
        )
    }
}

/// An element of a list in a facet.
struct Item<'a> {
    members: Vec<(&'static str, &'a str)>,
    /// The members that identify an element.
    same: &'static [&'static str],
}

impl Item<'_> {
    fn is(&self, other: Json<'_>) -> bool {
        self.same.iter().all(|name| {
            let own = self.members.iter().find(|(member, _)| member == name);
            match (own, other.get(name)) {
                (Some((_, own)), Some(other)) => other.string().is_some_and(|other| other == *own),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
        })
    }

    fn text(&self) -> String {
        let member = |(name, value): &(&str, &str)| format!("{}:{}", quote(name), quote(value));
        let members: Vec<String> = self.members.iter().map(member).collect();
        format!("{{{}}}", members.join(","))
    }
}

/// Adds elements that are missing from a facet's list. A member of that name that is not a list is left unchanged.
fn append(
    facet: Option<Json<'_>>,
    name: &str,
    kind: Kind,
    list: &'static str,
    items: &[Item<'_>],
) -> Change {
    let there = facet.and_then(|facet| facet.get(list));
    let known = there.map(Json::items).unwrap_or_default();
    let mut new: Vec<String> = Vec::new();
    for item in items
        .iter()
        .filter(|item| !known.iter().any(|old| item.is(*old)))
    {
        let text = item.text();
        if !new.contains(&text) {
            new.push(text);
        }
    }
    if new.is_empty() {
        return Change::None;
    }
    match (facet, there) {
        (_, Some(there)) if there.kind() != "array" => Change::None,
        (_, Some(_)) => Change::Items(list, new),
        (Some(_), None) => Change::Members(vec![(list, format!("[{}]", new.join(",")))]),
        (None, None) => Change::Put(object(
            name,
            kind,
            &[(list, format!("[{}]", new.join(",")))],
        )),
    }
}

/// Adds missing members to a facet.
fn fill(
    facet: Option<Json<'_>>,
    name: &str,
    kind: Kind,
    members: &[(&'static str, &str)],
) -> Change {
    let lacks = |name: &str| facet.is_none_or(|facet| facet.get(name).is_none());
    let missing: Vec<(&'static str, String)> = members
        .iter()
        .filter(|(name, _)| lacks(name))
        .map(|(name, value)| (*name, quote(value)))
        .collect();
    match facet {
        _ if missing.is_empty() => Change::None,
        Some(_) => Change::Members(missing),
        None => Change::Put(object(name, kind, &missing)),
    }
}

fn object(name: &str, kind: Kind, members: &[(&'static str, String)]) -> String {
    let members = base(name, kind).into_iter().chain(members.iter().cloned());
    let members: Vec<String> = members
        .map(|(name, value)| format!("{}:{value}", quote(name)))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn not_run(on: FacetHolders) -> FacetHolders {
    FacetHolders { run: false, ..on }
}
