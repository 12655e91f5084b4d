//! Putting one event into its place, or finding that it is there already.
//!
//! In: an encoded row inside the writer's transaction. Out: stored or duplicate. A duplicate is counted, and what its
//! envelope knows better is merged in such a way that the order of deliveries leaves no trace.

use super::{
    body,
    encode::{Encoded, Row, SyncCell},
    fault::WriteError,
    flat::{BodyRef, Flat, SyncRef},
    intern::Interner,
    kind::{Kind, Label, Spill, union},
    loose,
    sealed::whereabouts::{Found, Whereabouts},
    syncs::Sighting,
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
    pub fn of_row(&self, row: &Row) -> i64 {
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

/// Puts rows of a batch in their places.
pub struct Placing<'p> {
    /// Inside the writer's transaction.
    pub db: &'p Connection,
    /// Numbers of what repeats.
    pub intern: &'p mut Interner,
    /// Where events are beside their rows.
    pub whereabouts: &'p mut Whereabouts,
    /// The batch.
    pub batch: &'p Encoded,
    /// Its numbers.
    pub ids: &'p Ids,
}

impl Placing<'_> {
    /// Stores a row or counts it as delivered again.
    pub fn put(&mut self, row: &Row) -> Result<Placed, WriteError> {
        let Some(there) = self.insert(row, row.key)? else { return Ok(Placed::stored(row.key, row, self.ids)) };
        let (Some(known), Some(new)) = (there.secret, row.secret) else { return self.duplicate(row, row.key, &there) };
        if known == new {
            return self.duplicate(row, row.key, &there);
        }
        // Another secret in an otherwise equal event: it has a place of its own, told by that secret.
        let mut key = EventKey { hash: row.key.hash ^ spread(new), ..row.key };
        for _ in 0..=PROBES {
            let Some(there) = self.insert(row, key)? else { return Ok(Placed::stored(key, row, self.ids)) };
            if there.secret == Some(new) {
                return self.duplicate(row, key, &there);
            }
            key.hash = key.hash.wrapping_add(1);
        }
        Err(WriteError::Store(StoreError::Engine("no free key beside an event".to_owned())))
    }

    fn duplicate(&mut self, row: &Row, key: EventKey, there: &There) -> Result<Placed, WriteError> {
        let conn = there.conn;
        let changed = self.merge(row, key, there)?;
        redelivered(self.db, key)?;
        Ok(Placed { outcome: Outcome::Duplicate(key), conn, changed })
    }

    /// Stores a row under a key; gives what is there already.
    fn insert(&mut self, row: &Row, key: EventKey) -> Result<Option<There>, WriteError> {
        let conn = self.ids.of_row(row);
        let mut goes_elsewhere = self.whereabouts.takes(row.body.len()) && !row.packed;
        // A row that is there already refuses another one by itself.
        let found = self.whereabouts.find(self.db, conn, key, goes_elsewhere);
        let there = found.and_then(|found| {
            let there =
                found.as_ref().map(|found| self.whereabouts.show(self.db, found, false, There::of)).transpose()?;
            Ok(found.zip(there))
        });
        match there {
            Ok(Some((found, there))) => return Ok(Some(there(found))),
            Ok(None) => {}
            // What stands where it belongs cannot be read. A row counts whatever that was; a sender is not refused for it.
            Err(error) if error.is_damage() => goes_elsewhere = false,
            Err(error) => return Err(error),
        }
        let spill = self.spill(row)?;
        let flat = flat(self.batch, self.ids, row, key, spill.as_deref());
        // A chunk that is full leaves a row.
        let goes_elsewhere = goes_elsewhere && Whereabouts::takes_head(&flat) && self.whereabouts.push(&flat);
        if !goes_elsewhere && !put_row(self.db, &flat)? {
            let row = loose::get(self.db, key)?.ok_or_else(|| WriteError::damaged("row", key))?;
            return Ok(Some(There::of(&row.flat())(Found::Loose(Box::new(row)))));
        }
        // Where it was not a row that was written, this costs a look.
        if !goes_elsewhere {
            self.whereabouts.add_loose(conn, key.created_us);
        }
        // Of the others it is entered when they leave the journal.
        if let Some(sync) = flat.sync.filter(|_| !goes_elsewhere) {
            self.intern.sync(self.db, Sighting::of(sync, conn, key.created_us))?;
        }
        Ok(None)
    }

    /// What the numbers cannot say.
    fn spill(&self, row: &Row) -> Result<Option<Vec<u8>>, WriteError> {
        let (label, kind) = (self.ids.labels[row.label as usize], self.ids.kinds[row.kind as usize]);
        let shape = row.shape.filter(|at| self.ids.shapes[*at as usize] == 0);
        if label != 0 && kind != 0 && shape.is_none() && row.exception_id.is_none() {
            return Ok(None);
        }
        let spill = Spill {
            kind: if kind == 0 { Some(parse(&self.batch.kinds[row.kind as usize])?) } else { None },
            label: if label == 0 { Some(parse(&self.batch.labels[row.label as usize])?) } else { None },
            merged: None,
            shape: shape.map(|at| self.batch.shapes[at as usize].clone()),
            exception_id: row.exception_id.clone(),
        };
        Ok(spill.to_bytes())
    }

    /// Takes over what another delivery knows better. Gives whether anything changed that a reader of the event sees.
    fn merge(&mut self, row: &Row, key: EventKey, there: &There) -> Result<bool, WriteError> {
        let received = there.received.min(row.received_us.wrapping_sub(key.created_us));
        let secret = there.secret.or(row.secret);
        let alike = there.spill.is_none()
            && row.exception_id.is_none()
            && there.label == self.ids.labels[row.label as usize]
            && there.kind == self.ids.kinds[row.kind as usize];
        if alike && received == there.received && secret == there.secret {
            return Ok(false);
        }

        let (db, batch) = (self.db, self.batch);
        let before: Spill = match &there.spill {
            Some(bytes) => serde_json::from_slice(bytes).map_err(|_| WriteError::damaged("spill", key))?,
            None => Spill::default(),
        };
        let mut spill = before.clone();
        let mut kind_id = there.kind;
        let kind_before = there.kind_of(db, &before, key)?;
        let mut kind = kind_before.clone();
        kind.merge(&parse::<Kind<'_>>(&batch.kinds[row.kind as usize])?);
        if kind != kind_before {
            kind_id = self.intern.kind(db, &json(&kind)?)?;
            spill.kind = (kind_id == 0).then(|| kind.clone());
        }

        let mut label_id = there.label;
        let envelope = there.label_of(db, &before, key)?;
        let label_before = before.merged.clone().unwrap_or_else(|| envelope.clone());
        let mut label = label_before.clone();
        label.merge(&parse::<Label<'_>>(&batch.labels[row.label as usize])?);
        if label != label_before {
            if envelope.is_extended_by(&label) {
                label_id = self.intern.label(db, &json(&label)?)?;
                spill.label = (label_id == 0).then_some(label);
                spill.merged = None;
            } else {
                spill.merged = Some(label);
            }
        }
        spill.exception_id = union(spill.exception_id.take(), row.exception_id.clone());

        let seen = spill != before || kind_id != there.kind || label_id != there.label;
        if seen || received != there.received || secret != there.secret {
            let spill = spill.to_bytes();
            let shown = self.whereabouts.show(db, &there.found, true, |flat| {
                let changed = Flat {
                    label: label_id,
                    kind: kind_id,
                    notable: kind.notable(),
                    received,
                    secret,
                    spill: spill.as_deref(),
                    ..*flat
                };
                // Elsewhere nothing changes: from now on it is a row, and that counts.
                if matches!(there.found, Found::Loose(_)) { change_row(db, &changed) } else { put_row(db, &changed) }
            });
            let rows = match shown {
                // Its text is lost: this delivery stands for it from now on.
                Err(error) if error.is_damage() => {
                    put_row(db, &flat(batch, self.ids, row, key, self.spill(row)?.as_deref()))
                }
                shown => shown?,
            }?;
            if !rows {
                return Err(WriteError::damaged("row", key));
            }
            self.whereabouts.add_loose(there.conn, key.created_us);
        }
        Ok(seen)
    }
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

/// A row's columns under a key.
fn flat<'f>(batch: &'f Encoded, ids: &Ids, row: &'f Row, key: EventKey, spill: Option<&'f [u8]>) -> Flat<'f> {
    let body = &batch.bodies[row.body.clone()];
    Flat {
        key,
        conn: ids.of_row(row),
        label: ids.labels[row.label as usize],
        kind: ids.kinds[row.kind as usize],
        shape: row.shape.map_or(0, |at| ids.shapes[at as usize]),
        notable: row.notable,
        received: row.received_us.wrapping_sub(key.created_us),
        sync: row.sync.as_ref().map(SyncCell::as_ref),
        secret: row.secret,
        spill,
        body: if row.packed { BodyRef::Packed(body) } else { BodyRef::Plain(body) },
    }
}

/// Writes a row; false when there is one of its key.
pub fn put_row(db: &Connection, flat: &Flat<'_>) -> Result<bool, WriteError> {
    let mut packed = Vec::new();
    let body = match flat.body {
        BodyRef::Packed(body) => body,
        BodyRef::Plain(body) => {
            body::compress(body, &mut packed);
            &packed
        }
    };
    let sync = flat.sync.map(|sync| match sync {
        SyncRef::Uuid(uuid) => SyncCell::Uuid(uuid),
        SyncRef::Text(text) => SyncCell::Text(text.to_owned()),
    });
    let changed = db.prepare_cached(INSERT)?.execute(params![
        flat.key.created_us,
        flat.key.hash,
        flat.conn,
        flat.label,
        flat.kind,
        flat.shape,
        flat.notable,
        flat.received,
        sync,
        flat.secret,
        flat.spill,
        body,
    ])?;
    Ok(changed == 1)
}

/// Changes what deliveries may change in a row; false when there is none.
fn change_row(db: &Connection, flat: &Flat<'_>) -> Result<bool, WriteError> {
    let changed = db
        .prepare_cached(
            "UPDATE event SET label = ?3, kind = ?4, notable = ?5, received = ?6, secret = ?7, spill = ?8
             WHERE created = ?1 AND hash = ?2",
        )?
        .execute(params![
            flat.key.created_us,
            flat.key.hash,
            flat.label,
            flat.kind,
            flat.notable,
            flat.received,
            flat.secret,
            flat.spill
        ])?;
    Ok(changed == 1)
}

fn redelivered(db: &Connection, key: EventKey) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO redelivery (created, hash, n) VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET n = n + 1",
    )?
    .execute([key.created_us, key.hash])?;
    Ok(())
}

/// The event that is there already.
struct There {
    conn: i64,
    label: i64,
    kind: i64,
    received: i64,
    secret: Option<i64>,
    spill: Option<Vec<u8>>,
    found: Found,
}

impl There {
    /// Of its columns, once it is said where they are.
    fn of(flat: &Flat<'_>) -> impl FnOnce(Found) -> Self + use<> {
        let Flat { conn, label, kind, received, secret, .. } = *flat;
        let spill = flat.spill.map(<[u8]>::to_vec);
        move |found| Self { conn, label, kind, received, secret, spill, found }
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
