//! Payloads that could not be read as events, with their bytes and the reason.

use super::{encode::Encoded, writer::Counters};
use crate::{
    model::{Micros, NewQuarantine, QuarantinedItem},
    store::StoreError,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest, Sha256};

const STORED: u8 = 0;
const ZSTD: u8 = 1;
/// Largest item that is read back, in bytes.
const BYTES_MAX: usize = 256 << 20;

/// Keeps an item, or counts its delivery; gives its number.
pub fn put(db: &Connection, batch: &Encoded, item: &NewQuarantine, counters: &mut Counters) -> rusqlite::Result<i64> {
    let mut digest = Sha256::new();
    digest.update(batch.delivery.protocol.as_bytes());
    digest.update([0]);
    digest.update(&item.bytes);
    let digest = digest.finalize();
    let again: Option<i64> = db
        .prepare_cached(
            "UPDATE quarantine SET deliveries = deliveries + 1, received = min(received, ?2) WHERE digest = ?1
             RETURNING id",
        )?
        .query_row(params![digest.as_slice(), item.received_us], |row| row.get(0))
        .optional()?;
    if let Some(id) = again {
        return Ok(id);
    }
    db.prepare_cached(
        "INSERT INTO quarantine (digest, reason, bytes, protocol, token, received, deliveries)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)",
    )?
    .execute(params![
        digest.as_slice(),
        item.reason,
        pack(&item.bytes),
        batch.delivery.protocol,
        &*batch.delivery.token,
        item.received_us
    ])?;
    counters.quarantined += 1;
    Ok(db.last_insert_rowid())
}

/// Marks an item as replayed; false when there is none of that number or it was replayed before.
pub fn mark(db: &Connection, id: i64, now: Micros, counters: &mut Counters) -> rusqlite::Result<bool> {
    let changed = db
        .prepare_cached("UPDATE quarantine SET replayed = ?2 WHERE id = ?1 AND replayed IS NULL")?
        .execute([id, now])?;
    counters.quarantined = counters.quarantined.saturating_sub(changed as u64);
    Ok(changed == 1)
}

/// Items in the order of their numbers, newest first.
pub fn list(
    db: &Connection,
    before: Option<i64>,
    limit: usize,
    all: bool,
) -> Result<Vec<QuarantinedItem>, rusqlite::Error> {
    let sql = if all {
        "SELECT id, reason, bytes, protocol, token, received, deliveries, replayed FROM quarantine
         WHERE id < ?1 ORDER BY id DESC LIMIT ?2"
    } else {
        "SELECT id, reason, bytes, protocol, token, received, deliveries, replayed FROM quarantine
         WHERE id < ?1 AND replayed IS NULL ORDER BY id DESC LIMIT ?2"
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(sql)?.query_map([before.unwrap_or(i64::MAX), limit], item)?.collect()
}

/// One item.
pub fn get(db: &Connection, id: i64) -> Result<Option<QuarantinedItem>, rusqlite::Error> {
    db.prepare_cached(
        "SELECT id, reason, bytes, protocol, token, received, deliveries, replayed FROM quarantine WHERE id = ?1",
    )?
    .query_row([id], item)
    .optional()
}

fn item(row: &Row<'_>) -> rusqlite::Result<QuarantinedItem> {
    let packed = row.get_ref(2)?.as_blob()?;
    let bytes = unpack(packed).ok_or_else(|| {
        let error = StoreError::Damaged("quarantined bytes".into());
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Blob, Box::new(error))
    })?;
    Ok(QuarantinedItem {
        id: row.get(0)?,
        reason: row.get(1)?,
        bytes,
        protocol: row.get(3)?,
        token: row.get(4)?,
        received_us: row.get(5)?,
        deliveries: row.get::<_, i64>(6)? as u64,
        replayed_us: row.get(7)?,
    })
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![ZSTD];
    match zstd::bulk::compress(bytes, 3) {
        Ok(packed) if packed.len() < bytes.len() => out.extend_from_slice(&packed),
        _ => {
            out[0] = STORED;
            out.extend_from_slice(bytes);
        }
    }
    out
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    match packed.split_first()? {
        (&STORED, bytes) => Some(bytes.to_vec()),
        (&ZSTD, frame) => {
            let size = usize::try_from(zstd::zstd_safe::get_frame_content_size(frame).ok()??).ok()?;
            if size > BYTES_MAX {
                return None;
            }
            zstd::bulk::decompress(frame, size).ok()
        }
        _ => None,
    }
}
