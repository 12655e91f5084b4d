-- Lives of connections: what the fold over each connection's events gave out. Every row can be made anew from the events.
-- conn is connection.id; 0 is the account: events without a connection.

-- How each connection stands, and whether late events wait to be folded.
CREATE TABLE life (
    conn          INTEGER PRIMARY KEY,
    connection_id TEXT NOT NULL,         -- '' for the account
    source        TEXT NOT NULL,
    dirty_from    INTEGER,               -- everything folded at or after this is not to be trusted; NULL: all is well
    dirty_since   INTEGER,               -- by our clock
    longest       INTEGER NOT NULL,      -- microseconds of the longest sync ever given out; never shrinks
    name          TEXT,
    type          TEXT,
    destination   TEXT,
    status        TEXT,                  -- NULL before the first fold
    rank          INTEGER,               -- of the status, for sorting
    health        TEXT,
    last_success  INTEGER,               -- microseconds since 1970
    last_event    INTEGER,
    summary       TEXT                   -- JSON
) STRICT;
CREATE INDEX life_name ON life (connection_id, source);
CREATE INDEX life_dirty ON life (dirty_since) WHERE dirty_from IS NOT NULL;

-- A fold that has seen everything up to a microsecond.
CREATE TABLE checkpoint (
    conn  INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    state BLOB NOT NULL,                 -- JSON, zstd
    PRIMARY KEY (conn, at)
) STRICT;

-- Stages of the timeline. settled: created of the event at which the row took its present form.
CREATE TABLE stage (
    conn    INTEGER NOT NULL,
    at      INTEGER NOT NULL,            -- created of the first event
    hash    INTEGER NOT NULL,            -- of the first event
    kind    INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    until   INTEGER,
    sync    TEXT,
    status  TEXT,
    changes INTEGER NOT NULL,            -- 1: belongs into the list of schema changes
    body    TEXT NOT NULL,               -- JSON
    PRIMARY KEY (conn, at, kind, hash)
) STRICT;

CREATE TABLE incident (
    conn     INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    hash     INTEGER NOT NULL,
    settled  INTEGER NOT NULL,
    resolved INTEGER,
    failures INTEGER NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (conn, at, hash)
) STRICT;
CREATE INDEX incident_time ON incident (at, hash, conn, resolved);
CREATE INDEX incident_open ON incident (at, hash, conn) WHERE resolved IS NULL;

-- Days that are over.
CREATE TABLE day (
    conn           INTEGER NOT NULL,
    day            INTEGER NOT NULL,     -- days since 1970
    api_calls      INTEGER NOT NULL,
    rows_modified  INTEGER NOT NULL,
    schema_changes INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    errors         INTEGER NOT NULL,
    warnings       INTEGER NOT NULL,
    syncs          INTEGER NOT NULL,
    successful     INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    rescheduled    INTEGER NOT NULL,
    canceled       INTEGER NOT NULL,
    sync_ms        INTEGER NOT NULL,
    PRIMARY KEY (conn, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    conn    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    hash    INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    job     TEXT NOT NULL,
    status  TEXT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (conn, at, hash)
) STRICT;
CREATE INDEX run_time ON run (at, hash);

-- What people did.
CREATE TABLE activity (
    conn    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    hash    INTEGER NOT NULL,
    event   TEXT NOT NULL,
    actor   TEXT NOT NULL,
    channel TEXT NOT NULL,
    level   TEXT NOT NULL,
    data    TEXT,
    PRIMARY KEY (conn, at, hash)
) STRICT, WITHOUT ROWID;
