-- Old stages of lives stand together on shelves, packed by columns (src/store/sqlite/lives/shelf.rs), with what the view audit_table
-- needs of them beside it as plain JSON. The stages that may still change, the newest ones, and changes of schemas stay rows, without
-- an index beside them.

-- Views are made anew when the store is opened.
DROP VIEW IF EXISTS connection_status;
DROP VIEW IF EXISTS audit_table;
DROP VIEW IF EXISTS schema_changelog;
DROP VIEW IF EXISTS connection_daily_events;
DROP VIEW IF EXISTS audit_user_activity;
DROP VIEW IF EXISTS fivetran_platform__connection_status;
DROP VIEW IF EXISTS fivetran_platform__audit_table;
DROP VIEW IF EXISTS fivetran_platform__schema_changelog;
DROP VIEW IF EXISTS fivetran_platform__connection_daily_events;
DROP VIEW IF EXISTS fivetran_platform__audit_user_activity;
DELETE FROM meta WHERE key = 'views_sha256';

CREATE TABLE stage_of_3 (
    conn    INTEGER NOT NULL,
    at      INTEGER NOT NULL,            -- created of the first event
    kind    INTEGER NOT NULL,
    hash    INTEGER NOT NULL,            -- of the first event
    settled INTEGER NOT NULL,            -- created of the event at which the row took its present form
    until   INTEGER,
    sync    TEXT,
    status  TEXT,
    changes INTEGER NOT NULL,            -- 1: belongs into the list of schema changes
    body    TEXT NOT NULL,               -- JSON
    stats   TEXT,                        -- of a sync: the data of its sync_stats
    PRIMARY KEY (conn, at, kind, hash)
) STRICT, WITHOUT ROWID;
INSERT INTO stage_of_3 (conn, at, kind, hash, settled, until, sync, status, changes, body, stats)
SELECT conn, at, kind, hash, settled, until, sync, status, changes, body, stats FROM stage ORDER BY conn, at, kind, hash;
DROP TABLE stage;
ALTER TABLE stage_of_3 RENAME TO stage;

-- Stages of one connection between two moments; those of two shelves do not overlap.
CREATE TABLE shelf (
    conn    INTEGER NOT NULL,
    at      INTEGER NOT NULL,            -- of the first stage
    last    INTEGER NOT NULL,            -- at of the last
    stages  INTEGER NOT NULL,            -- how many
    unit    INTEGER NOT NULL,            -- microseconds that moments in written are counted in
    names   TEXT NOT NULL,               -- JSON: [[schema, table], ...]
    written TEXT NOT NULL,               -- JSON of the syncs that wrote rows: [[since at, duration, second half of the id, [[place in names, start, end,
                                         -- rows replaced or inserted, updated, deleted], ...], start], ...]; what is missing at the end is 0
    body    BLOB NOT NULL,               -- every stage
    PRIMARY KEY (conn, at)
) STRICT;

-- Of the older ones only some are kept.
ALTER TABLE checkpoint ADD COLUMN stays INTEGER NOT NULL DEFAULT 1;

-- Bodies of incidents and runs are compressed from now on; what stands there already is JSON.
ALTER TABLE incident ADD COLUMN packed BLOB;
ALTER TABLE run ADD COLUMN packed BLOB;
