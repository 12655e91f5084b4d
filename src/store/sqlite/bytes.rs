//! Framing inside blobs: variable-length numbers and counted bytes, and reading them with every bound checked.

/// The bytes end too early or do not mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short;

/// Appends a number in groups of seven bits, lowest first.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number, small when it is near zero.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends bytes behind their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A checksum over numbers that stand beside each other in a row.
pub fn checksum(numbers: &[i64]) -> i64 {
    let mut crc = crc32fast::Hasher::new();
    numbers.iter().for_each(|number| crc.update(&number.to_le_bytes()));
    i64::from(crc.finalize())
}

/// Reads a blob from its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    /// At the beginning.
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        self.0.len()
    }

    /// All that is left, which stays where it is.
    pub const fn rest(&self) -> &'b [u8] {
        self.0
    }

    /// The next so many bytes.
    pub fn take(&mut self, len: usize) -> Result<&'b [u8], Short> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Short)?;
        self.0 = rest;
        Ok(head)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Short> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// A fixed number of bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        self.take(N)?.try_into().map_err(|_| Short)
    }

    /// What [`put_varint`] wrote.
    pub fn varint(&mut self) -> Result<u64, Short> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Short);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Short)
    }

    /// What [`put_signed`] wrote.
    pub fn signed(&mut self) -> Result<i64, Short> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// What [`put_bytes`] wrote.
    pub fn bytes(&mut self) -> Result<&'b [u8], Short> {
        let len = self.varint()?;
        self.take(usize::try_from(len).map_err(|_| Short)?)
    }

    /// What [`put_bytes`] wrote, as text.
    pub fn text(&mut self) -> Result<&'b str, Short> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size_come_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            put_signed(&mut out, value as i64);
            put_signed(&mut out, -(value as i64 >> 1));
            let mut input = Reader::new(&out);
            assert_eq!(
                (input.varint(), input.signed(), input.signed()),
                (Ok(value), Ok(value as i64), Ok(-(value as i64 >> 1)))
            );
            assert!(input.is_empty());
        }
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(Short));
        assert_eq!(Reader::new(&[5, 1]).bytes(), Err(Short));
    }
}
