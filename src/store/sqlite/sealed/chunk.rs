//! The new events of one commit, packed.
//!
//! In: the columns of events, one by one, in the order of their keys as a rule. Out: a [`Chunk`], which never changes: a
//! small entry of fixed size for each event, and one stretch of bytes that holds everything else. It is kept in memory as
//! it is and goes to the journal as a blob (`blob.rs`). Refused: packed bodies, which the caller opens first, and more
//! bytes than a blob of SQLite can carry.

mod blob;
#[cfg(test)]
mod tests;

use crate::{
    model::EventKey,
    store::sqlite::{
        bytes::{Reader, Short, put_bytes},
        flat::{BodyRef, Flat, SyncRef},
    },
};
use ahash::AHashMap;

/// Events in one chunk; far above what one request can bring.
const EVENTS_MAX: usize = 1 << 24;
/// Bytes beside the entries in one chunk. A place among them takes 30 bits; a blob of SQLite may be as long.
const TEXTS_BYTES_MAX: usize = (1 << 30) - 1;
/// Length of a sync id that is a UUID, in bytes.
const SYNC_BYTES: usize = 16;
/// Capacity in bytes that a builder keeps for its next chunk; one large commit must not hold it for ever.
const KEPT_BYTES_MAX: usize = 8 << 20;
/// Sync ids that a builder remembers, to store each once.
const RECENT_SYNCS: usize = 256;

/// In [`Entry::place`]: WARNING or worse, or not valid.
const NOTABLE: u32 = 1 << 31;
/// In [`Entry::place`]: a record of the rare columns stands before the body.
const RARE: u32 = 1 << 30;

/// In the first byte of the rare columns: the four numbers, as they did not fit into the entry.
const WIDE: u8 = 1;
/// In the first byte of the rare columns: a sync id that is no UUID.
const SYNC_TEXT: u8 = 2;
/// In the first byte of the rare columns: the digest of the secrets.
const SECRET: u8 = 4;
/// In the first byte of the rare columns: the spill.
const SPILL: u8 = 8;

/// What every event has, 48 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    key: EventKey,
    received: i64,
    conn: u32,
    label: u32,
    kind: u32,
    shape: u32,
    /// Place among the sync ids, counted from 1; 0 for none or one that is no UUID.
    sync: u32,
    /// Where its texts begin, with [`NOTABLE`] and [`RARE`] above.
    place: u32,
}

impl Entry {
    const fn start(&self) -> usize {
        (self.place & !(NOTABLE | RARE)) as usize
    }
}

/// The columns that few events have.
#[derive(Default)]
struct Rare<'r> {
    wide: Option<[i64; 4]>,
    sync: Option<&'r str>,
    secret: Option<i64>,
    spill: Option<&'r [u8]>,
    body: &'r [u8],
}

impl<'r> Rare<'r> {
    fn read(texts: &'r [u8]) -> Result<Self, Short> {
        let mut input = Reader::new(texts);
        let has = input.byte()?;
        let mut rare = Self::default();
        if has & WIDE != 0 {
            let mut number = || input.array().map(i64::from_le_bytes);
            rare.wide = Some([number()?, number()?, number()?, number()?]);
        }
        if has & SYNC_TEXT != 0 {
            rare.sync = Some(input.text()?);
        }
        if has & SECRET != 0 {
            rare.secret = Some(i64::from_le_bytes(input.array()?));
        }
        if has & SPILL != 0 {
            rare.spill = Some(input.bytes()?);
        }
        rare.body = input.rest();
        Ok(rare)
    }
}

/// Entries and what they point into, whoever owns it.
#[derive(Clone, Copy)]
struct Parts<'c> {
    entries: &'c [Entry],
    syncs: &'c [u8],
    texts: &'c [u8],
}

impl<'c> Parts<'c> {
    fn texts_of(&self, at: usize) -> &'c [u8] {
        let end = self.entries.get(at + 1).map_or(self.texts.len(), Entry::start);
        &self.texts[self.entries[at].start()..end]
    }

    fn rare(&self, at: usize) -> Option<Rare<'c>> {
        let rare = self.entries[at].place & RARE != 0;
        rare.then(|| Rare::read(self.texts_of(at)).expect("checked when the chunk was made"))
    }

    fn conn(&self, at: usize) -> i64 {
        match self.rare(at) {
            Some(Rare { wide: Some([conn, ..]), .. }) => conn,
            _ => i64::from(self.entries[at].conn),
        }
    }

    fn flat(&self, at: usize) -> Flat<'c> {
        let entry = &self.entries[at];
        let rare = self.rare(at).unwrap_or_else(|| Rare { body: self.texts_of(at), ..Rare::default() });
        let narrow = || [entry.conn, entry.label, entry.kind, entry.shape].map(i64::from);
        let [conn, label, kind, shape] = rare.wide.unwrap_or_else(narrow);
        let uuid = (entry.sync as usize).checked_sub(1).map(|place| {
            let bytes = &self.syncs[place * SYNC_BYTES..(place + 1) * SYNC_BYTES];
            SyncRef::Uuid(bytes.try_into().expect("as long as a UUID"))
        });
        Flat {
            key: entry.key,
            conn,
            label,
            kind,
            shape,
            notable: entry.place & NOTABLE != 0,
            received: entry.received,
            sync: uuid.or(rare.sync.map(SyncRef::Text)),
            secret: rare.secret,
            spill: rare.spill,
            body: BodyRef::Plain(rare.body),
        }
    }
}

/// Events of one commit; never changes.
#[derive(Default, PartialEq, Eq)]
pub struct Chunk {
    entries: Box<[Entry]>,
    /// The sync ids, then the texts of the events in order.
    arena: Box<[u8]>,
    syncs: u32,
}

impl Chunk {
    fn parts(&self) -> Parts<'_> {
        let (syncs, texts) = self.arena.split_at(self.syncs as usize * SYNC_BYTES);
        Parts { entries: &self.entries, syncs, texts }
    }

    /// Number of events.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds nothing.
    #[cfg(test)]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory in bytes, with what the allocator adds.
    pub const fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.entries) + self.arena.len() + 3 * 16
    }

    /// An event. Panics past the end, as a slice does.
    pub fn get(&self, at: usize) -> Flat<'_> {
        self.parts().flat(at)
    }

    /// An event's key. Panics past the end.
    pub fn key(&self, at: usize) -> EventKey {
        self.entries[at].key
    }

    /// The number of an event's connection. Panics past the end.
    pub fn conn(&self, at: usize) -> i64 {
        self.parts().conn(at)
    }

    /// Whether an event is WARNING or worse, or not valid. Panics past the end.
    pub fn notable(&self, at: usize) -> bool {
        self.entries[at].place & NOTABLE != 0
    }

    /// Places of the events of a sync.
    pub fn of_sync<'c>(&'c self, sync: SyncRef<'c>) -> impl Iterator<Item = usize> + 'c {
        let parts = self.parts();
        let (may_be_here, rare) = match sync {
            SyncRef::Uuid(uuid) => (parts.syncs.chunks_exact(SYNC_BYTES).any(|known| known == uuid), false),
            SyncRef::Text(_) => (true, true),
        };
        let places = 0..if may_be_here { self.len() } else { 0 };
        places.filter(move |at| (!rare || parts.entries[*at].place & RARE != 0) && parts.flat(*at).sync == Some(sync))
    }

    /// Every event, in the order in which they were pushed.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Flat<'_>> {
        (0..self.len()).map(|at| self.get(at))
    }
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Bodies never go to a log.
        to.debug_struct("Chunk").field("len", &self.len()).field("bytes", &self.bytes()).finish()
    }
}

/// Why an event does not go into a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The body is packed.
    #[error("only plain bodies go into a chunk")]
    Packed,
    /// Too many events or bytes for one blob.
    #[error("a chunk takes at most {EVENTS_MAX} events and {TEXTS_BYTES_MAX} bytes")]
    Full,
}

/// Takes events until a commit is complete. Its buffers serve one chunk after another.
#[derive(Default)]
pub struct ChunkBuilder {
    entries: Vec<Entry>,
    syncs: Vec<u8>,
    texts: Vec<u8>,
    /// Places of sync ids, by a few of their bits; what a place holds is always compared.
    recent: Vec<u32>,
    /// Made when the first event comes out of order.
    places: Option<AHashMap<EventKey, u32>>,
}

impl ChunkBuilder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of events so far.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was pushed.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an event. Its key is new: the caller has asked [`Self::find`] and whatever else may hold it.
    ///
    /// # Errors
    /// Nothing is added then.
    pub fn push(&mut self, flat: &Flat<'_>) -> Result<(), PushError> {
        let BodyRef::Plain(body) = flat.body else { return Err(PushError::Packed) };
        let sync_text = match flat.sync {
            Some(SyncRef::Text(text)) => Some(text),
            _ => None,
        };
        let most = body.len() + sync_text.map_or(0, str::len) + flat.spill.map_or(0, <[u8]>::len) + 64;
        let used = self.texts.len() + self.syncs.len() + SYNC_BYTES;
        if self.len() >= EVENTS_MAX || most > TEXTS_BYTES_MAX - used.min(TEXTS_BYTES_MAX) {
            return Err(PushError::Full);
        }
        let numbers = [flat.conn, flat.label, flat.kind, flat.shape];
        let narrow = numbers.map(|number| u32::try_from(number).ok());
        let mut place = self.texts.len() as u32;
        if flat.notable {
            place |= NOTABLE;
        }
        let [conn, label, kind, shape] = match narrow {
            [Some(conn), Some(label), Some(kind), Some(shape)] => [conn, label, kind, shape],
            _ => [0; 4],
        };
        let wide = narrow.contains(&None);
        if wide || sync_text.is_some() || flat.secret.is_some() || flat.spill.is_some() {
            place |= RARE;
            self.put_rare(wide.then_some(numbers), sync_text, flat.secret, flat.spill);
        }
        let sync = match flat.sync {
            Some(SyncRef::Uuid(uuid)) => self.sync(uuid),
            _ => 0,
        };
        self.texts.extend_from_slice(body);
        let at = self.entries.len() as u32;
        if let Some(places) = &mut self.places {
            places.insert(flat.key, at);
        } else if self.entries.last().is_some_and(|last| last.key >= flat.key) {
            let known = self.entries.iter().zip(0..).map(|(entry, at)| (entry.key, at));
            self.places = Some(known.chain([(flat.key, at)]).collect());
        }
        self.entries.push(Entry { key: flat.key, received: flat.received, conn, label, kind, shape, sync, place });
        Ok(())
    }

    fn put_rare(&mut self, wide: Option<[i64; 4]>, sync: Option<&str>, secret: Option<i64>, spill: Option<&[u8]>) {
        let flags_at = self.texts.len();
        let mut has = 0;
        self.texts.push(has);
        if let Some(numbers) = wide {
            has |= WIDE;
            numbers.iter().for_each(|number| self.texts.extend_from_slice(&number.to_le_bytes()));
        }
        if let Some(text) = sync {
            has |= SYNC_TEXT;
            put_bytes(&mut self.texts, text.as_bytes());
        }
        if let Some(digest) = secret {
            has |= SECRET;
            self.texts.extend_from_slice(&digest.to_le_bytes());
        }
        if let Some(spill) = spill {
            has |= SPILL;
            put_bytes(&mut self.texts, spill);
        }
        self.texts[flags_at] = has;
    }

    /// Where a sync id stands, counted from 1; added when it is not among the recent ones.
    fn sync(&mut self, uuid: [u8; SYNC_BYTES]) -> u32 {
        if self.recent.is_empty() {
            self.recent.resize(RECENT_SYNCS, 0);
        }
        let recent = &mut self.recent[usize::from(uuid[0] ^ uuid[15])];
        let start = *recent as usize * SYNC_BYTES;
        if self.syncs.get(start..start + SYNC_BYTES) != Some(&uuid[..]) {
            *recent = (self.syncs.len() / SYNC_BYTES) as u32;
            self.syncs.extend_from_slice(&uuid);
        }
        *recent + 1
    }

    /// The place of the event with a key. Cheap while keys are pushed in ascending order.
    pub fn find(&self, key: EventKey) -> Option<usize> {
        match (&self.places, self.entries.last()) {
            (Some(places), _) => places.get(&key).map(|at| *at as usize),
            (None, Some(last)) if last.key >= key => self.entries.binary_search_by_key(&key, |entry| entry.key).ok(),
            _ => None,
        }
    }

    /// An event pushed before. Panics past the end.
    pub fn get(&self, at: usize) -> Flat<'_> {
        Parts { entries: &self.entries, syncs: &self.syncs, texts: &self.texts }.flat(at)
    }

    /// Forgets everything, as when a commit is taken back.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.syncs.clear();
        self.texts.clear();
        self.places = None;
        self.entries.shrink_to(KEPT_BYTES_MAX / size_of::<Entry>());
        self.syncs.shrink_to(KEPT_BYTES_MAX);
        self.texts.shrink_to(KEPT_BYTES_MAX);
    }

    /// The chunk of everything pushed; the builder is empty again.
    pub fn finish(&mut self) -> Chunk {
        let mut arena = Vec::with_capacity(self.syncs.len() + self.texts.len());
        arena.extend_from_slice(&self.syncs);
        arena.extend_from_slice(&self.texts);
        let chunk = Chunk {
            entries: self.entries.as_slice().into(),
            arena: arena.into_boxed_slice(),
            syncs: (self.syncs.len() / SYNC_BYTES) as u32,
        };
        self.clear();
        chunk
    }
}
