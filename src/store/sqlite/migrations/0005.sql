-- Events beside rows: a journal of the newest, and sealed blocks of the rest. Rows of `event` stay readable beside them, and a row
-- counts where it has the key of an event in a block or in the journal.

-- The new events of one commit, until they are in blocks. A row that cannot be read stands under the negative of its number: nothing
-- is made of it, and it is in nobody's way.
CREATE TABLE journal (
    seq   INTEGER PRIMARY KEY,           -- number of the commit
    n     INTEGER NOT NULL,
    first INTEGER NOT NULL,              -- earliest and latest created, to say what is gone if the chunk cannot be read
    last  INTEGER NOT NULL,
    crc   INTEGER NOT NULL,              -- of seq, n, first and last; the chunk has its own
    chunk BLOB NOT NULL
) STRICT;

-- Events of one connection in the order of their keys, column by column.
CREATE TABLE block (
    id     INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: what is known of a block may be remembered
    conn   INTEGER NOT NULL,
    first  INTEGER NOT NULL,             -- created of its first and last event
    last   INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,             -- of bodies, unpacked
    grams  BLOB,                         -- which texts it cannot hold; NULL: nobody knows
    crc    INTEGER NOT NULL,             -- of conn, first, last, n and bytes; each column has its own
    times  BLOB NOT NULL,
    hashes BLOB NOT NULL,
    heads  BLOB NOT NULL,
    bodies BLOB NOT NULL
) STRICT;
CREATE INDEX block_conn ON block (conn, first, last, n, bytes);
CREATE INDEX block_first ON block (first, last, conn, n, bytes);
CREATE INDEX block_last ON block (last, first, conn, n, bytes);

-- Which events in blocks deserve a look. Rows have an index of their own, and the journal is in memory.
CREATE TABLE notable (
    created INTEGER NOT NULL,
    hash    INTEGER NOT NULL,
    conn    INTEGER NOT NULL,
    PRIMARY KEY (created, hash)
) STRICT, WITHOUT ROWID;

-- The connections of the keys, which finds their blocks; NULL: of an older version.
ALTER TABLE arrival ADD COLUMN conns BLOB;
ALTER TABLE audit ADD COLUMN conn INTEGER;
