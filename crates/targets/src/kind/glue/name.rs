//! How a dataset finds its table, and what a table and a column are called that this program creates. Pure.
//!
//! A dataset is in the catalog if it, or one of its symlinks, has the name that OpenLineage gives to tables of Glue
//! (<https://openlineage.io/docs/spec/naming>): namespace `arn:aws:glue:REGION:ACCOUNT`, name `table/DATABASE/TABLE`; or
//! the one that DataZone documents: `arn:aws:glue:REGION:ACCOUNT:table` and `DATABASE/TABLE`. Others have no table until
//! one is created for them. Called by `fact.rs` and `merge.rs`.

use openlineage::{Identity, Json};
use sha2::{Digest, Sha256};

/// The longest name of a table or a column (service model 2017-03-31, `NameString`, max 255).
const MAX_NAME: usize = 255;

/// The digits of the hash that tells two names apart which are written alike.
const SUFFIX: usize = 8;

/// A table in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TableName {
    /// The account of the catalog; that of the credentials without it.
    pub(super) account: Option<String>,
    pub(super) database: String,
    pub(super) table: String,
}

/// The table of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum TableRef {
    /// It is named after the table, which others create.
    Named(TableName),
    /// Its table is created here.
    Created {
        /// The table, unless another dataset has it: see [`TableName::apart`].
        table: TableName,
        dataset: Identity,
    },
}

/// The part of the world that a target writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    /// Its region, if it is known.
    pub(super) region: Option<String>,
    /// The account of its catalog, if it is fixed.
    pub(super) account: Option<String>,
    /// The database of the tables that are created, if they are.
    pub(super) database: Option<String>,
}

/// A name of a table of Glue, in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kind) struct GlueName<'t> {
    namespace: &'t str,
    region: &'t str,
    account: &'t str,
    database: &'t str,
    table: &'t str,
}

impl<'t> GlueName<'t> {
    pub(in crate::kind) fn parse(namespace: &'t str, name: &'t str) -> Option<GlueName<'t>> {
        let namespace = namespace.strip_suffix('/').unwrap_or(namespace);
        let (arn, path) = match namespace.strip_suffix(":table") {
            Some(arn) => (arn, name),
            None => (namespace, name.strip_prefix("table/")?),
        };
        let mut parts = arn.split(':');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let ("arn", _, "glue", region, account) = (next()?, next()?, next()?, next()?, next()?)
        else {
            return None;
        };
        let (database, table) = path.split_once('/')?;
        // No service has a longer name, and columns repeat it for each of their inputs.
        let is_name = |name: &str| (1..=MAX_NAME).contains(&name.len()) && !name.contains('/');
        let is_whole =
            arn.len() <= MAX_NAME && parts.next().is_none() && is_name(database) && is_name(table);
        is_whole.then_some(GlueName {
            namespace: arn,
            region,
            account,
            database,
            table,
        })
    }

    /// The database and the table, as DataHub names one.
    pub(in crate::kind) fn dotted(&self) -> String {
        format!("{}.{}", self.database, self.table)
    }

    /// The name in OpenLineage's terms.
    pub(super) fn identity(&self) -> Identity {
        Identity {
            namespace: self.namespace.to_owned(),
            name: format!("table/{}/{}", self.database, self.table),
        }
    }
}

impl Scope {
    /// Finds the table of a dataset; `None` if it has none that this target writes.
    pub(super) fn place(&self, dataset: Json<'_>) -> Option<TableRef> {
        let names = names(dataset);
        let mut found = names.iter().filter_map(|Identity { namespace, name }| {
            GlueName::parse(namespace, name).map(|glue| self.named(&glue))
        });
        match found.next() {
            // The first counts; a table of another region or account is nobody's to create.
            Some(place) => place.map(TableRef::Named),
            None => Some(TableRef::Created {
                table: TableName {
                    account: self.account.clone(),
                    database: self.database.clone()?,
                    table: plain(&names.first()?.name),
                },
                dataset: names.first()?.clone(),
            }),
        }
    }

    fn named(&self, glue: &GlueName<'_>) -> Option<TableName> {
        let is_ours =
            |ours: &Option<String>, theirs: &str| ours.as_deref().is_none_or(|ours| ours == theirs);
        let is_here = is_ours(&self.region, glue.region) && is_ours(&self.account, glue.account);
        is_here.then(|| TableName {
            account: Some(glue.account.to_owned()),
            // "For Hive compatibility, this must be all lowercase" (GetTable, API reference).
            database: glue.database.to_lowercase(),
            table: glue.table.to_lowercase(),
        })
    }
}

impl TableName {
    /// The table of a dataset whose plain name another dataset has.
    pub(super) fn apart(&self, dataset: &Identity) -> TableName {
        TableName {
            table: apart(&self.table, &[&dataset.namespace, &dataset.name]),
            ..self.clone()
        }
    }
}

/// The name by which a dataset is known in lineage: that of its table, where it has one.
pub(super) fn known_as(dataset: Json<'_>) -> Option<Identity> {
    let names = names(dataset);
    let glue = names
        .iter()
        .find_map(|id| GlueName::parse(&id.namespace, &id.name).map(|glue| glue.identity()));
    glue.or_else(|| names.first().cloned())
}

/// The name of a dataset, and those of its symlinks. Empty if the dataset has no name.
fn names(dataset: Json<'_>) -> Vec<Identity> {
    let Some(own) = Identity::of(dataset) else {
        return Vec::new();
    };
    let links = dataset.at(&["facets", "symlinks", "identifiers"]);
    let links = links.map(Json::items).unwrap_or_default();
    let links = links.into_iter().filter_map(Identity::of);
    std::iter::once(own).chain(links).collect()
}

/// A name that every engine can write without quotes: lower-case letters, digits and `_`.
pub(super) fn plain(name: &str) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '_') => c,
        _ => '_',
    };
    match name.is_empty() {
        true => "_".to_owned(),
        false => name.chars().map(plain).take(MAX_NAME).collect(),
    }
}

/// A plain name with the hash of what it stands for, for when another has the same plain name.
pub(super) fn apart(plain: &str, of: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in of {
        hash.update(part);
        hash.update([0]);
    }
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(SUFFIX);
    let kept = plain.get(..MAX_NAME - SUFFIX - 1).unwrap_or(plain); // ASCII
    format!("{kept}_{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            region: Some("eu-west-1".to_owned()),
            account: None,
            database: Some("lineage".to_owned()),
        }
    }

    fn table(account: &str, database: &str, table: &str) -> TableRef {
        TableRef::Named(TableName {
            account: Some(account.to_owned()),
            database: database.to_owned(),
            table: table.to_owned(),
        })
    }

    fn place(scope: &Scope, dataset: &str) -> Option<TableRef> {
        scope.place(Json::parse(dataset).unwrap())
    }

    const ARN: &str = "arn:aws:glue:eu-west-1:123456789012";

    #[test]
    fn a_table_is_found_by_the_name_of_the_dataset_or_of_a_symlink() {
        let linked = format!(
            r#"{{"namespace":"s3://lake","name":"shop/orders","facets":{{"symlinks":{{"identifiers":[
                {{"namespace":"hive://m","name":"shop.orders","type":"TABLE"}},
                {{"namespace":"{ARN}","name":"table/shop/orders","type":"TABLE"}}]}}}}}}"#
        );
        let named = format!(r#"{{"namespace":"{ARN}","name":"table/Shop/Orders"}}"#);
        let split = format!(r#"{{"namespace":"{ARN}:table","name":"shop/orders"}}"#);
        let slash = format!(r#"{{"namespace":"{ARN}/","name":"table/shop/orders"}}"#);
        for dataset in [linked, named, split, slash] {
            let expected = Some(table("123456789012", "shop", "orders"));
            assert_eq!(place(&scope(), &dataset), expected, "{dataset}");
        }
    }

    #[test]
    fn a_table_of_another_region_or_account_is_neither_written_nor_created() {
        let ireland = format!(r#"{{"namespace":"{ARN}","name":"table/shop/orders"}}"#);
        let frankfurt = ireland.replace("eu-west-1", "eu-central-1");
        assert_eq!(place(&scope(), &frankfurt), None);
        let fixed = Scope {
            account: Some("999999999999".to_owned()),
            ..scope()
        };
        assert_eq!(place(&fixed, &ireland), None);
    }

    #[test]
    fn another_dataset_has_a_table_only_where_tables_are_created() {
        let dataset = r#"{"namespace":"postgres://db:5432","name":"shop.public.Orders"}"#;
        let none = Scope {
            database: None,
            ..scope()
        };
        assert_eq!(place(&none, dataset), None);
        let Some(TableRef::Created { table, dataset }) = place(&scope(), dataset) else {
            panic!("no place");
        };
        assert_eq!(table.table, "shop_public_orders");
        let other = Identity {
            namespace: "postgres://other:5432".to_owned(),
            name: dataset.name.clone(),
        };
        assert_ne!(table.apart(&dataset), table.apart(&other));
        assert_ne!(table.apart(&dataset), table);
    }

    #[test]
    fn what_is_not_a_name_of_a_table_of_glue_is_none() {
        for (namespace, name) in [
            (ARN, "database/shop"),
            (ARN, "table/shop"),
            (ARN, "table//orders"),
            (ARN, "table/shop/orders/part"),
            ("arn:aws:glue:eu-west-1", "table/shop/orders"),
            ("arn:aws:glue:eu-west-1::table", "shop/orders"),
            ("arn:aws:redshift:eu-west-1:123456789012", "table/a/b"),
            ("aws:glue:eu-west-1:123456789012", "shop.orders"),
        ] {
            assert_eq!(GlueName::parse(namespace, name), None, "{namespace} {name}");
        }
    }

    #[test]
    fn a_name_stays_within_the_limit_of_the_service() {
        let long = "Ä-".repeat(300);
        assert_eq!(plain(&long).len(), MAX_NAME);
        assert_eq!(apart(&plain(&long), &["n", &long]).len(), MAX_NAME);
        assert_eq!(plain(""), "_");
    }
}
