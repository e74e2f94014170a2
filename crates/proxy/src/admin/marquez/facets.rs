//! The facets of a run, a job or a dataset, collected from events, in bounded memory. Pure.
//!
//! They stay texts: as values they would take many times the memory of an event.

use std::collections::BTreeMap;

use ::history::{KnownNode, Name, NodeKind};
use openlineage::{Json, quote};
use uuid::Uuid;

/// The most bytes of facets: usually a run has some KB, and its plans some MB.
pub(super) const MAX_FACETS: usize = 8_000_000;

/// Whose facets they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FacetsOf {
    /// The run of each event.
    Run,
    /// The job of each event.
    Job,
    /// The dataset with one of these names.
    Dataset(Vec<Name>),
}

/// The facets of some events.
pub(super) struct Facets {
    of: FacetsOf,
    /// By their names. `None`: it is left out for its size.
    all: BTreeMap<String, Option<String>>,
    /// Of names and facets.
    size: usize,
    is_cut: bool,
}

impl Facets {
    pub(super) fn none(of: FacetsOf) -> Facets {
        Facets {
            of,
            all: BTreeMap::new(),
            size: 0,
            is_cut: false,
        }
    }

    /// These and the facets of an earlier event that are not among them.
    pub(super) fn with(mut self, event: &str) -> Facets {
        let Ok(event) = Json::parse(event) else {
            return self;
        };
        for facets in self.of.find(event) {
            self.add(facets, MAX_FACETS);
        }
        self
    }

    /// Whose facets they are.
    pub(super) fn of(&self) -> &FacetsOf {
        &self.of
    }

    /// Bytes of names and facets.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Adds the facets of an earlier event that are not among them, up to so many bytes of all. One that has no room is left out, and an
    /// earlier one of its name too.
    pub(super) fn add(&mut self, facets: Json<'_>, most: usize) {
        let facets = facets.members();
        // Of a name that an event has twice, the last one counts.
        for facet in facets.iter().rev() {
            let Some(name) = facet.key.string() else {
                continue; // a lone surrogate names nothing
            };
            if self.all.contains_key(name.as_ref()) {
                continue;
            }
            let text = facet.value.text();
            let room = most.saturating_sub(self.size);
            let kept = name.len().saturating_add(text.len()) <= room;
            self.is_cut |= !kept;
            // There will be no room for this name later either.
            if name.len() > room {
                continue;
            }
            let value = kept.then(|| text.to_owned());
            self.size += name.len() + value.as_ref().map_or(0, String::len);
            self.all.insert(name.into_owned(), value);
        }
    }

    /// `{"runId": …, "facets": {…}}`. `None`: there are more facets than are kept.
    pub(super) fn answer(&self, run: Uuid) -> Option<String> {
        match self.is_cut {
            true => None,
            false => Some(format!(r#"{{"runId":"{run}","facets":{}}}"#, self.text())),
        }
    }

    /// A text in one of the facets.
    pub(super) fn string(&self, facet: &str, member: &str) -> Option<String> {
        let facet = Json::parse(self.all.get(facet)?.as_ref()?).ok()?;
        Some(facet.get(member)?.string()?.into_owned())
    }

    /// The facets as an object, as far as they are kept.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(self.text_size());
        self.write(&mut text);
        text
    }

    /// Bytes of that text, but for what is escaped in names.
    pub(super) fn text_size(&self) -> usize {
        self.size + 4 * self.all.len() + 2 // quotes, a colon and a comma for each
    }

    /// Writes that text.
    pub(super) fn write(&self, text: &mut String) {
        *text += "{";
        let mut separator = "";
        let kept = self.all.iter();
        for (name, value) in kept.filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            *text += separator;
            *text += &quote(name);
            *text += ":";
            *text += value;
            separator = ",";
        }
        *text += "}";
    }
}

impl FacetsOf {
    /// Those of a job, or of a dataset by any of its names.
    pub(super) fn node(known: &KnownNode) -> FacetsOf {
        match known.node.kind {
            NodeKind::Job => FacetsOf::Job,
            NodeKind::Dataset => {
                let name = Name {
                    namespace: known.node.namespace.clone(),
                    name: known.node.name.clone(),
                };
                let aliases = known.facts.aliases.iter().cloned();
                FacetsOf::Dataset(std::iter::once(name).chain(aliases).collect())
            }
        }
    }

    /// Finds the facets in an event, those that count more first.
    fn find<'e>(&self, event: Json<'e>) -> Vec<Json<'e>> {
        let names = match self {
            FacetsOf::Run => return event.at(&["run", "facets"]).into_iter().collect(),
            FacetsOf::Job => return of_job(event).into_iter().collect(),
            FacetsOf::Dataset(names) => names,
        };
        let named = of_datasets(event).filter(|(name, _)| names.contains(name));
        named.flat_map(|(_, facets)| facets).collect()
    }
}

/// The facets of the job of an event.
pub(super) fn of_job(event: Json<'_>) -> Option<Json<'_>> {
    event.at(&["job", "facets"])
}

/// The datasets of an event with their facets, those that count more first. What an event says of a dataset as its output counts more than
/// what it says of it as its input. The `inputFacets` of an input are among them, since it has those of its quality there, and count more
/// than its `facets`. `outputFacets` are not: Marquez has it so (`findAll` in
/// <https://github.com/MarquezProject/marquez/blob/main/api/src/main/java/marquez/db/DatasetDao.java>).
pub(super) fn of_datasets<'e>(
    event: Json<'e>,
) -> impl Iterator<Item = (Name, impl Iterator<Item = Json<'e>>)> {
    const OF_INPUT: &[&str] = &["inputFacets", "facets"];
    const OF_OTHER: &[&str] = &["facets"];
    let lists = [("outputs", OF_OTHER), ("inputs", OF_INPUT)].map(|(list, facets)| {
        let datasets = event.get(list).map(Json::items).unwrap_or_default();
        datasets.into_iter().map(move |dataset| (dataset, facets))
    });
    let alone = event.get("dataset").map(|dataset| (dataset, OF_OTHER));
    let datasets = lists.into_iter().flatten().chain(alone);
    datasets.filter_map(|(dataset, facets)| {
        // Read once: a large event has no index, so each `get` would parse the dataset again.
        let members = dataset.members();
        let get = move |name: &str| {
            let mut members = members.iter().rev();
            let member = members.find(|it| it.key.string().as_deref() == Some(name))?;
            Some(member.value)
        };
        let name = Name {
            namespace: get("namespace")?.string()?.into_owned(),
            name: get("name")?.string()?.into_owned(),
        };
        Some((name, facets.iter().filter_map(move |it| get(it))))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn collected(of: FacetsOf, newest_first: &[&str]) -> Value {
        let all = newest_first.iter();
        let all = all.fold(Facets::none(of), |all, event| all.with(event));
        serde_json::from_str(&all.answer(Uuid::nil()).unwrap()).unwrap()
    }

    #[test]
    fn facets_are_those_of_all_events_of_the_run() {
        let events = [
            r#"{"run":{"facets":{"a":{"n":2}}}}"#,
            r#"{"run":{"facets":{"a":{"n":1},"b\"":{}}},"job":{"facets":{"sql":{}}}}"#,
        ];
        let of_run = collected(FacetsOf::Run, &events);
        assert_eq!(of_run["facets"], json!({"a": {"n": 2}, "b\"": {}}));
        let of_job = collected(FacetsOf::Job, &events);
        assert_eq!(of_job["facets"], json!({"sql": {}}));
        assert_eq!(of_job["runId"], Uuid::nil().to_string());
    }

    #[test]
    fn facets_of_a_dataset_are_its_own_under_any_of_its_names() {
        let named = |name: &str| Name {
            namespace: "n".to_owned(),
            name: name.to_owned(),
        };
        let events = [
            r#"{"inputs":[{"namespace":"n","name":"a","facets":{"schema":{"n":2}},"inputFacets":{"dataQualityAssertions":{}},"outputFacets":{"x":{}}},{"namespace":"n","name":"c","facets":{"c":{}}}]}"#,
            r#"{"outputs":[{"namespace":"n","name":"b","facets":{"schema":{"n":1},"documentation":{"description":"of b"}}}]}"#,
            r#"{"dataset":{"namespace":"n","name":"a","facets":{"ownership":{}}}}"#,
            "no event",
        ];
        let all = Facets::none(FacetsOf::Dataset(vec![named("a"), named("b")]));
        let all = events.iter().fold(all, |all, event| all.with(event));
        let facets: Value = serde_json::from_str(&all.text()).unwrap();
        let expected = json!({"schema": {"n": 2}, "dataQualityAssertions": {}, "documentation": {"description": "of b"}, "ownership": {}});
        assert_eq!(facets, expected);
        let description = all.string("documentation", "description");
        assert_eq!(description.as_deref(), Some("of b"));
        assert_eq!(all.string("schema", "n"), None);
    }

    fn of_dataset(event: &str) -> Value {
        let name = Name {
            namespace: "n".to_owned(),
            name: "a".to_owned(),
        };
        collected(FacetsOf::Dataset(vec![name]), &[event])["facets"].clone()
    }

    #[test]
    fn of_the_same_name_what_an_input_says_of_its_quality_counts() {
        let event = r#"{"inputs":[{"namespace":"n","name":"a","facets":{"x":{"n":1},"y":{}},"inputFacets":{"x":{"n":2}}}]}"#;
        assert_eq!(of_dataset(event), json!({"x": {"n": 2}, "y": {}}));
    }

    #[test]
    fn what_an_event_says_of_its_output_counts_before_its_input() {
        let event = r#"{"inputs":[{"namespace":"n","name":"a","facets":{"x":{"n":1}},"inputFacets":{"x":{"n":2}}}],"outputs":[{"namespace":"n","name":"a","facets":{"x":{"n":3}}}]}"#;
        assert_eq!(of_dataset(event), json!({"x": {"n": 3}}));
    }

    #[test]
    fn only_inputs_have_facets_of_inputs() {
        let dataset = r#"{"namespace":"n","name":"a","facets":{"x":{}},"inputFacets":{"y":{}}}"#;
        for event in [
            format!(r#"{{"outputs":[{dataset}]}}"#),
            format!(r#"{{"dataset":{dataset}}}"#),
        ] {
            assert_eq!(of_dataset(&event), json!({"x": {}}), "{event}");
        }
    }

    #[test]
    fn after_a_facet_that_has_no_room_a_small_one_has() {
        let large = "x".repeat(MAX_FACETS);
        let event = format!(r#"{{"job":{{"facets":{{"a":{{"n":1}},"sql":"{large}"}}}}}}"#);
        let facets = Facets::none(FacetsOf::Job).with(&event);
        let text: Value = serde_json::from_str(&facets.text()).unwrap();
        assert_eq!(text, json!({"a": {"n": 1}}));
    }

    #[test]
    fn the_size_of_the_text_is_known_before() {
        let events = [r#"{"job":{"facets":{"a":{"n":2},"b":[]}}}"#, "{}"];
        for event in events {
            let facets = Facets::none(FacetsOf::Job).with(event);
            let (size, text) = (facets.text_size(), facets.text());
            assert!(
                (text.len()..=text.len() + 1).contains(&size),
                "{size} {text}"
            );
        }
    }

    #[test]
    fn facets_that_are_too_large_are_not_kept() {
        let large = "x".repeat(MAX_FACETS / 2);
        let event = |name| format!(r#"{{"run":{{"facets":{{"{name}":"{large}"}}}}}}"#);
        let one = Facets::none(FacetsOf::Run).with(&event("a"));
        assert!(one.answer(Uuid::nil()).is_some());
        let two = one.with(&event("b")).with(&event("c"));
        assert!(two.size <= MAX_FACETS);
        assert_eq!(two.answer(Uuid::nil()), None);
    }
}
