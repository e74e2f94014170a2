//! The rules in force of all targets: what one of them redacts is on no screen. Called by `page/events.rs` and `page/rules.rs`.

use super::texts::TargetRules;
use crate::topology::OpenPipelines;

/// Returns the rules of these targets, each with whether it is the store. Fails if one is not open: then it is not known what has to be
/// hidden.
pub(super) fn in_force<'t>(
    targets: impl Iterator<Item = (&'t str, bool)>,
    pipelines: &OpenPipelines,
) -> Result<Vec<TargetRules>, String> {
    let open = pipelines.all();
    let rules = targets.map(|(target, is_store)| {
        let pipeline = open.iter().find(|it| it.target.name().as_str() == target);
        let pipeline = pipeline.ok_or_else(|| {
            format!("the target {target} is not open, so it is not known what its rules redact")
        })?;
        let loaded = pipeline.rules.current();
        Ok(TargetRules {
            target: target.to_owned(),
            rules: loaded.rules.clone(),
            version: loaded.version.clone(),
            is_store,
        })
    });
    rules.collect()
}
