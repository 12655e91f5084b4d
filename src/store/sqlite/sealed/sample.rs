//! Blocks of given events, to measure the codec by.
//!
//! In: batches, as they are appended. Out: per connection, sorted, blocks of so many events, which can be encoded and decoded
//! as often as a bench wants. No part of the store.

use super::{
    super::{
        body,
        encode::{self, SyncCell},
        flat::{BodyRef, Flat, SyncRef},
        kind::Spill,
    },
    codec::{self, Bodies, Columns, Heads},
};
use crate::{model::EventKey, store::Batch};
use ahash::AHashMap;
use std::{collections::BTreeMap, hint::black_box, ops::Range};

/// An event that owns what it holds.
#[derive(Debug)]
struct Kept {
    key: EventKey,
    conn: i64,
    label: i64,
    kind: i64,
    shape: i64,
    notable: bool,
    received: i64,
    sync: Option<SyncCell>,
    secret: Option<i64>,
    spill: Option<Vec<u8>>,
    body: Vec<u8>,
}

/// A block and what it was made of.
#[derive(Debug)]
pub struct Sample {
    rows: Vec<Kept>,
    /// One after another, as whoever seals has them.
    bodies: Vec<u8>,
    ranges: Vec<Range<usize>>,
    columns: Columns,
}

/// Numbers texts from 1, as the interned tables do.
#[derive(Default)]
struct Numbers(AHashMap<String, i64>);

impl Numbers {
    fn of(&mut self, text: &str) -> i64 {
        let next = self.0.len() as i64 + 1;
        *self.0.entry(text.to_owned()).or_insert(next)
    }
}

impl Sample {
    /// The whole blocks of `rows` events that batches make, by connection. Events without one are left out.
    #[must_use]
    pub fn blocks(batches: impl IntoIterator<Item = Batch>, rows: usize) -> Vec<Self> {
        let mut tables: [Numbers; 4] = Default::default();
        let mut connections: BTreeMap<i64, Vec<Kept>> = BTreeMap::new();
        for batch in batches {
            let encoded = encode::encode(batch, false, false);
            let [conns, labels, kinds, shapes] = &mut tables;
            for row in &encoded.rows {
                let Some(conn) = row.conn else { continue };
                let spill = Spill { exception_id: row.exception_id.clone(), ..Spill::default() };
                let kept = Kept {
                    key: row.key,
                    conn: conns.of(&encoded.connections[conn as usize].1),
                    label: labels.of(&encoded.labels[row.label as usize]),
                    kind: kinds.of(&encoded.kinds[row.kind as usize]),
                    shape: row.shape.map_or(0, |at| shapes.of(&encoded.shapes[at as usize])),
                    notable: row.notable,
                    received: row.received_us.wrapping_sub(row.key.created_us),
                    sync: row.sync.clone(),
                    secret: row.secret,
                    spill: spill.to_bytes(),
                    body: body::decompress(&encoded.bodies[row.body.clone()]).expect("just compressed"),
                };
                connections.entry(kept.conn).or_default().push(kept);
            }
        }
        let mut blocks = Vec::new();
        for mut kept in connections.into_values() {
            kept.sort_by_key(|row| row.key);
            kept.dedup_by_key(|row| row.key);
            while kept.len() >= rows {
                let rest = kept.split_off(rows);
                blocks.push(Self::of(std::mem::replace(&mut kept, rest)));
            }
        }
        blocks
    }

    fn of(rows: Vec<Kept>) -> Self {
        let mut bodies = Vec::new();
        let place = |row: &Kept| {
            let start = bodies.len();
            bodies.extend_from_slice(&row.body);
            start..bodies.len()
        };
        let ranges = rows.iter().map(place).collect();
        let mut sample = Self { rows, bodies, ranges, columns: Columns::default() };
        sample.columns = sample.encode();
        sample
    }

    fn flats(&self) -> Vec<Flat<'_>> {
        let flat = |(row, range): (&'_ Kept, &Range<usize>)| Flat {
            key: row.key,
            conn: row.conn,
            label: row.label,
            kind: row.kind,
            shape: row.shape,
            notable: row.notable,
            received: row.received,
            sync: None,
            secret: row.secret,
            spill: None,
            body: BodyRef::Plain(&self.bodies[range.clone()]),
        };
        let mut flats: Vec<Flat<'_>> = self.rows.iter().zip(&self.ranges).map(flat).collect();
        for (flat, row) in flats.iter_mut().zip(&self.rows) {
            flat.spill = row.spill.as_deref();
            flat.sync = row.sync.as_ref().map(|sync| match sync {
                SyncCell::Uuid(uuid) => SyncRef::Uuid(*uuid),
                SyncCell::Text(text) => SyncRef::Text(text),
            });
        }
        flats
    }

    fn encode(&self) -> Columns {
        codec::encode(&self.flats()).expect("a sample is within the limits")
    }

    /// How many events it has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of times, hashes, heads and bodies.
    #[must_use]
    pub const fn bytes(&self) -> [usize; 4] {
        let Columns { times, hashes, heads, bodies } = &self.columns;
        [times.len(), hashes.len(), heads.len(), bodies.len()]
    }

    /// Encodes it.
    pub fn seal(&self) {
        black_box(self.encode());
    }

    /// Decodes the times.
    pub fn times(&self) {
        black_box(codec::times(&self.columns.times, self.len()).expect("just encoded"));
    }

    /// Decodes everything and visits each event.
    ///
    /// # Panics
    /// It is not what was encoded.
    pub fn read(&self) {
        let times = codec::times(&self.columns.times, self.len()).expect("just encoded");
        let hashes = codec::hashes(&self.columns.hashes, self.len()).expect("just encoded");
        let heads = Heads::open(&self.columns.heads, &times).expect("just encoded");
        let bodies = Bodies::open(&self.columns.bodies, &times).expect("just encoded");
        for row in 0..self.len() {
            black_box((times[row], hashes[row], heads.get(row), bodies.get(row)));
        }
    }

    /// Whether what is decoded is what was encoded.
    #[must_use]
    pub fn holds(&self) -> bool {
        let open = || {
            let times = codec::times(&self.columns.times, self.len())?;
            let hashes = codec::hashes(&self.columns.hashes, self.len())?;
            let heads = Heads::open(&self.columns.heads, &times)?;
            Ok::<_, super::super::bytes::Short>((hashes, heads, Bodies::open(&self.columns.bodies, &times)?, times))
        };
        let Ok((hashes, heads, bodies, times)) = open() else { return false };
        self.flats().iter().enumerate().all(|(at, flat)| {
            let (Some(head), Some(body)) = (heads.get(at), bodies.get(at)) else { return false };
            let key = EventKey { created_us: times[at], hash: hashes[at] };
            head.flat(key, flat.conn, BodyRef::Plain(body)) == *flat
        })
    }
}
