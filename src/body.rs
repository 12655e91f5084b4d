//! Undoes `Content-Encoding` against a cap.
//!
//! In: the bytes of a body as they came over the wire, and the header that names their encodings. Out: the plain bytes,
//! borrowed when there was nothing to undo. Refused: encodings we do not speak, damaged or truncated
//! data, bytes after the end, and anything that grows past the limit. Exists because the HTTP library's own
//! decompression inflates whole chunks before it looks at a limit.
//!
//! Nothing here trusts a length that the sender declares: output grows as data really arrives, every layer of a stacked
//! encoding is capped, and only the last one is held in memory. With the window of zstd at its bound, peak
//! memory stays below twice the limit.

use crate::protocol::IngestError;
use flate2::{Decompress, FlushDecompress, Status, bufread::MultiGzDecoder};
use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

/// Most encodings that may be stacked in one header.
const LAYERS_MAX: usize = 3;

/// Largest zstd window, as a power of two: 8 MiB.
/// Source: RFC 9659, which sets this bound for the `zstd` content coding, read 2026-11-20.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Bytes of output that are reserved first.
const FIRST_RESERVE_BYTES: usize = 64 << 10;

/// Undoes every encoding named by `content_encoding`, last one first, but for those in `own`, which the protocol
/// undoes itself. Without a header, gzip is recognised by its first bytes: no text body starts with them.
///
/// # Errors
/// [`IngestError::UnknownEncoding`], [`IngestError::BadEncoding`], and [`IngestError::TooLarge`] once any layer passes
/// `limit` bytes.
pub fn inflate<'b>(
    bytes: &'b [u8],
    content_encoding: Option<&str>,
    own: &[&str],
    limit: usize,
) -> Result<Cow<'b, [u8]>, IngestError> {
    let too_large = || IngestError::TooLarge { limit_bytes: limit };
    if bytes.len() > limit {
        return Err(too_large());
    }
    let codings = codings(bytes, content_encoding, own)?;
    if codings.is_empty() || bytes.is_empty() {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut reader: Box<dyn BufRead + 'b> = Box::new(bytes);
    for (at, coding) in codings.iter().enumerate() {
        let decoded = coding.undo(reader).map_err(|error| refusal(&error, limit))?;
        let capped = Capped { inner: decoded, left: limit };
        // The outermost reader is drained directly; a buffer is needed only where another layer reads from it.
        if at + 1 == codings.len() {
            return drain(capped, limit).map(Cow::Owned).map_err(|error| refusal(&error, limit));
        }
        reader = Box::new(BufReader::new(capped));
    }
    Ok(Cow::Borrowed(bytes))
}

/// One encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Zstd,
}

/// The encodings to undo, in the order of undoing.
fn codings(bytes: &[u8], header: Option<&str>, own: &[&str]) -> Result<Vec<Coding>, IngestError> {
    let names = header.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut codings = Vec::new();
    let mut left_to_protocol = false;
    for name in names.rev() {
        let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
        let coding = if is(own) {
            left_to_protocol = true;
            continue;
        } else if is(&["identity"]) {
            continue;
        } else if is(&["gzip", "x-gzip"]) {
            Coding::Gzip
        } else if is(&["deflate"]) {
            Coding::Deflate
        } else if is(&["zstd", "zstd1"]) {
            Coding::Zstd
        } else {
            return Err(IngestError::UnknownEncoding);
        };
        // What lies below an encoding of the protocol's own cannot be reached from here.
        if left_to_protocol {
            return Err(IngestError::UnknownEncoding);
        }
        if codings.len() == LAYERS_MAX {
            return Err(IngestError::BadEncoding(format!("more than {LAYERS_MAX} encodings are stacked")));
        }
        codings.push(coding);
    }
    if header.is_none() && bytes.starts_with(&[0x1f, 0x8b]) {
        codings.push(Coding::Gzip);
    }
    Ok(codings)
}

impl Coding {
    fn undo<'b>(self, mut inner: Box<dyn BufRead + 'b>) -> io::Result<Box<dyn Read + 'b>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(inner)),
            Self::Deflate => {
                // Loki's clients send raw deflate, all others zlib. A raw stream never begins like a zlib header: its
                // low bits would mean a stored block with padding that no encoder writes.
                let zlib = looks_like_zlib(inner.fill_buf()?);
                Box::new(Deflate { inner, state: Decompress::new(zlib), ended: false })
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(inner)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
        })
    }
}

fn looks_like_zlib(start: &[u8]) -> bool {
    match *start {
        [method, flags, ..] => {
            method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

/// A deflate stream that knows whether it ended: the library's reader takes a truncated stream for a short one.
struct Deflate<R> {
    inner: R,
    state: Decompress,
    ended: bool,
}

impl<R: BufRead> Read for Deflate<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !out.is_empty() {
            let input = self.inner.fill_buf()?;
            let at_end = input.is_empty();
            let (read_before, written_before) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(input, out, FlushDecompress::None)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "corrupt deflate stream"))?;
            let read = (self.state.total_in() - read_before) as usize;
            let written = (self.state.total_out() - written_before) as usize;
            self.inner.consume(read);
            if status == Status::StreamEnd {
                self.ended = true;
                if !self.inner.fill_buf()?.is_empty() {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "bytes after the end of the deflate stream",
                    ));
                }
            } else if written == 0 && read == 0 && at_end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

/// Marks an error of [`Capped`], so that it can be told from damage.
#[derive(Debug, thiserror::Error)]
#[error("limit passed")]
struct LimitPassed;

/// Fails once more than `left` bytes have come out.
struct Capped<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = out.len().min(self.left.saturating_add(1));
        let count = self.inner.read(&mut out[..room])?;
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => Err(io::Error::other(LimitPassed)),
        }
    }
}

/// Reads all of it into a buffer that at most doubles and never passes the limit by more than a byte.
fn drain(mut reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let most = limit.saturating_add(1);
    let mut out = vec![0; FIRST_RESERVE_BYTES.min(most)];
    let mut filled = 0;
    loop {
        if filled == out.len() {
            let wanted = out.len().saturating_mul(2).min(most);
            out.reserve_exact(wanted - out.len());
            out.resize(wanted, 0);
        }
        match reader.read(&mut out[filled..]) {
            Ok(0) => {
                out.truncate(filled);
                return Ok(out);
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn refusal(error: &io::Error, limit: usize) -> IngestError {
    if error.get_ref().is_some_and(|inner| inner.is::<LimitPassed>()) {
        return IngestError::TooLarge { limit_bytes: limit };
    }
    IngestError::BadEncoding(match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
        // The decoders' own words name the fault and never quote data.
        _ => error.to_string(),
    })
}

#[cfg(test)]
mod tests;
