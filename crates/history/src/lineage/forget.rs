//! What leaves the lineage: what no event has named for 90 days, whatever `history.age` is, and what is too much.
//!
//! A job that runs once a quarter stays, and a name that was corrected leaves. Events leave earlier or later, and do not matter here.
//! Each step deletes a bounded number of rows: a node may have any number of edges.

use rusqlite::{Connection, params};

use super::counts::{self, Counted};
use crate::retention::forget_name;

/// How long what no event names stays, in milliseconds.
const AGE: i64 = 90 * 24 * 3_600_000;

/// Most rows that one step deletes, and that a group deletes if it adds fewer.
const STEP: i64 = 1_000;

/// How much there may be. Anybody who may send events can make up names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Jobs and datasets.
    nodes: i64,
    /// Edges, and as many other names and sets of column edges.
    edges: i64,
    column_edges: i64,
    fields: i64,
}

/// An estate of 100,000 jobs and datasets has some 40 MB without columns, which take some 200 bytes each.
pub(crate) const BOUNDS: Bounds = Bounds {
    nodes: 100_000,
    edges: 500_000,
    column_edges: 1_000_000,
    fields: 1_000_000,
};

/// Deletes some of what no event has named for long, and of what is too much. Returns whether there may be more. `now` is in
/// milliseconds since 1970.
pub(crate) fn forget(connection: &Connection, now: i64) -> rusqlite::Result<bool> {
    let until = now.saturating_sub(AGE);
    let mut may_be_more = shrink(connection, 1, BOUNDS)?;
    for delete in [edges as Delete, sets, aliases, nodes] {
        may_be_more |= delete(connection, until, i64::MAX, STEP)? >= STEP;
    }
    Ok(may_be_more)
}

/// Deletes of what is too much, oldest first, as many rows as were added, or a step. Returns whether there may be more.
pub(crate) fn shrink(
    connection: &Connection,
    added: usize,
    bounds: Bounds,
) -> rusqlite::Result<bool> {
    if added == 0 {
        return Ok(false);
    }
    let rows = i64::try_from(added).unwrap_or(i64::MAX).max(STEP);
    let count = |table: &str| {
        let count = format!("SELECT count(*) FROM {table}");
        let mut count = connection.prepare_cached(&count)?;
        count.query_row([], |row| row.get::<_, i64>(0))
    };
    let mut may_be_more = false;
    for (table, most, delete) in [
        ("edges", bounds.edges, edges as Delete),
        ("column_sets", bounds.edges, sets),
        ("aliases", bounds.edges, aliases),
        ("facts", bounds.nodes, nodes),
    ] {
        let excess = count(table)? - most;
        if excess > 0 {
            may_be_more |= delete(connection, i64::MAX, excess, rows)? >= rows;
        }
    }
    for (counted, most, delete) in [
        (Counted::ColumnEdges, bounds.column_edges, sets as Delete),
        (Counted::Fields, bounds.fields, fields),
    ] {
        let excess = counts::count(connection, counted)? - most;
        if excess > 0 {
            delete(connection, i64::MAX, i64::MAX, excess.min(rows))?;
            may_be_more |= excess > rows;
        }
    }
    Ok(may_be_more)
}

/// Deletes what was seen last at a time or before, oldest first: at most so many, and until so many rows are deleted. Returns how
/// many rows.
type Delete = fn(&Connection, i64, i64, i64) -> rusqlite::Result<i64>;

fn edges(connection: &Connection, until: i64, most: i64, rows: i64) -> rusqlite::Result<i64> {
    let delete = "DELETE FROM edges WHERE row IN (SELECT row FROM edges WHERE seen <= ?1 ORDER BY seen LIMIT ?2)";
    deleted(connection, delete, [until, most.min(rows)])
}

fn aliases(connection: &Connection, until: i64, most: i64, rows: i64) -> rusqlite::Result<i64> {
    let delete = "DELETE FROM aliases WHERE row IN (SELECT row FROM aliases WHERE seen <= ?1 ORDER BY seen LIMIT ?2)";
    deleted(connection, delete, [until, most.min(rows)])
}

fn sets(connection: &Connection, until: i64, most: i64, rows: i64) -> rusqlite::Result<i64> {
    let select = "SELECT row FROM column_sets WHERE seen <= ?1 ORDER BY seen LIMIT ?2";
    let mut count = 0;
    for set in oldest(connection, select, [until, most.min(rows)])? {
        if count >= rows {
            break;
        }
        // All of them, of which one event has at most 10,000: half a set would be wrong.
        let delete = "DELETE FROM column_edges WHERE column_set = ?1";
        let edges = connection.prepare_cached(delete)?.execute([set])?;
        count += counts::removed(connection, Counted::ColumnEdges, edges)?;
        let delete = "DELETE FROM column_sets WHERE row = ?1";
        connection.prepare_cached(delete)?.execute([set])?;
        count += 1;
    }
    Ok(count)
}

/// Deletes the fields of datasets, which stay.
fn fields(connection: &Connection, until: i64, most: i64, rows: i64) -> rusqlite::Result<i64> {
    let select = "
        SELECT node FROM facts WHERE seen <= ?1 AND fields_hash IS NOT NULL ORDER BY seen LIMIT ?2";
    let mut count = 0;
    for node in oldest(connection, select, [until, most.min(rows)])? {
        if count >= rows {
            break;
        }
        let delete = "DELETE FROM fields WHERE node = ?1";
        let fields = connection.prepare_cached(delete)?.execute([node])?;
        count += counts::removed(connection, Counted::Fields, fields)?;
        let update = "UPDATE facts SET fields_hash = NULL, fields_at = NULL WHERE node = ?1";
        connection.prepare_cached(update)?.execute([node])?;
    }
    Ok(count)
}

fn nodes(connection: &Connection, until: i64, most: i64, rows: i64) -> rusqlite::Result<i64> {
    let select = "SELECT node FROM facts WHERE seen <= ?1 ORDER BY seen LIMIT ?2";
    let mut left = rows;
    for node in oldest(connection, select, [until, most.min(rows)])? {
        left -= node_rows(connection, node, left)?;
        if left <= 0 {
            break; // the node is the first one of the next step
        }
        let delete = "DELETE FROM facts WHERE node = ?1";
        connection.prepare_cached(delete)?.execute([node])?;
        left -= 1;
        forget_name(connection, node)?;
    }
    Ok(rows - left)
}

/// Deletes at most so many rows about a node. Returns how many.
fn node_rows(connection: &Connection, node: i64, most: i64) -> rusqlite::Result<i64> {
    let column_edges = Some(Counted::ColumnEdges);
    let mut left = most;
    for (table, of_node, counted) in [
        ("edges", "job = ?1", None),
        ("edges", "dataset = ?1", None),
        ("aliases", "alias = ?1", None),
        ("aliases", "dataset = ?1", None),
        ("column_edges", "source = ?1", column_edges),
        (
            "column_edges",
            "column_set IN (SELECT row FROM column_sets WHERE dataset = ?1)",
            column_edges,
        ),
        (
            "column_edges",
            "column_set IN (SELECT row FROM column_sets WHERE job = ?1)",
            column_edges,
        ),
        ("column_sets", "dataset = ?1", None),
        ("column_sets", "job = ?1", None),
        ("fields", "node = ?1", Some(Counted::Fields)),
    ] {
        let delete = format!(
            "DELETE FROM {table} WHERE row IN (SELECT row FROM {table} WHERE {of_node} LIMIT ?2)"
        );
        let rows = deleted(connection, &delete, [node, left])?;
        if let Some(counted) = counted {
            counts::removed(connection, counted, usize::try_from(rows).unwrap_or(0))?;
        }
        left -= rows;
    }
    let orphan = "
        UPDATE facts SET parent = NULL
        WHERE node IN (SELECT node FROM facts WHERE parent = ?1 LIMIT ?2)";
    left -= deleted(connection, orphan, [node, left])?;
    Ok(most - left)
}

/// The numbers that a query finds.
fn oldest(connection: &Connection, select: &str, values: [i64; 2]) -> rusqlite::Result<Vec<i64>> {
    let mut select = connection.prepare_cached(select)?;
    let found = select.query_map(values, |row| row.get(0))?;
    found.collect()
}

/// Returns how many rows a statement changes.
fn deleted(connection: &Connection, delete: &str, values: [i64; 2]) -> rusqlite::Result<i64> {
    let deleted = (connection.prepare_cached(delete)?).execute(params![values[0], values[1]])?;
    Ok(i64::try_from(deleted).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Bounds = Bounds {
        nodes: 100,
        edges: 100,
        column_edges: 5_000,
        fields: 3_000,
    };

    fn tables(rows: &str) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(crate::schema::SCHEMA.tables)
            .unwrap();
        connection.execute_batch(rows).unwrap();
        connection
    }

    fn count(connection: &Connection, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        connection.query_row(&count, [], |row| row.get(0)).unwrap()
    }

    /// So many datasets, each with so many column edges and fields.
    fn wide(datasets: u32, columns: u32) -> Connection {
        tables(&format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {datasets})
             INSERT INTO facts (node, since, seen, fields_hash, fields_at) SELECT n, n, n, 1, 1 FROM n;
             INSERT INTO column_sets (row, dataset, job, hash, said_at, seen) SELECT node, node, 0, 0, 0, seen FROM facts;
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {columns})
             INSERT INTO column_edges (column_set, source, source_field, field, is_direct) SELECT node, 0, n, n, 1 FROM facts, n;
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {columns})
             INSERT INTO fields (node, position, name) SELECT node, n, n FROM facts, n;"
        ))
    }

    #[test]
    fn column_edges_and_fields_beyond_their_bounds_leave_oldest_first_with_a_step_each() {
        let wide = wide(10, 1_000);
        let mut steps = 1;
        while shrink(&wide, 1, SMALL).unwrap() {
            steps += 1;
        }
        assert_eq!(count(&wide, "column_edges"), SMALL.column_edges);
        assert_eq!(count(&wide, "fields"), SMALL.fields);
        assert_eq!(count(&wide, "facts"), 10);
        let oldest = "SELECT min(dataset) FROM column_sets";
        let oldest: i64 = wide.query_row(oldest, [], |row| row.get(0)).unwrap();
        assert_eq!((oldest, steps), (6, 7), "7,000 fields, 1,000 a step");
        assert_eq!(count(&wide, "facts WHERE fields_hash IS NULL"), 7);
    }

    #[test]
    fn a_step_that_forgets_a_node_with_many_rows_is_bounded() {
        let wide = wide(1, 10_000);
        let rows = || count(&wide, "column_edges") + count(&wide, "fields");
        let now = AGE + 1;
        let (mut left, mut steps) = (rows(), 0);
        while forget(&wide, now).unwrap() {
            // A set is deleted as a whole.
            assert!(left - rows() <= 10_000 + 2 * STEP, "{}", left - rows());
            left = rows();
            steps += 1;
        }
        assert_eq!((rows(), count(&wide, "facts")), (0, 0));
        assert!(steps > 9, "{steps}");
        assert_eq!(counts::count(&wide, Counted::Fields).unwrap(), 0);
    }

    #[test]
    fn a_group_that_adds_much_deletes_no_more_than_it_adds() {
        let many = wide(5_000, 1);
        assert!(shrink(&many, 1, SMALL).unwrap());
        let left = count(&many, "facts");
        assert!((4_000..5_000).contains(&left), "{left}");
    }
}
