//! The actions on facets: facets, redact, add.

use super::{Sources, flags, texts};
use crate::action::{
    Documentation, Facet, FacetsAction, JobType, Mask, On, Owner, Pointer, Redact, Tag,
};
use crate::rules::action::Action;
use crate::rules::add::Add;
use crate::rules::pattern::globs;
use crate::rules::yaml::{Fields, Node, Problems, Value};

/// Where facets stand; everywhere when nothing is said.
fn on(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<On> {
    let node = fields.get("on")?;
    let names = ["run", "job", "dataset", "input", "output"];
    let [run, job, dataset, input, output] = flags(node, names, problems);
    Some(On {
        run,
        job,
        dataset,
        input,
        output,
    })
}

pub(super) fn facets(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let what = "a map with one of keep, remove and cap";
    let mut fields = Fields::of(node, what, problems)?;
    let on = on(&mut fields, problems).unwrap_or(On::all());
    let (keep, remove, cap) = (fields.get("keep"), fields.get("remove"), fields.get("cap"));
    fields.finish(problems);
    let action = match (keep, remove, cap) {
        (Some(node), None, None) => FacetsAction::Keep(globs(node, problems)),
        (None, Some(node), None) => FacetsAction::Remove(globs(node, problems)),
        (None, None, Some(node)) => FacetsAction::Cap(caps(node, problems)),
        (keep, remove, cap) => {
            let given = [("keep", keep), ("remove", remove), ("cap", cap)].into_iter();
            let given = given.filter_map(|(name, node)| node.map(|_| name));
            let found = match given.collect::<Vec<_>>().as_slice() {
                [] => "none of them".to_owned(),
                given => given.join(" and "),
            };
            problems.say(node.at, format!("expected {what}, found {found}"));
            return None;
        }
    };
    Some(Action::Facets(action, on))
}

/// Facets by glob, and the most they may take.
fn caps(node: &Node, problems: &mut Problems) -> Vec<(globset::GlobMatcher, usize)> {
    let Value::Map(members) = &node.value else {
        let what = "a map of facets and sizes such as {spark.logicalPlan: 10 KB}";
        node.expected(what, problems);
        return Vec::new();
    };
    let members = members.iter();
    members
        .filter_map(|(key, size)| {
            let name = Node {
                at: key.at,
                value: Value::Text(key.text.clone()),
            };
            let glob = globs(&name, problems).pop()?;
            Some((glob, size.bytes(problems)?))
        })
        .collect()
}

pub(super) fn redact(
    node: &Node,
    sources: &Sources<'_>,
    problems: &mut Problems,
) -> Option<Action> {
    let parts = [
        "sql_literals",
        "connection_secrets",
        "environment",
        "pointers",
    ];
    let what = format!("a map with {}, with", parts.join(", "));
    let mut fields = Fields::of(node, &what, problems)?;
    let sql_literals = fields.flag("sql_literals", problems).unwrap_or(false);
    let connection_secrets = fields.flag("connection_secrets", problems).unwrap_or(false);
    let mut many = |name| {
        let node: Option<&Node> = fields.get(name);
        let nodes = node.map(|node| node.at_least_one(problems));
        nodes.unwrap_or_default()
    };
    let (names, nodes) = (many("environment"), many("pointers"));
    let environment = names.into_iter().flat_map(|node| globs(node, problems));
    let environment: Vec<_> = environment.collect();
    let pointers = nodes.into_iter().filter_map(|node| {
        let pointer = node.text(problems)?;
        let parsed = Pointer::parse(&pointer);
        problems.ok(
            node.at,
            parsed.map_err(|error| format!("{pointer:?}: {error}")),
        )
    });
    let pointers: Vec<Pointer> = pointers.collect();
    let masks = [("stars", false), ("hash", true)];
    let hashed = fields
        .get("with")
        .map(|node| (node.at, node.choice(&masks, problems)));
    // What is given and wrong is said already; `false` is right and hides nothing.
    let nothing = !parts.iter().any(|name| fields.asks_for(name));
    fields.finish(problems);
    let mask = match (hashed, sources.hash_key) {
        (Some((_, Some(true))), Some(key)) => Mask::Hash(key.to_vec()),
        (Some((at, Some(true))), None) => {
            problems.say(at, "with: hash needs the setting rules.hash_key, so that nobody can guess what was there");
            return None;
        }
        (Some((_, Some(false) | None)) | None, _) => Mask::Stars,
    };
    if nothing {
        problems.say(
            node.at,
            format!("expected at least one of {}", parts.join(", ")),
        );
    }
    Some(Action::Redact(Box::new(Redact {
        sql_literals,
        connection_secrets,
        environment,
        pointers,
        mask,
    })))
}

/// What can be added.
const ADDED: [&str; 6] = [
    "tags",
    "owners",
    "job_type",
    "environment",
    "documentation",
    "facets",
];

pub(super) fn add(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let mut fields = Fields::of(node, &format!("a map with {}", ADDED.join(", ")), problems)?;
    let job = On {
        job: true,
        ..On::default()
    };
    let on = on(&mut fields, problems).unwrap_or(job);
    let overwrite = fields.flag("overwrite", problems).unwrap_or(false);
    let tags = fields.get("tags").map(|node| {
        texts(
            node,
            "a map of tags and values such as {team: data}",
            problems,
        )
    });
    let owners = fields.get("owners").map(|node| owners(node, problems));
    let job_type = fields.get("job_type").map(|node| job_type(node, problems));
    let environment = fields.text("environment", problems);
    let documentation = fields.text("documentation", problems);
    let facets = fields.get("facets").map(|node| new_facets(node, problems));
    let nothing = !ADDED.iter().any(|name| fields.is_given(name));
    fields.finish(problems);
    if !on.job && !on.dataset && (owners.is_some() || job_type.is_some() || documentation.is_some())
    {
        problems.say(
            node.at,
            "owners, job_type and documentation stand on jobs and datasets only; expected on: job or dataset",
        );
    }
    let mut tags = tags.unwrap_or_default();
    tags.extend(environment.map(|environment| ("environment".to_owned(), environment)));
    let tag = |(key, value)| Tag {
        key,
        value,
        source: Some("USER".to_owned()),
    };
    let add = Add {
        on,
        overwrite,
        tags: tags.into_iter().map(tag).collect(),
        owners: owners.unwrap_or_default(),
        job_type: job_type.flatten(),
        documentation: documentation.map(|description| Documentation {
            description,
            content_type: None,
        }),
        facets: facets.unwrap_or_default(),
    };
    if nothing {
        problems.say(
            node.at,
            format!("expected at least one of {}", ADDED.join(", ")),
        );
    }
    Some(Action::Add(add))
}

fn job_type(node: &Node, problems: &mut Problems) -> Option<JobType> {
    let what = "a map with processing_type, integration, job_type";
    let mut fields = Fields::of(node, what, problems)?;
    let mut text = |name| fields.text(name, problems);
    let (processing_type, integration) = (text("processing_type"), text("integration"));
    let job_type = text("job_type");
    for name in ["processing_type", "integration"] {
        if !fields.is_given(name) {
            problems.say(node.at, format!("expected {name}: a job type needs it"));
        }
    }
    fields.finish(problems);
    Some(JobType {
        processing_type: processing_type?,
        integration: integration?,
        job_type,
    })
}

fn new_facets(node: &Node, problems: &mut Problems) -> Vec<Facet> {
    let Value::Map(members) = &node.value else {
        node.expected("a map of facets by name", problems);
        return Vec::new();
    };
    let members = members.iter();
    members
        .filter_map(|(key, facet)| {
            let made = Facet::new(&key.text, &facet.json().to_string());
            problems.ok(
                facet.at,
                made.map_err(|error| format!("{}: {error}", key.text)),
            )
        })
        .collect()
}

/// Owners: names, or `{name, type}`.
fn owners(node: &Node, problems: &mut Problems) -> Vec<Owner> {
    (node.one_or_many().into_iter())
        .filter_map(|node| match &node.value {
            Value::Map(_) => {
                let mut fields = Fields::of(node, "name and type", problems)?;
                let (name, kind) = (fields.text("name", problems), fields.text("type", problems));
                if !fields.is_given("name") {
                    problems.say(node.at, "expected name: who the owner is");
                }
                fields.finish(problems);
                Some(Owner { name: name?, kind })
            }
            _ => Some(Owner {
                name: node.text(problems)?,
                kind: None,
            }),
        })
        .collect()
}
