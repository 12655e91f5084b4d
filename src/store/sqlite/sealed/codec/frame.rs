//! What all columns share: the checksum in front, and sections that are compressed where that helps.
//!
//! In: a column's bytes. Out: a blob of checksum, format byte and content, and back. Refused: any blob whose checksum is
//! wrong, any format that is not known, sections that claim to be larger than allowed.

use super::super::super::{
    body,
    bytes::{Reader, Short, put_varint},
};
use std::{borrow::Cow, cell::RefCell, sync::LazyLock};
use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
    zstd_safe::CParameter,
};

/// Higher levels gain 5 % for twice the time.
const LEVEL: i32 = 3;
/// What every zstd frame begins with; not stored.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes of the checksum.
const CHECK: usize = 4;
/// Shorter sections are not worth an attempt.
const PACKED_BYTES_MIN: usize = 24;
/// Longer sections bring their own phrases; the dictionary only helps at the beginning.
const DICTIONARY_BYTES_MAX: usize = 16 << 10;

/// How a section is kept.
const STORED: u64 = 0;
const ZSTD: u64 = 1;
/// Against the dictionary of row bodies.
const ZSTD_DICTIONARY: u64 = 2;

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(body::DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(body::DICTIONARY));

thread_local! {
    static WORK: RefCell<Work> = RefCell::new(Work::new());
}

/// Contexts are dear to make and are kept for each thread.
struct Work {
    plain: Option<Compressor<'static>>,
    dictionary: Option<Compressor<'static>>,
    unplain: Option<Decompressor<'static>>,
    undictionary: Option<Decompressor<'static>>,
}

impl Work {
    fn new() -> Self {
        let frugal = |compressor: std::io::Result<Compressor<'static>>| {
            let mut compressor = compressor.ok()?;
            compressor.set_parameter(CParameter::ChecksumFlag(false)).ok()?;
            compressor.set_parameter(CParameter::DictIdFlag(false)).ok()?;
            Some(compressor)
        };
        Self {
            plain: frugal(Compressor::new(LEVEL)),
            dictionary: frugal(Compressor::with_prepared_dictionary(&ENCODER)),
            unplain: Decompressor::new().ok(),
            undictionary: Decompressor::with_prepared_dictionary(&DECODER).ok(),
        }
    }
}

/// Begins a column: room for the checksum, then the format.
pub fn begin(format: u8) -> Vec<u8> {
    vec![0, 0, 0, 0, format]
}

/// Ends a column: puts the checksum in front.
pub fn seal(mut column: Vec<u8>) -> Vec<u8> {
    let check = crc32fast::hash(&column[CHECK..]);
    column[..CHECK].copy_from_slice(&check.to_le_bytes());
    column
}

/// A column's content, once its checksum and its format hold.
pub fn open(column: &[u8], format: u8) -> Result<Reader<'_>, Short> {
    let mut input = Reader::new(column);
    let check = u32::from_le_bytes(input.array()?);
    if crc32fast::hash(&column[CHECK..]) != check || input.byte()? != format {
        return Err(Short);
    }
    Ok(input)
}

/// Appends a section, compressed where that helps; `text` where phrases of JSON are likely.
pub fn put_section(out: &mut Vec<u8>, section: &[u8], text: bool) {
    let packed = if section.len() < PACKED_BYTES_MIN {
        None
    } else {
        WORK.with_borrow_mut(|work| {
            let (form, compressor) = if text && section.len() <= DICTIONARY_BYTES_MAX {
                (ZSTD_DICTIONARY, work.dictionary.as_mut()?)
            } else {
                (ZSTD, work.plain.as_mut()?)
            };
            let packed = compressor.compress(section).ok()?;
            let tail = packed.strip_prefix(&MAGIC)?;
            let gains = tail.len() + tail.len() / 64 < section.len();
            gains.then(|| (form, tail.to_vec()))
        })
    };
    let (form, bytes) = packed.as_ref().map_or((STORED, section), |(form, bytes)| (*form, bytes.as_slice()));
    put_varint(out, (bytes.len() as u64) << 2 | form);
    out.extend_from_slice(bytes);
}

/// Reads a section of at most so many bytes.
pub fn section<'b>(input: &mut Reader<'b>, bytes_max: usize) -> Result<Cow<'b, [u8]>, Short> {
    let head = input.varint()?;
    let bytes = input.take(usize::try_from(head >> 2).map_err(|_| Short)?)?;
    let form = head & 3;
    if form == STORED {
        return Some(bytes).filter(|bytes| bytes.len() <= bytes_max).map(Cow::Borrowed).ok_or(Short);
    }
    let mut frame = Vec::with_capacity(MAGIC.len() + bytes.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(bytes);
    let size = zstd::zstd_safe::get_frame_content_size(&frame).ok().flatten().ok_or(Short)?;
    let size = usize::try_from(size).ok().filter(|size| *size <= bytes_max).ok_or(Short)?;
    WORK.with_borrow_mut(|work| {
        let decompressor = match form {
            ZSTD => work.unplain.as_mut(),
            ZSTD_DICTIONARY => work.undictionary.as_mut(),
            _ => None,
        };
        let bytes = decompressor.ok_or(Short)?.decompress(&frame, size).map_err(|_| Short)?;
        Ok(Cow::Owned(bytes))
    })
}
