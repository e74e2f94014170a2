//! What an event says, in short: its datasets with their columns, its facets, and its producer.

use history::Name;
use maud::{Markup, html};
use openlineage::{Identity, Json};

use crate::text::{name, shown};
use crate::time::number;
use crate::{Site, events};

/// The most datasets and columns that are listed.
const DATASETS: usize = 50;
const COLUMNS: usize = 200;

/// What an event says.
pub(super) struct Said {
    /// When it happened, and who says so.
    time: Option<String>,
    producer: Option<String>,
    /// The facets of the run and of the job.
    facets: Vec<(&'static str, Vec<String>)>,
    inputs: First<Dataset>,
    outputs: First<Dataset>,
    subject: First<Dataset>,
}

/// The first of some, and how many there are.
#[derive(Debug, PartialEq, Eq)]
struct First<T> {
    some: Vec<T>,
    count: usize,
}

/// A dataset in an event.
struct Dataset {
    name: Name,
    facets: Vec<String>,
    columns: First<(String, String)>,
}

impl Said {
    pub(super) fn read(text: &str) -> Option<Said> {
        let event = Json::parse(text).ok()?;
        let member = |name: &str| child(event, name);
        let text = |name: &str| member(name)?.string().map(|text| text.into_owned());
        let datasets = |name: &str| {
            let all = member(name).map_or_else(Vec::new, |it| it.items());
            First::read(all, DATASETS, Dataset::read)
        };
        let facets =
            ["run", "job"].map(|holder| (holder, member(holder).map_or_else(Vec::new, facets)));
        Some(Said {
            time: text("eventTime"),
            producer: text("producer"),
            facets: facets
                .into_iter()
                .filter(|(_, facets)| !facets.is_empty())
                .collect(),
            inputs: datasets("inputs"),
            outputs: datasets("outputs"),
            subject: First::read(member("dataset").into_iter().collect(), 1, Dataset::read),
        })
    }

    pub(super) fn summary(&self, site: &Site) -> Markup {
        html! {
            h2 { "What it says" }
            dl .facts {
                @if let Some(time) = &self.time { dt { "Event time" } dd { (shown(time, 60)) } }
                @if let Some(producer) = &self.producer { dt { "Producer" } dd { (outside(producer)) } }
                @for (holder, facets) in &self.facets { dt { "Facets of the " (holder) } dd { (list(facets)) } }
            }
            (datasets(site, "Inputs", &self.inputs))
            (datasets(site, "Outputs", &self.outputs))
            (datasets(site, "Dataset", &self.subject))
        }
    }
}

impl<T> First<T> {
    /// Reads no more than `most` of them: an event may have 100,000.
    fn read<'t>(all: Vec<Json<'t>>, most: usize, read: impl Fn(Json<'t>) -> Option<T>) -> First<T> {
        First {
            count: all.len(),
            some: all.into_iter().filter_map(read).take(most).collect(),
        }
    }

    fn more(&self) -> u64 {
        self.count.saturating_sub(self.some.len()) as u64
    }
}

impl Dataset {
    fn read(json: Json<'_>) -> Option<Dataset> {
        let Identity { namespace, name } = Identity::of(json)?;
        let schema = child(json, "facets").and_then(|facets| child(facets, "schema"));
        let fields = schema.and_then(|schema| child(schema, "fields"));
        let fields = fields.map_or_else(Vec::new, |fields| fields.items());
        let text = |field: Json<'_>, name: &str| Some(child(field, name)?.string()?.into_owned());
        let columns = First::read(fields, COLUMNS, |field| {
            Some((
                text(field, "name")?,
                text(field, "type").unwrap_or_default(),
            ))
        });
        Some(Dataset {
            name: Name { namespace, name },
            facets: facets(json),
            columns,
        })
    }
}

fn datasets(site: &Site, title: &str, datasets: &First<Dataset>) -> Markup {
    html! {
        @if datasets.count > 0 {
            h3 { (title) " " span .quiet { (number(datasets.count)) } }
            ul .datasets {
                @for dataset in &datasets.some {
                    li {
                        (events::named(site, "/dataset", &dataset.name))
                        @if !dataset.facets.is_empty() { div .quiet { "facets " (list(&dataset.facets)) } }
                        @if dataset.columns.count > 0 { (columns(&dataset.columns)) }
                    }
                }
                @if datasets.more() > 0 { li .quiet { "… and " (number(datasets.more())) " more" } }
            }
        }
    }
}

fn columns(columns: &First<(String, String)>) -> Markup {
    html! {
        details {
            summary { "Columns " span .quiet { (number(columns.count)) } }
            ul .columns {
                @for (column, data_type) in &columns.some {
                    li { code { (name(column)) } " " small { (name(data_type)) } }
                }
                @if columns.more() > 0 { li .quiet { "… and " (number(columns.more())) " more" } }
            }
        }
    }
}

fn list(names: &[String]) -> Markup {
    const LISTED: usize = 40;
    html! {
        @for facet in names.iter().take(LISTED) { code .facet { (name(facet)) } " " }
        @if names.len() > LISTED { span .quiet { "… and " (number((names.len() - LISTED) as u64)) " more" } }
    }
}

/// A link of an event, if it leads to a web page.
fn outside(text: &str) -> Markup {
    let is_web = ["http://", "https://"].iter().any(|scheme| {
        let start = text.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let is_plain = text.len() <= 2_000 && text.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
    html! {
        @if is_web && is_plain {
            a href=(text) rel="noopener noreferrer" { (name(text)) }
        } @else {
            (name(text))
        }
    }
}

/// The names of the facets of a run, a job or a dataset.
fn facets(holder: Json<'_>) -> Vec<String> {
    let found = ["facets", "inputFacets", "outputFacets"].into_iter();
    let found = found.filter_map(|name| child(holder, name));
    let members = found.flat_map(|facets| facets.members());
    let names = members.filter_map(|member| member.key.string().map(|key| key.into_owned()));
    names.collect()
}

fn child<'t>(json: Json<'t>, name: &str) -> Option<Json<'t>> {
    let found = json.members().into_iter().find(|member| member.is(name));
    found.map(|member| member.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_the_web_are_links() {
        for (text, is_link) in [
            ("https://github.com/OpenLineage", true),
            ("HTTP://a.example", true),
            ("javascript:alert(1)", false),
            ("data:text/html,<script>", false),
            ("//a.example", false),
            ("https://a.example/\u{202e}", false),
            ("https://a.example/ x", false),
        ] {
            assert_eq!(
                outside(text).into_string().contains("href"),
                is_link,
                "{text}"
            );
        }
    }

    #[test]
    fn the_datasets_of_an_event_have_their_columns() {
        let text = r#"{"eventTime":"t","job":{"facets":{"sql":{}}},"inputs":[{"namespace":"n","name":"a",
            "facets":{"schema":{"fields":[{"name":"x","type":"int"},{"name":"y"}]}}}]}"#;
        let said = Said::read(text).unwrap();
        let columns = [
            ("x".to_owned(), "int".to_owned()),
            ("y".to_owned(), String::new()),
        ];
        assert_eq!(said.inputs.some[0].columns.some, columns);
        assert_eq!(said.facets, [("job", vec!["sql".to_owned()])]);
    }

    #[test]
    fn no_more_datasets_are_read_than_are_listed_and_all_are_counted() {
        let inputs = [r#"{"namespace":"n","name":"a"}"#; 1_000].join(",");
        let said = Said::read(&format!("{{\"inputs\":[{inputs}]}}")).unwrap();
        let inputs = (
            said.inputs.some.len(),
            said.inputs.count,
            said.inputs.more(),
        );
        assert_eq!(inputs, (DATASETS, 1_000, 950));
    }
}
