-- Layout 1: one row per event, bodies compressed, everything that repeats interned.

-- Connections by the id their source system gave them. Id 0 means "no connection".
CREATE TABLE connection (
    id            INTEGER PRIMARY KEY,
    source        TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    UNIQUE (connection_id, source)
) STRICT;

-- Connection name and connector type as an envelope wrote them.
CREATE TABLE label (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- JSON of what few events have for themselves: name, level, token, schema, normalisations ...
CREATE TABLE kind (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- Envelope texts with holes; control characters 1 to 8 mark the holes.
CREATE TABLE shape (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE event (
    created  INTEGER NOT NULL,           -- microseconds since 1970
    hash     INTEGER NOT NULL,           -- of the content
    conn     INTEGER NOT NULL,           -- connection.id or 0
    label    INTEGER NOT NULL,           -- label.id, 0: in spill
    kind     INTEGER NOT NULL,           -- kind.id, 0: in spill
    shape    INTEGER NOT NULL,           -- shape.id, 0: in spill, or the body holds the whole text
    notable  INTEGER NOT NULL,           -- 1: WARNING or worse, or not valid
    received INTEGER NOT NULL,           -- microseconds after created
    sync     ANY,                        -- 16 bytes of a UUID, or text
    secret   INTEGER,                    -- keyed digest of the masked secrets
    spill    BLOB,                       -- JSON of what was not interned or was merged later
    body     BLOB NOT NULL,              -- first byte: dictionary number
    PRIMARY KEY (created, hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_conn ON event (conn, created, hash);
CREATE INDEX event_notable ON event (created, hash) WHERE notable = 1;

-- Events that came more than once: how often again.
CREATE TABLE redelivery (
    created INTEGER NOT NULL,
    hash    INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (created, hash)
) STRICT, WITHOUT ROWID;

-- Order of arrival: the keys that each commit stored. Only the newest are kept.
CREATE TABLE arrival (
    seq  INTEGER PRIMARY KEY,            -- number of the commit
    upto INTEGER NOT NULL,               -- events that ever arrived, this commit included
    keys BLOB NOT NULL
) STRICT;

-- Which connections a sync id was seen with. By day first: hashes alone would touch a page of their own for every sync,
-- all over a table that grows for ever.
CREATE TABLE sync_lookup (
    day  INTEGER NOT NULL,               -- days since 1970 of the first of its events to arrive
    hash INTEGER NOT NULL,
    conn INTEGER NOT NULL,
    PRIMARY KEY (day, hash, conn)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    digest     BLOB NOT NULL UNIQUE,     -- of protocol and bytes
    reason     TEXT NOT NULL,
    bytes      BLOB NOT NULL,
    protocol   TEXT NOT NULL,
    token      TEXT NOT NULL,
    received   INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    replayed   INTEGER
) STRICT;
CREATE INDEX quarantine_waiting ON quarantine (id) WHERE replayed IS NULL;

CREATE TABLE ack (
    token     TEXT NOT NULL,
    channel   TEXT NOT NULL,
    next      INTEGER NOT NULL,          -- the next number to give
    answered  BLOB NOT NULL,             -- ranges that were asked for
    last_used INTEGER NOT NULL,
    PRIMARY KEY (token, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    sha256  BLOB NOT NULL,
    created INTEGER NOT NULL,
    revoked INTEGER
) STRICT;
CREATE UNIQUE INDEX token_live ON token (name, kind) WHERE revoked IS NULL;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts kept with every commit, so that nobody has to count rows.
CREATE TABLE tally (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    events      INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    channels    INTEGER NOT NULL
) STRICT;
INSERT INTO tally VALUES (1, 0, 0, 0);
