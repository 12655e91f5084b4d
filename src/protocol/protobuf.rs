//! Walks protobuf messages in place.
//!
//! In: the bytes of a message. Out: its fields, borrowed. Refused: bytes that are no message. Exists because a decoder that builds
//! messages lets two bytes on the wire (an empty element of a list) become a hundred in memory; a walk holds nothing.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use std::ops::Range;

/// A field's value, as far as our formats use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'p> {
    /// Integers, enumerations and booleans.
    Varint(u64),
    /// Texts, bytes and messages.
    Bytes(&'p [u8]),
    /// Fixed-width numbers of 64 bits.
    Fixed64(u64),
    /// Fixed-width numbers of 32 bits and groups, skipped.
    Other,
}

/// The bytes are no protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a protobuf message")]
pub struct Malformed;

/// The fields of a message in order; ends after the first fault.
#[derive(Debug, Clone)]
pub struct Fields<'p>(&'p [u8]);

/// The fields of a message.
pub const fn fields(message: &[u8]) -> Fields<'_> {
    Fields(message)
}

impl<'p> Fields<'p> {
    fn step(&mut self) -> Result<(u32, Value<'p>), Malformed> {
        let (number, wire_type) = decode_key(&mut self.0).map_err(|_| Malformed)?;
        let value = match wire_type {
            WireType::Varint => Value::Varint(decode_varint(&mut self.0).map_err(|_| Malformed)?),
            WireType::LengthDelimited => {
                let len = decode_varint(&mut self.0).map_err(|_| Malformed)?;
                let len = usize::try_from(len).map_err(|_| Malformed)?;
                let (bytes, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            WireType::SixtyFourBit => {
                let (bytes, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
                self.0 = rest;
                Value::Fixed64(u64::from_le_bytes(*bytes))
            }
            other => {
                skip_field(other, number, &mut self.0, DecodeContext::default()).map_err(|_| Malformed)?;
                Value::Other
            }
        };
        Ok((number, value))
    }
}

impl<'p> Iterator for Fields<'p> {
    type Item = Result<(u32, Value<'p>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.step();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Where `part` lies in `body`, of which it is a slice.
pub fn range_in(body: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(body.as_ptr() as usize).min(body.len());
    start..(start + part.len()).min(body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_kind_are_walked() {
        // 1: varint 150, 2: "ab", 3: fixed32, 4: fixed64, 5: an empty group.
        let bytes = b"\x08\x96\x01\x12\x02ab\x1d\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x08\x2b\x2c";
        let found: Vec<_> = fields(bytes).collect();
        assert_eq!(
            found,
            [
                Ok((1, Value::Varint(150))),
                Ok((2, Value::Bytes(b"ab"))),
                Ok((3, Value::Other)),
                Ok((4, Value::Fixed64(0x0807_0605_0403_0201))),
                Ok((5, Value::Other)),
            ]
        );
    }

    #[test]
    fn damage_ends_the_walk() {
        for bytes in
            [&b"\x12\x05ab"[..], b"\x08", b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x00", b"\x0f", b"\x2c"]
        {
            assert_eq!(fields(bytes).collect::<Vec<_>>(), [Err(Malformed)], "{bytes:?}");
        }
        let deep = b"\x2b".repeat(1_000_000);
        assert_eq!(fields(&deep).collect::<Vec<_>>(), [Err(Malformed)]);
    }
}
