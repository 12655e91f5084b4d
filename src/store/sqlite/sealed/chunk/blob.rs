//! A chunk as a row of the journal holds it.
//!
//! In: a chunk. Out: a blob, and a chunk again. Refused: a blob with any bit changed, cut short or of another format.
//!
//! Layout: format (1 byte); CRC-32 of every other byte (4, little-endian); form of the arena (1); then as varints the
//! numbers of events, of sync ids and of arena bytes; each event's columns, small numbers taken against the event before;
//! the arena, compressed where it is large enough. Snappy, because the writer thread waits for it: on bodies of simulated
//! traffic, 100 events at a time, 74 ns an event against 83 for LZ4 and 109 to 150 for zstd at levels -1 and 1, and as small
//! as LZ4. From 1,000 events on zstd at level 1 would cost 20 ns more and save 4 bytes an event.

use super::{Chunk, Entry, NOTABLE, RARE, Rare, SYNC_BYTES, TEXTS_BYTES_MAX};
use crate::{
    model::EventKey,
    store::sqlite::bytes::{Reader, Short, put_signed, put_varint},
};
use std::cell::RefCell;

/// First byte of a blob.
const FORMAT: u8 = 1;
/// Where the checksum stands.
const CRC: std::ops::Range<usize> = 1..5;
/// Form of the arena: as it is.
const STORED: u8 = 0;
/// Form of the arena: a raw Snappy block.
const SNAPPY: u8 = 1;
/// Smallest arena worth compressing, in bytes.
const COMPRESSED_BYTES_MIN: usize = 1024;
/// No Snappy block grows by more: three bytes say at most 64.
const GROWTH_MAX: usize = 22;
/// The least that an event's columns take, in bytes.
const COLUMNS_BYTES_MIN: usize = 16;

/// Bits of [`Entry::place`] below its flags, which a blob keeps with the length of the texts.
const PLACE_BITS: u32 = 30;
/// A flag beside those two: the step in time is in milliseconds, which is what Fivetran writes.
const MILLIS: u64 = 4;
/// How many flags there are.
const FLAG_BITS: u32 = 3;
const _: () = assert!(NOTABLE | RARE == 3 << PLACE_BITS && TEXTS_BYTES_MAX < 1 << PLACE_BITS);

thread_local! {
    static ENCODER: RefCell<snap::raw::Encoder> = RefCell::new(snap::raw::Encoder::new());
}

fn checksum(blob: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&blob[..CRC.start]);
    crc.update(&blob[CRC.end..]);
    crc.finalize()
}

impl Chunk {
    /// Appends the blob to `out`.
    pub fn to_blob(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[FORMAT, 0, 0, 0, 0, STORED]);
        put_varint(out, self.len() as u64);
        put_varint(out, u64::from(self.syncs));
        put_varint(out, self.arena.len() as u64);
        self.put_columns(out);
        let arena_at = out.len();
        if self.arena.len() >= COMPRESSED_BYTES_MIN && compress(&self.arena, out) {
            out[start + CRC.end] = SNAPPY;
        } else {
            out.truncate(arena_at);
            out.extend_from_slice(&self.arena);
        }
        let crc = checksum(&out[start..]);
        out[start..][CRC].copy_from_slice(&crc.to_le_bytes());
    }

    fn put_columns(&self, out: &mut Vec<u8>) {
        let parts = self.parts();
        let (mut created, mut receipt) = (0_i64, 0_i64);
        for (at, entry) in self.entries.iter().enumerate() {
            let EventKey { created_us, hash } = entry.key;
            let step = created_us.wrapping_sub(created);
            let (step, millis) = if step % 1000 == 0 { (step / 1000, MILLIS) } else { (step, 0) };
            let flags = u64::from(entry.place >> PLACE_BITS) | millis;
            put_varint(out, (parts.texts_of(at).len() as u64) << FLAG_BITS | flags);
            put_signed(out, step);
            out.extend_from_slice(&hash.to_le_bytes());
            // Events of one request were received at one moment.
            let received_us = created_us.wrapping_add(entry.received);
            put_signed(out, received_us.wrapping_sub(receipt));
            for number in [entry.conn, entry.label, entry.kind, entry.shape, entry.sync] {
                put_varint(out, u64::from(number));
            }
            (created, receipt) = (created_us, received_us);
        }
    }

    /// Reads what [`Self::to_blob`] wrote; takes no more memory than a fixed multiple of the blob.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_blob(blob: &[u8]) -> Result<Self, Short> {
        let mut input = Reader::new(blob);
        let (format, crc, form) = (input.byte()?, u32::from_le_bytes(input.array()?), input.byte()?);
        if format != FORMAT || crc != checksum(blob) {
            return Err(Short);
        }
        let mut number = || usize::try_from(input.varint()?).map_err(|_| Short);
        let (events, syncs, arena_len) = (number()?, number()?, number()?);
        let syncs_len = syncs.checked_mul(SYNC_BYTES).ok_or(Short)?;
        let texts_len = arena_len.checked_sub(syncs_len).filter(|_| arena_len <= TEXTS_BYTES_MAX).ok_or(Short)?;
        if events > blob.len() / COLUMNS_BYTES_MIN {
            return Err(Short);
        }
        let entries = read_columns(&mut input, events, syncs, texts_len)?;
        let arena: Box<[u8]> = match form {
            STORED => input.rest().into(),
            SNAPPY => decompress(input.rest(), arena_len)?.into(),
            _ => return Err(Short),
        };
        if arena.len() != arena_len {
            return Err(Short);
        }
        let chunk = Self { entries, arena, syncs: u32::try_from(syncs).map_err(|_| Short)? };
        let parts = chunk.parts();
        for (at, entry) in chunk.entries.iter().enumerate() {
            if entry.place & RARE != 0 {
                Rare::read(parts.texts_of(at))?;
            }
        }
        Ok(chunk)
    }
}

fn read_columns(input: &mut Reader<'_>, events: usize, syncs: usize, texts_len: usize) -> Result<Box<[Entry]>, Short> {
    let mut entries = Vec::with_capacity(events);
    let (mut created, mut receipt, mut start) = (0_i64, 0_i64, 0_usize);
    for _ in 0..events {
        let (len, flags) = {
            let value = input.varint()?;
            (usize::try_from(value >> FLAG_BITS).map_err(|_| Short)?, value & ((1 << FLAG_BITS) - 1))
        };
        let unit = if flags & MILLIS == 0 { 1 } else { 1000 };
        created = created.wrapping_add(input.signed()?.wrapping_mul(unit));
        let hash = i64::from_le_bytes(input.array()?);
        receipt = receipt.wrapping_add(input.signed()?);
        let mut number = || u32::try_from(input.varint()?).map_err(|_| Short);
        let (conn, label, kind, shape, sync) = (number()?, number()?, number()?, number()?, number()?);
        if sync as usize > syncs || len > texts_len - start {
            return Err(Short);
        }
        let place = start as u32 | (flags as u32) << PLACE_BITS;
        let key = EventKey { created_us: created, hash };
        let received = receipt.wrapping_sub(created);
        entries.push(Entry { key, received, conn, label, kind, shape, sync, place });
        start += len;
    }
    // Every byte belongs to an event.
    if start == texts_len { Ok(entries.into()) } else { Err(Short) }
}

/// Appends a Snappy block; false when it is no gain.
fn compress(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.resize(start + snap::raw::max_compress_len(bytes.len()), 0);
    let Ok(len) = ENCODER.with_borrow_mut(|encoder| encoder.compress(bytes, &mut out[start..])) else { return false };
    out.truncate(start + len);
    len < bytes.len() - bytes.len() / 8
}

fn decompress(block: &[u8], len: usize) -> Result<Vec<u8>, Short> {
    if snap::raw::decompress_len(block) != Ok(len) || len / GROWTH_MAX > block.len() {
        return Err(Short);
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(|_| Short)
}
