//! What the address of the screen asks for: it has the whole state. Pure.

use graph::Reach;
use history::{Name, NodeKind, NodeRef};

use crate::query::{Query, link};

/// The parameters of the screen.
const KNOWN: [&str; 14] = [
    "job",
    "dataset",
    "namespace",
    "up",
    "down",
    "column",
    "fields",
    "open",
    "group",
    "old",
    "all",
    "find",
    "from",
    "part",
];

/// How far the screen looks if the address does not say: what writes a dataset, what that reads, and what writes those; and what
/// reads it, and what that writes.
pub(crate) const REACH: Reach = Reach { up: 3, down: 2 };

/// The most levels in a direction. A drawing has 150 nodes at most, so more seldom show more.
pub(crate) const MOST_LEVELS: u32 = 20;

/// The most datasets that are opened at once: each takes two queries.
pub(crate) const MOST_OPENED: usize = 20;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Which part of the lineage.
    pub(crate) view: View,
    /// The chosen job or dataset.
    pub(crate) focus: Option<NodeRef>,
    pub(crate) reach: Reach,
    /// The column of the chosen dataset of which the path is lit.
    pub(crate) column: Option<String>,
    /// A text in the names of columns that are shown.
    pub(crate) fields: String,
    /// Datasets of which the columns are shown, each as its namespace, a slash and its name.
    pub(crate) open: Vec<String>,
    /// Whether parents stand for their jobs.
    pub(crate) is_grouped: bool,
    /// Whether edges are shown that the last completed run of a job does not have.
    pub(crate) has_old: bool,
    /// The first row of a long list.
    pub(crate) from: usize,
    /// Whether the drawing is asked for, as the script reads it.
    pub(crate) is_drawing: bool,
}

/// Which part of the lineage is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// What there is.
    Overview,
    /// Jobs and datasets with this text in their names, of one namespace or all.
    Find {
        text: String,
        namespace: Option<String>,
    },
    /// What is near the chosen one.
    Near,
    /// Everything.
    Whole,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish {
            view: View::Overview,
            focus: None,
            reach: REACH,
            column: None,
            fields: String::new(),
            open: Vec::new(),
            is_grouped: false,
            has_old: false,
            from: 0,
            is_drawing: false,
        }
    }
}

impl Wish {
    /// Reads the query of an address.
    pub(crate) fn read(query: &str) -> Result<Wish, String> {
        let query = Query::read(query.as_bytes(), &KNOWN)?;
        let text = |name: &str| query.text(name).map(str::to_owned);
        let is = |name: &str, value: &str| match query.text(name) {
            None => Ok(false),
            Some(given) if given == value => Ok(true),
            Some(given) => Err(format!(
                "{name}: expected {value}, found {:?}",
                crate::text::shown(given, 40)
            )),
        };
        let levels = |name: &str, default: u32| match query.number::<u32>(name)? {
            None => Ok(default),
            Some(levels) if levels <= MOST_LEVELS => Ok(levels),
            Some(levels) => Err(format!("{name}: at most {MOST_LEVELS}, found {levels}")),
        };
        let namespace = text("namespace");
        let named = match (text("job"), text("dataset")) {
            (Some(_), Some(_)) => {
                return Err("job and dataset: only one of them can be chosen".to_owned());
            }
            (Some(job), None) => Some((NodeKind::Job, job)),
            (None, Some(dataset)) => Some((NodeKind::Dataset, dataset)),
            (None, None) => None,
        };
        let is_whole = is("all", "1")?;
        let (view, focus) = match (named, namespace) {
            (Some((kind, name)), Some(namespace)) => {
                let view = if is_whole { View::Whole } else { View::Near };
                (
                    view,
                    Some(NodeRef {
                        kind,
                        namespace,
                        name,
                    }),
                )
            }
            // Without its namespace it has to be looked for.
            (Some((_, text)), None) => (
                View::Find {
                    text,
                    namespace: None,
                },
                None,
            ),
            (None, namespace) => match (text("find"), namespace) {
                (None, None) if is_whole => (View::Whole, None),
                (None, None) => (View::Overview, None),
                (find, namespace) => {
                    let text = find.unwrap_or_default();
                    (View::Find { text, namespace }, None)
                }
            },
        };
        let open = text("open").unwrap_or_default();
        Ok(Wish {
            view,
            focus,
            reach: Reach {
                up: levels("up", REACH.up)?,
                down: levels("down", REACH.down)?,
            },
            column: text("column"),
            fields: text("fields").unwrap_or_default(),
            open: open
                .lines()
                .filter(|it| !it.is_empty())
                .take(MOST_OPENED)
                .map(str::to_owned)
                .collect(),
            is_grouped: is("group", "parent")?,
            has_old: is("old", "1")?,
            from: query.number("from")?.unwrap_or_default(),
            is_drawing: is("part", "drawing")?,
        })
    }

    /// The address of this view, below a path.
    pub(crate) fn address(&self, path: &str) -> String {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        if let Some(NodeRef {
            kind,
            namespace,
            name,
        }) = &self.focus
        {
            pairs.push((kind_name(*kind), name.clone()));
            pairs.push(("namespace", namespace.clone()));
        }
        match &self.view {
            View::Find { text, namespace } => {
                pairs.push(("find", text.clone()));
                pairs.extend(namespace.iter().map(|it| ("namespace", it.clone())));
            }
            View::Whole => pairs.push(("all", "1".to_owned())),
            View::Overview | View::Near => {}
        }
        for (name, levels, default) in [
            ("up", self.reach.up, REACH.up),
            ("down", self.reach.down, REACH.down),
        ] {
            if levels != default {
                pairs.push((name, levels.to_string()));
            }
        }
        let mut add = |name, value: String| {
            if !value.is_empty() {
                pairs.push((name, value))
            }
        };
        add("column", self.column.clone().unwrap_or_default());
        add("fields", self.fields.clone());
        add("open", self.open.join("\n"));
        add(
            "group",
            if self.is_grouped {
                "parent".to_owned()
            } else {
                String::new()
            },
        );
        add(
            "old",
            if self.has_old {
                "1".to_owned()
            } else {
                String::new()
            },
        );
        add(
            "from",
            if self.from > 0 {
                self.from.to_string()
            } else {
                String::new()
            },
        );
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        link(path, &pairs)
    }

    /// The same view with another node chosen.
    pub(crate) fn choosing(&self, focus: NodeRef) -> Wish {
        let view = match self.view {
            View::Whole => View::Whole,
            View::Near | View::Overview | View::Find { .. } => View::Near,
        };
        Wish {
            view,
            focus: Some(focus),
            column: None,
            from: 0,
            is_drawing: false,
            ..self.clone()
        }
    }
}

/// The parameter of a node.
pub(crate) fn kind_name(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Job => "job",
        NodeKind::Dataset => "dataset",
    }
}

/// How `open` names a dataset.
pub(crate) fn opened_name(Name { namespace, name }: &Name) -> String {
    format!("{namespace}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_back() {
        for query in [
            "",
            "all=1",
            "find=orders",
            "find=&namespace=s3%3A%2F%2Fb",
            "job=a+b%2F%26&namespace=n&up=4",
            "dataset=d&namespace=n&down=0&column=id&fields=x&open=n%2Fd%0An%2Fe&group=parent&old=1",
            "dataset=d&namespace=n&all=1&from=500",
        ] {
            let wish = Wish::read(query).unwrap();
            let address = wish.address("/lineage");
            let again = address
                .strip_prefix("/lineage")
                .unwrap()
                .trim_start_matches('?');
            assert_eq!(again, query);
            assert_eq!(Wish::read(again).unwrap(), wish);
        }
    }

    #[test]
    fn what_has_no_effect_is_an_error() {
        for (query, expected) in [
            (
                "job=a&dataset=b",
                "job and dataset: only one of them can be chosen",
            ),
            ("up=21", "up: at most 20, found 21"),
            ("group=owner", r#"group: expected parent, found "owner""#),
            ("up=-1", r#"up: expected a whole number, found "-1""#),
        ] {
            assert_eq!(Wish::read(query).unwrap_err(), expected);
        }
        let error = Wish::read("depth=3").unwrap_err();
        assert!(error.starts_with(r#"unknown parameter "depth""#), "{error}");
    }

    #[test]
    fn a_name_without_its_namespace_is_looked_for() {
        let view = Wish::read("job=daily").unwrap().view;
        let text = "daily".to_owned();
        assert_eq!(
            view,
            View::Find {
                text,
                namespace: None
            }
        );
    }
}
