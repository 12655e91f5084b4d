//! JSON as OTLP's `AnyValue`, in both of its encodings: for tests of the decoder, of the roads, and for the load bench.
//! Source: `common.proto` of OpenTelemetry.

#![allow(dead_code, reason = "not every user needs both encodings of pairs")]

use serde_json::{Map, Value, json};

/// A length-delimited field of protobuf.
pub fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// A field of eight bytes.
pub fn fixed(number: u8, value: u64) -> Vec<u8> {
    [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
}

/// A value in protobuf.
pub fn packed(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::Bool(value) => vec![2 << 3, u8::from(*value)],
        Value::Number(number) => match number.as_i64() {
            Some(number) => {
                let mut out = vec![3 << 3];
                prost::encoding::encode_varint(number.cast_unsigned(), &mut out);
                out
            }
            None => fixed(4, number.as_f64().expect("a number").to_bits()),
        },
        Value::String(text) => field(1, text.as_bytes()),
        Value::Array(list) => field(5, &list.iter().flat_map(|value| field(1, &packed(value))).collect::<Vec<_>>()),
        Value::Object(members) => field(6, &packed_pairs(members, 1)),
    }
}

/// Members as keys and values in fields of this number.
pub fn packed_pairs(members: &Map<String, Value>, number: u8) -> Vec<u8> {
    let pair =
        |(key, value): (&String, &Value)| field(number, &[field(1, key.as_bytes()), field(2, &packed(value))].concat());
    members.iter().flat_map(pair).collect()
}

/// A value in OTLP's JSON.
pub fn spelled(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({"boolValue": value}),
        Value::Number(number) if number.is_i64() => json!({"intValue": number.to_string()}),
        Value::Number(number) => json!({"doubleValue": number}),
        Value::String(text) => json!({"stringValue": text}),
        Value::Array(list) => json!({"arrayValue": {"values": Value::from_iter(list.iter().map(spelled))}}),
        Value::Object(members) => json!({"kvlistValue": {"values": spelled_pairs(members)}}),
    }
}

/// Members as keys and values in OTLP's JSON.
pub fn spelled_pairs(members: &Map<String, Value>) -> Value {
    members.iter().map(|(key, value)| json!({"key": key, "value": spelled(value)})).collect()
}
