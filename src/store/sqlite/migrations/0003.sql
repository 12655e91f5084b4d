-- Syncs of lives are kept in a short form (src/lifecycle/sync/kept.rs), their sync_stats beside it; which sync was the longest is not
-- asked any more. Lives are made anew, since their rules have another number.
ALTER TABLE stage ADD COLUMN stats TEXT;
ALTER TABLE life DROP COLUMN longest;

-- Audit logs: records with canonical bodies, the hashes of their trees, what was signed, what retention removed.
-- log: 1 the trail of what was done in the systems whose logs we take, 0 what was done to Lifeline itself. The trail, which
-- grows faster, stands at the end of every B-tree.

CREATE TABLE audit (
    log           INTEGER NOT NULL,
    seq           INTEGER NOT NULL,      -- from 1 without gaps
    at            INTEGER NOT NULL,      -- microseconds since 1970, by the clock of whoever logged it
    received      INTEGER NOT NULL,      -- by our clock; retention counts from the later of the two
    event_created INTEGER,               -- key of the event; NULL: our own doing
    event_hash    INTEGER,
    actor         TEXT,
    method        TEXT,
    action        TEXT,
    use_case      TEXT,
    event         TEXT,
    ptype         TEXT,
    pid           TEXT,
    stype         TEXT,
    sid           TEXT,
    twin          INTEGER,               -- first 64 bits of SHA-256 of what records of the same action share
    channel       TEXT,                  -- of which shape the event is, where it may have a twin
    rules         INTEGER NOT NULL,      -- by which reading of events it was made
    body          TEXT                   -- canonical JSON; NULL after retention, with everything else but seq and at
) STRICT;

-- seq is unique because its leaf is. With at, so that a period is found without looking at any body.
CREATE INDEX audit_seq ON audit (log, seq, at);
-- By stretches of 65,536 records, and twins by stretches of ten seconds: without them every record would touch a page of its own
-- in each of these, all over a tree that grows for ever. A question goes down once for each stretch.
CREATE INDEX audit_actor ON audit (log, seq >> 16, actor, seq, at) WHERE actor IS NOT NULL;
CREATE INDEX audit_event ON audit (log, seq >> 16, event, seq, at) WHERE event IS NOT NULL;
CREATE INDEX audit_primary ON audit (log, seq >> 16, pid, seq, at) WHERE pid IS NOT NULL;
CREATE INDEX audit_secondary ON audit (log, seq >> 16, sid, seq, at) WHERE sid IS NOT NULL;
CREATE INDEX audit_twins ON audit (at / 10000000, twin, at, channel, seq) WHERE twin IS NOT NULL;
CREATE UNIQUE INDEX audit_once ON audit (event_created, event_hash) WHERE event_created IS NOT NULL;

-- Every node of every full subtree, leaves included, kept for ever. pos: in-order; the leaf of a record is 2 * (seq - 1), the node
-- of level k and index i is (i << (k + 1)) | ((1 << k) - 1).
CREATE TABLE audit_node (
    log  INTEGER NOT NULL,
    pos  INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (log, pos)
) STRICT, WITHOUT ROWID;

-- Records of the trail that tell of the same action by two roads; each pair stands here both ways.
CREATE TABLE audit_twin (
    seq  INTEGER NOT NULL,
    twin INTEGER NOT NULL,
    PRIMARY KEY (seq, twin)
) STRICT, WITHOUT ROWID;

-- Signed checkpoints.
CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY,
    log  INTEGER NOT NULL,
    size INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;
CREATE INDEX audit_head_size ON audit_head (log, size, id);

-- Ranges whose bodies retention removed.
CREATE TABLE audit_pruned (
    log    INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (log, first)
) STRICT, WITHOUT ROWID;

-- Every public key that ever signed, and from which size of each log on.
CREATE TABLE audit_key (
    id      INTEGER PRIMARY KEY,
    public  BLOB NOT NULL UNIQUE,
    at      INTEGER NOT NULL,
    trail   INTEGER NOT NULL,
    access  INTEGER NOT NULL
) STRICT;

-- Up to where the fold of a connection has seen everything and is never made again, because detail before it may be removed.
CREATE TABLE life_base (
    conn  INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL,              -- of a checkpoint
    swept INTEGER NOT NULL               -- nothing up to here is left that will ever be removed
) STRICT;

-- What names this store in its checkpoints.
INSERT OR IGNORE INTO meta (key, value) VALUES ('store_id', randomblob(16));
-- Records of the events that are here already are made later, in slices; the value is how far that is.
INSERT INTO meta (key, value) SELECT 'audit_fill', x'' WHERE EXISTS (SELECT 1 FROM event);
