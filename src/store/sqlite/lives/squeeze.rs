//! Compression of what lives keep: states, shelves, bodies of runs and incidents.
//!
//! In: bytes. Out: fewer, and the same again. What a state of a kilobyte is made of is mostly names of members, which a dictionary knows
//! beforehand. What was compressed without it (by older versions) is read as well.

use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

/// Trained by `zstd --train --maxdict=16384` with states, columns of shelves, runs and incidents of a simulated account. Never changed
/// once released: what is stored could not be read any more.
const DICTIONARY: &[u8] = include_bytes!("dictionary.bin");
/// Fast, and mostly as small as any.
const ZSTD_LEVEL: i32 = 1;
/// More than any state can have; what claims more is damaged.
const BYTES_MAX: usize = 256 << 20;

thread_local! {
    // A context costs more to make than a state to pack.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> =
        RefCell::new(Compressor::with_dictionary(ZSTD_LEVEL, DICTIONARY).ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::with_dictionary(DICTIONARY).ok());
}

/// Compresses.
pub fn squeeze(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| match compressor {
        Some(compressor) => compressor.compress(bytes),
        None => zstd::bulk::compress(bytes, ZSTD_LEVEL),
    })
}

/// What was compressed; `None` when it is damaged or too large to be true.
pub fn stretch(packed: &[u8]) -> Option<Vec<u8>> {
    let bytes = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
    let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= BYTES_MAX)?;
    DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(packed, bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_without_the_dictionary_is_read() {
        let text = &DICTIONARY[DICTIONARY.len() / 2..];
        assert_eq!(stretch(&zstd::bulk::compress(text, 1).unwrap()).as_deref(), Some(text));
        let packed = squeeze(text).unwrap();
        assert!(packed.len() < 64, "{} bytes", packed.len());
        assert_eq!(stretch(&packed).as_deref(), Some(text));
        assert_eq!(stretch(&packed[..packed.len() - 1]), None);
    }
}
