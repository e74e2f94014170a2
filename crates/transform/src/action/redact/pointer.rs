//! JSON Pointers (RFC 6901) with `*` for any member or element, restricted to values that an event does not require.
//!
//! A redacted event must stay valid, so a pointer into the envelope, or at a whole facet, is rejected when it is read.

use openlineage::Json;

/// The position of a value, in one event or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Any,
    Name(String),
}

impl Pointer {
    /// Reads `/run/facets/spark_properties/properties/*`. Errors explain why the value must not be redacted.
    pub fn parse(text: &str) -> Result<Pointer, String> {
        let path = text
            .strip_prefix('/')
            .ok_or("a pointer starts with '/' and names a value inside the event")?;
        let tokens: Vec<String> = path.split('/').map(unescaped).collect::<Result<_, _>>()?;
        let names: Vec<&str> = tokens.iter().map(String::as_str).collect();
        allowed(&names)?;
        let token = |name: String| match name.as_str() {
            "*" => Token::Any,
            _ => Token::Name(name),
        };
        Ok(Pointer(tokens.into_iter().map(token).collect()))
    }

    /// Returns the values of `root` that it points to; of duplicated keys, all.
    pub(super) fn find<'t>(&self, root: Json<'t>) -> Vec<Json<'t>> {
        let mut found = vec![root];
        for (index, token) in self.0.iter().enumerate() {
            let mut next = Vec::new();
            for value in found {
                match token {
                    Token::Any => {
                        // The required members of a facet stay.
                        let in_facet = index == self.facet_at();
                        let members = value.members().into_iter();
                        next.extend(
                            members
                                .filter(|member| {
                                    !(in_facet && BASE.iter().any(|name| member.is(name)))
                                })
                                .map(|member| member.value),
                        );
                        next.extend(value.items());
                    }
                    Token::Name(name) => {
                        let members = value.members().into_iter();
                        next.extend(members.filter(|m| m.is(name)).map(|member| member.value));
                        if let Ok(index) = name.parse::<usize>() {
                            next.extend(value.items().get(index));
                        }
                    }
                }
            }
            found = next;
        }
        found
    }

    /// The index of the token that names a member of a facet.
    fn facet_at(&self) -> usize {
        match self.0.first() {
            Some(Token::Name(name)) if LISTS.contains(&name.as_str()) => 4,
            Some(_) | None => 3,
        }
    }
}

const LISTS: [&str; 2] = ["inputs", "outputs"];
const FACETS: [&str; 3] = ["facets", "inputFacets", "outputFacets"];

/// `BaseFacet`, and the members of a deleted facet.
const BASE: [&str; 3] = ["_producer", "_schemaURL", "_deleted"];

fn unescaped(token: &str) -> Result<String, String> {
    let plain = token.replace("~1", "").replace("~0", "");
    match plain.contains('~') {
        true => Err("in a pointer '~' is written '~0', and '/' in a name '~1'".to_owned()),
        false => Ok(token.replace("~1", "/").replace("~0", "~")),
    }
}

fn allowed(names: &[&str]) -> Result<(), String> {
    let inside = match names {
        ["eventType" | "eventTime" | "producer" | "schemaURL", ..] => {
            return Err("this is a field that makes the event one".to_owned());
        }
        ["run" | "job" | "dataset", inside @ ..] => inside,
        [list, index, inside @ ..] if LISTS.contains(list) => {
            if *index != "*" && index.parse::<usize>().is_err() {
                return Err("a list has numbers or '*' for its elements".to_owned());
            }
            inside
        }
        [list] if LISTS.contains(list) => &[],
        ["*", ..] => {
            return Err("name the first member: '*' would reach the event's own fields".to_owned());
        }
        _ => return Ok(()),
    };
    match inside {
        [] => Err("the whole of it cannot be hidden: the event would be none".to_owned()),
        ["runId" | "namespace" | "name", ..] => {
            Err("names and run ids make the graph: rename them instead".to_owned())
        }
        ["*", ..] => Err("name the member: '*' would reach names and facets".to_owned()),
        [facets] | [facets, _] if FACETS.contains(facets) => {
            Err("a facet has to stay an object: remove it instead".to_owned())
        }
        [facets, _, base, ..] if FACETS.contains(facets) && BASE.contains(base) => {
            Err("a facet has to say its producer and schema".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_needs_cannot_be_pointed_at() {
        for text in [
            "",
            "x",
            "/",
            "/eventTime",
            "/eventType",
            "/producer",
            "/schemaURL",
            "/run",
            "/run/runId",
            "/run/facets",
            "/run/facets/*",
            "/run/facets/sql/_producer",
            "/job",
            "/job/name",
            "/job/namespace",
            "/inputs",
            "/inputs/0",
            "/inputs/x/facets/a/b",
            "/inputs/*/name",
            "/inputs/*/inputFacets/x",
            "/outputs/*/*/x/y",
            "/dataset/name",
            "/*",
            "/*/facets/a/b",
            "/a~2",
        ] {
            assert_eq!(Pointer::parse(text).is_ok(), text == "/", "{text}");
        }
        for text in [
            "/run/facets/*/x",
            "/job/facets/sql/query",
            "/inputs/*/facets/schema/fields/*/description",
            "/outputs/0/outputFacets/*/*",
            "/dataset/facets/a~1b/c",
            "/custom",
            "/run/custom",
        ] {
            assert!(Pointer::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_star_leads_to_every_member_and_element() {
        let text = r#"{"run":{"facets":{"a/b":{"_producer":"p","x":[1,{"y":2}],"x":3}}}}"#;
        let root = Json::parse(text).unwrap();
        let found = |pointer: &str| -> Vec<&str> {
            let pointer = Pointer::parse(pointer).unwrap();
            pointer.find(root).into_iter().map(Json::text).collect()
        };
        assert_eq!(found("/run/facets/a~1b/x/*/y"), ["2"]);
        assert_eq!(found("/run/facets/*/x/0"), ["1"]);
        assert_eq!(found("/run/facets/a~1b/*"), [r#"[1,{"y":2}]"#, "3"]);
    }
}
