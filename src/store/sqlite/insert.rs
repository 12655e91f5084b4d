//! Putting one event into its row, or finding that it is there already.
//!
//! In: an encoded row inside the writer's transaction. Out: stored or duplicate. A duplicate is counted, and what its
//! envelope knows better is merged in such a way that the order of deliveries leaves no trace.

use super::{
    encode::{Encoded, Row},
    fault::WriteError,
    intern::Interner,
    kind::{Kind, Label, Spill, union},
};
use crate::{
    model::EventKey,
    store::{Outcome, StoreError},
};
use rusqlite::{Connection, OptionalExtension as _, params};

/// How many unrelated events may stand in the way of one that differs from another in nothing but a secret. One would be an
/// accident of 64 bits.
const PROBES: u32 = 16;

const INSERT: &str = "INSERT INTO event
    (created, hash, conn, label, kind, shape, notable, received, sync, secret, spill, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING";

/// Row numbers of a batch's tables.
#[derive(Debug)]
pub struct Ids {
    connections: Vec<i64>,
    labels: Vec<i64>,
    kinds: Vec<i64>,
    shapes: Vec<i64>,
}

impl Ids {
    /// Looks them up or makes them.
    pub fn of(db: &Connection, intern: &mut Interner, batch: &Encoded) -> rusqlite::Result<Self> {
        Ok(Self {
            connections: batch.connections.iter().map(|it| intern.connection(db, it)).collect::<Result<_, _>>()?,
            labels: batch.labels.iter().map(|text| intern.label(db, text)).collect::<Result<_, _>>()?,
            kinds: batch.kinds.iter().map(|text| intern.kind(db, text)).collect::<Result<_, _>>()?,
            shapes: batch.shapes.iter().map(|text| intern.shape(db, text)).collect::<Result<_, _>>()?,
        })
    }

    /// Number of a row's connection.
    fn of_row(&self, row: &Row) -> i64 {
        row.conn.map_or(0, |at| self.connections[at as usize])
    }
}

/// What became of a row.
#[derive(Debug)]
pub struct Placed {
    /// For whoever delivered it.
    pub outcome: Outcome,
    /// Number of its connection.
    pub conn: i64,
    /// Whether a duplicate changed what is known of the stored event.
    pub changed: bool,
}

impl Placed {
    fn stored(key: EventKey, row: &Row, ids: &Ids) -> Self {
        Self { outcome: Outcome::Stored(key), conn: ids.of_row(row), changed: false }
    }
}

/// Stores a row or counts it as delivered again.
pub fn put(
    db: &Connection,
    intern: &mut Interner,
    batch: &Encoded,
    ids: &Ids,
    row: &Row,
) -> Result<Placed, WriteError> {
    if insert(db, intern, batch, ids, row, row.key)? {
        return Ok(Placed::stored(row.key, row, ids));
    }
    let there = There::find(db, row.key)?;
    let (Some(known), Some(new)) = (there.secret, row.secret) else {
        return duplicate(db, intern, batch, ids, row, row.key, there);
    };
    if known == new {
        return duplicate(db, intern, batch, ids, row, row.key, there);
    }
    // Another secret in an otherwise equal event: it has a place of its own, told by that secret.
    let mut key = EventKey { hash: row.key.hash ^ spread(new), ..row.key };
    for _ in 0..=PROBES {
        if insert(db, intern, batch, ids, row, key)? {
            return Ok(Placed::stored(key, row, ids));
        }
        let there = There::find(db, key)?;
        if there.secret == Some(new) {
            return duplicate(db, intern, batch, ids, row, key, there);
        }
        key.hash = key.hash.wrapping_add(1);
    }
    Err(WriteError::Store(StoreError::Engine("no free key beside an event".to_owned())))
}

fn duplicate(
    db: &Connection,
    intern: &mut Interner,
    batch: &Encoded,
    ids: &Ids,
    row: &Row,
    key: EventKey,
    there: There,
) -> Result<Placed, WriteError> {
    let conn = there.conn;
    let changed = there.merge(db, intern, batch, ids, row, key)?;
    redelivered(db, key)?;
    Ok(Placed { outcome: Outcome::Duplicate(key), conn, changed })
}

/// Whether an event of some content may stand under another hash because of its secret.
pub fn stands_beside(content: i64, secret: i64, hash: i64) -> bool {
    (0..=i64::from(PROBES)).any(|probe| (content ^ spread(secret)).wrapping_add(probe) == hash)
}

/// A number in which every bit depends on every bit of the digest, and which is not 0.
fn spread(digest: i64) -> i64 {
    let mut bits = digest as u64;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) | 1) as i64
}

fn insert(
    db: &Connection,
    intern: &mut Interner,
    batch: &Encoded,
    ids: &Ids,
    row: &Row,
    key: EventKey,
) -> Result<bool, WriteError> {
    let conn = ids.of_row(row);
    let label = ids.labels[row.label as usize];
    let kind = ids.kinds[row.kind as usize];
    let shape = row.shape.map_or(0, |at| ids.shapes[at as usize]);
    let spill = if label == 0 || kind == 0 || (shape == 0 && row.shape.is_some()) || row.exception_id.is_some() {
        Spill {
            kind: if kind == 0 { Some(parse(&batch.kinds[row.kind as usize])?) } else { None },
            label: if label == 0 { Some(parse(&batch.labels[row.label as usize])?) } else { None },
            merged: None,
            shape: row.shape.filter(|_| shape == 0).map(|at| batch.shapes[at as usize].clone()),
            exception_id: row.exception_id.clone(),
        }
        .to_bytes()
    } else {
        None
    };
    let changed = db.prepare_cached(INSERT)?.execute(params![
        key.created_us,
        key.hash,
        conn,
        label,
        kind,
        shape,
        row.notable,
        row.received_us.wrapping_sub(key.created_us),
        row.sync,
        row.secret,
        spill,
        &batch.bodies[row.body.clone()],
    ])?;
    if changed == 1
        && let Some(sync) = &row.sync
    {
        intern.sync(db, sync.lookup_hash(), conn, key.created_us)?;
    }
    Ok(changed == 1)
}

fn redelivered(db: &Connection, key: EventKey) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO redelivery (created, hash, n) VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET n = n + 1",
    )?
    .execute([key.created_us, key.hash])?;
    Ok(())
}

/// The row that is there already.
struct There {
    conn: i64,
    label: i64,
    kind: i64,
    received: i64,
    secret: Option<i64>,
    spill: Option<Vec<u8>>,
}

impl There {
    fn find(db: &Connection, key: EventKey) -> rusqlite::Result<Self> {
        db.prepare_cached(
            "SELECT label, kind, received, secret, spill, conn FROM event WHERE created = ?1 AND hash = ?2",
        )?
        .query_row([key.created_us, key.hash], |row| {
            Ok(Self {
                label: row.get(0)?,
                kind: row.get(1)?,
                received: row.get(2)?,
                secret: row.get(3)?,
                spill: row.get(4)?,
                conn: row.get(5)?,
            })
        })
    }

    /// Gives whether anything changed that a reader of the event sees.
    fn merge(
        self,
        db: &Connection,
        intern: &mut Interner,
        batch: &Encoded,
        ids: &Ids,
        row: &Row,
        key: EventKey,
    ) -> Result<bool, WriteError> {
        let received = self.received.min(row.received_us.wrapping_sub(key.created_us));
        let secret = self.secret.or(row.secret);
        let alike = self.spill.is_none()
            && row.exception_id.is_none()
            && self.label == ids.labels[row.label as usize]
            && self.kind == ids.kinds[row.kind as usize];
        if alike && received == self.received && secret == self.secret {
            return Ok(false);
        }

        let before: Spill = match &self.spill {
            Some(bytes) => serde_json::from_slice(bytes).map_err(|_| WriteError::damaged("spill", key))?,
            None => Spill::default(),
        };
        let mut spill = before.clone();
        let mut kind_id = self.kind;
        let kind_before = self.kind_of(db, &before, key)?;
        let mut kind = kind_before.clone();
        kind.merge(&parse::<Kind<'_>>(&batch.kinds[row.kind as usize])?);
        if kind != kind_before {
            kind_id = intern.kind(db, &json(&kind)?)?;
            spill.kind = (kind_id == 0).then(|| kind.clone());
        }

        let mut label_id = self.label;
        let envelope = self.label_of(db, &before, key)?;
        let label_before = before.merged.clone().unwrap_or_else(|| envelope.clone());
        let mut label = label_before.clone();
        label.merge(&parse::<Label<'_>>(&batch.labels[row.label as usize])?);
        if label != label_before {
            if envelope.is_extended_by(&label) {
                label_id = intern.label(db, &json(&label)?)?;
                spill.label = (label_id == 0).then_some(label);
                spill.merged = None;
            } else {
                spill.merged = Some(label);
            }
        }
        spill.exception_id = union(spill.exception_id.take(), row.exception_id.clone());

        let seen = spill != before || kind_id != self.kind || label_id != self.label;
        let changed = seen || received != self.received || secret != self.secret;
        if changed {
            db.prepare_cached(
                "UPDATE event SET label = ?3, kind = ?4, notable = ?5, received = ?6, secret = ?7, spill = ?8
                 WHERE created = ?1 AND hash = ?2",
            )?
            .execute(params![
                key.created_us,
                key.hash,
                label_id,
                kind_id,
                kind.notable(),
                received,
                secret,
                spill.to_bytes()
            ])?;
        }
        Ok(seen)
    }

    fn kind_of(&self, db: &Connection, spill: &Spill, key: EventKey) -> Result<Kind<'static>, WriteError> {
        match &spill.kind {
            Some(kind) => Ok(kind.clone()),
            None => {
                parse(&text(db, "SELECT text FROM kind WHERE id = ?1", self.kind, || WriteError::damaged("kind", key))?)
            }
        }
    }

    fn label_of(&self, db: &Connection, spill: &Spill, key: EventKey) -> Result<Label<'static>, WriteError> {
        match &spill.label {
            Some(label) => Ok(label.clone()),
            None => parse(&text(db, "SELECT text FROM label WHERE id = ?1", self.label, || {
                WriteError::damaged("label", key)
            })?),
        }
    }
}

fn text(
    db: &Connection,
    sql: &'static str,
    id: i64,
    missing: impl FnOnce() -> WriteError,
) -> Result<String, WriteError> {
    db.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?.ok_or_else(missing)
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, WriteError> {
    serde_json::from_str(text).map_err(|_| WriteError::Store(crate::store::StoreError::Damaged("interned text".into())))
}

fn json(value: &impl serde::Serialize) -> Result<String, WriteError> {
    serde_json::to_string(value).map_err(|error| WriteError::Store(crate::store::StoreError::Engine(error.to_string())))
}
