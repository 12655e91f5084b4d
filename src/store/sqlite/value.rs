//! JSON values in bytes, and comparing a value with a text without building a second one.
//!
//! In: `serde_json` values. Out: bytes that read back as exactly the same value, numbers digit for digit. Refused: bytes
//! that are cut or nest deeper than any parser of ours lets in.

use super::bytes::{Reader, Short, put_bytes, put_varint};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The private member under which the parser hands over a number's text.
const NUMBER: &str = "$serde_json::private::Number";

/// Deepest nesting that is read back.
const DEPTH_MAX: usize = 512;

/// Appends a value.
pub fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(false) => out.push(1),
        Value::Bool(true) => out.push(2),
        Value::Number(number) => put_number(out, number),
        Value::String(text) => {
            out.push(6);
            put_bytes(out, text.as_bytes());
        }
        Value::Array(items) => {
            out.push(7);
            put_varint(out, items.len() as u64);
            items.iter().for_each(|item| put_value(out, item));
        }
        Value::Object(members) => {
            out.push(8);
            put_map(out, members);
        }
    }
}

/// Appends an object without its tag.
pub fn put_map(out: &mut Vec<u8>, members: &Map<String, Value>) {
    put_varint(out, members.len() as u64);
    for (key, value) in members {
        put_bytes(out, key.as_bytes());
        put_value(out, value);
    }
}

/// Numbers keep their text; whole ones that are written plainly take less room.
fn put_number(out: &mut Vec<u8>, number: &Number) {
    let text = number.as_str();
    match (text.parse::<u64>(), text.parse::<i64>()) {
        (Ok(value), _) if value.to_string() == text => {
            out.push(3);
            put_varint(out, value);
        }
        (_, Ok(value)) if value.to_string() == text => {
            out.push(4);
            out.extend_from_slice(&value.to_le_bytes());
        }
        _ => {
            out.push(5);
            put_bytes(out, text.as_bytes());
        }
    }
}

/// Reads a value back.
pub fn read_value(input: &mut Reader<'_>) -> Result<Value, Short> {
    value_at(input, DEPTH_MAX)
}

/// Reads an object back.
pub fn read_map(input: &mut Reader<'_>) -> Result<Map<String, Value>, Short> {
    map_at(input, DEPTH_MAX)
}

fn map_at(input: &mut Reader<'_>, depth: usize) -> Result<Map<String, Value>, Short> {
    let mut members = Map::new();
    for _ in 0..input.varint()? {
        let key = input.text()?.to_owned();
        members.insert(key, value_at(input, depth)?);
    }
    Ok(members)
}

fn value_at(input: &mut Reader<'_>, depth: usize) -> Result<Value, Short> {
    let depth = depth.checked_sub(1).ok_or(Short)?;
    Ok(match input.byte()? {
        0 => Value::Null,
        1 => Value::Bool(false),
        2 => Value::Bool(true),
        3 => Value::from(input.varint()?),
        4 => Value::from(i64::from_le_bytes(input.array()?)),
        5 => Value::Number(input.text()?.parse().map_err(|_| Short)?),
        6 => Value::String(input.text()?.to_owned()),
        7 => {
            let len = input.varint()?;
            (0..len).map(|_| value_at(input, depth)).collect::<Result<_, _>>()?
        }
        8 => Value::Object(map_at(input, depth)?),
        _ => return Err(Short),
    })
}

/// Whether parsing `text` would give exactly `value`. May say no where it is yes, never the other way round.
pub fn parses_to(text: &str, value: &Value) -> bool {
    let mut parser = serde_json::Deserializer::from_str(text);
    Same(value).deserialize(&mut parser).unwrap_or(false) && parser.end().is_ok()
}

/// Walks a parser along a value.
struct Same<'v>(&'v Value);

impl<'de> DeserializeSeed<'de> for Same<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<bool, D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Same<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_bool<E>(self, found: bool) -> Result<bool, E> {
        Ok(self.0.as_bool() == Some(found))
    }
    fn visit_u64<E>(self, found: u64) -> Result<bool, E> {
        Ok(matches!(self.0, Value::Number(number) if number.as_str().parse() == Ok(found)))
    }
    fn visit_i64<E>(self, found: i64) -> Result<bool, E> {
        Ok(matches!(self.0, Value::Number(number) if number.as_str().parse() == Ok(found)))
    }
    fn visit_str<E>(self, found: &str) -> Result<bool, E> {
        Ok(self.0.as_str() == Some(found))
    }
    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(self.0.is_null())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut found: A) -> Result<bool, A::Error> {
        let Value::Array(items) = self.0 else { return Err(differs()) };
        for item in items {
            if found.next_element_seed(Same(item))? != Some(true) {
                return Err(differs());
            }
        }
        Ok(found.next_element::<serde::de::IgnoredAny>()?.is_none())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut found: A) -> Result<bool, A::Error> {
        // The parser hands a number over as an object of one private member that holds its text.
        if let Value::Number(number) = self.0 {
            let private = found.next_key::<String>()?.is_some_and(|key| key == NUMBER);
            return Ok(private && found.next_value::<String>()? == number.as_str());
        }
        let Value::Object(members) = self.0 else { return Err(differs()) };
        // One bit for each member, so that a repeated key is noticed; larger objects are kept as they are.
        if members.len() > 64 {
            return Err(differs());
        }
        let mut seen = 0_u64;
        while let Some(place) = found.next_key_seed(Place(members))? {
            let Some((at, value)) = place else { return Err(differs()) };
            if seen >> at & 1 == 1 || !found.next_value_seed(Same(value))? {
                return Err(differs());
            }
            seen |= 1 << at;
        }
        Ok(seen.count_ones() as usize == members.len())
    }
}

/// Stops the walk at the first difference.
fn differs<E: serde::de::Error>() -> E {
    E::custom("differs")
}

/// Finds a key among an object's members.
struct Place<'v>(&'v Map<String, Value>);

impl<'de, 'v> DeserializeSeed<'de> for Place<'v> {
    type Value = Option<(usize, &'v Value)>;
    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<Self::Value, D::Error> {
        parser.deserialize_str(self)
    }
}

impl<'v> Visitor<'_> for Place<'v> {
    type Value = Option<(usize, &'v Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        // The parser gives some private key names a meaning of its own.
        if key.starts_with("$serde_json") {
            return Ok(None);
        }
        Ok(self.0.iter().enumerate().find(|(_, (name, _))| *name == key).map(|(at, (_, value))| (at, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_come_back_exactly() {
        let value = json!({"a": [1, -1, 1.5, 1e300, serde_json::from_str::<Value>("[-0,18446744073709551616,0.10,1e-7]").ok(), u64::MAX, i64::MIN, null, true, false, "x\u{0}\"é"], "": {"k": []}});
        let mut bytes = Vec::new();
        put_value(&mut bytes, &value);
        assert_eq!(read_value(&mut Reader::new(&bytes)), Ok(value));
        for cut in 0..bytes.len() {
            assert!(read_value(&mut Reader::new(&bytes[..cut])).is_err());
        }
    }

    #[test]
    fn a_text_is_compared_without_building_its_value() {
        for (text, value, same) in [
            (r#"{"a":1,"b":[true,null,"\u0041"]}"#, json!({"b": [true, null, "A"], "a": 1}), true),
            (r#"{"a":1,"a":1}"#, json!({"a": 1}), false),
            (r#"{"a":1,"a":1}"#, json!({"a": 1, "b": 2}), false),
            (r#"{"a":1}"#, json!({"a": 1, "b": 2}), false),
            (r#"{"a":1,"b":2}"#, json!({"a": 1}), false),
            ("[1,2]", json!([1]), false),
            ("[1]", json!([1, 2]), false),
            ("1.0", json!(1), false),
            ("-0.0", json!(0.0), false),
            ("18446744073709551616", serde_json::from_str("18446744073709551616").unwrap_or_default(), true),
            ("18446744073709551616", serde_json::from_str("18446744073709551617").unwrap_or_default(), false),
            ("0.1", json!(0.1), true),
            ("-5", json!(-5), true),
            ("null", Value::Null, true),
            ("null x", Value::Null, false),
            (r#"{"$serde_json::private::RawValue":"1"}"#, json!({"$serde_json::private::RawValue": "1"}), false),
        ] {
            assert_eq!(parses_to(text, &value), same, "{text}");
        }
    }
}
