//! What is known of the tables of a warehouse: their columns, and what external schemas stand for. It is the catalogue
//! of now, so what was looked up is kept for tables that are gone when the history of their statements is read. Called by
//! `extract`; `history` fills it, and `fetch` decides when to ask again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use time::OffsetDateTime;

/// The most columns that are kept, some 100 bytes each.
const MAX_COLUMNS: usize = 300_000;

/// How long what was looked up is believed. A table that a statement of the history changes is looked up again at once.
const BELIEVED: Duration = Duration::from_secs(3_600);

/// What is known of tables and schemas.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    shared_databases: BTreeSet<String>,
    external_schemas: BTreeMap<String, ExternalSource>,
    /// By the name of the table alone: that is how they are looked up.
    tables: HashMap<String, Vec<Table>>,
    looked_up: HashMap<String, OffsetDateTime>,
    columns: usize,
}

/// A table, view or external table.
#[derive(Debug, Clone)]
struct Table {
    database: String,
    schema: String,
    columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    position: i64,
    pub(super) name: String,
    pub(super) data_type: String,
}

/// What the tables of an external schema are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExternalSource {
    Glue {
        database: String,
        region: Option<String>,
        account: Option<String>,
    },
    Hive {
        address: String,
        database: String,
    },
    Postgres {
        address: String,
        database: String,
        schema: String,
    },
    MySql {
        address: String,
        database: String,
    },
    Redshift {
        database: String,
        schema: String,
    },
    Unknown,
}

impl Catalogue {
    pub(super) fn add_database(&mut self, database: String, is_shared: bool) {
        if is_shared {
            self.shared_databases.insert(database);
        }
    }

    /// Whether a database is that of a datashare.
    pub(super) fn is_shared(&self, database: &str) -> bool {
        self.shared_databases.contains(database)
    }

    /// Adds an external schema. The kinds are those of SVV_EXTERNAL_SCHEMAS
    /// (<https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_EXTERNAL_SCHEMAS.html>), its options a JSON object.
    pub(super) fn add_external_schema(
        &mut self,
        schema: &str,
        kind: i64,
        database: &str,
        options: &str,
    ) {
        let options: serde_json::Value = serde_json::from_str(options).unwrap_or_default();
        let option = |name: &str| {
            let options = options.as_object()?;
            let found = options
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            match found?.1 {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Number(number) => Some(number.to_string()),
                serde_json::Value::Null
                | serde_json::Value::Bool(_)
                | serde_json::Value::Array(_)
                | serde_json::Value::Object(_) => None,
            }
        };
        let database = database.to_owned();
        let address = |port: &str| {
            let host = option("URI").or_else(|| option("HOST"))?;
            let port = option("PORT").unwrap_or_else(|| port.to_owned());
            Some(format!("{host}:{port}"))
        };
        let role = option("IAM_ROLE").unwrap_or_default();
        let source = match kind {
            1 => Some(ExternalSource::Glue {
                database,
                region: option("REGION"),
                account: option("CATALOG_ID").or_else(|| account_of_roles(&role)),
            }),
            2 => address("9083").map(|address| ExternalSource::Hive { address, database }),
            3 => address("5432").map(|address| ExternalSource::Postgres {
                address,
                database,
                schema: option("SCHEMA").unwrap_or_else(|| "public".to_owned()),
            }),
            4 => Some(ExternalSource::Redshift {
                database,
                schema: option("SCHEMA").unwrap_or_else(|| "public".to_owned()),
            }),
            7 => address("3306").map(|address| ExternalSource::MySql { address, database }),
            _ => None,
        };
        let source = source.unwrap_or(ExternalSource::Unknown);
        self.external_schemas.insert(schema.to_owned(), source);
    }

    /// What a schema stands for, if it is external. They are known of the database that one is connected to.
    pub(super) fn external_schema(&self, database: &str, schema: &str) -> Option<&ExternalSource> {
        match self.is_shared(database) {
            true => None,
            false => self.external_schemas.get(schema),
        }
    }

    pub(super) fn add_column(
        &mut self,
        [database, schema, table]: [String; 3],
        (position, name, data_type): (i64, String, String),
    ) {
        // What exceeds the bound is not known, which is a finding where it matters.
        if self.columns >= MAX_COLUMNS {
            return;
        }
        let tables = self.tables.entry(table).or_default();
        let is_it = |known: &Table| known.database == database && known.schema == schema;
        let index = tables.iter().position(is_it).unwrap_or_else(|| {
            tables.push(Table {
                database,
                schema,
                columns: Vec::new(),
            });
            tables.len() - 1
        });
        let Some(table) = tables.get_mut(index) else {
            return;
        };
        // Pages come in order, so this is mostly the end.
        let place = table
            .columns
            .partition_point(|known| known.position < position);
        if table
            .columns
            .get(place)
            .is_some_and(|known| known.position == position)
        {
            return;
        }
        let column = Column {
            position,
            name,
            data_type,
        };
        table.columns.insert(place, column);
        self.columns += 1;
    }

    /// The columns of a table, in their order.
    pub(super) fn columns(&self, database: &str, schema: &str, table: &str) -> Option<&[Column]> {
        let is_it = |known: &&Table| known.database == database && known.schema == schema;
        let table = self.tables.get(table)?.iter().find(is_it)?;
        Some(&table.columns)
    }

    /// Of these tables, those that have to be looked up: they are not known, or it is too long ago.
    pub fn stale(&self, tables: &BTreeSet<String>, now: OffsetDateTime) -> Vec<String> {
        let is_stale = |table: &&String| match self.looked_up.get(*table) {
            Some(at) => now - *at > BELIEVED,
            None => true,
        };
        tables.iter().filter(is_stale).cloned().collect()
    }

    /// Takes what was found of these tables, and of databases and schemas where it has any. What was known of a table that is
    /// gone by now stays, unless another one of its name is found.
    pub fn learn(&mut self, tables: &[String], mut found: Catalogue, now: OffsetDateTime) {
        if !found.shared_databases.is_empty() {
            self.shared_databases = found.shared_databases;
        }
        if !found.external_schemas.is_empty() {
            self.external_schemas = found.external_schemas;
        }
        for name in tables {
            self.looked_up.insert(name.clone(), now);
            let Some(found) = found.tables.remove(name) else {
                continue;
            };
            self.columns += columns_of(&found);
            let before = self.tables.insert(name.clone(), found);
            self.columns -= before.map_or(0, |before| columns_of(&before));
        }
        self.make_room(MAX_COLUMNS);
    }

    /// Looks a table up again when it is needed next, unless that was done since a statement has changed it.
    pub fn doubt(&mut self, table: &str, changed: OffsetDateTime) {
        if self.looked_up.get(table).is_some_and(|at| *at <= changed) {
            self.looked_up.remove(table);
        }
    }

    /// Forgets what was looked up longest ago until no more columns than these are left.
    fn make_room(&mut self, most: usize) {
        if self.columns <= most && self.looked_up.len() <= most {
            return;
        }
        let mut by_age: Vec<(OffsetDateTime, String)> = (self.looked_up.iter())
            .map(|(name, at)| (*at, name.clone()))
            .collect();
        by_age.sort_unstable();
        for (_, name) in by_age {
            if self.columns <= most && self.looked_up.len() <= most {
                break;
            }
            self.looked_up.remove(&name);
            let gone = self.tables.remove(&name);
            self.columns -= gone.map_or(0, |gone| columns_of(&gone));
        }
    }
}

fn columns_of(tables: &[Table]) -> usize {
    tables.iter().map(|table| table.columns.len()).sum()
}

/// The account of the last of several chained roles: the one that reads the catalogue.
fn account_of_roles(roles: &str) -> Option<String> {
    let account = roles.rsplit(',').next()?.split(':').nth(4)?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then(|| account.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(table: &str, columns: &[&str]) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for (position, column) in (1..).zip(columns) {
            let place = ["dev", "public", table].map(str::to_owned);
            let column = (position, (*column).to_owned(), "integer".to_owned());
            catalogue.add_column(place, column);
        }
        catalogue
    }

    fn names(catalogue: &Catalogue, table: &str) -> Vec<String> {
        let columns = catalogue
            .columns("dev", "public", table)
            .unwrap_or_default();
        columns.iter().map(|column| column.name.clone()).collect()
    }

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(second).unwrap()
    }

    #[test]
    fn columns_are_in_their_order_and_each_is_there_once() {
        let mut catalogue = Catalogue::default();
        for (position, name) in [(2, "b"), (1, "a"), (2, "b")] {
            let place = ["dev", "public", "t"].map(str::to_owned);
            catalogue.add_column(place, (position, name.to_owned(), "integer".to_owned()));
        }
        assert_eq!(names(&catalogue, "t"), ["a", "b"]);
    }

    #[test]
    fn a_table_that_is_gone_keeps_its_columns_and_one_that_changed_gets_new_ones() {
        let mut catalogue = Catalogue::default();
        let tables = ["t".to_owned()];
        catalogue.learn(&tables, with("t", &["a"]), at(0));
        catalogue.learn(&tables, Catalogue::default(), at(1));
        assert_eq!(names(&catalogue, "t"), ["a"]);
        catalogue.learn(&tables, with("t", &["b", "c"]), at(2));
        assert_eq!((names(&catalogue, "t").len(), catalogue.columns), (2, 2));
    }

    #[test]
    fn a_table_is_looked_up_once_until_it_is_old_or_changed() {
        let mut catalogue = Catalogue::default();
        let wanted: BTreeSet<String> = ["t".to_owned()].into();
        assert_eq!(catalogue.stale(&wanted, at(0)), ["t"]);
        catalogue.learn(&["t".to_owned()], Catalogue::default(), at(0));
        assert!(
            catalogue.stale(&wanted, at(60)).is_empty(),
            "not there is known, too"
        );
        catalogue.doubt("t", at(-1));
        assert!(
            catalogue.stale(&wanted, at(60)).is_empty(),
            "changed before"
        );
        catalogue.doubt("t", at(1));
        assert_eq!(catalogue.stale(&wanted, at(60)), ["t"]);
        catalogue.learn(&["t".to_owned()], Catalogue::default(), at(0));
        assert_eq!(catalogue.stale(&wanted, at(3_601)), ["t"]);
    }

    #[test]
    fn what_was_looked_up_longest_ago_makes_room() {
        let mut catalogue = Catalogue::default();
        catalogue.learn(&["old".to_owned()], with("old", &["a", "b"]), at(0));
        catalogue.learn(&["new".to_owned()], with("new", &["a", "b"]), at(1));
        catalogue.make_room(3);
        assert!(names(&catalogue, "old").is_empty());
        assert_eq!((names(&catalogue, "new").len(), catalogue.columns), (2, 2));
    }

    #[test]
    fn options_of_an_external_schema_may_be_anything() {
        let mut catalogue = Catalogue::default();
        for options in [
            "",
            "x",
            "[]",
            r#"{"PORT": []}"#,
            r#"{"IAM_ROLE": "default"}"#,
        ] {
            catalogue.add_external_schema("s", 1, "lake", options);
            let expected = ExternalSource::Glue {
                database: "lake".to_owned(),
                region: None,
                account: None,
            };
            assert_eq!(catalogue.external_schema("dev", "s"), Some(&expected));
        }
        let options = r#"{"URI": "db.example.com", "PORT": 5433, "SCHEMA": "shop"}"#;
        catalogue.add_external_schema("pg", 3, "orders", options);
        let expected = ExternalSource::Postgres {
            address: "db.example.com:5433".to_owned(),
            database: "orders".to_owned(),
            schema: "shop".to_owned(),
        };
        assert_eq!(catalogue.external_schema("dev", "pg"), Some(&expected));
    }
}
