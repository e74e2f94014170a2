//! Edits of a JSON text: replace a value, remove or add a member, and leave every other byte unchanged.
//!
//! Edits are collected against one text and applied together. Overlapping edits are a bug of the caller.
//! Called by the checks (repairs) and by every transform.

use std::ops::Range;

use crate::json::{Json, Member, quote};

/// Pending changes to one text.
#[derive(Debug, Clone)]
pub struct Edits<'t> {
    text: &'t str,
    changes: Vec<(Range<usize>, String)>,
}

impl<'t> Edits<'t> {
    /// Creates an empty set of edits.
    pub fn new(text: &'t str) -> Self {
        Edits {
            text,
            changes: Vec::new(),
        }
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Replaces `old` by the JSON text `new`.
    pub fn replace(&mut self, old: Json<'_>, new: String) {
        if let Some(span) = old.span(self.text) {
            self.push(span, new);
        }
    }

    /// Replaces `old` by the string `new`, quoted.
    pub fn replace_string(&mut self, old: Json<'_>, new: &str) {
        self.replace(old, quote(new));
    }

    /// Adds members (names decoded, values as JSON text) at the end of `object`.
    pub fn add_members(&mut self, object: Json<'_>, members: &[(&str, String)]) {
        let Some(span) = object
            .span(self.text)
            .filter(|span| !span.is_empty() && object.is_object())
        else {
            return;
        };
        let mut new = render_members(members);
        if !object.members().is_empty() && !members.is_empty() {
            new.insert(0, ',');
        }
        let end = span.end - 1; // before the closing brace
        self.push(end..end, new);
    }

    /// Removes every member of `object` for which `should_remove` holds, with its comma.
    pub fn remove_members(&mut self, object: Json<'_>, should_remove: impl Fn(&str) -> bool) {
        let members = object.members();
        let parts = members.iter().map(|member| Part {
            keep: !member.key.string().is_some_and(|key| should_remove(&key)),
            start: member.key,
            end: member.value,
        });
        let parts: Vec<Part<'_>> = parts.collect();
        self.remove(object, &parts, "{}");
    }

    /// Removes every member of `object` for which `should_remove` holds, and adds others at its end.
    pub(crate) fn change_members(
        &mut self,
        object: Json<'_>,
        should_remove: impl Fn(&str) -> bool,
        members: &[(&str, String)],
    ) {
        let dies = |member: &Member<'_>| member.key.string().is_some_and(|key| should_remove(&key));
        let all = object.members();
        if !members.is_empty() && !all.is_empty() && all.iter().all(dies) {
            return self.replace(object, format!("{{{}}}", render_members(members)));
        }
        self.remove_members(object, should_remove);
        if !members.is_empty() {
            self.add_members(object, members);
        }
    }

    /// Removes every member of `object` whose key's position, in bytes of the text, satisfies `should_remove`.
    pub fn remove_members_at(&mut self, object: Json<'_>, should_remove: impl Fn(usize) -> bool) {
        let members = object.members();
        let parts = members.iter().map(|member| Part {
            keep: !(member.key.span(self.text)).is_some_and(|span| should_remove(span.start)),
            start: member.key,
            end: member.value,
        });
        let parts: Vec<Part<'_>> = parts.collect();
        self.remove(object, &parts, "{}");
    }

    /// Removes every element of `list` for which `should_remove` holds, with its comma.
    pub fn remove_items(&mut self, list: Json<'_>, should_remove: impl Fn(Json<'_>) -> bool) {
        let parts = list.items().into_iter().map(|item| Part {
            keep: !should_remove(item),
            start: item,
            end: item,
        });
        let parts: Vec<Part<'_>> = parts.collect();
        self.remove(list, &parts, "[]");
    }

    fn remove(&mut self, whole: Json<'_>, parts: &[Part<'_>], empty: &str) {
        let Some(first_kept) = parts.iter().position(|part| part.keep) else {
            if !parts.is_empty() {
                self.replace(whole, empty.to_owned());
            }
            return;
        };
        for (index, part) in parts.iter().enumerate() {
            if part.keep {
                continue;
            }
            // A leading part is removed with the comma after it, any other with the comma before it.
            let span = if index < first_kept {
                let next = parts
                    .get(index + 1)
                    .and_then(|next| next.start.span(self.text));
                (part.start.span(self.text))
                    .zip(next)
                    .map(|(this, next)| this.start..next.start)
            } else {
                let previous = index
                    .checked_sub(1)
                    .and_then(|i| parts.get(i))
                    .and_then(|p| p.end.span(self.text));
                previous
                    .zip(part.end.span(self.text))
                    .map(|(previous, this)| previous.end..this.end)
            };
            if let Some(span) = span {
                self.push(span, String::new());
            }
        }
    }

    /// Applies all changes and returns the text.
    pub fn apply(mut self) -> String {
        self.changes.sort_by_key(|(span, _)| (span.start, span.end));
        debug_assert!(
            (self.changes.iter().zip(self.changes.iter().skip(1)))
                .all(|((one, _), (next, _))| one.end <= next.start),
            "overlapping edits"
        );
        let mut out = String::with_capacity(
            self.text.len() + self.changes.iter().map(|(_, new)| new.len()).sum::<usize>(),
        );
        let mut done = 0;
        for (span, new) in &self.changes {
            out.push_str(self.text.get(done..span.start).unwrap_or_default());
            out.push_str(new);
            done = span.end;
        }
        out.push_str(self.text.get(done..).unwrap_or_default());
        out
    }

    fn push(&mut self, span: Range<usize>, new: String) {
        self.changes.push((span, new));
    }
}

/// Formats members as in an object.
fn render_members(members: &[(&str, String)]) -> String {
    let written: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", quote(name)))
        .collect();
    written.join(",")
}

/// The span of a member of an object or an element of a list.
struct Part<'t> {
    keep: bool,
    start: Json<'t>,
    end: Json<'t>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn without(text: &str, names: &[&str]) -> String {
        let mut edits = Edits::new(text);
        edits.remove_members(Json::parse(text).unwrap(), |name| names.contains(&name));
        edits.apply()
    }

    #[test]
    fn removing_members_takes_exactly_their_commas() {
        let text = r#"{ "a": 1, "b": 2 , "c": 3, "a": 4 }"#;
        assert_eq!(without(text, &["b"]), r#"{ "a": 1 , "c": 3, "a": 4 }"#);
        assert_eq!(without(text, &["a"]), r#"{ "b": 2 , "c": 3 }"#);
        assert_eq!(without(text, &["a", "b"]), r#"{ "c": 3 }"#);
        assert_eq!(without(text, &["a", "b", "c"]), "{}");
        assert_eq!(without(text, &[]), text);
    }

    #[test]
    fn members_come_and_go_in_one_edit() {
        let text = r#"{ "a": null, "b": 2 }"#;
        let changed = |should_remove: &[&str]| {
            let mut edits = Edits::new(text);
            let root = Json::parse(text).unwrap();
            edits.change_members(
                root,
                |name| should_remove.contains(&name),
                &[("c", "3".into())],
            );
            edits.apply()
        };
        assert_eq!(changed(&["a"]), r#"{ "b": 2 ,"c":3}"#);
        assert_eq!(changed(&["a", "b"]), r#"{"c":3}"#);
        assert_eq!(changed(&[]), r#"{ "a": null, "b": 2 ,"c":3}"#);
    }

    #[test]
    fn removing_elements_takes_exactly_their_commas() {
        let text = "[ 1, 2 , 3 ]";
        let without = |should_remove: &[&str]| {
            let mut edits = Edits::new(text);
            edits.remove_items(Json::parse(text).unwrap(), |item| {
                should_remove.contains(&item.text())
            });
            edits.apply()
        };
        assert_eq!(without(&["2"]), "[ 1 , 3 ]");
        assert_eq!(without(&["1", "2"]), "[ 3 ]");
        assert_eq!(without(&["1", "2", "3"]), "[]");
    }

    #[test]
    fn added_and_replaced_values_leave_the_rest_alone() {
        let text = r#"{"x":{} ,"y":"old", "n": 1.0}"#;
        let root = Json::parse(text).unwrap();
        let mut edits = Edits::new(text);
        edits.add_members(
            root.get("x").unwrap(),
            &[("p", "1".into()), ("q", "[]".into())],
        );
        edits.replace_string(root.get("y").unwrap(), "a \"new\" one");
        edits.add_members(root, &[("z", "null".into())]);
        assert_eq!(
            edits.apply(),
            r#"{"x":{"p":1,"q":[]} ,"y":"a \"new\" one", "n": 1.0,"z":null}"#
        );
    }
}
