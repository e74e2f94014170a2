//! The tables of the log.

use journal::Schema;

/// The file in the data folder.
pub(super) const FILE: &str = "events.db";

/// The size of a page, in bytes. Events of 2 to 4 KB have a page of their own in SQLite's 4 KB, which leaves half of it empty.
/// With 8 KB, a quarter fewer bytes are written for events of 2 KB; with 16 KB, more again, since a group of them begins with
/// the page that the last one left.
const PAGE: usize = 8_192;

pub(super) const SCHEMA: Schema = Schema {
    tables: "
        CREATE TABLE IF NOT EXISTS events (
            -- Given out once: the last row stays.
            seq INTEGER PRIMARY KEY,
            -- The times stand before the body: SQLite follows all pages of a large value to read what stands behind it.
            received_at INTEGER NOT NULL,
            -- By the clock of the owner, which nobody sets: see `clock.rs`.
            appended_at INTEGER NOT NULL DEFAULT 0,
            id TEXT NOT NULL,
            body TEXT NOT NULL
        );
        CREATE TABLE IF NOT EXISTS cursors (
            -- Given out once: a handle of a removed consumer must not settle for another.
            consumer INTEGER PRIMARY KEY AUTOINCREMENT,
            target TEXT NOT NULL UNIQUE,
            -- Up to here every event is settled, or in `pending`.
            settled INTEGER NOT NULL,
            -- Up to here every event was received.
            received INTEGER NOT NULL
        );
        -- Events up to `settled` that are not settled after all.
        CREATE TABLE IF NOT EXISTS pending (
            row INTEGER PRIMARY KEY,
            consumer INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            -- How often it was received, also before it was redriven: whose receipt is valid.
            receipt INTEGER NOT NULL,
            -- By the clock of the owner. 0: at once.
            visible_at INTEGER NOT NULL,
            UNIQUE (consumer, seq)
        );
        CREATE INDEX IF NOT EXISTS pending_in_sight ON pending (consumer, visible_at, seq);
        CREATE TABLE IF NOT EXISTS dead_letters (
            row INTEGER PRIMARY KEY,
            consumer INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            id TEXT NOT NULL,
            received_at INTEGER NOT NULL,
            dead_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            receipt INTEGER NOT NULL,
            reason TEXT NOT NULL,
            UNIQUE (consumer, seq)
        );
        CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (consumer, id);
        -- How far the owner's clock is ahead of the wall clock; a row to write to, to find out whether that works; and
        -- whether the file of an older version was imported, until that is removed.
        CREATE TABLE IF NOT EXISTS owner (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            ahead INTEGER NOT NULL,
            probes INTEGER NOT NULL,
            is_imported INTEGER NOT NULL
        );
        INSERT OR IGNORE INTO owner VALUES (1, 0, 0, 0);
        -- What the store has: see `store.rs`. The events of these ranges that their consumer has settled.
        CREATE TABLE IF NOT EXISTS stored_ranges (
            row INTEGER PRIMARY KEY,
            consumer INTEGER NOT NULL,
            first INTEGER NOT NULL,
            -- NULL: all that the consumer settles from there on.
            last INTEGER
        );
        -- Events in the ranges that the store does not have after all.
        CREATE TABLE IF NOT EXISTS unstored (seq INTEGER PRIMARY KEY);
        -- Events that the store has in another form than they were accepted.
        CREATE TABLE IF NOT EXISTS stored_texts (seq INTEGER PRIMARY KEY, text TEXT NOT NULL);
        -- What is known of many events at once: see `marks.rs`.
        CREATE TABLE IF NOT EXISTS marks (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            -- From here on, no number is missing.
            whole_from INTEGER NOT NULL,
            -- How many events are below.
            below INTEGER NOT NULL
        );
        -- How far the store of an older version was taken over, until that is removed: see `old_store.rs`.
        CREATE TABLE IF NOT EXISTS old_store (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL);
        -- Up to here a consumer has settled everything: see `floors.rs`.
        CREATE TABLE IF NOT EXISTS floors (consumer INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
        -- The identities of events that were appended: see `identities.rs`, whose table this is.
        CREATE TABLE IF NOT EXISTS identities (
            row INTEGER PRIMARY KEY,
            identity BLOB NOT NULL UNIQUE,
            seen_at INTEGER NOT NULL
        );
    ",
    migrations: &[
        // 1: the tables from `stored_ranges` on. An older version would not delete their rows with the events.
        "",
        // 2: the table `floors`. An older version would not lower them.
        "",
        // 3: the table `identities`. An older version would append an event again.
        "",
    ],
    can_shrink: true,
    page_size: PAGE,
};
