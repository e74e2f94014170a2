//! What the names in a statement stand for at that moment of its session. Called by `extract`, and by `sql` for columns.
//!
//! A name of one part is a temporary table of the session, or else a table of the first schema of the search path that has
//! it. The search path is known if it was set in the session; otherwise it is `$user, public`
//! (<https://docs.aws.amazon.com/redshift/latest/dg/r_search_path.html>). What the catalogue does not have any more is
//! looked for in what the steps of the statement say that they read.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::history::Scan;
use super::sql::{Catalog, ColumnList, TableName};
use super::state::Session;
use super::warehouse::Place;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resolved {
    /// A temporary table of the session, by its name.
    Temporary(String),
    /// A table.
    Table(Place),
    /// Most probably this table: no schema of the search path is known to have it.
    Guess(Place),
}

/// A session at the moment of one statement.
pub(super) struct Moment<'a> {
    pub(super) session: &'a Session,
    pub(super) catalogue: &'a Catalogue,
    /// The database that the session is connected to.
    pub(super) database: &'a str,
    /// The name of its user, if it is known.
    pub(super) user: Option<&'a str>,
    /// What the steps of the statement read and wrote.
    pub(super) scans: Option<&'a BTreeSet<Scan>>,
    /// The names of tables that were asked for.
    pub(super) asked: &'a RefCell<BTreeSet<String>>,
    /// Lists of columns that were made, for statements that ask for the same ones.
    pub(super) lists: &'a RefCell<HashMap<Place, ColumnList>>,
}

/// The schema of temporary tables in names, with the number of the session after it.
const TEMPORARY_SCHEMA: &str = "pg_temp";

/// The search path of a session that has set none.
const DEFAULT_PATH: [&str; 2] = ["$user", "public"];

impl Moment<'_> {
    /// What a name that is read, or written to, stands for.
    pub(super) fn resolve(&self, name: &TableName) -> Resolved {
        if let Some(temporary) = self.temporary(name) {
            return Resolved::Temporary(temporary);
        }
        self.asked.borrow_mut().insert(name.table.clone());
        let database = self.database_of(name).to_owned();
        let place = |schema: &str| Place {
            database: database.clone(),
            schema: schema.to_owned(),
            table: name.table.clone(),
        };
        if let Some(schema) = &name.schema {
            return Resolved::Table(place(schema));
        }
        let path = self.path();
        let is_there = |schema: &&String| {
            let place = place(schema);
            self.session.created(&place).is_some() || self.has(&place)
        };
        if let Some(schema) = path.iter().find(is_there) {
            return Resolved::Table(place(schema));
        }
        if let Some(scanned) = self.scanned(&name.table) {
            return Resolved::Table(scanned);
        }
        match (&self.session.search_path, &path[..]) {
            // The only schema that it can be in.
            (Some(_), [only]) => Resolved::Table(place(only)),
            _ => Resolved::Guess(place("public")),
        }
    }

    /// What the name of a table stands for that the statement creates: it is in the first schema of the search path.
    pub(super) fn resolve_created(&self, name: &TableName, temporary: bool) -> Resolved {
        if temporary || name.is_temporary() {
            return Resolved::Temporary(name.table.clone());
        }
        let path = self.path();
        match (&name.schema, path.first()) {
            // A user rarely has a schema of its own, so it depends on what there is.
            (None, Some(first)) if self.session.search_path.is_some() => {
                Resolved::Table(self.place(name, first))
            }
            (Some(schema), _) => Resolved::Table(self.place(name, schema)),
            (None, _) => match self.resolve(&TableName { ..name.clone() }) {
                Resolved::Temporary(_) => Resolved::Table(self.place(name, "public")),
                other @ (Resolved::Table(_) | Resolved::Guess(_)) => other,
            },
        }
    }

    fn place(&self, name: &TableName, schema: &str) -> Place {
        self.asked.borrow_mut().insert(name.table.clone());
        Place {
            database: self.database_of(name).to_owned(),
            schema: schema.to_owned(),
            table: name.table.clone(),
        }
    }

    fn temporary(&self, name: &TableName) -> Option<String> {
        let may_be = match &name.schema {
            None => name.database.is_none(),
            Some(schema) => schema.starts_with(TEMPORARY_SCHEMA),
        };
        let is_one = name.is_temporary() || self.session.temporaries.contains_key(&name.table);
        (may_be && is_one).then(|| name.table.clone())
    }

    fn database_of<'s>(&'s self, name: &'s TableName) -> &'s str {
        let own = self.session.database.as_deref().unwrap_or(self.database);
        name.database.as_deref().unwrap_or(own)
    }

    /// The schemas that names without one are looked for in.
    fn path(&self) -> Vec<String> {
        let set = self.session.search_path.as_deref();
        let default = DEFAULT_PATH.map(str::to_owned);
        let path = set.unwrap_or(&default).iter();
        let own = |schema: &String| match schema.as_str() {
            "$user" => self.user.map(str::to_ascii_lowercase),
            schema => Some(schema.to_owned()),
        };
        path.filter_map(own).collect()
    }

    fn has(&self, place: &Place) -> bool {
        let Place {
            database,
            schema,
            table,
        } = place;
        self.catalogue.columns(database, schema, table).is_some()
    }

    /// The one table of that name among those that the steps of the statement read or wrote.
    fn scanned(&self, table: &str) -> Option<Place> {
        let places = self
            .scans?
            .iter()
            .filter_map(|scan| place_of_scan(&scan.table));
        let mut places: Vec<Place> = places.filter(|place| place.table == table).collect();
        places.dedup();
        match (places.pop(), places.pop()) {
            (Some(place), None) => Some(place),
            _ => None,
        }
    }

    /// The columns of a place, as they were when the statement ran.
    pub(super) fn columns_at(&self, place: &Place) -> Option<ColumnList> {
        if let Some(Some(columns)) = self.session.created(place) {
            return Some(columns.iter().cloned().collect());
        }
        if let Some(list) = self.lists.borrow().get(place) {
            return Some(list.clone());
        }
        let Place {
            database,
            schema,
            table,
        } = place;
        let columns = self.catalogue.columns(database, schema, table)?;
        let list: ColumnList = columns.iter().map(|column| column.name.clone()).collect();
        self.lists
            .borrow_mut()
            .insert(place.clone(), Arc::clone(&list));
        Some(list)
    }
}

impl Catalog for Moment<'_> {
    fn columns(&self, table: &TableName) -> Option<ColumnList> {
        match self.resolve(table) {
            Resolved::Temporary(name) => {
                let columns = self.session.temporaries.get(&name)?.columns.as_ref()?;
                Some(columns.iter().cloned().collect())
            }
            Resolved::Table(place) | Resolved::Guess(place) => self.columns_at(&place),
        }
    }
}

/// Reads the name of a table in SYS_QUERY_DETAIL: `database.schema.table`, where the table may have dots.
pub(super) fn place_of_scan(name: &str) -> Option<Place> {
    let mut parts = name.splitn(3, '.');
    let (database, schema, table) = (parts.next()?, parts.next()?, parts.next()?);
    let is_named = !database.is_empty() && !schema.is_empty() && !table.is_empty();
    is_named.then(|| Place {
        database: database.to_owned(),
        schema: schema.to_owned(),
        table: table.to_owned(),
    })
}
