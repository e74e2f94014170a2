//! Which columns of a picture are shown, and the path of one of them. Pure.
//!
//! Columns are shown of datasets that are opened, and of those through which the path of the chosen column leads: of these only the
//! columns of the path.

use std::collections::{BTreeMap, BTreeSet};

use graph::{Column, ColumnEdge, EdgeKind, Name, NodeKind};

use super::picture::{Opened, Picture, PictureEdge, Port, What};

/// The most columns that are shown of a dataset. Others are found by the filter, or read on the page of the dataset.
pub(crate) const MAX_FIELDS: usize = 12;

/// What is to be opened.
#[derive(Debug, Default)]
pub(crate) struct Wish<'w> {
    /// These datasets.
    pub(crate) datasets: BTreeSet<&'w Name>,
    /// The path of this column.
    pub(crate) column: Option<Column>,
    /// Only columns with this text in their name, whatever its case.
    pub(crate) filter: &'w str,
}

/// Opens datasets of a picture. `fields` has the columns of each in the order of the schema, `edges` those between columns.
pub(crate) fn open(
    picture: &mut Picture,
    wish: &Wish<'_>,
    fields: &BTreeMap<Name, Vec<String>>,
    edges: &BTreeSet<ColumnEdge>,
) {
    let path = wish.column.as_ref().map(|column| path(edges, column));
    let path = path.unwrap_or_default();
    let ends = |edges: &mut dyn Iterator<Item = &ColumnEdge>| {
        let mut fields: BTreeMap<Name, BTreeSet<String>> = BTreeMap::new();
        for column in edges.flat_map(|edge| [&edge.from, &edge.to]) {
            let of_dataset = fields.entry(column.dataset.clone()).or_default();
            of_dataset.extend(column.field.as_deref().map(str::to_owned));
        }
        fields
    };
    let linked = ends(&mut edges.iter());
    let mut lit = ends(&mut path.iter().copied());
    if let Some(column) = &wish.column {
        let chosen = lit.entry(column.dataset.clone()).or_default();
        chosen.extend(column.field.as_deref().map(str::to_owned));
    }
    let (none, empty) = (Vec::new(), BTreeSet::new());
    for node in &mut picture.nodes {
        let What::Node(name) = &node.what else {
            continue;
        };
        let name = &name.identity;
        let is_dataset = matches!(&node.what, What::Node(node) if node.kind == NodeKind::Dataset);
        let is_opened = wish.datasets.contains(name);
        let lit = lit.get(name);
        if !is_dataset || !(is_opened || lit.is_some_and(|lit| !lit.is_empty())) {
            continue;
        }
        let (lit, linked) = (lit.unwrap_or(&empty), linked.get(name).unwrap_or(&empty));
        let known = fields.get(name).unwrap_or(&none);
        node.opened = Some(opened(known, (lit, linked), is_opened, wish.filter));
    }
    picture.columns = shown_edges(picture, edges, &path);
}

/// The edges on the path of a column: what its values are made of, and what is made of them, to the ends; and what decides
/// which rows these have, one step far, since nearly everything depends on that in some way.
fn path<'e>(edges: &'e BTreeSet<ColumnEdge>, column: &Column) -> BTreeSet<&'e ColumnEdge> {
    let mut before: BTreeMap<&Column, Vec<&ColumnEdge>> = BTreeMap::new();
    let mut after: BTreeMap<&Column, Vec<&ColumnEdge>> = BTreeMap::new();
    for edge in edges {
        before.entry(&edge.to).or_default().push(edge);
        after.entry(&edge.from).or_default().push(edge);
    }
    let mut found = BTreeSet::new();
    type Next = for<'a> fn(&'a ColumnEdge) -> &'a Column;
    let directions: [(_, Next); 2] = [(&before, |edge| &edge.from), (&after, |edge| &edge.to)];
    for (edges, next) in directions {
        let mut seen: BTreeSet<&Column> = BTreeSet::from([column]);
        let mut left = vec![column];
        while let Some(column) = left.pop() {
            // What all of the dataset depends on, this column does.
            let whole = Column {
                dataset: column.dataset.clone(),
                field: None,
            };
            let of_whole = before.get(&whole).filter(|_| std::ptr::eq(edges, &before));
            let own = edges.get(column);
            for edge in own.into_iter().chain(of_whole).flatten().copied() {
                found.insert(edge);
                let column = next(edge);
                if edge.kind == EdgeKind::Direct && seen.insert(column) {
                    left.push(column);
                }
            }
        }
    }
    found
}

/// The columns of a dataset that are shown: those of the path first, then those with an edge, then the others, as many as fit.
fn opened(
    known: &[String],
    (lit, linked): (&BTreeSet<String>, &BTreeSet<String>),
    is_opened: bool,
    filter: &str,
) -> Opened {
    // A schema that no event had, or an old one: edges name columns too.
    let unknown = lit.union(linked).filter(|field| !known.contains(field));
    let all: Vec<&String> = known.iter().chain(unknown).collect();
    let filter = filter.to_lowercase();
    let is_wanted = |field: &&String| {
        lit.contains(*field) || (is_opened && field.to_lowercase().contains(&filter))
    };
    let rank = |field: &String| match (lit.contains(field), linked.contains(field)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    let wanted = all.iter().copied().enumerate();
    let mut wanted: Vec<_> = wanted.filter(|(_, field)| is_wanted(field)).collect();
    wanted.sort_by_key(|(place, field)| (rank(field), *place));
    wanted.truncate(MAX_FIELDS);
    wanted.sort_by_key(|(place, _)| *place);
    Opened {
        hidden: all.len() - wanted.len(),
        fields: wanted.into_iter().map(|(_, field)| field.clone()).collect(),
    }
}

/// The edges between columns that are shown.
fn shown_edges(
    picture: &Picture,
    edges: &BTreeSet<ColumnEdge>,
    path: &BTreeSet<&ColumnEdge>,
) -> Vec<PictureEdge> {
    let mut ports: BTreeMap<(&Name, Option<&str>), Port> = BTreeMap::new();
    for (node, it) in picture.nodes.iter().enumerate() {
        let (Some(name), Some(opened)) = (it.what.node(), &it.opened) else {
            continue;
        };
        let name = &name.identity;
        ports.insert((name, None), Port { node, field: None });
        for (field, text) in opened.fields.iter().enumerate() {
            let field = Some(field);
            ports.insert((name, Some(text)), Port { node, field });
        }
    }
    let port = |column: &Column| {
        let port = ports.get(&(&column.dataset, column.field.as_deref()));
        port.copied()
    };
    let edges = edges.iter().filter_map(|edge| {
        Some(PictureEdge {
            from: port(&edge.from)?,
            to: port(&edge.to)?,
            kind: edge.kind,
            is_lit: path.contains(edge),
        })
    });
    edges.collect()
}

#[cfg(test)]
mod tests {
    use graph::{Graph, Node};
    use openlineage::Identity;

    use super::super::picture::Facts;
    use super::*;

    fn name(name: &str) -> Name {
        Name::from(Identity {
            namespace: "n".to_owned(),
            name: name.to_owned(),
        })
    }

    /// `raw.amount`, or `raw.*` for all columns.
    fn column(text: &str) -> Column {
        let (dataset, field) = text.split_once('.').unwrap();
        Column {
            dataset: name(dataset),
            field: (field != "*").then(|| field.into()),
        }
    }

    fn edge(from: &str, to: &str, kind: EdgeKind) -> ColumnEdge {
        let [from, to] = [from, to].map(column);
        ColumnEdge { from, to, kind }
    }

    fn edges() -> BTreeSet<ColumnEdge> {
        BTreeSet::from([
            edge("raw.cents", "orders.amount", EdgeKind::Direct),
            edge("orders.amount", "sums.total", EdgeKind::Direct),
            edge("orders.day", "sums.*", EdgeKind::Indirect),
            edge("raw.at", "orders.day", EdgeKind::Direct),
            edge("raw.id", "orders.id", EdgeKind::Direct),
        ])
    }

    fn picture() -> Picture {
        let mut graph = Graph::default();
        for dataset in ["raw", "orders", "sums"] {
            graph.add_node(Node::dataset(name(dataset)));
        }
        Picture::whole(&graph, &BTreeMap::new(), |_| Facts::default())
    }

    fn shown(wish: &Wish<'_>, fields: &BTreeMap<Name, Vec<String>>) -> (Picture, Vec<String>) {
        let mut picture = picture();
        open(&mut picture, wish, fields, &edges());
        let shown = picture.nodes.iter().filter_map(|node| {
            let opened = node.opened.as_ref()?;
            let name = &node.what.node()?.identity.name;
            Some(format!(
                "{name}: {} +{}",
                opened.fields.join(" "),
                opened.hidden
            ))
        });
        let shown = shown.collect();
        (picture, shown)
    }

    #[test]
    fn the_path_of_a_column_leads_to_both_ends_and_one_step_to_what_decides_its_rows() {
        let edges = edges();
        let found = |text| {
            let edges = path(&edges, &column(text)).into_iter();
            let text = |column: &Column| column.field.as_deref().unwrap_or("*").to_owned();
            edges
                .map(|edge| [text(&edge.from), text(&edge.to)].join(">"))
                .collect::<BTreeSet<_>>()
        };
        let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(found("raw.cents"), set(&["cents>amount", "amount>total"]));
        assert_eq!(
            found("sums.total"),
            set(&["cents>amount", "amount>total", "day>*"])
        );
        assert_eq!(found("orders.id"), set(&["id>id"]));
        assert_eq!(found("raw.at"), set(&["at>day", "day>*"]));
    }

    #[test]
    fn only_the_columns_of_the_path_are_shown_where_it_leads_through() {
        let wish = Wish {
            column: Some(column("orders.amount")),
            ..Wish::default()
        };
        let known = ["id", "amount", "day"].map(str::to_owned).to_vec();
        let fields = BTreeMap::from([(name("orders"), known)]);
        let (picture, shown) = shown(&wish, &fields);
        assert_eq!(
            shown,
            ["orders: amount +2", "raw: cents +2", "sums: total +0"]
        );
        assert!(picture.columns.iter().all(|edge| edge.is_lit));
        assert_eq!(picture.columns.len(), 2);
    }

    #[test]
    fn an_opened_dataset_shows_as_many_columns_as_fit_and_those_with_an_edge_before_others() {
        let orders = name("orders");
        let mut known: Vec<String> = (0..30).map(|n| format!("c{n:02}")).collect();
        known.extend(["amount", "day", "id"].map(str::to_owned));
        let fields = BTreeMap::from([(orders.clone(), known)]);
        let mut wish = Wish {
            datasets: BTreeSet::from([&orders]),
            ..Wish::default()
        };
        let (_, all) = shown(&wish, &fields);
        assert_eq!(
            all,
            ["orders: c00 c01 c02 c03 c04 c05 c06 c07 c08 amount day id +21"]
        );
        wish.filter = "C2";
        let (_, filtered) = shown(&wish, &fields);
        assert_eq!(
            filtered,
            ["orders: c20 c21 c22 c23 c24 c25 c26 c27 c28 c29 +23"]
        );
    }

    #[test]
    fn an_edge_between_columns_is_shown_where_both_ends_are() {
        let [raw, sums] = [name("raw"), name("sums")];
        let wish = Wish {
            datasets: BTreeSet::from([&raw, &sums]),
            ..Wish::default()
        };
        let (picture, shown) = shown(&wish, &BTreeMap::new());
        assert_eq!(shown, ["raw: at cents id +0", "sums: total +0"]);
        assert_eq!(picture.columns, []);
    }
}
