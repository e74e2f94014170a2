//! The answers, from what the history has.

use ::history::{ConnectedNode, EventPlace, EventsOfNodes, KnownEdge, NodeFacts};

use super::super::facets::FacetsOf;
use super::*;

fn named(kind: NodeKind, name: &str) -> ConnectedNode {
    let node = NodeRef {
        kind,
        namespace: "n".to_owned(),
        name: name.to_owned(),
    };
    ConnectedNode {
        node: KnownNode {
            node,
            facts: NodeFacts::default(),
        },
        schema: Vec::new(),
    }
}

#[test]
fn a_graph_has_each_edge_at_both_of_its_ends() {
    let mut task = named(NodeKind::Job, "dag.task");
    task.node.facts.parent = Some(Name {
        namespace: "n".to_owned(),
        name: "dag".to_owned(),
    });
    let found = Connected {
        nodes: vec![task, named(NodeKind::Dataset, "a")],
        edges: vec![KnownEdge {
            from: 1,
            to: 0,
            is_old: false,
        }],
        is_cut: false,
    };
    let graph = lineage(&found, &Listed::default());
    let graph: Value = serde_json::from_str(&graph).unwrap();
    let edge = json!([{"origin": "dataset:n:a", "destination": "job:n:dag.task"}]);
    assert_eq!(graph["graph"][0]["inEdges"], edge);
    assert_eq!(graph["graph"][1]["outEdges"], edge);
    let data = &graph["graph"][0]["data"];
    assert_eq!(data["inputs"], json!([{"namespace": "n", "name": "a"}]));
    assert_eq!(data["simpleName"], "task");
    assert_eq!(data["parentJobName"], "dag");
}

#[test]
fn jobs_and_datasets_of_a_graph_have_their_facets() {
    let nodes = [named(NodeKind::Job, "load"), named(NodeKind::Dataset, "a")];
    let of = nodes
        .iter()
        .map(|it| (it.node.node.clone(), FacetsOf::node(&it.node)));
    let found = EventsOfNodes {
        places: vec![EventPlace {
            id: "1".to_owned(),
            accepted_at: 0,
            size: 200,
        }],
        of_nodes: vec![vec![0], vec![0]],
    };
    let (events, listed) = Listed::choose(of.collect(), found);
    let event = r#"{"job":{"facets":{"documentation":{"description":"loads"}}},"inputs":[{"namespace":"n","name":"a","facets":{"schema":{}}}]}"#;
    let listed = listed.with(&events[0], event);
    let connected = Connected {
        nodes: nodes.into(),
        edges: Vec::new(),
        is_cut: false,
    };
    let graph: Value = serde_json::from_str(&lineage(&connected, &listed)).unwrap();
    let [job, dataset] = [0, 1].map(|position| &graph["graph"][position]["data"]);
    assert_eq!(
        job["facets"],
        json!({"documentation": {"description": "loads"}})
    );
    assert_eq!(job["description"], "loads");
    assert_eq!(dataset["facets"], json!({"schema": {}}));
}

fn column(dataset: &str, field: Option<&str>) -> ColumnRef {
    ColumnRef {
        dataset: Name {
            namespace: "n".to_owned(),
            name: dataset.to_owned(),
        },
        field: field.map(str::to_owned),
    }
}

fn step(from: ColumnRef, to: ColumnRef, kind: EdgeKind) -> ColumnStep {
    ColumnStep {
        from,
        to,
        kind,
        job: None,
    }
}

#[test]
fn a_dataset_has_the_columns_of_which_its_own_are_made() {
    for kinds in [
        [EdgeKind::Direct, EdgeKind::Indirect],
        [EdgeKind::Indirect, EdgeKind::Direct],
    ] {
        let steps = kinds.map(|kind| step(column("a", Some("x")), column("b", Some("y")), kind));
        let made_of = made_of(&steps);
        let columns = &made_of[&steps[0].to.dataset];
        assert_eq!(columns[0]["name"], "y");
        assert_eq!(columns[0]["transformationType"], "DIRECT");
        assert_eq!(columns[0]["inputFields"][0]["dataset"], "a");
        assert_eq!(columns[0]["inputFields"][0]["transformationType"], "DIRECT");
        assert!(!made_of.contains_key(&steps[0].from.dataset));
    }
}

#[test]
fn what_is_said_of_all_of_a_dataset_is_no_column_of_it() {
    let all = step(
        column("a", Some("x")),
        column("b", None),
        EdgeKind::Indirect,
    );
    assert!(made_of(std::slice::from_ref(&all)).is_empty());
    let of_one = step(
        column("a", Some("x")),
        column("b", Some("y")),
        EdgeKind::Direct,
    );
    let steps = [all, of_one];
    let made_of = made_of(&steps);
    let names = made_of[&steps[0].to.dataset].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["y"]);
}

#[test]
fn an_edge_into_a_column_begins_there_as_in_marquez() {
    let [from, to] = ["a", "b"].map(|dataset| column(dataset, Some("f")));
    let path = ColumnPath {
        edges: vec![step(from, to, EdgeKind::Indirect)],
        is_cut: false,
    };
    let graph = columns(&path);
    let (from, to) = (&graph["graph"][0], &graph["graph"][1]);
    let [a, b] = ["datasetField:n:a:f", "datasetField:n:b:f"];
    assert_eq!(from["outEdges"], json!([{"origin": a, "destination": b}]));
    assert_eq!(to["inEdges"], json!([{"origin": b, "destination": a}]));
    assert_eq!(to["data"]["inputFields"][0]["dataset"], "a");
    assert_eq!(to["data"]["transformationType"], "INDIRECT");
}
