//! The numbers of jobs and datasets, each looked up once while a group is written.

use std::collections::HashMap;

use openlineage::Identity;
use rusqlite::{Connection, OptionalExtension, params};

/// Numbers of one transaction, in which no node is deleted.
pub(crate) struct Numbers<'c> {
    connection: &'c Connection,
    jobs: HashMap<Identity, i64>,
    datasets: HashMap<Identity, i64>,
}

impl<'c> Numbers<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Numbers<'c> {
        Numbers {
            connection,
            jobs: HashMap::new(),
            datasets: HashMap::new(),
        }
    }

    /// Returns the number of a job. One that is not known gets one.
    pub(crate) fn job(&mut self, named: &Identity) -> rusqlite::Result<i64> {
        number(self.connection, &mut self.jobs, true, named)
    }

    /// Returns the number of a dataset. One that is not known gets one.
    pub(crate) fn dataset(&mut self, named: &Identity) -> rusqlite::Result<i64> {
        number(self.connection, &mut self.datasets, false, named)
    }
}

fn number(
    connection: &Connection,
    known: &mut HashMap<Identity, i64>,
    is_job: bool,
    named: &Identity,
) -> rusqlite::Result<i64> {
    if let Some(number) = known.get(named) {
        return Ok(*number);
    }
    let number = match find(connection, is_job, (&named.namespace, &named.name))? {
        Some(number) => number,
        None => {
            let insert = "INSERT INTO nodes (is_job, namespace, name) VALUES (?1, ?2, ?3)";
            let mut insert = connection.prepare_cached(insert)?;
            insert.insert(params![is_job, named.namespace, named.name])?
        }
    };
    known.insert(named.clone(), number);
    Ok(number)
}

/// Returns the number of a job or dataset that is known.
pub(crate) fn find(
    connection: &Connection,
    is_job: bool,
    (namespace, name): (&str, &str),
) -> rusqlite::Result<Option<i64>> {
    let select = "SELECT node FROM nodes WHERE is_job = ?1 AND namespace = ?2 AND name = ?3";
    let mut select = connection.prepare_cached(select)?;
    let values = params![is_job, namespace, name];
    select.query_row(values, |row| row.get(0)).optional()
}
