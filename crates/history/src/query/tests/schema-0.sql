-- The tables of the first version, and an event.
CREATE TABLE IF NOT EXISTS nodes (
    node INTEGER PRIMARY KEY,
    is_job INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (is_job, namespace, name)
);
CREATE TABLE IF NOT EXISTS events (
    event INTEGER PRIMARY KEY,
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
CREATE TABLE IF NOT EXISTS changes (
    row INTEGER PRIMARY KEY,
    last INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS outcomes (
    row INTEGER PRIMARY KEY,
    event INTEGER NOT NULL,
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    reason TEXT,
    detail TEXT,
    rules TEXT,
    merged TEXT,
    UNIQUE (event, target)
);
CREATE INDEX IF NOT EXISTS outcomes_not_delivered ON outcomes (outcome, event) WHERE outcome <> 'delivered';
CREATE TABLE IF NOT EXISTS event_nodes (
    row INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    event INTEGER NOT NULL,
    UNIQUE (node, event)
);
CREATE INDEX IF NOT EXISTS nodes_of_event ON event_nodes (event);
CREATE TABLE IF NOT EXISTS tally (
    row INTEGER PRIMARY KEY,
    hour INTEGER NOT NULL,
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    UNIQUE (hour, target, outcome)
);
CREATE TABLE IF NOT EXISTS gaps (
    row INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    count INTEGER NOT NULL
);
PRAGMA user_version = 0;
INSERT INTO nodes VALUES (1, 1, 'pg', 'load'), (2, 0, 'pg', 'orders');
INSERT INTO events VALUES (1, 1, 1767268800000, '0191f3a0-0000-7000-8000-000000000001', 1767268800000, 'RunEvent START', '01890000-0000-7000-8000-000000000001', 1, 7);
INSERT INTO changes VALUES (1, 1);
INSERT INTO outcomes VALUES (1, 1, 'one', 'delivered', 1767268800000, 1, 3, NULL, NULL, NULL, NULL);
INSERT INTO event_nodes VALUES (1, 2, 1);
