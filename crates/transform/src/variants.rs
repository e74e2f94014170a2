//! Finds names of datasets that differ only by case: one table to a person, two to a catalog.
//!
//! Names that the action `normalise` with `name_case` does not change belong to a case-sensitive store, so only a
//! person can decide whether they are one table. Called by `lineage-proxy transform`.

use std::collections::{BTreeMap, BTreeSet};

use openlineage::{Event, Identity, Role, names};

/// Returns the names of datasets of `event` that are in one namespace and differ only by case, in sorted groups.
pub fn case_variants(event: &Event) -> Vec<Vec<Identity>> {
    let mut groups: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for name in names(event.json()) {
        if let (Role::Dataset, Some(namespace), Some(own)) =
            (name.role, name.namespace.string(), name.name.string())
        {
            let group = (namespace.into_owned(), own.to_lowercase());
            groups.entry(group).or_default().insert(own.into_owned());
        }
    }
    let several = groups.into_iter().filter(|(_, names)| names.len() > 1);
    several
        .map(|((namespace, _), names)| {
            let names = names.into_iter();
            names
                .map(|name| Identity {
                    namespace: namespace.clone(),
                    name,
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use openlineage::Level;

    fn found(names: &[(&str, &str)]) -> Vec<Vec<String>> {
        let inputs = names
            .iter()
            .map(|(namespace, name)| format!(r#"{{"namespace":"{namespace}","name":"{name}"}}"#));
        let inputs = inputs.collect::<Vec<_>>().join(",");
        let text = format!(
            r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","job":{{"namespace":"n","name":"j"}},"inputs":[{inputs}]}}"#
        );
        let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
        let groups = case_variants(&event).into_iter();
        groups
            .map(|group| group.into_iter().map(|name| name.name).collect())
            .collect()
    }

    #[test]
    fn names_of_one_namespace_that_differ_by_case_are_found_and_no_others() {
        let mysql = "mysql://h:3306";
        assert_eq!(
            found(&[
                (mysql, "Shop.T"),
                (mysql, "shop.t"),
                (mysql, "shop.u"),
                (mysql, "SHOP.T")
            ]),
            [["SHOP.T", "Shop.T", "shop.t"]]
        );
        let different = [
            (mysql, "Shop.T"),
            ("mysql://other:3306", "shop.t"),
            (mysql, "Shop.T"),
        ];
        assert_eq!(found(&different), Vec::<Vec<String>>::new());
    }
}
