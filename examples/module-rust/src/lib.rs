//! Ownership from a naming convention: where jobs are called `<team>.<job>` or `<team>__<job>`, the team becomes an
//! owner in the ownership facet of the job, unless the event already names an owner.
//!
//! The rules file lists the teams under `with:`: `teams: { sales: "team:sales@example.com" }`.
//! For a transform of your own, change only this file; `interface.rs` is the same for all.

mod interface;

use interface::Verdict;
use serde::Deserialize;
use serde_json::{Value, json};

/// The value of `with:`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The owner of each team's jobs.
    #[serde(default)]
    teams: std::collections::BTreeMap<String, String>,
}

/// Decides what happens to the event.
pub fn transform(event: &mut Value, settings: &Settings) -> Verdict {
    let Some(job) = event.get_mut("job").and_then(Value::as_object_mut) else {
        return Verdict::Unchanged;
    };
    let owner = job
        .get("name")
        .and_then(Value::as_str)
        .and_then(|name| name.split_once("__").or_else(|| name.split_once('.')))
        .and_then(|(team, _)| settings.teams.get(team));
    let Some(owner) = owner else {
        return Verdict::Unchanged;
    };
    let facets = job.entry("facets").or_insert_with(|| json!({}));
    let Some(facets) = facets.as_object_mut() else {
        return Verdict::Error("the facets of the job are no object".into());
    };
    if facets.contains_key("ownership") {
        return Verdict::Unchanged;
    }
    let facet = json!({
        "_producer": "https://example.com/team-owner",
        "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/OwnershipJobFacet.json#/$defs/OwnershipJobFacet",
        "owners": [{ "name": owner, "type": "OWNER" }],
    });
    facets.insert("ownership".into(), facet);
    Verdict::Changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        serde_json::from_value(json!({ "teams": { "sales": "team:sales" } })).unwrap()
    }

    #[test]
    fn the_team_in_the_name_owns_the_job() {
        let mut event = json!({ "job": { "namespace": "n", "name": "sales__load" } });
        assert!(matches!(transform(&mut event, &settings()), Verdict::Changed));
        let owner = event.pointer("/job/facets/ownership/owners/0/name");
        assert_eq!(owner, Some(&json!("team:sales")));
    }

    #[test]
    fn other_jobs_and_owned_jobs_stay() {
        for mut event in [
            json!({ "job": { "name": "load" } }),
            json!({ "job": { "name": "legal.load" } }),
            json!({ "job": { "name": "sales.load", "facets": { "ownership": {} } } }),
            json!({ "dataset": {} }),
        ] {
            assert!(matches!(transform(&mut event, &settings()), Verdict::Unchanged));
        }
    }
}
