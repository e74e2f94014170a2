//! Writes answers with facets. These stay texts: as values they would take many times their memory. So do the answers, whose sizes are known
//! before they are written. Pure.

use serde_json::Value;

use super::facets::Facets;

/// A job or a dataset of an answer: its facets, and its other members.
pub(super) struct NodeText<'f> {
    /// `None`: they are among the other members.
    facets: Option<&'f Facets>,
    rest: Rest,
}

/// A job or a dataset of a graph.
pub(super) struct GraphNodeText<'f> {
    data: NodeText<'f>,
    rest: Rest,
}

/// The text of an object without the brace before it, so that another member can stand there.
struct Rest(String);

impl<'f> NodeText<'f> {
    /// A job or a dataset with these facets, and with what Marquez takes out of them. (`OpenLineageDao` of
    /// <https://github.com/MarquezProject/marquez/blob/0.51.1/api/src/main/java/marquez/db/OpenLineageDao.java>)
    pub(super) fn of(mut found: Value, facets: Option<&'f Facets>) -> NodeText<'f> {
        if let (Some(facets), Some(members)) = (facets, found.as_object_mut()) {
            members.remove("facets");
            let mut fill = |member: &str, facet, of_facet| {
                if let (Some(member), Some(text)) =
                    (members.get_mut(member), facets.string(facet, of_facet))
                {
                    *member = text.into();
                }
            };
            fill("description", "documentation", "description");
            fill("location", "sourceCodeLocation", "url");
        }
        NodeText {
            facets,
            rest: Rest::of(&found),
        }
    }

    /// The text of it alone.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(self.size());
        self.write(&mut text);
        text
    }

    fn size(&self) -> usize {
        let facets = self.facets.map(|it| r#""facets":,"#.len() + it.text_size());
        "{".len() + facets.unwrap_or(0) + self.rest.0.len()
    }

    fn write(&self, text: &mut String) {
        *text += "{";
        if let Some(facets) = self.facets {
            *text += r#""facets":"#;
            facets.write(text);
            *text += ",";
        }
        *text += &self.rest.0;
    }
}

impl<'f> GraphNodeText<'f> {
    /// This job or dataset with its edges, which are members.
    pub(super) fn of(data: NodeText<'f>, edges: &Value) -> GraphNodeText<'f> {
        GraphNodeText {
            data,
            rest: Rest::of(edges),
        }
    }

    fn size(&self) -> usize {
        r#"{"data":,"#.len() + self.data.size() + self.rest.0.len()
    }

    fn write(&self, text: &mut String) {
        *text += r#"{"data":"#;
        self.data.write(text);
        *text += ",";
        *text += &self.rest.0;
    }
}

impl Rest {
    fn of(object: &Value) -> Rest {
        let text = object.to_string();
        match text.strip_prefix('{') {
            Some(rest) => Rest(rest.to_owned()),
            None => Rest(text),
        }
    }
}

/// Writes a list of jobs or datasets under this name.
pub(super) fn list(member: &str, nodes: &[NodeText<'_>], count: u64) -> String {
    let ends = (
        format!(r#"{{"{member}":["#),
        format!(r#"],"totalCount":{count}}}"#),
    );
    joined(ends, nodes, NodeText::size, NodeText::write)
}

/// Writes a graph.
pub(super) fn graph(nodes: &[GraphNodeText<'_>]) -> String {
    let ends = (r#"{"graph":["#.to_owned(), "]}".to_owned());
    joined(ends, nodes, GraphNodeText::size, GraphNodeText::write)
}

/// Writes all of these with commas between them, in the memory that they need: a text that grows is in memory twice.
fn joined<T>(
    (mut text, end): (String, String),
    all: &[T],
    size: fn(&T) -> usize,
    write: fn(&T, &mut String),
) -> String {
    let sizes = all.iter().map(|it| size(it) + ",".len());
    text.reserve_exact(sizes.sum::<usize>() + end.len());
    let mut separator = "";
    for each in all {
        text += separator;
        write(each, &mut text);
        separator = ",";
    }
    text += &end;
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::facets::FacetsOf;
    use super::*;

    const DOCUMENTED: &str = r#"{"job":{"facets":{"documentation":{"description":"loads"},"sourceCodeLocation":{"type":"git","url":"https://h/x"}}}}"#;

    fn found(name: &str) -> Value {
        json!({"name": name, "facets": {}, "description": null, "location": null})
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_job_has_its_facets_and_what_they_say() {
        let facets = Facets::none(FacetsOf::Job).with(DOCUMENTED);
        let job = value(&NodeText::of(found("load"), Some(&facets)).text());
        assert_eq!(job["facets"]["documentation"]["description"], "loads");
        assert_eq!(
            (&job["description"], &job["location"]),
            (&json!("loads"), &json!("https://h/x"))
        );
        assert_eq!(job["name"], "load");
    }

    #[test]
    fn each_of_a_list_has_its_own_facets_if_any_were_looked_for() {
        let facets = Facets::none(FacetsOf::Job).with(DOCUMENTED);
        let nodes = [
            NodeText::of(found("a"), None),
            NodeText::of(found("b"), Some(&facets)),
        ];
        let answer = value(&list("jobs", &nodes, 7));
        assert_eq!(
            (&answer["jobs"][0], &answer["totalCount"]),
            (&found("a"), &json!(7))
        );
        let (b, [facets]) = (&answer["jobs"][1], [value(&facets.text())]);
        assert_eq!((&b["name"], &b["facets"]), (&json!("b"), &facets));
    }

    #[test]
    fn an_answer_takes_little_more_memory_than_its_text() {
        let facets = Facets::none(FacetsOf::Job).with(DOCUMENTED);
        let nodes = (0..100).map(|n| NodeText::of(found(&n.to_string()), Some(&facets)));
        let text = list("jobs", &nodes.collect::<Vec<_>>(), 100);
        assert!(text.capacity() <= text.len() + 300, "{}", text.capacity());
    }
}
