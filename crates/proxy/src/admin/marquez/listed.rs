//! The facets of many jobs and datasets, in one answer: which events are read for them, and what is kept. Pure.
//!
//! An event names a job and its datasets, so one reading is for all of them. The newest event of each is chosen first, then the one before
//! of each, until enough is read. So of a few, each has the facets that it has alone, and of many, those of its last events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ::history::{EventPlace, EventsOfNodes, KnownNode, NodeKind, NodeRef};
use openlineage::{Indexed, Json};

use super::facets::{Facets, FacetsOf, MAX_FACETS, of_datasets, of_job};

/// The most jobs and datasets of an answer that have facets.
pub(super) const MAX_NODES: usize = 200;

/// The most events that are read for an answer, five for each of a page of Marquez' own, or one for each node where there are more nodes.
/// With them an answer for 20 nodes takes 1.7 times as long as without facets, and one for 100 takes 1.4 times as long.
const MAX_EVENTS_OF_ANSWER: usize = 100;

/// The most bytes of events that are read for an answer.
const MAX_READ: usize = 8_000_000;

/// The most bytes of facets of a job or a dataset. Usually it has some KB.
const MAX_OF_NODE: usize = 64_000;

/// The facets of the jobs and datasets of an answer.
#[derive(Default)]
pub(super) struct Listed {
    nodes: Vec<Facets>,
    /// The positions of nodes.
    positions: BTreeMap<NodeRef, usize>,
    /// For which nodes an event is read, by its id.
    wanted: HashMap<String, Vec<usize>>,
    /// How many more bytes of facets are kept.
    left: usize,
}

/// Returns those of an answer that have facets, each once, although a dataset may be listed by several names: the one from which a graph
/// begins, then datasets and jobs in turn, the first ones of each. There may be more jobs alone than have facets.
pub(super) fn select<'n>(
    nodes: impl Iterator<Item = &'n KnownNode>,
    begin: Option<&NodeRef>,
) -> Vec<&'n KnownNode> {
    let mut known = BTreeSet::new();
    let (mut selected, mut datasets, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
    for node in nodes.filter(|it| known.insert(&it.node)) {
        match node.node.kind {
            _ if begin.is_some_and(|it| is_named(node, it)) => selected.push(node),
            NodeKind::Dataset => datasets.push(node),
            NodeKind::Job => jobs.push(node),
        }
    }
    let (mut datasets, mut jobs) = (datasets.into_iter(), jobs.into_iter());
    while selected.len() < MAX_NODES && (datasets.len() > 0 || jobs.len() > 0) {
        selected.extend([datasets.next(), jobs.next()].into_iter().flatten());
    }
    selected.truncate(MAX_NODES);
    selected
}

/// Whether this is a name of a node.
fn is_named(known: &KnownNode, node: &NodeRef) -> bool {
    let mut aliases = known.facts.aliases.iter();
    let is_alias = aliases.any(|it| (&it.namespace, &it.name) == (&node.namespace, &node.name));
    known.node.kind == node.kind && (known.node == *node || is_alias)
}

impl Listed {
    /// Chooses the events to read for these nodes, of which each is there once. Returns them in their order.
    pub(super) fn choose(
        of: Vec<(NodeRef, FacetsOf)>,
        found: EventsOfNodes,
    ) -> (Vec<EventPlace>, Listed) {
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
        // As much as the reader of the events has memory for, although an event may be larger in the form that is read.
        let size = events.iter().map(|event| event.size).sum();
        let mut listed = Listed {
            wanted,
            left: MAX_FACETS.min(size),
            ..Listed::default()
        };
        for (position, (node, of)) in of.into_iter().enumerate() {
            listed.positions.insert(node, position);
            listed.nodes.push(Facets::none(of));
        }
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

    /// The facets of a node. `None`: none were looked for.
    pub(super) fn get(&self, node: &NodeRef) -> Option<&Facets> {
        self.nodes.get(*self.positions.get(node)?)
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
    let (mut bytes, most) = (0, of_nodes.len().max(MAX_EVENTS_OF_ANSWER));
    let mut rests: Vec<_> = of_nodes
        .iter()
        .map(|events| events.iter())
        .enumerate()
        .collect();
    while !rests.is_empty() {
        // Once an event of a node is left out, so are its earlier ones: their facets would be outdated.
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

    use ::history::{Name, NodeFacts};

    use super::*;

    fn place(id: &str, size: usize) -> EventPlace {
        EventPlace {
            id: id.to_owned(),
            accepted_at: 0,
            size,
        }
    }

    fn known(kind: NodeKind, name: &str) -> KnownNode {
        KnownNode {
            node: NodeRef {
                kind,
                namespace: "n".to_owned(),
                name: name.to_owned(),
            },
            facts: NodeFacts::default(),
        }
    }

    fn job(name: &str) -> (NodeRef, FacetsOf) {
        let known = known(NodeKind::Job, name);
        (known.node, FacetsOf::Job)
    }

    fn dataset(name: &str) -> (NodeRef, FacetsOf) {
        let known = known(NodeKind::Dataset, name);
        let of = FacetsOf::node(&known);
        (known.node, of)
    }

    fn facets(listed: &Listed, (node, _): &(NodeRef, FacetsOf)) -> Value {
        serde_json::from_str(&listed.get(node).unwrap().text()).unwrap()
    }

    /// How many of a kind are selected of so many jobs and datasets.
    fn selected(jobs: usize, datasets: usize, begin: Option<&KnownNode>) -> (usize, usize) {
        let of = |kind, count| (0..count).map(move |n| known(kind, &format!("{n:04}")));
        let nodes: Vec<_> = of(NodeKind::Job, jobs)
            .chain(of(NodeKind::Dataset, datasets))
            .collect();
        let selected = select(nodes.iter(), begin.map(|it| &it.node));
        assert!(begin.is_none_or(|it| selected[0] == it));
        let jobs = selected
            .iter()
            .filter(|it| it.node.kind == NodeKind::Job)
            .count();
        (jobs, selected.len() - jobs)
    }

    #[test]
    fn jobs_and_datasets_share_the_facets_of_an_answer() {
        assert_eq!(selected(300, 300, None), (100, 100));
        assert_eq!(selected(300, 20, None), (180, 20));
        assert_eq!(selected(20, 300, None), (20, 180));
        assert_eq!(selected(3, 0, None), (3, 0));
    }

    #[test]
    fn the_node_from_which_a_graph_begins_has_facets_first() {
        let last = known(NodeKind::Job, "0299");
        assert_eq!(selected(300, 300, Some(&last)), (100, 100));
    }

    #[test]
    fn a_graph_may_begin_from_another_name_of_a_dataset() {
        let mut dataset = known(NodeKind::Dataset, "z");
        let other = known(NodeKind::Dataset, "other").node;
        dataset.facts.aliases = vec![Name {
            namespace: other.namespace.clone(),
            name: other.name.clone(),
        }];
        let nodes = [known(NodeKind::Dataset, "a"), dataset];
        assert_eq!(select(nodes.iter(), Some(&other)), [&nodes[1], &nodes[0]]);
    }

    #[test]
    fn a_dataset_that_is_listed_by_several_names_is_selected_once() {
        let nodes = ["a", "b", "a"].map(|name| known(NodeKind::Dataset, name));
        assert_eq!(select(nodes.iter(), None), [&nodes[0], &nodes[1]]);
    }

    #[test]
    fn one_event_is_read_for_its_job_and_its_datasets() {
        let found = EventsOfNodes {
            places: vec![place("2", 300), place("1", 100)],
            of_nodes: vec![vec![0, 1], vec![0], vec![1]],
        };
        let of = [job("x"), dataset("a"), dataset("b")];
        let (events, listed) = Listed::choose(of.to_vec(), found);
        let [newer, older] = [
            r#"{"job":{"facets":{"sql":{"n":2}}},"inputs":[{"namespace":"n","name":"a","facets":{"schema":{}}},{"namespace":"n","name":"b","facets":{"b":{}}}]}"#,
            r#"{"job":{"facets":{"sql":{"n":1},"x":{}}},"outputs":[{"namespace":"n","name":"b","facets":{"schema":{}}}]}"#,
        ];
        let listed = listed.with(&events[0], newer).with(&events[1], older);
        assert_eq!(facets(&listed, &of[0]), json!({"sql": {"n": 2}, "x": {}}));
        assert_eq!(facets(&listed, &of[1]), json!({"schema": {}}));
        // Only of the events that were found to be its own.
        assert_eq!(facets(&listed, &of[2]), json!({"schema": {}}));
    }

    #[test]
    fn the_newest_event_of_each_is_chosen_before_an_earlier_one_of_any() {
        let places: Vec<_> = (0..MAX_EVENTS_OF_ANSWER + 50)
            .map(|n| place(&n.to_string(), 1))
            .collect();
        // The first has very many; the others have one each, older than those.
        let mut of_nodes = vec![(0..MAX_EVENTS_OF_ANSWER).collect::<Vec<_>>()];
        of_nodes.extend((MAX_EVENTS_OF_ANSWER..MAX_EVENTS_OF_ANSWER + 50).map(|n| vec![n]));
        let chosen = choose(&places, &of_nodes);
        assert_eq!(chosen.len(), MAX_EVENTS_OF_ANSWER);
        assert!((MAX_EVENTS_OF_ANSWER..MAX_EVENTS_OF_ANSWER + 50).all(|n| chosen.contains_key(&n)));
        assert!((0..MAX_EVENTS_OF_ANSWER - 50).all(|n| chosen.contains_key(&n)));
    }

    #[test]
    fn each_of_very_many_has_its_newest_event_and_no_other() {
        let count = MAX_EVENTS_OF_ANSWER + 50;
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
        let (events, listed) = Listed::choose(vec![job("x")], found);
        let newer = format!(r#"{{"job":{{"facets":{{"sql":"{large}","x":{{}}}}}}}}"#);
        let older = r#"{"job":{"facets":{"sql":{},"y":{}}}}"#;
        let listed = listed.with(&events[0], &newer).with(&events[1], older);
        assert_eq!(facets(&listed, &job("x")), json!({"x": {}, "y": {}}));
    }

    #[test]
    fn all_together_keep_no_more_than_there_is_memory_for() {
        let found = EventsOfNodes {
            places: vec![place("1", 20)],
            of_nodes: vec![vec![0], vec![0]],
        };
        let of = [dataset("a"), dataset("b")];
        let (events, listed) = Listed::choose(of.to_vec(), found);
        // The form that is read is larger than the one that was accepted.
        let event = r#"{"inputs":[{"namespace":"n","name":"a","facets":{"schema":{"n":1}}},{"namespace":"n","name":"b","facets":{"schema":{"n":1}}}]}"#;
        let listed = listed.with(&events[0], event);
        let sizes = of.map(|(node, _)| listed.get(&node).unwrap().size());
        assert_eq!(sizes, [13, 6]);
    }
}
