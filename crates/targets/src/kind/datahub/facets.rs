//! Reads facets, which may have any form: what has another one than expected is as if it were missing. Pure.

use std::borrow::Cow;

use openlineage::{Json, Member};

/// The most characters of a description: more than anybody reads, and what bounds the request.
const MAX_DESCRIPTION: usize = 20_000;

/// A facet of an object with `facets`, unless it is deleted.
pub(super) fn facet<'t>(holder: Json<'t>, name: &str) -> Option<Json<'t>> {
    let facet = holder.get("facets")?.get(name)?;
    let deleted = facet.get("_deleted");
    let is_deleted = deleted.is_some_and(|deleted| deleted.text() == "true");
    (!is_deleted && facet.is_object()).then_some(facet)
}

/// A member that is a text.
pub(super) fn text<'t>(holder: Json<'t>, name: &str) -> Option<Cow<'t, str>> {
    holder.get(name)?.string()
}

/// The elements of a member that is a list.
pub(super) fn list<'t>(holder: Json<'t>, name: &str) -> Vec<Json<'t>> {
    holder.get(name).map(Json::items).unwrap_or_default()
}

/// The members of a member that is an object. Of those with the same name, all are there.
pub(super) fn members<'t>(holder: Json<'t>, name: &str) -> Vec<Member<'t>> {
    holder.get(name).map(Json::members).unwrap_or_default()
}

/// The start of a text that people write.
pub(super) fn shortened(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_DESCRIPTION);
    text.get(..end.map_or(text.len(), |(end, _)| end))
        .unwrap_or(text)
}
