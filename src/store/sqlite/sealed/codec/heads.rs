//! What is known of an event besides its key and its body.
//!
//! In: events. Out: a column from which the head of any of them is read at once. Label, kind, shape and notable come in few
//! combinations; syncs and receipts mostly stay what they were; secrets and spills are rare and listed. Refused: numbers of
//! things that are not there, texts that are no UTF-8, anything left over.

use super::{
    BLOCK_BYTES_MAX, frame,
    ids::{self, Numbered},
};
use crate::{
    model::EventKey,
    store::sqlite::{
        bytes::{Reader, Short, put_bytes, put_signed, put_varint},
        flat::{BodyRef, Flat, SyncRef},
    },
};
use std::ops::Range;

const HEADS: u8 = 1;

/// How receipts are told.
const SINCE_THE_LAST: u8 = 0;
/// How much later after its last event was created than for the receipt before.
const SINCE_CREATED: u8 = 1;

const SYNC_NONE: u8 = 0;
const SYNC_UUID: u8 = 1;
const SYNC_TEXT: u8 = 2;

/// What repeats together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Group {
    label: i64,
    kind: i64,
    shape: i64,
    notable: bool,
}

/// What [`Flat`] has beside key, connection and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'h> {
    /// Number of the label.
    pub label: i64,
    /// Number of the kind.
    pub kind: i64,
    /// Number of the shape.
    pub shape: i64,
    /// WARNING or worse, or not valid.
    pub notable: bool,
    /// Microseconds from `created` to the receipt; wraps.
    pub received: i64,
    /// The sync id.
    pub sync: Option<SyncRef<'h>>,
    /// Keyed digest of the masked secrets.
    pub secret: Option<i64>,
    /// JSON of what was not interned or was merged later.
    pub spill: Option<&'h [u8]>,
}

impl<'h> Head<'h> {
    /// The whole event.
    pub const fn flat(self, key: EventKey, conn: i64, body: BodyRef<'h>) -> Flat<'h> {
        let Self { label, kind, shape, notable, received, sync, secret, spill } = self;
        Flat { key, conn, label, kind, shape, notable, received, sync, secret, spill, body }
    }
}

/// Bytes of a row that have no bound of their own.
pub fn weight(row: &Flat<'_>) -> usize {
    let sync = match row.sync {
        Some(SyncRef::Text(text)) => text.len(),
        _ => 0,
    };
    sync + row.spill.map_or(0, <[u8]>::len)
}

/// The column of heads, and for each event the number of its group, below the number of events.
pub fn encode(rows: &[Flat<'_>]) -> (Vec<u8>, Vec<u16>) {
    let mut groups = Numbered::new();
    let mut receipts = Numbered::new();
    let mut syncs = Numbered::new();
    let (mut group_ids, mut sync_ids, mut receipt_ids) = (Vec::with_capacity(rows.len()), Vec::new(), Vec::new());
    let (mut sync_writer, mut receipt_writer) = (ids::Writer::default(), ids::Writer::default());
    // For each receipt the last event that came with it.
    let mut created = Vec::new();
    for row in rows {
        let group = Group { label: row.label, kind: row.kind, shape: row.shape, notable: row.notable };
        group_ids.push(groups.number(group) as u16);
        let receipt = receipts.number(row.key.created_us.wrapping_add(row.received));
        receipt_writer.put(&mut receipt_ids, receipt);
        created.resize(receipt_writer.known(), 0);
        created[receipt] = row.key.created_us;
        sync_writer.put(&mut sync_ids, syncs.number(row.sync));
    }
    let mut streams = Vec::with_capacity(rows.len() * 3);
    if groups.list.len() <= 256 {
        streams.extend(group_ids.iter().map(|id| *id as u8));
    } else {
        group_ids.iter().for_each(|id| streams.extend_from_slice(&id.to_le_bytes()));
    }
    streams.append(&mut sync_ids);
    streams.append(&mut receipt_ids);
    let mut out = frame::begin(HEADS);
    frame::put_section(&mut out, &lists(rows, &groups.list, &receipts.list, &created), false);
    frame::put_section(&mut out, &streams, false);
    let uuids: Vec<u8> = syncs.list.iter().filter_map(|sync| uuid(*sync)).flatten().collect();
    frame::put_stored(&mut out, &uuids);
    let mut texts = Vec::new();
    for sync in &syncs.list {
        match sync {
            None => texts.push(SYNC_NONE),
            Some(SyncRef::Uuid(_)) => texts.push(SYNC_UUID),
            Some(SyncRef::Text(text)) => {
                texts.push(SYNC_TEXT);
                put_bytes(&mut texts, text.as_bytes());
            }
        }
    }
    sparse(rows, |row| row.spill, put_bytes, &mut texts);
    frame::put_section(&mut out, &texts, false);
    (frame::seal(out), group_ids)
}

const fn uuid(sync: Option<SyncRef<'_>>) -> Option<[u8; 16]> {
    match sync {
        Some(SyncRef::Uuid(uuid)) => Some(uuid),
        _ => None,
    }
}

/// Groups, receipts and secrets.
fn lists(rows: &[Flat<'_>], groups: &[Group], receipts: &[i64], created: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, groups.len() as u64);
    let mut before = Group { label: 0, kind: 0, shape: 0, notable: false };
    for group in groups {
        put_signed(&mut out, group.label.wrapping_sub(before.label));
        put_signed(&mut out, group.kind.wrapping_sub(before.kind));
        put_signed(&mut out, group.shape.wrapping_sub(before.shape));
        out.push(u8::from(group.notable));
        before = *group;
    }
    let mut since_the_last = vec![SINCE_THE_LAST];
    let mut since_created = vec![SINCE_CREATED];
    let (mut last, mut last_late) = (0_i64, 0_i64);
    for (receipt, created) in receipts.iter().zip(created) {
        let late = receipt.wrapping_sub(*created);
        put_signed(&mut since_the_last, receipt.wrapping_sub(last));
        put_signed(&mut since_created, late.wrapping_sub(last_late));
        (last, last_late) = (*receipt, late);
    }
    out.append(if since_created.len() < since_the_last.len() { &mut since_created } else { &mut since_the_last });
    sparse(rows, |row| row.secret, |out, secret| out.extend_from_slice(&secret.to_le_bytes()), &mut out);
    out
}

/// Lists what few events have: how many without it come before, and then it.
fn sparse<'r, T>(
    rows: &[Flat<'r>],
    value: impl Fn(&Flat<'r>) -> Option<T>,
    put: impl Fn(&mut Vec<u8>, T),
    out: &mut Vec<u8>,
) {
    put_varint(out, rows.iter().filter_map(&value).count() as u64);
    let mut without = 0;
    for row in rows {
        match value(row) {
            Some(value) => {
                put_varint(out, without);
                put(out, value);
                without = 0;
            }
            None => without += 1,
        }
    }
}

fn read_sparse<T>(
    input: &mut Reader<'_>,
    rows: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, Short>,
) -> Result<Vec<(u16, T)>, Short> {
    let mut list = Vec::new();
    let mut at = 0_usize;
    for _ in 0..input.varint()? {
        at = usize::try_from(input.varint()?).ok().and_then(|without| at.checked_add(without)).ok_or(Short)?;
        if at >= rows {
            return Err(Short);
        }
        list.push((at as u16, read(input)?));
        at += 1;
    }
    Ok(list)
}

/// A sync id as the column has it.
#[derive(Debug)]
enum Sync {
    None,
    Uuid([u8; 16]),
    Text(String),
}

/// The heads of a block, opened.
#[derive(Debug)]
pub struct Heads {
    groups: Vec<Group>,
    group_ids: Vec<u16>,
    received: Vec<i64>,
    syncs: Vec<Sync>,
    sync_ids: Vec<u16>,
    secrets: Vec<(u16, i64)>,
    spills: Vec<(u16, Range<usize>)>,
    texts: Vec<u8>,
}

impl Heads {
    /// Opens the column of the block whose events were created at `times`.
    ///
    /// # Errors
    /// The column is damaged or is not of so many events.
    pub fn open(column: &[u8], times: &[i64]) -> Result<Self, Short> {
        let rows = times.len();
        let mut input = frame::open(column, HEADS)?;
        let lists = frame::section(&mut input, rows.saturating_mul(80).saturating_add(64))?;
        let streams = frame::section(&mut input, rows.saturating_mul(10))?;
        let uuids = frame::section(&mut input, rows.saturating_mul(16))?;
        let texts = frame::section(&mut input, BLOCK_BYTES_MAX.saturating_add(rows.saturating_mul(24)))?;
        if rows == 0 || rows > super::BLOCK_ROWS_MAX || !input.is_empty() {
            return Err(Short);
        }
        let mut lists = Reader::new(&lists);
        let groups = read_groups(&mut lists, rows)?;
        let mut streams = Reader::new(&streams);
        let group_ids: Vec<u16> = if groups.len() <= 256 {
            streams.take(rows)?.iter().map(|id| u16::from(*id)).collect()
        } else {
            streams.take(rows * 2)?.chunks_exact(2).map(|id| u16::from_le_bytes([id[0], id[1]])).collect()
        };
        if group_ids.iter().any(|id| usize::from(*id) >= groups.len()) {
            return Err(Short);
        }
        let (sync_ids, sync_count) = ids::read(&mut streams, rows)?;
        let (receipt_ids, receipt_count) = ids::read(&mut streams, rows)?;
        let receipts = read_receipts(&mut lists, times, &receipt_ids, receipt_count)?;
        let receipt = receipt_ids.iter().map(|id| receipts[usize::from(*id)]);
        let received = receipt.zip(times).map(|(receipt, created)| receipt.wrapping_sub(*created)).collect();
        let secrets = read_sparse(&mut lists, rows, |input| input.array().map(i64::from_le_bytes))?;
        let mut rest = Reader::new(&texts);
        let syncs = read_syncs(&mut Reader::new(&uuids), &mut rest, sync_count)?;
        let whole = &texts;
        let spills = read_sparse(&mut rest, rows, |input| {
            let len = input.bytes()?.len();
            let end = whole.len() - input.left();
            Ok(end - len..end)
        })?;
        if !lists.is_empty() || !streams.is_empty() || !rest.is_empty() {
            return Err(Short);
        }
        let texts = if spills.is_empty() { Vec::new() } else { texts.into_owned() };
        Ok(Self { groups, group_ids, received, syncs, sync_ids, secrets, spills, texts })
    }

    /// What they take in memory, in bytes.
    pub fn weight(&self) -> usize {
        let of_syncs = |sync: &Sync| if let Sync::Text(text) = sync { text.capacity() } else { 0 };
        self.groups.capacity() * size_of::<Group>()
            + (self.group_ids.capacity() + self.sync_ids.capacity()) * size_of::<u16>()
            + self.received.capacity() * size_of::<i64>()
            + self.syncs.capacity() * size_of::<Sync>()
            + self.syncs.iter().map(of_syncs).sum::<usize>()
            + self.secrets.capacity() * size_of::<(u16, i64)>()
            + self.spills.capacity() * size_of::<(u16, Range<usize>)>()
            + self.texts.capacity()
    }

    /// The head of an event by its place in the block; `None` past the end.
    pub fn get(&self, row: usize) -> Option<Head<'_>> {
        let Group { label, kind, shape, notable } = *self.groups.get(usize::from(*self.group_ids.get(row)?))?;
        let sync = match self.syncs.get(usize::from(*self.sync_ids.get(row)?))? {
            Sync::None => None,
            Sync::Uuid(uuid) => Some(SyncRef::Uuid(*uuid)),
            Sync::Text(text) => Some(SyncRef::Text(text)),
        };
        let spill = find(&self.spills, row).map(|range| &self.texts[range.clone()]);
        let (received, secret) = (*self.received.get(row)?, find(&self.secrets, row).copied());
        Some(Head { label, kind, shape, notable, received, sync, secret, spill })
    }
}

fn find<T>(list: &[(u16, T)], row: usize) -> Option<&T> {
    list.binary_search_by_key(&row, |(at, _)| usize::from(*at)).ok().map(|at| &list[at].1)
}

fn read_groups(input: &mut Reader<'_>, rows: usize) -> Result<Vec<Group>, Short> {
    let count = usize::try_from(input.varint()?).ok().filter(|count| *count <= rows).ok_or(Short)?;
    let mut groups = Vec::with_capacity(count);
    let mut group = Group { label: 0, kind: 0, shape: 0, notable: false };
    for _ in 0..count {
        group.label = group.label.wrapping_add(input.signed()?);
        group.kind = group.kind.wrapping_add(input.signed()?);
        group.shape = group.shape.wrapping_add(input.signed()?);
        group.notable = match input.byte()? {
            0 => false,
            1 => true,
            _ => return Err(Short),
        };
        groups.push(group);
    }
    Ok(groups)
}

fn read_receipts(input: &mut Reader<'_>, times: &[i64], ids: &[u16], count: usize) -> Result<Vec<i64>, Short> {
    let form = input.byte()?;
    let mut receipts = vec![0_i64; count];
    if form == SINCE_CREATED {
        ids.iter().zip(times).for_each(|(id, created)| receipts[usize::from(*id)] = *created);
    } else if form != SINCE_THE_LAST {
        return Err(Short);
    }
    let mut last = 0_i64;
    for receipt in &mut receipts {
        last = last.wrapping_add(input.signed()?);
        *receipt = receipt.wrapping_add(last);
    }
    Ok(receipts)
}

fn read_syncs(uuids: &mut Reader<'_>, rest: &mut Reader<'_>, count: usize) -> Result<Vec<Sync>, Short> {
    let read = |_| match rest.byte()? {
        SYNC_NONE => Ok(Sync::None),
        SYNC_UUID => uuids.array().map(Sync::Uuid),
        SYNC_TEXT => rest.text().map(|text| Sync::Text(text.to_owned())),
        _ => Err(Short),
    };
    let syncs = (0..count).map(read).collect::<Result<_, _>>()?;
    if uuids.is_empty() { Ok(syncs) } else { Err(Short) }
}
