//! What all columns share: the checksum in front, and sections that are compressed where that helps.
//!
//! In: a column's bytes. Out: a blob of checksum, format byte and content, and back. Refused: any blob whose checksum is
//! wrong, any format that is not known, sections that claim to be larger than allowed.

use crate::store::sqlite::{
    body,
    bytes::{Reader, Short, put_varint},
};
use std::{borrow::Cow, cell::RefCell, sync::LazyLock};
use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
    zstd_safe::CParameter,
};

/// Level 9 takes 4 % less room and three times as long.
const LEVEL: i32 = 4;
/// With the dictionary, for what is short.
const DICTIONARY_LEVEL: i32 = 6;
/// What every zstd frame begins with; not stored.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes of the checksum.
const CHECK: usize = 4;
/// Shorter sections are not worth an attempt.
const PACKED_BYTES_MIN: usize = 24;
/// What compression must save to be worth undoing, in bytes, and as a part of the section.
const SAVED_BYTES_MIN: usize = 8;
const SAVED_PART_MIN: usize = 64;
/// Longer sections bring their own phrases; the dictionary only helps at the beginning.
const DICTIONARY_BYTES_MAX: usize = 16 << 10;

/// Most bytes a thread keeps as a buffer.
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// How a section is kept.
const STORED: u64 = 0;
const ZSTD: u64 = 1;
/// Against the dictionary of row bodies.
const ZSTD_DICTIONARY: u64 = 2;

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(body::DICTIONARY, DICTIONARY_LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(body::DICTIONARY));

thread_local! {
    static WORK: RefCell<Work> = RefCell::new(Work::new());
}

/// Contexts are dear to make and are kept for each thread.
struct Work {
    packer: Option<Compressor<'static>>,
    dictionary_packer: Option<Compressor<'static>>,
    unpacker: Option<Decompressor<'static>>,
    dictionary_unpacker: Option<Decompressor<'static>>,
    buffer: Vec<u8>,
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
            packer: frugal(Compressor::new(LEVEL)),
            dictionary_packer: frugal(Compressor::with_prepared_dictionary(&ENCODER)),
            unpacker: Decompressor::new().ok(),
            dictionary_unpacker: Decompressor::with_prepared_dictionary(&DECODER).ok(),
            buffer: Vec::new(),
        }
    }

    /// Compresses into the buffer; `None` where that does not help.
    fn compress(&mut self, section: &[u8], text: bool) -> Option<u64> {
        if section.len() < PACKED_BYTES_MIN {
            return None;
        }
        self.buffer(zstd::zstd_safe::compress_bound(section.len()));
        let (form, compressor) = if text && section.len() <= DICTIONARY_BYTES_MAX {
            (ZSTD_DICTIONARY, self.dictionary_packer.as_mut()?)
        } else {
            (ZSTD, self.packer.as_mut()?)
        };
        compressor.compress_to_buffer(section, &mut self.buffer).ok()?;
        let saved = section.len().checked_sub(self.buffer.len())?;
        let helps = saved >= SAVED_BYTES_MIN.max(section.len() / SAVED_PART_MIN) && self.buffer.starts_with(&MAGIC);
        helps.then_some(form)
    }

    fn decompress(&mut self, form: u64, bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Short> {
        self.buffer(MAGIC.len() + bytes.len());
        self.buffer.extend_from_slice(&MAGIC);
        self.buffer.extend_from_slice(bytes);
        let size = zstd::zstd_safe::get_frame_content_size(&self.buffer).ok().flatten().ok_or(Short)?;
        let size = usize::try_from(size).ok().filter(|size| *size <= bytes_max).ok_or(Short)?;
        let decompressor = match form {
            ZSTD => self.unpacker.as_mut(),
            ZSTD_DICTIONARY => self.dictionary_unpacker.as_mut(),
            _ => None,
        };
        decompressor.ok_or(Short)?.decompress(&self.buffer, size).map_err(|_| Short)
    }

    /// Empties the buffer and makes room for so many bytes.
    fn buffer(&mut self, bytes: usize) {
        // One large section must not hold its buffer for ever.
        if self.buffer.capacity() > BUFFER_BYTES_MAX {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        self.buffer.reserve(bytes);
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
    WORK.with_borrow_mut(|work| match work.compress(section, text) {
        Some(form) => put(out, form, &work.buffer[MAGIC.len()..]),
        None => put(out, STORED, section),
    });
}

/// Appends a section that would not compress.
pub fn put_stored(out: &mut Vec<u8>, section: &[u8]) {
    put(out, STORED, section);
}

fn put(out: &mut Vec<u8>, form: u64, bytes: &[u8]) {
    put_varint(out, (bytes.len() as u64) << 2 | form);
    out.extend_from_slice(bytes);
}

/// Reads a section of at most so many bytes.
pub fn section<'b>(input: &mut Reader<'b>, bytes_max: usize) -> Result<Cow<'b, [u8]>, Short> {
    let head = input.varint()?;
    let bytes = input.take(usize::try_from(head >> 2).map_err(|_| Short)?)?;
    match head & 3 {
        STORED => Some(bytes).filter(|bytes| bytes.len() <= bytes_max).map(Cow::Borrowed).ok_or(Short),
        form => WORK.with_borrow_mut(|work| work.decompress(form, bytes, bytes_max)).map(Cow::Owned),
    }
}
