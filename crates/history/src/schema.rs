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
        -- Events whose lineage was not recorded, since too much was new at once.
        CREATE TABLE IF NOT EXISTS lineage_gaps (
            row INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            count INTEGER NOT NULL
        );
        -- The time of an event, as it says itself, and how many datasets it names if not all of them are recorded.
        CREATE TABLE IF NOT EXISTS event_details (
            event INTEGER PRIMARY KEY,
            time INTEGER NOT NULL,
            datasets INTEGER
        );
        -- The lineage of what was delivered: what is known of each job and dataset in it. A node of `nodes` that is not here
        -- has only events that were not delivered.
        CREATE TABLE IF NOT EXISTS facts (
            node INTEGER PRIMARY KEY,
            -- When an event named it first and last, the latter exact to an hour.
            since INTEGER NOT NULL,
            seen INTEGER NOT NULL,
            -- The time of the newest event about the job itself, which says the parent.
            said_at INTEGER,
            parent INTEGER,
            -- The latest run of the job.
            run TEXT,
            state TEXT,
            started_at INTEGER,
            ended_at INTEGER,
            ran_at INTEGER,
            -- The last run of the job that completed and named datasets: when it began and ended.
            completed_from INTEGER,
            completed_at INTEGER,
            -- What the fields of the dataset are made of, and the time of the event that said so.
            fields_hash INTEGER,
            fields_at INTEGER
        );
        CREATE INDEX IF NOT EXISTS facts_by_age ON facts (seen);
        CREATE INDEX IF NOT EXISTS facts_failed ON facts (ran_at) WHERE state = 'failed';
        CREATE INDEX IF NOT EXISTS facts_of_parent ON facts (parent) WHERE parent IS NOT NULL;
        -- From a dataset to the job that reads it, or from a job to the dataset that it writes.
        CREATE TABLE IF NOT EXISTS edges (
            row INTEGER PRIMARY KEY,
            job INTEGER NOT NULL,
            dataset INTEGER NOT NULL,
            is_output INTEGER NOT NULL,
            -- The time of the newest event that has it.
            run_at INTEGER NOT NULL,
            seen INTEGER NOT NULL,
            UNIQUE (job, is_output, dataset)
        );
        CREATE INDEX IF NOT EXISTS edges_of_dataset ON edges (dataset, is_output);
        CREATE INDEX IF NOT EXISTS edges_by_age ON edges (seen);
        -- Other names of datasets.
        CREATE TABLE IF NOT EXISTS aliases (
            row INTEGER PRIMARY KEY,
            alias INTEGER NOT NULL,
            dataset INTEGER NOT NULL,
            seen INTEGER NOT NULL,
            UNIQUE (alias, dataset)
        );
        CREATE INDEX IF NOT EXISTS aliases_of_dataset ON aliases (dataset);
        CREATE INDEX IF NOT EXISTS aliases_by_age ON aliases (seen);
        -- The fields of a dataset.
        CREATE TABLE IF NOT EXISTS fields (
            row INTEGER PRIMARY KEY,
            node INTEGER NOT NULL,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            type TEXT,
            UNIQUE (node, position)
        );
        -- The columns of which a job makes those of a dataset: all edges of one event, which replace those of an earlier one.
        CREATE TABLE IF NOT EXISTS column_sets (
            row INTEGER PRIMARY KEY,
            dataset INTEGER NOT NULL,
            -- 0: an event without a job said so.
            job INTEGER NOT NULL,
            hash INTEGER NOT NULL,
            said_at INTEGER NOT NULL,
            seen INTEGER NOT NULL,
            UNIQUE (dataset, job)
        );
        CREATE INDEX IF NOT EXISTS column_sets_by_age ON column_sets (seen);
        CREATE INDEX IF NOT EXISTS column_sets_of_job ON column_sets (job);
        CREATE TABLE IF NOT EXISTS column_edges (
            row INTEGER PRIMARY KEY,
            column_set INTEGER NOT NULL,
            source INTEGER NOT NULL,
            source_field TEXT NOT NULL,
            -- Empty: all of them.
            field TEXT NOT NULL,
            is_direct INTEGER NOT NULL
        );
        CREATE INDEX IF NOT EXISTS column_edges_of_set ON column_edges (column_set, field);
        CREATE INDEX IF NOT EXISTS column_edges_of_source ON column_edges (source, source_field);
        -- How many rows the larger tables have.
        CREATE TABLE IF NOT EXISTS counts (
            row INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            count INTEGER NOT NULL
        );
    ",
    // The tables from `event_details` on are new in version 1, and `lineage_gaps` in version 2. They are filled by what is recorded
    // from then on.
    migrations: &["-- no table is changed", "-- no table is changed"],
    can_shrink: true,
    page_size: journal::PAGE,
};
