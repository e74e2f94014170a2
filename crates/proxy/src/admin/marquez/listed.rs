//! The facets of many jobs and datasets, in one answer: which events are read for them, and what is kept. Pure.
//!
//! An event names a job and its datasets, so one reading is for all of them. The newest event of each is chosen first, then the one before
//! of each, until enough is read. So of a few, each has the facets that it has alone, and of many, those of its last events.

use std::collections::{BTreeMap, HashMap};

use ::history::{EventPlace, EventsOfNodes};
use openlineage::{Indexed, Json};

use super::facets::{Facets, FacetsOf, MAX_FACETS, of_datasets, of_job};

/// The most jobs and datasets of an answer that have facets, the first ones.
pub(super) const MAX_NODES: usize = 200;

/// The most events that are read for an answer, five for each of a page of Marquez' own, or one for each node where there are more nodes.
/// With them an answer for 20 nodes takes 1.7 times as long as without facets, and one for 100 takes 1.4 times as long.
const MAX_EVENTS: usize = 100;

/// The most bytes of events that are read for an answer.
const MAX_READ: usize = 8_000_000;

/// The most bytes of facets of a job or a dataset. Usually it has some KB.
const MAX_OF_NODE: usize = 64_000;

/// The facets of the jobs and datasets of an answer, in their order.
#[derive(Default)]
pub(super) struct Listed {
    nodes: Vec<Facets>,
    /// For which nodes an event is read, by its id.
    wanted: HashMap<String, Vec<usize>>,
    /// How many more bytes of facets are kept.
    left: usize,
}

impl Listed {
    /// Chooses the events to read for these nodes. Returns them in their order.
    pub(super) fn choose(of: Vec<FacetsOf>, found: EventsOfNodes) -> (Vec<EventPlace>, Listed) {
        let EventsOfNodes { places, of_nodes } = found;
        let chosen = choose(&places, &of_nodes);
        let read = places.into_iter().enumerate();
        let read = read.filter(|(position, _)| chosen.contains_key(position));
        let (mut wanted, mut events) = (HashMap::new(), Vec::new());
        for (position, place) in read {
            let nodes = chosen.get(&position).cloned().unwrap_or_default();
            wanted.insert(place.id.clone(), nodes);
            events.push(place);
        }
        // As much as the reader of the events has memory for, although a dataset may be listed by several names.
        let size = events.iter().map(|event| event.size).sum();
        let listed = Listed {
            nodes: of.into_iter().map(Facets::none).collect(),
            wanted,
            left: MAX_FACETS.min(size),
        };
        (events, listed)
    }

    /// These and the facets of an earlier event that are not among them.
    pub(super) fn with(mut self, place: &EventPlace, event: &str) -> Listed {
        let Some(wanted) = self.wanted.remove(&place.id) else {
            return self;
        };
        let Ok(event) = Json::parse(event) else {
            return self;
        };
        let event = Indexed::of(event); // it is looked into at several levels
        let event = event.json();
        let mut by_name: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        let mut jobs = Vec::new();
        for position in wanted {
            match self.nodes.get(position).map(Facets::of) {
                Some(FacetsOf::Job) => jobs.push(position),
                Some(FacetsOf::Dataset(names)) => {
                    for name in names {
                        by_name.entry(name.clone()).or_default().push(position);
                    }
                }
                Some(FacetsOf::Run) | None => {}
            }
        }
        if let Some(facets) = of_job(event) {
            jobs.iter().for_each(|job| self.add(*job, facets));
        }
        if !by_name.is_empty() {
            for (name, facets) in of_datasets(event) {
                let Some(datasets) = by_name.get(&name) else {
                    continue;
                };
                for facets in facets {
                    datasets.iter().for_each(|it| self.add(*it, facets));
                }
            }
        }
        self
    }

    /// The facets of a node, by its position. `None`: none were looked for.
    pub(super) fn get(&self, position: usize) -> Option<&Facets> {
        self.nodes.get(position)
    }

    fn add(&mut self, position: usize, facets: Json<'_>) {
        if let Some(node) = self.nodes.get_mut(position) {
            let before = node.size();
            node.add(facets, MAX_OF_NODE.min(before + self.left));
            self.left = self.left.saturating_sub(node.size() - before);
        }
    }
}

/// Which events are read, by their positions, and for which nodes.
fn choose(places: &[EventPlace], of_nodes: &[Vec<usize>]) -> HashMap<usize, Vec<usize>> {
    let mut chosen: HashMap<usize, Vec<usize>> = HashMap::new();
    let (mut bytes, most) = (0, of_nodes.len().max(MAX_EVENTS));
    let mut rests: Vec<_> = of_nodes
        .iter()
        .map(|events| events.iter())
        .enumerate()
        .collect();
    while !rests.is_empty() {
        // A node of which an event is left out has no earlier one either: it would say what is no longer so.
        rests.retain_mut(|(node, rest)| {
            let next = rest.next().and_then(|at| Some((*at, places.get(*at)?)));
            let Some((position, place)) = next else {
                return false;
            };
            let fits = chosen.len() < most && bytes + place.size <= MAX_READ;
            match chosen.get_mut(&position) {
                Some(nodes) => nodes.push(*node),
                None if fits => {
                    bytes += place.size;
                    chosen.insert(position, vec![*node]);
                }
                None => return false,
            }
            true
        });
    }
    chosen
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use ::history::Name;

    use super::*;

    fn place(id: &str, size: usize) -> EventPlace {
        EventPlace {
            id: id.to_owned(),
            accepted_at: 0,
            size,
        }
    }

    fn dataset(name: &str) -> FacetsOf {
        FacetsOf::Dataset(vec![Name {
            namespace: "n".to_owned(),
            name: name.to_owned(),
        }])
    }

    fn facets(listed: &Listed, position: usize) -> Value {
        serde_json::from_str(&listed.get(position).unwrap().text()).unwrap()
    }

    #[test]
    fn one_event_is_read_for_its_job_and_its_datasets() {
        let found = EventsOfNodes {
            places: vec![place("2", 300), place("1", 100)],
            of_nodes: vec![vec![0, 1], vec![0], vec![1]],
        };
        let of = vec![FacetsOf::Job, dataset("a"), dataset("b")];
        let (events, listed) = Listed::choose(of, found);
        let [newer, older] = [
            r#"{"job":{"facets":{"sql":{"n":2}}},"inputs":[{"namespace":"n","name":"a","facets":{"schema":{}}},{"namespace":"n","name":"b","facets":{"b":{}}}]}"#,
            r#"{"job":{"facets":{"sql":{"n":1},"x":{}}},"outputs":[{"namespace":"n","name":"b","facets":{"schema":{}}}]}"#,
        ];
        let listed = listed.with(&events[0], newer).with(&events[1], older);
        assert_eq!(facets(&listed, 0), json!({"sql": {"n": 2}, "x": {}}));
        assert_eq!(facets(&listed, 1), json!({"schema": {}}));
        // Only of the events that were found to be its own.
        assert_eq!(facets(&listed, 2), json!({"schema": {}}));
    }

    #[test]
    fn the_newest_event_of_each_is_chosen_before_an_earlier_one_of_any() {
        let places: Vec<_> = (0..MAX_EVENTS + 50)
            .map(|n| place(&n.to_string(), 1))
            .collect();
        // The first has very many; the others have one each, older than those.
        let mut of_nodes = vec![(0..MAX_EVENTS).collect::<Vec<_>>()];
        of_nodes.extend((MAX_EVENTS..MAX_EVENTS + 50).map(|n| vec![n]));
        let chosen = choose(&places, &of_nodes);
        assert_eq!(chosen.len(), MAX_EVENTS);
        assert!((MAX_EVENTS..MAX_EVENTS + 50).all(|n| chosen.contains_key(&n)));
        assert!((0..MAX_EVENTS - 50).all(|n| chosen.contains_key(&n)));
    }

    #[test]
    fn each_of_very_many_has_its_newest_event_and_no_other() {
        let count = MAX_EVENTS + 50;
        let places: Vec<_> = (0..2 * count).map(|n| place(&n.to_string(), 1)).collect();
        let of_nodes: Vec<_> = (0..count).map(|n| vec![n, n + count]).collect();
        let chosen = choose(&places, &of_nodes);
        let mut positions: Vec<usize> = chosen.into_keys().collect();
        positions.sort_unstable();
        assert_eq!(positions, (0..count).collect::<Vec<_>>());
    }

    #[test]
    fn before_an_event_that_is_too_large_none_is_read() {
        let places = [place("2", MAX_READ + 1), place("1", 1)];
        let chosen = choose(&places, &[vec![0, 1], vec![1]]);
        assert_eq!(chosen, HashMap::from([(1, vec![1])]));
    }

    #[test]
    fn a_facet_that_has_no_room_is_left_out_with_the_earlier_ones_of_its_name() {
        let large = "x".repeat(MAX_OF_NODE);
        let found = EventsOfNodes {
            places: vec![place("2", 2 * MAX_OF_NODE), place("1", 100)],
            of_nodes: vec![vec![0, 1]],
        };
        let (events, listed) = Listed::choose(vec![FacetsOf::Job], found);
        let newer = format!(r#"{{"job":{{"facets":{{"sql":"{large}","x":{{}}}}}}}}"#);
        let older = r#"{"job":{"facets":{"sql":{},"y":{}}}}"#;
        let listed = listed.with(&events[0], &newer).with(&events[1], older);
        assert_eq!(facets(&listed, 0), json!({"x": {}, "y": {}}));
    }

    #[test]
    fn all_together_keep_no_more_than_the_events_have() {
        let found = EventsOfNodes {
            places: vec![place("1", 20)],
            of_nodes: vec![vec![0], vec![0]],
        };
        // The same by two names.
        let (events, listed) = Listed::choose(vec![dataset("a"), dataset("a")], found);
        let event = r#"{"inputs":[{"namespace":"n","name":"a","facets":{"schema":{"n":1}}}]}"#;
        let listed = listed.with(&events[0], event);
        let sizes = [0, 1].map(|it| listed.get(it).unwrap().size());
        assert_eq!(sizes, [13, 6]);
    }
}
