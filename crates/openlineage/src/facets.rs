//! placeholder
use crate::finding::Finding;
use crate::json::Json;
/// What the facets' own schemas have against an event.
pub fn warnings(_event: Json<'_>) -> Vec<Finding> {
    Vec::new()
}
