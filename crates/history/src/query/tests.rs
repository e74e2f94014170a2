use std::borrow::Cow;
use std::sync::Arc;

use graph::{EdgeKind, NodeKind, Reach};
use journal::Claim;
use openlineage::{Event, Level};

use super::NodeSearch;
use crate::*;

mod columns;
mod counted;
mod kept;
mod places;
mod runs;
mod targets;

/// In milliseconds since 1970: noon of 1 January 2026.
const NOON: i64 = 1_767_268_800_000;

const DAY: i64 = 24 * 3_600_000;

/// A history, and the next number of an event.
struct Place {
    _folder: tempfile::TempDir,
    history: History,
    next: u32,
}

/// A RunEvent of a job; runs are numbers, and times are seconds after noon.
fn run_event(job: &str, run: u32, event_type: &str, second: u32, members: &str) -> String {
    let time = format!("2026-01-01T12:{:02}:{:02}Z", second / 60, second % 60);
    format!(
        r#"{{"eventTime":"{time}","producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json","eventType":"{event_type}","run":{{"runId":"01890000-0000-7000-8000-{run:012}"}},"job":{{"namespace":"air","name":"{job}"}}{members}}}"#
    )
}

fn io(inputs: &[&str], outputs: &[&str]) -> String {
    let list = |names: &[&str]| {
        let names = names.iter().map(|name| match name.starts_with('{') {
            true => (*name).to_owned(),
            false => format!(r#"{{"namespace":"pg","name":"{name}"}}"#),
        });
        names.collect::<Vec<_>>().join(",")
    };
    format!(
        r#","inputs":[{}],"outputs":[{}]"#,
        list(inputs),
        list(outputs)
    )
}

const FACET: &str = r#""_producer":"urn:p","_schemaURL":"urn:s""#;

fn dataset(name: &str, facets: &str) -> String {
    format!(r#"{{"namespace":"pg","name":"{name}","facets":{{{facets}}}}}"#)
}

fn name(name: &str) -> Name {
    Name {
        namespace: "pg".to_owned(),
        name: name.to_owned(),
    }
}

fn job(name: &str) -> NodeRef {
    NodeRef::job(Name {
        namespace: "air".to_owned(),
        name: name.to_owned(),
    })
}

fn run_id(run: u32) -> String {
    format!("01890000-0000-7000-8000-{run:012}")
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let claim = Arc::new(Claim::take(folder.path()).unwrap());
        let history = History::own(&claim).unwrap();
        Place {
            _folder: folder,
            history,
            next: 0,
        }
    }

    fn entry(&mut self, text: &str, target: &str, outcome: Outcome, at: i64) -> Entry {
        let event = Event::read(text.as_bytes(), Level::Repair).unwrap().event;
        let (datasets, dataset_count) = datasets(event.json());
        Entry {
            id: format!("0191f3a0-0000-7000-8000-{:012x}", self.next),
            accepted_at: at,
            at,
            kind: Some(event.label()),
            run: event.run_id().map(|id| id.to_string()),
            job: event.job().cloned(),
            datasets,
            dataset_count,
            time: Some(time(&event)),
            delivered: (outcome == Outcome::Delivered).then_some(DeliveredEvent {
                event,
                shown: |name| Cow::Borrowed(name),
            }),
            size: 7,
            target: target.to_owned(),
            first_target: "one".to_owned(),
            outcome,
            attempts: 1,
            duration: 3,
            reason: None,
            detail: None,
            rules: Vec::new(),
            merged: None,
        }
    }

    async fn record(&self, entries: Vec<Entry>) {
        let recorded = (self.history).record(|| entries, None, Retention::default(), NOON);
        recorded.await.unwrap();
    }

    /// Records events that were delivered, each in a group of its own, so that the order counts.
    async fn deliver(&mut self, texts: &[String]) {
        self.deliver_at(texts, NOON).await;
    }

    async fn deliver_at(&mut self, texts: &[String], at: i64) {
        for text in texts {
            self.next += 1;
            let entry = self.entry(text, "one", Outcome::Delivered, at);
            self.record(vec![entry]).await;
        }
    }

    async fn near(&self, focus: NodeRef, old: bool) -> Neighbours {
        let reach = Reach { up: 4, down: 4 };
        self.history.neighbours(focus, reach, old).await.unwrap()
    }

    /// The names around a node, each with its level.
    async fn names(&self, focus: NodeRef, old: bool) -> Vec<String> {
        let near = self.near(focus, old).await;
        let name = |node: &NearNode| match &node.what {
            Near::Node(known) => format!("{} {}", node.level, known.node.name),
            Near::More { more } => format!("{} +{more}", node.level),
        };
        near.nodes.iter().map(name).collect()
    }

    async fn latest(&self, job: NodeRef) -> Option<(String, Option<RunState>)> {
        let node = self.history.node(job).await.unwrap().unwrap();
        let run = node.node.facts.run?;
        Some((run.run, run.state))
    }
}

fn shop() -> Vec<String> {
    vec![
        run_event("load", 1, "COMPLETE", 1, &io(&["raw"], &["staged"])),
        run_event("mart", 2, "COMPLETE", 2, &io(&["staged"], &["orders"])),
        run_event("export", 3, "FAIL", 3, &io(&["orders"], &[])),
    ]
}

fn wide(inputs: &str) -> String {
    let lineage =
        format!(r#""columnLineage":{{{FACET},"fields":{{"total":{{"inputFields":[{inputs}]}}}}}}"#);
    let schema = format!(
        r#""schema":{{{FACET},"fields":[{{"name":"id","type":"int"}},{{"name":"total"}}]}}"#
    );
    dataset("orders", &format!("{lineage},{schema}"))
}

fn field(dataset: &str, field: &str, of_type: &str) -> String {
    format!(
        r#"{{"namespace":"pg","name":"{dataset}","field":"{field}","transformations":[{{"type":"{of_type}"}}]}}"#
    )
}

#[tokio::test]
async fn the_neighbourhood_of_a_node_is_what_its_events_say() {
    let mut place = Place::new();
    place.deliver(&shop()).await;
    let expected = [
        "-3 raw",
        "-2 load",
        "-1 staged",
        "0 mart",
        "1 orders",
        "2 export",
    ];
    assert_eq!(place.names(job("mart"), false).await, expected);
    let near = place.near(NodeRef::dataset(name("staged")), false).await;
    let node = &near.nodes[near.focus.unwrap()];
    assert_eq!(node.level, 0);
    let edges: Vec<_> = near.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    assert_eq!(edges, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]);
    let none = place.near(job("nowhere"), false).await;
    assert_eq!(none, Neighbours::default());
}

#[tokio::test]
async fn a_hub_is_cut_and_says_how_many_are_left_out() {
    let mut place = Place::new();
    let names = (0..67).map(|n| format!("t{n:02}")).collect::<Vec<_>>();
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    place
        .deliver(&[
            run_event("hub", 1, "COMPLETE", 1, &io(&[], &names)),
            run_event("after", 2, "COMPLETE", 2, &io(&["t66"], &["end"])),
        ])
        .await;
    let shown = place.names(job("hub"), false).await;
    assert_eq!(shown.last().map(String::as_str), Some("1 +38"));
    let near = place.near(NodeRef::dataset(name("t66")), false).await;
    assert!(!near.is_cut);
    assert_eq!(near.nodes.len(), 4, "t66, hub, after, end");
}

#[tokio::test]
async fn an_event_that_no_target_has_is_in_no_lineage() {
    let mut place = Place::new();
    let text = run_event("j", 1, "COMPLETE", 1, &io(&["a"], &["b"]));
    for outcome in [Outcome::Retry, Outcome::DeadLettered, Outcome::Dropped] {
        let entry = place.entry(&text, "one", outcome, NOON);
        place.record(vec![entry]).await;
    }
    let node = place.history.node(job("j")).await.unwrap().unwrap();
    assert_eq!(node.node.facts, NodeFacts::default());
    assert_eq!(node.events, 1);
    assert_eq!(
        place.history.whole(Bounds::default()).await.unwrap(),
        Whole::default()
    );
    // A redrive.
    let entry = place.entry(&text, "one", Outcome::Delivered, NOON);
    place.record(vec![entry]).await;
    assert_eq!(place.names(job("j"), false).await, ["-1 a", "0 j", "1 b"]);
}

#[tokio::test]
async fn the_first_target_that_has_an_event_says_its_lineage() {
    let mut place = Place::new();
    let text = |name| run_event("j", 1, "COMPLETE", 1, &io(&[name], &[]));
    let one = place.entry(&text("a"), "one", Outcome::Delivered, NOON);
    let two = place.entry(&text("renamed"), "two", Outcome::Delivered, NOON);
    place.record(vec![one, two.clone()]).await;
    place.record(vec![two]).await;
    assert_eq!(place.names(job("j"), false).await, ["-1 a", "0 j"]);
}

#[tokio::test]
async fn an_edge_that_the_last_completed_run_does_not_have_is_old() {
    let mut place = Place::new();
    place
        .deliver(&[
            run_event("j", 1, "COMPLETE", 1, &io(&["a", "b"], &["out"])),
            run_event("j", 2, "START", 10, &io(&["a"], &[])),
        ])
        .await;
    // The second run has not completed.
    let all = ["-1 a", "-1 b", "0 j", "1 out"];
    assert_eq!(place.names(job("j"), false).await, all);
    place
        .deliver(&[run_event("j", 2, "COMPLETE", 20, &io(&[], &["out"]))])
        .await;
    let present = ["-1 a", "0 j", "1 out"];
    assert_eq!(place.names(job("j"), false).await, present);
    assert_eq!(place.names(job("j"), true).await, all);
    let near = place.near(job("j"), true).await;
    let old = near.edges.iter().filter(|edge| edge.is_old);
    assert_eq!(old.map(|edge| edge.from).collect::<Vec<_>>(), [1]);
    // A run that names nothing says nothing.
    place
        .deliver(&[run_event("j", 3, "COMPLETE", 30, "")])
        .await;
    assert_eq!(place.names(job("j"), false).await, present);
    let details = place.history.node(job("j")).await.unwrap().unwrap();
    assert_eq!(details.before, [NodeRef::dataset(name("a"))]);
}

#[tokio::test]
async fn names_of_one_dataset_are_one_node_with_the_edges_of_all() {
    let mut place = Place::new();
    let symlinks = format!(
        r#""symlinks":{{{FACET},"identifiers":[{{"namespace":"pg","name":"table","type":"TABLE"}}]}}"#
    );
    place
        .deliver(&[
            run_event(
                "writes",
                1,
                "COMPLETE",
                1,
                &io(&[], &[&dataset("path", &symlinks)]),
            ),
            run_event("reads", 2, "COMPLETE", 2, &io(&["table"], &[])),
        ])
        .await;
    for focus in ["path", "table"] {
        let focus = NodeRef::dataset(name(focus));
        let expected = ["-1 writes", "0 path", "1 reads"];
        assert_eq!(place.names(focus.clone(), false).await, expected);
        let node = place.history.node(focus).await.unwrap().unwrap();
        assert_eq!(node.node.node.name, "path");
        assert_eq!(node.node.facts.aliases, [name("table")]);
        assert_eq!((node.before.len(), node.after.len()), (1, 1));
    }
    let whole = place.history.whole(Bounds::default()).await.unwrap();
    assert_eq!((whole.nodes.len(), whole.edges.len()), (3, 2));
}

#[tokio::test]
async fn a_name_that_was_given_to_two_datasets_is_that_of_the_last_one() {
    let mut place = Place::new();
    let symlinks = format!(
        r#""symlinks":{{{FACET},"identifiers":[{{"namespace":"pg","name":"table","type":"TABLE"}}]}}"#
    );
    let writes = |job, run, path| {
        let outputs = dataset(path, &symlinks);
        run_event(job, run, "COMPLETE", run, &io(&[], &[&outputs]))
    };
    place
        .deliver(&[
            writes("before", 1, "path=1"),
            writes("now", 2, "path=2"),
            run_event("reads", 3, "COMPLETE", 3, &io(&["table"], &[])),
        ])
        .await;
    let around = async |focus: &str| place.names(NodeRef::dataset(name(focus)), false).await;
    let expected = ["-1 now", "0 path=2", "1 reads"];
    assert_eq!(around("table").await, expected);
    assert_eq!(around("path=2").await, expected);
    assert_eq!(around("path=1").await, ["-1 before", "0 path=1"]);
    let old = NodeRef::dataset(name("path=1"));
    let old = place.history.node(old).await.unwrap().unwrap();
    assert!(old.node.facts.aliases.is_empty() && old.after.is_empty());
    let whole = place.history.whole(Bounds::default()).await.unwrap();
    assert_eq!((whole.nodes.len(), whole.edges.len()), (5, 3));
}

#[tokio::test]
async fn the_parent_of_a_job_and_its_children_are_known() {
    let mut place = Place::new();
    let parent = format!(
        r#","facets":{{"parent":{{{FACET},"run":{{"runId":"{}"}},"job":{{"namespace":"air","name":"dag"}}}}}}}}"#,
        run_id(9)
    );
    let task = run_event("dag.task", 1, "COMPLETE", 1, "");
    let task = task.replacen(r#"000001"}"#, &format!(r#"000001"{parent}"#), 1);
    place.deliver(&[task]).await;
    let task = place.history.node(job("dag.task")).await.unwrap().unwrap();
    assert_eq!(task.node.facts.parent.unwrap().name, "dag");
    let dag = place.history.node(job("dag")).await.unwrap().unwrap();
    assert_eq!(dag.children[0].name, "dag.task");
    assert_eq!(dag.events, 0);
}
