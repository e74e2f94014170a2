//! Changes the positions that repeat the namespace of a dataset together with the dataset, so that an event does not
//! name two sources for one dataset.
//!
//! `dataSource.name` and `.uri` follow the dataset that has the facet; `externalQuery.source` follows the datasets with
//! that namespace. In a URI only scheme, host and port change, not path and settings. Called by everything that
//! renames: `rules/rewrite.rs`, `action/symlink.rs`, `redshift.rs`.

use std::collections::HashMap;

use openlineage::{Edits, Json, Mention};

/// The changed namespaces of an event.
#[derive(Default)]
pub(crate) struct Moves {
    /// New namespaces by the position of the old one.
    at: HashMap<*const u8, (String, String)>,
    /// New namespaces by the old one; `None` if datasets of one namespace got different ones.
    of: HashMap<String, Option<String>>,
}

impl Moves {
    /// Adds the namespace of a dataset, before and after, also if it did not change.
    pub(crate) fn add(&mut self, namespace: Json<'_>, before: &str, after: &str) {
        let known = (self.of.entry(before.to_owned())).or_insert_with(|| Some(after.to_owned()));
        if known.as_deref() != Some(after) {
            *known = None;
        }
        if before != after {
            let place = namespace.text().as_ptr();
            self.at.insert(place, (before.to_owned(), after.to_owned()));
        }
    }

    /// Edits the mentions. `alone` returns the new text of a namespace that no dataset of the event has.
    pub(crate) fn follow(
        &self,
        mentions: &[Mention<'_>],
        uris: Uris,
        mut alone: impl FnMut(&str) -> Option<String>,
        edits: &mut Edits<'_>,
    ) {
        for mention in mentions {
            let Some(text) = mention.text.string() else {
                continue;
            };
            let new = match mention.of {
                Some((namespace, _)) => {
                    (self.at.get(&namespace.text().as_ptr())).and_then(|(before, after)| {
                        let address = mention.place == "dataSource.uri";
                        moved(&text, before, after, uris, address)
                    })
                }
                None => match self.of.get(&*text) {
                    Some(known) => known.clone(),
                    None => alone(&text),
                },
            };
            if let Some(new) = new.filter(|new| *new != *text) {
                edits.replace_string(mention.text, &new);
            }
        }
    }
}

/// Whether URIs below a namespace change with it. When a symlink becomes the primary name of a dataset, its address
/// stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uris {
    Move,
    Stay,
}

/// Returns the new text of a mention of a dataset whose namespace was `before` and is `after`.
fn moved(text: &str, before: &str, after: &str, uris: Uris, address: bool) -> Option<String> {
    if before.is_empty() {
        return None;
    }
    let stays_uri = |new: &String| !address || !openlineage::uri(text) || openlineage::uri(new);
    if text == before {
        return Some(after.to_owned()).filter(stays_uri);
    }
    if uris == Uris::Stay {
        return None;
    }
    // Only a hierarchy can replace another: `arn:…` or `warehouse` has no paths below it.
    let (_, authority_before) = before.split_once("//")?;
    let (_, authority_after) = after.split_once("//")?;
    if let Some(rest) = text.strip_prefix(before)
        && (before.ends_with('/') || rest.starts_with(['/', '?', ';', '#']))
    {
        let joined = match rest.starts_with('/') && !after.ends_with("//") {
            true => format!("{}{rest}", after.trim_end_matches('/')),
            false => format!("{after}{rest}"),
        };
        return Some(joined).filter(stays_uri);
    }
    // The same server with another scheme: `jdbc:postgresql://host:5432/shop` of `postgres://host:5432`.
    let (head, rest) = text.split_once("//")?;
    let end = rest.find(['/', ';', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let server = |authority: &str| {
        let end = authority
            .find(['/', ';', '?', '#'])
            .unwrap_or(authority.len());
        let authority = authority.get(..end).unwrap_or_default();
        let at = authority.rfind('@').map_or(0, |at| at + 1);
        let (user, server) = authority.split_at_checked(at).unwrap_or(("", authority));
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                (host, Some(port.to_owned()))
            }
            Some(_) | None => (server, None),
        };
        (user.to_owned(), host.to_owned(), port)
    };
    let (user, host, port) = server(authority);
    let ((_, old, old_port), (_, new, new_port)) =
        (server(authority_before), server(authority_after));
    let same_port = port.is_none() || old_port.is_none() || port == old_port;
    if host.is_empty() || !host.eq_ignore_ascii_case(&old) || !same_port {
        return None;
    }
    let port = match (port, old_port) {
        (Some(_), Some(_)) => new_port,
        (Some(own), None) => Some(new_port.unwrap_or(own)),
        (None, _) => None,
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{head}//{user}{new}{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_uri_the_namespace_moves_and_nothing_else() {
        let cases = [
            // text, before, after, new
            (
                "postgres://10.1.2.3:5432",
                "postgres://10.1.2.3:5432",
                "postgres://db:5432",
                Some("postgres://db:5432"),
            ),
            (
                "postgres://10.1.2.3:5432/shop",
                "postgres://10.1.2.3:5432",
                "postgres://db:5432",
                Some("postgres://db:5432/shop"),
            ),
            (
                "postgres://10.1.2.3:54321/shop",
                "postgres://10.1.2.3:5432",
                "postgres://db:5432",
                None,
            ),
            (
                "jdbc:postgresql://u@10.1.2.3:5432/shop?a=b",
                "postgres://10.1.2.3:5432",
                "postgres://db:5432",
                Some("jdbc:postgresql://u@db:5432/shop?a=b"),
            ),
            (
                "jdbc:postgresql://10.1.2.3/shop",
                "postgres://10.1.2.3:5432",
                "postgres://db:5432",
                Some("jdbc:postgresql://db/shop"),
            ),
            (
                "jdbc:oracle:thin:@//h:1521/svc",
                "oracle://h:1521",
                "oracle://o.example.com:1521",
                Some("jdbc:oracle:thin:@//o.example.com:1521/svc"),
            ),
            (
                "s3a://lake/raw",
                "s3a://lake",
                "s3://lake",
                Some("s3://lake/raw"),
            ),
            ("s3a://lakehouse/raw", "s3a://lake", "s3://lake", None),
            (
                "postgres://h:5432/shop",
                "postgres://h:5432",
                "warehouse",
                None,
            ),
            (
                "postgres://other:5432/shop",
                "postgres://h:5432",
                "postgres://db",
                None,
            ),
            ("file", "file", "file://host", Some("file://host")),
            ("file:///data", "file", "warehouse", None),
        ];
        for (text, before, after, new) in cases {
            assert_eq!(
                moved(text, before, after, Uris::Move, true).as_deref(),
                new,
                "{text} {after}"
            );
        }
    }

    #[test]
    fn the_address_of_data_that_gets_another_first_name_stays() {
        let (s3, hive) = ("s3://lake", "hive://metastore:9083");
        assert_eq!(moved("s3://lake/wh/t", s3, hive, Uris::Stay, true), None);
        assert_eq!(
            moved(s3, s3, "arn:aws:glue:eu-west-1:1", Uris::Stay, false).as_deref(),
            Some("arn:aws:glue:eu-west-1:1")
        );
    }

    #[test]
    fn what_is_a_uri_stays_one() {
        assert_eq!(
            moved("s3://lake", "s3://lake", "warehouse", Uris::Move, true),
            None
        );
        assert_eq!(
            moved("s3://lake", "s3://lake", "warehouse", Uris::Move, false).as_deref(),
            Some("warehouse")
        );
    }
}
