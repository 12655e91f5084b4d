//! Bodies: the part of an event that is its own, compressed against a dictionary of Fivetran's phrases.
//!
//! In: the pieces of an envelope that its shape does not hold, and what cannot be derived from them. Out: a blob whose
//! first byte names the dictionary, so that a later dictionary can stand beside this one. Damaged blobs are refused.

use super::{
    bytes::{Reader, Short, put_bytes, put_signed, put_varint},
    template::Parts,
    value::{parses_to, put_map, put_value, read_map, read_value},
};
use crate::model::{Conflict, EventKey, MICROS_PER_SECOND, NewEvent, Timestamp, Violation};
use serde_json::{Map, Value};
use std::{cell::RefCell, sync::LazyLock};
use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
    zstd_safe::CParameter,
};

/// Trained on the bodies of documented and of made-up events, by `train_the_dictionary` in the tests. Never edited: what is
/// stored needs it. A better one gets the next number.
pub static DICTIONARY: &[u8] = include_bytes!("dictionary.bin");
/// Level 1: on short texts with a dictionary, higher ones gain little.
const LEVEL: i32 = 1;
/// Largest body that is read back, in bytes; far above the largest request.
const BODY_BYTES_MAX: usize = 256 << 20;
/// What every zstd frame begins with; not stored.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// First byte of a blob: not compressed.
const STORED: u8 = 0;
/// First byte of a blob: compressed with [`DICTIONARY`].
const DICTIONARY_1: u8 = 1;

/// Second byte, before compression: data is what the piece `data` parses to.
const DATA_DERIVED: u8 = 1;
/// Second byte, before compression: sections follow the pieces.
const SECTIONS: u8 = 2;

const SECTION_DATA: u8 = 1;
const SECTION_EXTRA: u8 = 2;
const SECTION_CONFLICTS: u8 = 3;
const SECTION_ERRORS: u8 = 4;
const SECTION_CREATED: u8 = 5;

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(compressor());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> =
        RefCell::new(Decompressor::with_prepared_dictionary(&DECODER).ok());
}

fn compressor() -> Option<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(&ENCODER).ok()?;
    // The blob names its dictionary itself, and the database pages carry no second copy of the length.
    compressor.set_parameter(CParameter::DictIdFlag(false)).ok()?;
    compressor.set_parameter(CParameter::ChecksumFlag(false)).ok()?;
    Some(compressor)
}

/// What a body holds beside the text of the envelope.
#[derive(Debug, Default, PartialEq)]
pub struct Rest {
    /// `None`: derive it from the piece `data`.
    pub data: Option<Option<Value>>,
    /// Unknown members.
    pub extra: Map<String, Value>,
    /// Spellings that disagreed.
    pub conflicts: Vec<Conflict>,
    /// Breaches of the schema.
    pub errors: Vec<Violation>,
    /// `created` as seconds and nanoseconds, where the key does not say it all.
    pub created: Option<(i64, u32)>,
}

/// Appends an event's plain body to `out`. `parts` is `None` where the whole text is kept.
pub fn put_plain(out: &mut Vec<u8>, new: &NewEvent, parts: Option<&Parts>) {
    let data_text = parts.and_then(|parts| parts.data.map(|at| &new.raw[parts.pieces[at].clone()]));
    let known = parts.is_some_and(|parts| parts.data.is_some_and(|at| Some(&parts.pieces[at]) == new.data_at.as_ref()));
    let derived = match (new.event.data.as_deref(), data_text) {
        (Some(value), Some(text)) if known => {
            debug_assert!(serde_json::from_str::<Value>(text).is_ok_and(|parsed| parsed == *value), "{text}");
            true
        }
        (Some(value), Some(text)) => !value.is_null() && parses_to(text, value),
        (None, Some(text)) => text == "null",
        (None, None) => true,
        (Some(_), None) => false,
    };
    let flags_at = out.len();
    out.push(if derived { DATA_DERIVED } else { 0 });
    match parts {
        Some(parts) => parts.pieces.iter().for_each(|range| put_bytes(out, new.raw[range.clone()].as_bytes())),
        None => put_bytes(out, new.raw.as_bytes()),
    }
    let sections_at = out.len();
    if let (false, Some(value)) = (derived, &new.event.data) {
        out.push(SECTION_DATA);
        put_value(out, value);
    }
    if !new.event.extra.is_empty() {
        out.push(SECTION_EXTRA);
        put_map(out, &new.event.extra);
    }
    if !new.event.conflicts.is_empty() {
        out.push(SECTION_CONFLICTS);
        put_varint(out, new.event.conflicts.len() as u64);
        for conflict in &new.event.conflicts {
            for text in [&conflict.field, &conflict.kept, &conflict.dropped] {
                put_bytes(out, text.as_bytes());
            }
        }
    }
    if !new.verdict.errors.is_empty() {
        out.push(SECTION_ERRORS);
        put_varint(out, new.verdict.errors.len() as u64);
        for error in &new.verdict.errors {
            put_bytes(out, error.path.as_bytes());
            put_bytes(out, error.message.as_bytes());
        }
    }
    let created = new.event.created;
    if created.sub_micro_nanos() != 0 || created.micros() != new.key.created_us {
        out.push(SECTION_CREATED);
        put_signed(out, created.micros().div_euclid(MICROS_PER_SECOND));
        let nanos = created.micros().rem_euclid(MICROS_PER_SECOND) as u64 * 1000 + u64::from(created.sub_micro_nanos());
        put_varint(out, nanos);
    }
    if out.len() > sections_at {
        out[flags_at] |= SECTIONS;
    }
}

/// Appends the stored form of a plain body to `out`.
pub fn compress(plain: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let packed = COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = compressor.as_mut()?;
        PACKED.with_borrow_mut(|packed| {
            packed.clear();
            packed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
            compressor.compress_to_buffer(plain, packed).ok()?;
            let tail = packed.strip_prefix(&MAGIC).filter(|tail| tail.len() < plain.len())?;
            out.push(DICTIONARY_1);
            out.extend_from_slice(tail);
            Some(())
        })
    });
    if packed.is_none() {
        out.truncate(start);
        out.push(STORED);
        out.extend_from_slice(plain);
    }
    // One large body must not hold its buffer for ever.
    PACKED.with_borrow_mut(|packed| {
        if packed.capacity() > 1 << 20 {
            *packed = Vec::new()
        }
    });
}

/// The stored form of a plain body that is not compressed.
pub fn stored(plain: &[u8]) -> Vec<u8> {
    [&[STORED], plain].concat()
}

thread_local! {
    static PACKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A stored body made plain again.
pub fn decompress(blob: &[u8]) -> Result<Vec<u8>, Short> {
    match blob.split_first() {
        Some((&STORED, plain)) => Ok(plain.to_vec()),
        Some((&DICTIONARY_1, tail)) => {
            let mut frame = Vec::with_capacity(MAGIC.len() + tail.len());
            frame.extend_from_slice(&MAGIC);
            frame.extend_from_slice(tail);
            let size = zstd::zstd_safe::get_frame_content_size(&frame).ok().flatten().ok_or(Short)?;
            let size = usize::try_from(size).ok().filter(|size| *size <= BODY_BYTES_MAX).ok_or(Short)?;
            DECOMPRESSOR.with_borrow_mut(|decompressor| {
                decompressor.as_mut().ok_or(Short)?.decompress(&frame, size).map_err(|_| Short)
            })
        }
        _ => Err(Short),
    }
}

/// Begins to read a plain body: whether data is derived, whether sections follow, and where the pieces begin.
pub fn open(plain: &[u8]) -> Result<(bool, bool, Reader<'_>), Short> {
    let mut input = Reader::new(plain);
    let flags = input.byte()?;
    Ok((flags & DATA_DERIVED != 0, flags & SECTIONS != 0, input))
}

/// Reads what stands behind the pieces.
pub fn read_rest(mut input: Reader<'_>, derived: bool, sections: bool) -> Result<Rest, Short> {
    let mut rest = Rest { data: if derived { None } else { Some(None) }, ..Rest::default() };
    while sections && !input.is_empty() {
        match input.byte()? {
            SECTION_DATA => rest.data = Some(Some(read_value(&mut input)?)),
            SECTION_EXTRA => rest.extra = read_map(&mut input)?,
            SECTION_CONFLICTS => {
                for _ in 0..input.varint()? {
                    let mut text = || input.text().map(str::to_owned);
                    rest.conflicts.push(Conflict { field: text()?, kept: text()?, dropped: text()? });
                }
            }
            SECTION_ERRORS => {
                for _ in 0..input.varint()? {
                    let mut text = || input.text().map(str::to_owned);
                    rest.errors.push(Violation { path: text()?, message: text()? });
                }
            }
            SECTION_CREATED => {
                let seconds = input.signed()?;
                rest.created = Some((seconds, u32::try_from(input.varint()?).map_err(|_| Short)?));
            }
            _ => return Err(Short),
        }
    }
    Ok(rest)
}

/// `created`, from the key or, where that is not enough, from the body.
pub fn created(key: EventKey, digits: u8, exact: Option<(i64, u32)>) -> Result<Timestamp, Short> {
    let (seconds, nanos) = exact.unwrap_or_else(|| {
        let below = key.created_us.rem_euclid(MICROS_PER_SECOND) as u32;
        (key.created_us.div_euclid(MICROS_PER_SECOND), below * 1000)
    });
    Timestamp::new(seconds, nanos, digits).map_err(|_| Short)
}
