//! Columns: those of a dataset, and of what one is made.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use graph::{EdgeKind, Reach};
use rusqlite::{Connection, Row};

use super::near::Reading;
use super::nodes::{fields, name};
use crate::numbers;
use crate::{ColumnPath, ColumnRef, ColumnStep, FoundColumn, Name, NodeRef, OpenedColumns};

/// The most edges of a path.
const MAX_EDGES: usize = 5_000;

/// The most edges that are read of many datasets, those included of which no edge is returned because they have too many.
const MAX_READ: usize = 10 * MAX_EDGES;

/// The most columns of a dataset, those without a schema included.
const MAX_COLUMNS: usize = 20_000;

pub(super) fn columns(
    connection: &Connection,
    dataset: &Name,
) -> rusqlite::Result<Vec<FoundColumn>> {
    of_dataset(connection, &mut Names::new(connection), dataset)
}

fn of_dataset(
    connection: &Connection,
    names: &mut Names<'_>,
    dataset: &Name,
) -> rusqlite::Result<Vec<FoundColumn>> {
    let names = names.of(dataset)?.1;
    let mut found: Vec<FoundColumn> = Vec::new();
    for number in &names {
        if found.is_empty() {
            let fields = fields(connection, *number)?.into_iter();
            found.extend(fields.map(|field| FoundColumn {
                name: field.name,
                of_type: field.of_type,
                before: 0,
                after: 0,
            }));
        }
    }
    let mut at: HashMap<String, usize> = (found.iter().enumerate())
        .map(|(at, column)| (column.name.clone(), at))
        .collect();
    let before = format!(
        "SELECT field, count(DISTINCT source || ' ' || source_field) FROM column_edges
        WHERE column_set IN (SELECT row FROM column_sets t WHERE dataset = ?1 AND {CURRENT}) AND field <> ''
        GROUP BY field"
    );
    let after = format!(
        "SELECT source_field, count(DISTINCT dataset || ' ' || field) FROM column_edges
        JOIN column_sets t ON t.row = column_set
        WHERE source = ?1 AND source_field <> '' AND {CURRENT} GROUP BY source_field"
    );
    for number in &names {
        for (select, is_before) in [(&before, true), (&after, false)] {
            let mut select = connection.prepare_cached(select)?;
            let mut rows = select.query([number])?;
            while let Some(row) = rows.next()? {
                let (name, count): (String, i64) = (row.get(0)?, row.get(1)?);
                let position = match at.get(&name) {
                    Some(position) => *position,
                    None if found.len() >= MAX_COLUMNS => continue,
                    None => {
                        at.insert(name.clone(), found.len());
                        found.push(FoundColumn {
                            name,
                            of_type: None,
                            before: 0,
                            after: 0,
                        });
                        found.len() - 1
                    }
                };
                if let Some(column) = found.get_mut(position) {
                    match is_before {
                        true => column.before += count.unsigned_abs(),
                        false => column.after += count.unsigned_abs(),
                    }
                }
            }
        }
    }
    Ok(found)
}

/// The edges over which all of these columns are made of others, and others of them.
pub(super) fn paths(
    connection: &Connection,
    asked: &[(ColumnRef, Reach)],
) -> rusqlite::Result<ColumnPath> {
    let mut path = Path::default();
    let mut names = Names::new(connection);
    for (column, reach) in asked {
        path.follow(connection, &mut names, column, *reach)?;
        if path.is_full() {
            break;
        }
    }
    Ok(path.done())
}

/// The edges over which the columns of each dataset are made of others. A part of those of a dataset would say that there are no others.
pub(super) fn made_of(
    connection: &Connection,
    datasets: &[Name],
) -> rusqlite::Result<Vec<ColumnStep>> {
    let mut names = Names::new(connection);
    let (mut edges, mut known, mut unread) = (Vec::new(), BTreeSet::new(), MAX_READ);
    for dataset in datasets {
        let (dataset, _) = names.of(dataset)?;
        if unread == 0 || !known.insert(dataset.clone()) {
            continue;
        }
        let all = ColumnRef {
            dataset,
            field: None,
        };
        let most = unread.min(MAX_EDGES - edges.len());
        let (steps, is_cut) = steps(connection, &mut names, &all, (true, most))?;
        unread -= steps.len();
        if !is_cut {
            edges.extend(steps);
        }
    }
    Ok(edges)
}

pub(super) fn opened(
    connection: &Connection,
    path_of: Option<&(ColumnRef, Reach)>,
    datasets: &[Name],
    most: usize,
) -> rusqlite::Result<OpenedColumns> {
    let mut path = Path::default();
    let mut names = Names::new(connection);
    if let Some((column, reach)) = path_of {
        path.follow(connection, &mut names, column, *reach)?;
    }
    let on_path = path.edges.iter();
    let on_path = on_path.flat_map(|step| [&step.from.dataset, &step.to.dataset]);
    let known: BTreeSet<Name> = on_path.chain(datasets).cloned().collect();
    for dataset in datasets {
        let all = ColumnRef {
            dataset: dataset.clone(),
            field: None,
        };
        path.follow(connection, &mut names, &all, Reach { up: 1, down: 1 })?;
        if path.is_full() {
            break;
        }
    }
    let mut columns = BTreeMap::new();
    for dataset in known.into_iter().take(most) {
        let found = of_dataset(connection, &mut names, &dataset)?;
        columns.insert(dataset, found);
    }
    Ok(OpenedColumns {
        path: path.done(),
        columns,
    })
}

#[derive(Default)]
struct Path {
    edges: BTreeSet<ColumnStep>,
    is_cut: bool,
}

impl Path {
    /// Adds the edges of a column, up to so many levels in each direction, and as long as there is room.
    fn follow(
        &mut self,
        connection: &Connection,
        names: &mut Names<'_>,
        column: &ColumnRef,
        reach: Reach,
    ) -> rusqlite::Result<()> {
        let start = ColumnRef {
            dataset: names.of(&column.dataset)?.0,
            field: column.field.clone(),
        };
        for (levels, is_up) in [(reach.up, true), (reach.down, false)] {
            let mut known = BTreeSet::from([start.clone()]);
            let mut level = vec![start.clone()];
            for _ in 0..levels {
                let mut next = Vec::new();
                for column in &level {
                    let (steps, is_cut) = steps(connection, names, column, (is_up, MAX_EDGES))?;
                    self.is_cut |= is_cut;
                    for step in steps {
                        if !self.add(step.clone()) {
                            return Ok(());
                        }
                        let end = if is_up { step.from } else { step.to };
                        if known.insert(end.clone()) && end.field.is_some() {
                            next.push(end);
                        }
                    }
                }
                level = next;
            }
        }
        Ok(())
    }

    /// Adds an edge. Returns whether there is room for it.
    fn add(&mut self, step: ColumnStep) -> bool {
        let fits = self.edges.len() < MAX_EDGES || self.edges.contains(&step);
        match fits {
            true => drop(self.edges.insert(step)),
            false => self.is_cut = true,
        }
        fits
    }

    /// Whether an edge was left out because there are enough.
    fn is_full(&self) -> bool {
        self.is_cut && self.edges.len() >= MAX_EDGES
    }

    fn done(self) -> ColumnPath {
        ColumnPath {
            edges: self.edges.into_iter().collect(),
            is_cut: self.is_cut,
        }
    }
}

/// Whether a set of column edges `t` is of the present: not of an edge that the last completed run of its job does not have.
const CURRENT: &str = "NOT EXISTS (
    SELECT 1 FROM edges e JOIN facts f ON f.node = e.job
    WHERE e.job = t.job AND e.dataset = t.dataset AND e.is_output AND e.run_at < f.completed_from)";

/// The statement that finds the edges of columns of a dataset in one direction. With a field, its own: the index has them in order.
fn select_steps(is_up: bool, has_field: bool) -> String {
    let columns = "
        SELECT s.namespace, s.name, c.source_field, d.namespace, d.name, c.field, c.is_direct, j.namespace, j.name";
    let nodes = "
        JOIN nodes s ON s.node = c.source JOIN nodes d ON d.node = t.dataset LEFT JOIN nodes j ON j.node = t.job";
    let before = format!(
        "{columns} FROM column_sets t JOIN column_edges c ON c.column_set = t.row {nodes}
        WHERE t.dataset = ?1 AND {CURRENT}"
    );
    let after = format!(
        "{columns} FROM column_edges c JOIN column_sets t ON t.row = c.column_set {nodes}
        WHERE c.source = ?1 AND {CURRENT}"
    );
    match (is_up, has_field) {
        (true, false) => format!("{before} AND ?2 IS NULL LIMIT ?3"),
        // What holds for all columns of a dataset holds for each.
        (true, true) => {
            format!("{before} AND c.field = ?2 UNION ALL {before} AND c.field = '' LIMIT ?3")
        }
        (false, false) => format!("{after} AND ?2 IS NULL LIMIT ?3"),
        (false, true) => format!("{after} AND c.source_field = ?2 LIMIT ?3"),
    }
}

/// The edges of a column in one direction, at most so many, and whether there are more.
fn steps(
    connection: &Connection,
    names: &mut Names<'_>,
    column: &ColumnRef,
    (is_up, most): (bool, usize),
) -> rusqlite::Result<(Vec<ColumnStep>, bool)> {
    let select = select_steps(is_up, column.field.is_some());
    let mut found = Vec::new();
    for number in names.of(&column.dataset)?.1 {
        let mut select = connection.prepare_cached(&select)?;
        let limit = i64::try_from(most + 1 - found.len()).unwrap_or(i64::MAX);
        let rows = select.query_map((number, &column.field, limit), step)?;
        for row in rows {
            found.push(row?);
        }
        if found.len() > most {
            break;
        }
    }
    let is_cut = found.len() > most;
    found.truncate(most);
    for step in &mut found {
        step.from.dataset = names.of(&step.from.dataset)?.0;
        step.to.dataset = names.of(&step.to.dataset)?.0;
    }
    Ok((found, is_cut))
}

fn step(row: &Row<'_>) -> rusqlite::Result<ColumnStep> {
    let column = |at: usize| {
        let field: String = row.get(at + 2)?;
        Ok::<_, rusqlite::Error>(ColumnRef {
            dataset: name(row, at)?,
            field: Some(field).filter(|field| !field.is_empty()),
        })
    };
    let job = row.get::<_, Option<String>>(7)?.zip(row.get(8)?);
    Ok(ColumnStep {
        from: column(0)?,
        to: column(3)?,
        kind: match row.get(6)? {
            true => EdgeKind::Direct,
            false => EdgeKind::Indirect,
        },
        job: job.map(|(namespace, name)| Name { namespace, name }),
    })
}

/// The names of datasets, each looked up once.
struct Names<'c> {
    connection: &'c Connection,
    known: BTreeMap<Name, (Name, Vec<i64>)>,
}

impl<'c> Names<'c> {
    fn new(connection: &'c Connection) -> Names<'c> {
        Names {
            connection,
            known: BTreeMap::new(),
        }
    }

    /// The name that stands for a dataset, and the numbers of all of its names.
    fn of(&mut self, name: &Name) -> rusqlite::Result<(Name, Vec<i64>)> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let found = numbers::find(self.connection, false, (&name.namespace, &name.name))?;
        let known = match found {
            None => (name.clone(), Vec::new()),
            Some(number) => {
                let node = graph::Node::from(&NodeRef::dataset(name.clone()));
                let mut reading = Reading::new(self.connection, false);
                reading.add(number, node.clone())?;
                let node = reading.canonical(&node);
                let identity = &node.identity;
                let name = Name {
                    namespace: identity.namespace.clone(),
                    name: identity.name.clone(),
                };
                (name, reading.numbers_of(&node))
            }
        };
        self.known.insert(name.clone(), known.clone());
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_from_a_column_reads_only_its_own_edges() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(crate::schema::SCHEMA.tables)
            .unwrap();
        for (is_up, index) in [
            (true, "column_edges_of_set (column_set=? AND field=?)"),
            (
                false,
                "column_edges_of_source (source=? AND source_field=?)",
            ),
        ] {
            let explain = format!("EXPLAIN QUERY PLAN {}", select_steps(is_up, true));
            let mut explain = connection.prepare(&explain).unwrap();
            let plan = explain.query_map((1, "f", 9), |row| row.get::<_, String>(3));
            let plan = plan.unwrap().collect::<Result<Vec<_>, _>>().unwrap();
            let of_columns = plan.iter().filter(|line| line.contains(" c USING "));
            let of_columns: Vec<_> = of_columns.collect();
            assert!(!of_columns.is_empty());
            assert!(
                of_columns.iter().all(|line| line.ends_with(index)),
                "{plan:?}"
            );
        }
    }
}
