//! What the events of the repository's fixtures say about lineage is what `golden.py` computes of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use graph::{Column, EdgeKind, EventGraph, Name, Node, NodeKind};
use openlineage::{Event, Identity, Level};

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Golden {
    nodes: Vec<String>,
    edges: Vec<[String; 2]>,
    columns: Vec<[String; 3]>,
    aliases: Vec<[String; 2]>,
    parent: Option<[String; 2]>,
}

fn name(identity: &Identity) -> String {
    format!("{} | {}", identity.namespace, identity.name)
}

fn node(node: &Node) -> String {
    let kind = match node.kind {
        NodeKind::Job => "job",
        NodeKind::Dataset => "dataset",
    };
    format!("{kind} {}", name(&node.identity))
}

fn column(column: &Column) -> String {
    let field = column.field.as_deref().unwrap_or("*");
    format!("{} | {field}", name(&column.dataset))
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort();
    items
}

fn found(event: &Event) -> Golden {
    let graph = EventGraph::of(event);
    let columns = graph.columns.iter().map(|edge| {
        let kind = match edge.kind {
            EdgeKind::Direct => "direct",
            EdgeKind::Indirect => "indirect",
        };
        [column(&edge.from), column(&edge.to), kind.to_owned()]
    });
    let pair = |(one, other): &(Name, Name)| [name(one), name(other)];
    Golden {
        nodes: sorted(graph.nodes.iter().map(node)),
        edges: sorted(graph.edges.iter().map(|(from, to)| [node(from), node(to)])),
        columns: sorted(columns),
        aliases: sorted(graph.aliases.iter().map(pair)),
        parent: graph.parent.as_ref().map(pair),
    }
}

#[test]
fn the_fixtures_say_what_was_computed_without_this_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = fs::read_to_string(root.join("tests/golden.json")).unwrap();
    let golden: BTreeMap<String, Golden> = serde_json::from_str(&golden).unwrap();
    assert!(golden.len() > 30);
    for (file, expected) in golden {
        let bytes = fs::read(root.join("../..").join(&file)).unwrap();
        let event = Event::read(&bytes, Level::Repair).unwrap().event;
        assert_eq!(found(&event), expected, "{file}");
    }
}
