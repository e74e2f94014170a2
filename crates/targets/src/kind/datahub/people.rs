//! Owners and tags. Both are patches: users and other sources add their own. Pure.

use std::collections::{BTreeMap, BTreeSet};

use openlineage::Json;
use serde_json::{Value, json};

use super::facets::{list, text};
use super::proposal::{Addition, Aspect, Proposal};
use super::urn::{Urn, group_urn, tag_urn, user_urn};

/// The type of an owner whose type in the facet is none of DataHub's.
const OWNER: &str = "TECHNICAL_OWNER";

/// The types that DataHub knows (`OwnershipType.pdl`), without the deprecated ones and `CUSTOM`, which needs a URN.
const OWNER_TYPES: [&str; 4] = [OWNER, "BUSINESS_OWNER", "DATA_STEWARD", "NONE"];

/// The owners that a facet `ownership` names.
pub(super) fn owners(urn: &Urn, facet: Json<'_>) -> Option<Proposal> {
    let mut additions = Vec::new();
    let mut seen = BTreeSet::new();
    for owner in list(facet, "owners") {
        let Some(owner_urn) = text(owner, "name").and_then(|name| owner_urn(&name)) else {
            continue;
        };
        let kind = text(owner, "type").unwrap_or_default().to_uppercase();
        let kind = OWNER_TYPES.into_iter().find(|known| *known == kind);
        let kind = kind.unwrap_or(OWNER);
        if seen.insert((owner_urn.clone(), kind)) {
            let value = json!({"owner": owner_urn, "type": kind, "source": {"type": "SERVICE"}});
            // No attribution, no type of its own.
            let path = ["owners", "", "", &owner_urn, kind];
            additions.push(Addition::new(&path, value));
        }
    }
    Proposal::patch(urn, Aspect::Ownership, additions)
}

/// The user or the group that a name stands for: `team:data`, `user:jane`, a URN of DataHub, or a user's name as it is.
fn owner_urn(name: &str) -> Option<String> {
    if let Some(user) = name.strip_prefix("urn:li:corpuser:") {
        return user_urn(user);
    }
    if let Some(group) = name.strip_prefix("urn:li:corpGroup:") {
        return group_urn(group);
    }
    match name.split_once(':') {
        Some(("team" | "group", group)) => group_urn(group),
        Some(("user", user)) => user_urn(user),
        Some(_) | None => user_urn(name),
    }
}

/// The tags that a facet `tags` has for the whole of its job or dataset.
pub(super) fn tags(urn: &Urn, facet: Json<'_>) -> Option<Proposal> {
    let tags = list(facet, "tags").into_iter();
    let tags = tags.filter(|tag| text(*tag, "field").is_none());
    tagged(urn, tags.filter_map(tag))
}

/// The tags of an Airflow DAG: `"['daily', 'finance']"`, a list as Python writes it, in the facet `airflow`.
pub(super) fn dag_tags(urn: &Urn, dag: Json<'_>) -> Option<Proposal> {
    let tags: Vec<String> = match text(dag, "tags") {
        Some(list) => serde_json::from_str(&list.replace('\'', "\"")).unwrap_or_default(),
        None => {
            let tags = list(dag, "tags").into_iter();
            tags.filter_map(|tag| Some(tag.string()?.into_owned()))
                .collect()
        }
    };
    tagged(urn, tags.iter().filter_map(|tag| tag_urn(tag)))
}

/// The tags of fields, by their path.
pub(super) fn field_tags(facet: Json<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for item in list(facet, "tags") {
        if let (Some(field), Some(tag)) = (text(item, "field"), tag(item)) {
            fields.entry(field.into_owned()).or_default().insert(tag);
        }
    }
    fields
}

fn tagged(urn: &Urn, tags: impl Iterator<Item = String>) -> Option<Proposal> {
    let tags: BTreeSet<String> = tags.collect();
    let addition = |tag: &String| {
        let value: Value = json!({ "tag": tag });
        Addition::new(&["tags", "", tag], value) // no attribution
    };
    let additions = tags.iter().map(addition).collect();
    Proposal::patch(urn, Aspect::GlobalTags, additions)
}

/// The URN of a tag: `key:value`, or `key` where the value only says that it is set.
fn tag(tag: Json<'_>) -> Option<String> {
    let key = text(tag, "key")?;
    match text(tag, "value").as_deref() {
        None | Some("" | "true") => tag_urn(&key),
        Some(value) => tag_urn(&format!("{key}:{value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(proposal: Option<Proposal>) -> String {
        proposal.map_or(String::new(), |proposal| proposal.to_json())
    }

    #[test]
    fn owners_are_users_and_groups_with_the_types_of_datahub() {
        let urn = Urn::dataset("p", "n", "PROD").unwrap();
        let facet = r#"{"owners":[{"name":"jane","type":"MAINTAINER"},{"name":"team:data","type":"DATA_STEWARD"},
            {"name":"jane","type":"x"},{"name":" "},{"name":7},{"name":"urn:li:corpGroup:g"},
            {"name":"urn:li:corpuser:a,b (c)"},{"name":"urn:li:corpuser: "}]}"#;
        let json = patched(owners(&urn, Json::parse(facet).unwrap()));
        for path in [
            "/owners///urn:li:corpuser:jane/TECHNICAL_OWNER",
            "/owners///urn:li:corpGroup:data/DATA_STEWARD",
            "/owners///urn:li:corpGroup:g/TECHNICAL_OWNER",
            "/owners///urn:li:corpuser:a%2Cb %28c%29/TECHNICAL_OWNER",
        ] {
            assert_eq!(json.matches(path).count(), 1, "{path} {json}");
        }
        assert_eq!(json.matches("\\\"op\\\"").count(), 4, "{json}");
    }

    #[test]
    fn tags_are_keys_with_their_values() {
        let urn = Urn::dataset("p", "n", "PROD").unwrap();
        let facet = r#"{"tags":[{"key":"pii","value":"true"},{"key":"tier","value":"a,b"},{"key":"f","value":"x","field":"c"}]}"#;
        let json = patched(tags(&urn, Json::parse(facet).unwrap()));
        assert!(json.contains("/tags//urn:li:tag:pii"), "{json}");
        assert!(json.contains("/tags//urn:li:tag:tier:a%2Cb"), "{json}");
        assert!(!json.contains("urn:li:tag:f"), "{json}");
    }

    #[test]
    fn tags_of_a_dag_are_read_as_python_writes_them() {
        let urn = Urn::dataset("p", "n", "PROD").unwrap();
        for dag in [r#"{"tags":"['b', 'a']"}"#, r#"{"tags":["a","b"]}"#] {
            let json = patched(dag_tags(&urn, Json::parse(dag).unwrap()));
            assert!(
                json.contains("urn:li:tag:a") && json.contains("urn:li:tag:b"),
                "{json}"
            );
        }
        let none = dag_tags(&urn, Json::parse(r#"{"tags":"[]"}"#).unwrap());
        assert_eq!(none, None);
    }
}
