//! Identities that were taken: an event that says who it is is queued once, however often it is found.
//!
//! The log keeps them beside its events and takes both in one commit, so a crash leaves either or none. Where events
//! go to SQS, `ledger.rs` keeps them. What is old is forgotten, oldest first: a table of them stays
//! small. The table stands in the schema of each, `row INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE, seen_at INTEGER
//! NOT NULL`; the number of a row tells its age, since rows are only added at the end.

use rusqlite::{Connection, params};
use uuid::Uuid;

/// How long an identity is kept, in milliseconds: 30 days. Nothing is looked at again later by itself: CloudWatch takes log
/// events that are up to 14 days old
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>), Redshift keeps its
/// history for 7 (<https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_system-tables.html>), and SQS its messages for 14.
const KEPT: i64 = 30 * 24 * 3_600_000;

/// Most identities that are kept, about 300 MB of them. Who sends more in 30 days gets the oldest ones twice if it sends
/// them again, and does not fill the disk.
const MOST: i64 = 1 << 22;

/// Most identities that one step forgets.
const STEP: usize = 1_024;

/// Takes an identity. Returns whether it is new.
pub(crate) fn take(connection: &Connection, identity: Uuid, now: i64) -> rusqlite::Result<bool> {
    let insert = "INSERT OR IGNORE INTO identities (identity, seen_at) VALUES (?1, ?2)";
    let mut insert = connection.prepare_cached(insert)?;
    Ok(insert.execute(params![identity.as_bytes(), now])? > 0)
}

/// Whether an identity was taken.
pub(crate) fn is_taken(connection: &Connection, identity: Uuid) -> rusqlite::Result<bool> {
    let select = "SELECT 1 FROM identities WHERE identity = ?1";
    let mut select = connection.prepare_cached(select)?;
    select.exists([identity.as_bytes()])
}

/// Forgets all of them.
pub(crate) fn forget_all(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM identities", []).map(drop)
}

/// Forgets some of the identities that are kept no longer. Returns whether there may be more of them.
pub(crate) fn forget(connection: &Connection, now: i64) -> rusqlite::Result<bool> {
    forget_beyond(connection, now.saturating_sub(KEPT), MOST)
}

fn forget_beyond(connection: &Connection, until: i64, most: i64) -> rusqlite::Result<bool> {
    // A value that is not of its type is one that damage left.
    let delete = "
        DELETE FROM identities WHERE row IN (SELECT row FROM identities ORDER BY row LIMIT ?3)
        AND (seen_at <= ?1 OR typeof(seen_at) <> 'integer' OR row <= (SELECT max(row) FROM identities) - ?2)";
    let mut delete = connection.prepare_cached(delete)?;
    // Usually the oldest is kept, and nothing else has to be read.
    if delete.execute(params![until, most, 1])? == 0 {
        return Ok(false);
    }
    let step = i64::try_from(STEP).unwrap_or(i64::MAX);
    Ok(delete.execute(params![until, most, step])? == STEP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let table = "CREATE TABLE identities (
            row INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE, seen_at INTEGER NOT NULL)";
        connection.execute_batch(table).unwrap();
        connection
    }

    fn identity(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    proptest! {
        #[test]
        fn an_identity_is_taken_once(numbers in proptest::collection::vec(0u128..20, 0..60)) {
            let table = table();
            let mut known = std::collections::BTreeSet::new();
            for n in numbers {
                prop_assert_eq!(is_taken(&table, identity(n)).unwrap(), known.contains(&n));
                prop_assert_eq!(take(&table, identity(n), 0).unwrap(), known.insert(n));
            }
        }

        #[test]
        fn what_is_forgotten_is_the_oldest_and_not_more_than_that(
            count in 0i64..60, until in -1i64..70, most in 0i64..70,
        ) {
            let table = table();
            for n in 0..count {
                take(&table, identity(u128::try_from(n).unwrap()), n).unwrap();
            }
            prop_assert!(!forget_beyond(&table, until, most).unwrap());
            for n in 0..count {
                let is_kept = n > until && n >= count - most;
                prop_assert_eq!(is_taken(&table, identity(u128::try_from(n).unwrap())).unwrap(), is_kept);
            }
        }
    }

    #[test]
    fn many_are_forgotten_in_steps() {
        let table = table();
        for n in 0..u128::try_from(STEP).unwrap() + 2 {
            take(&table, identity(n), 1).unwrap();
        }
        assert!(forget_beyond(&table, 0, 1).unwrap());
        assert!(!forget_beyond(&table, 0, 1).unwrap());
        assert!(!is_taken(&table, identity(u128::try_from(STEP).unwrap())).unwrap());
        assert!(is_taken(&table, identity(u128::try_from(STEP).unwrap() + 1)).unwrap());
    }

    #[test]
    fn identities_are_forgotten_after_30_days() {
        let table = table();
        take(&table, identity(1), 1_000).unwrap();
        forget(&table, KEPT + 999).unwrap();
        assert!(is_taken(&table, identity(1)).unwrap());
        forget(&table, KEPT + 1_000).unwrap();
        assert!(!is_taken(&table, identity(1)).unwrap());
    }
}
