//! An example of your own transform: it looks up the team that owns a job in a table, and adds it as a facet.
//!
//! It consists of a type that implements [`Transform`], and of [`transforms`], which registers it under the name that
//! rules use: `transform: {name: team_of, with: {finance: team-a}}`. Both binaries beside it are one line each.

use std::collections::BTreeMap;
use std::sync::Arc;

use openlineage::{Edits, Event, quote};
use transform::{Transform, TransformError, TransformOutput, Transforms};

/// The transforms that this binary adds.
pub fn transforms() -> Transforms {
    Transforms::new().with("team_of", |with| {
        let teams = serde_json::from_value(with.clone());
        let teams = teams.map_err(|_| "expected a map of job prefixes and teams".to_owned())?;
        Ok(Arc::new(TeamOf(teams)))
    })
}

#[derive(Debug)]
struct TeamOf(BTreeMap<String, String>);

impl Transform for TeamOf {
    fn apply(&self, event: &Event) -> Result<TransformOutput, TransformError> {
        let Some(job) = event.job() else {
            return Ok(TransformOutput::Unchanged); // a DatasetEvent has no job
        };
        let mut teams = self.0.iter();
        let Some((_, team)) = teams.find(|(prefix, _)| job.name.starts_with(prefix.as_str()))
        else {
            return Ok(TransformOutput::Unchanged);
        };
        let facet = format!(
            r#"{{"_producer":"urn:example","_schemaURL":"urn:example:team","name":{}}}"#,
            quote(team)
        );
        let (root, mut edits) = (event.json(), Edits::new(event.text()));
        match (root.get("job"), root.at(&["job", "facets"])) {
            (_, Some(facets)) if facets.get("team").is_some() => {
                return Ok(TransformOutput::Unchanged);
            }
            (_, Some(facets)) => edits.add_members(facets, &[("team", facet)]),
            (Some(job), None) => {
                edits.add_members(job, &[("facets", format!(r#"{{"team":{facet}}}"#))])
            }
            (None, None) => return Err(TransformError("an event with a job has a job".to_owned())),
        }
        Ok(TransformOutput::Changed(edits.apply()))
    }
}
