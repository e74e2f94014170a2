use graph::{Graph, Node, Reach};
use openlineage::Identity;

use super::super::picture::{Facts, Opened};
use super::*;

fn node(kind: NodeKind, name: impl ToString) -> Node {
    let identity = Identity {
        namespace: "postgres://db.example.com:5432".to_owned(),
        name: name.to_string(),
    };
    match kind {
        NodeKind::Job => Node::job(identity),
        NodeKind::Dataset => Node::dataset(identity),
    }
}

/// Layers of so many jobs, each of which reads two tables and writes one.
fn estate(layers: usize, width: usize) -> Graph {
    let table = |layer: usize, n: usize| {
        let name = format!("warehouse.analytics.table_{layer:02}_{n:03}");
        node(NodeKind::Dataset, name)
    };
    let mut graph = Graph::default();
    for layer in 0..layers {
        for n in 0..width {
            let job = node(
                NodeKind::Job,
                format!("dbt.analytics.model_{layer:02}_{n:03}"),
            );
            for read in [n, (n * 7 + 3) % width] {
                graph.add_edge(table(layer, read), job.clone());
            }
            graph.add_edge(job, table(layer + 1, n));
        }
    }
    graph
}

fn facts(_: &Node) -> Facts {
    Facts {
        state: State::Completed,
        at: OffsetDateTime::from_unix_timestamp(1_764_385_867).ok(),
        fields: 34,
    }
}

fn json(graph: &Graph) -> String {
    let picture = Picture::whole(graph, &BTreeMap::new(), facts);
    serde_json::to_string(&Drawing::of(&picture)).unwrap()
}

#[test]
fn a_drawing_of_150_nodes_takes_at_most_20_kilobytes() {
    let graph = estate(6, 12);
    assert!((150..200).contains(&graph.nodes().count()));
    let json = json(&graph);
    assert!(json.len() <= 20_000, "{}", json.len());
}

#[test]
fn the_same_graph_is_the_same_drawing() {
    let graph = estate(4, 9);
    let mut other = Graph::default();
    let edges: Vec<_> = graph.edges().collect();
    for (from, to) in edges.into_iter().rev() {
        other.add_edge(from.clone(), to.clone());
    }
    assert_eq!(json(&graph), json(&other));
}

#[test]
fn a_drawing_has_each_node_and_edge_of_what_is_near_the_chosen_one() {
    let graph = estate(3, 4);
    let focus = node(NodeKind::Job, "dbt.analytics.model_01_002");
    let near = graph.neighbourhood(&focus, Reach { up: 2, down: 2 });
    let picture = Picture::near(near.clone(), &focus, &BTreeMap::new(), facts);
    let drawing = Drawing::of(&picture);
    assert_eq!(drawing.nodes.len(), near.nodes.len());
    let lines = drawing.lines.iter().map(|line| (line.0, line.1));
    assert_eq!(lines.collect::<std::collections::BTreeSet<_>>(), near.edges);
    let chosen = &drawing.nodes[drawing.focus.unwrap()];
    assert_eq!((chosen.0, &*chosen.2), (0, "dbt.analytics.model_01_002"));
    assert_eq!(drawing.namespaces.len(), 1);
}

#[test]
fn an_opened_dataset_is_as_high_as_its_columns_and_no_box_overlaps_it() {
    let mut picture = Picture::whole(&estate(2, 5), &BTreeMap::new(), facts);
    for node in &mut picture.nodes {
        node.opened = Some(Opened {
            fields: vec!["id".to_owned(), "amount".to_owned()],
            hidden: 3,
        });
    }
    let drawing = Drawing::of(&picture);
    assert_eq!(drawing.nodes[0].5, 46 + 3 * 22);
    assert_eq!(drawing.opened[0].1, ["id", "amount"]);
    for one in &drawing.nodes {
        for other in drawing
            .nodes
            .iter()
            .filter(|it| it.3 == one.3 && it.4 > one.4)
        {
            assert!(one.4 + one.5 < other.4, "{one:?} {other:?}");
        }
    }
}

#[test]
fn a_line_is_level_within_a_column_and_a_curve_between_two() {
    let points = [(0.0, 1.0), (10.4, 1.0), (90.0, 50.6), (80.0, 50.6)];
    let points = points.map(|(x, y)| Point { x, y });
    assert_eq!(path(&points), "M0 1H10C50 1 50 51 90 51C85 51 85 51 80 51");
}

#[test]
fn a_shape_changes_with_places_and_not_with_states() {
    let shape = |graph: &Graph, state: State| {
        let picture = Picture::whole(graph, &BTreeMap::new(), |node| Facts {
            state,
            ..facts(node)
        });
        Drawing::of(&picture).shape
    };
    let (one, other) = (estate(2, 3), estate(2, 4));
    assert_eq!(shape(&one, State::Failed), shape(&one, State::Completed));
    assert_ne!(shape(&one, State::Failed), shape(&other, State::Failed));
}

#[test]
fn further_nodes_lead_to_their_list() {
    let table = node(NodeKind::Dataset, "a table");
    let mut graph = Graph::default();
    for reader in 0..200 {
        graph.add_edge(table.clone(), node(NodeKind::Job, format!("job {reader}")));
    }
    let near = graph.neighbourhood(&table, Reach { up: 1, down: 1 });
    let drawing = Drawing::of(&Picture::near(near, &table, &BTreeMap::new(), facts));
    let [(number, address)] = &*drawing.more else {
        panic!("{:?}", drawing.more);
    };
    assert_eq!(drawing.nodes[*number].0, 3);
    let expected = "dataset?namespace=postgres%3A%2F%2Fdb.example.com%3A5432&name=a+table#after";
    assert_eq!(address, expected);
}

#[test]
fn a_name_of_a_megabyte_keeps_its_ends_and_loses_its_link() {
    let mut graph = Graph::default();
    graph.add_node(node(
        NodeKind::Dataset,
        format!("{}_daily", "語".repeat(400_000)),
    ));
    let picture = Picture::whole(&graph, &BTreeMap::new(), facts);
    let drawing = Drawing::of(&picture);
    let drawn = &drawing.nodes[0];
    assert!(drawn.2.ends_with("_daily") && drawn.2.contains('…'));
    assert_eq!((drawn.2.chars().count(), drawn.9), (MAX_NAME + 1, 1));
}
