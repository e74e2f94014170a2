//! The tables of the history.

use journal::Schema;

/// The file in the data folder.
pub(crate) const FILE: &str = "history.db";

pub(crate) const SCHEMA: Schema = Schema {
    tables: "
        -- The jobs and datasets that events name.
        CREATE TABLE IF NOT EXISTS nodes (
            node INTEGER PRIMARY KEY,
            is_job INTEGER NOT NULL,
            namespace TEXT NOT NULL,
            name TEXT NOT NULL,
            UNIQUE (is_job, namespace, name)
        );
        CREATE TABLE IF NOT EXISTS events (
            event INTEGER PRIMARY KEY,
            -- The number of its last change. Numbers grow, and each is given once.
            changed INTEGER NOT NULL UNIQUE,
            changed_at INTEGER NOT NULL,
            id TEXT NOT NULL UNIQUE,
            accepted_at INTEGER NOT NULL,
            kind TEXT,
            run TEXT,
            job INTEGER,
            size INTEGER NOT NULL
        );
        CREATE INDEX IF NOT EXISTS events_of_run ON events (run, changed) WHERE run IS NOT NULL;
        CREATE INDEX IF NOT EXISTS events_of_job ON events (job, changed) WHERE job IS NOT NULL;
        CREATE INDEX IF NOT EXISTS events_in_time ON events (accepted_at);
        CREATE INDEX IF NOT EXISTS events_by_age ON events (changed_at);
        -- One row: the number that was given last to a change, also if its event was deleted.
        CREATE TABLE IF NOT EXISTS changes (
            row INTEGER PRIMARY KEY,
            last INTEGER NOT NULL
        );
        -- What happened last to an event at a target.
        CREATE TABLE IF NOT EXISTS outcomes (
            -- The number of this change, as `changed` is. Of a row of an earlier version, no larger than that of its event.
            row INTEGER PRIMARY KEY,
            event INTEGER NOT NULL,
            target TEXT NOT NULL,
            outcome TEXT NOT NULL,
            at INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            duration INTEGER NOT NULL,
            reason TEXT,
            detail TEXT,
            -- One on each line.
            rules TEXT,
            merged TEXT,
            UNIQUE (event, target)
        );
        -- The few that are looked for: all others were delivered.
        CREATE INDEX IF NOT EXISTS outcomes_not_delivered ON outcomes (outcome, event) WHERE outcome <> 'delivered';
        -- The datasets of an event.
        CREATE TABLE IF NOT EXISTS event_nodes (
            row INTEGER PRIMARY KEY,
            node INTEGER NOT NULL,
            event INTEGER NOT NULL,
            UNIQUE (node, event)
        );
        CREATE INDEX IF NOT EXISTS nodes_of_event ON event_nodes (event);
        -- How many events ended so in an hour, since 1970. A count of all events reads all of them.
        CREATE TABLE IF NOT EXISTS tally (
            row INTEGER PRIMARY KEY,
            hour INTEGER NOT NULL,
            target TEXT NOT NULL,
            outcome TEXT NOT NULL,
            count INTEGER NOT NULL,
            UNIQUE (hour, target, outcome)
        );
        -- Outcomes that were not recorded, since more came than could be written.
        CREATE TABLE IF NOT EXISTS gaps (
            row INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            count INTEGER NOT NULL
        );
    ",
    migrations: &[],
    can_shrink: true,
    page_size: journal::PAGE,
};
