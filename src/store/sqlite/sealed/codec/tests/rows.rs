//! Events to make blocks of: usual ones, one of each kind, and whatever comes.

use crate::{
    model::EventKey,
    store::sqlite::{
        bytes::put_bytes,
        flat::{BodyRef, Flat, SyncRef},
    },
};
use proptest::prelude::*;

/// A row that owns what it holds.
#[derive(Debug, Clone)]
pub struct Owned {
    pub key: EventKey,
    pub numbers: [i64; 3],
    pub notable: bool,
    pub received: i64,
    pub sync: Option<Sync>,
    pub secret: Option<i64>,
    pub spill: Option<Vec<u8>>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone)]
pub enum Sync {
    Uuid([u8; 16]),
    Text(String),
}

impl Owned {
    /// An event of a body, the rest usual.
    pub fn of(at: i64, body: Vec<u8>) -> Self {
        let key = EventKey { created_us: 1_767_225_600_000_000 + at * 1_234_000, hash: at.wrapping_mul(i64::MAX / 7) };
        let (sync, secret, spill) = (Some(Sync::Uuid([7; 16])), None, None);
        Self { key, numbers: [1, at % 3, 1], notable: false, received: 2_000_000, sync, secret, spill, body }
    }

    pub fn flat(&self) -> Flat<'_> {
        let [label, kind, shape] = self.numbers;
        let sync = self.sync.as_ref().map(|sync| match sync {
            Sync::Uuid(uuid) => SyncRef::Uuid(*uuid),
            Sync::Text(text) => SyncRef::Text(text),
        });
        Flat {
            key: self.key,
            conn: 3,
            label,
            kind,
            shape,
            notable: self.notable,
            received: self.received,
            sync,
            secret: self.secret,
            spill: self.spill.as_deref(),
            body: BodyRef::Plain(&self.body),
        }
    }
}

/// A plain body of pieces.
pub fn body(pieces: &[&str]) -> Vec<u8> {
    let mut out = vec![1];
    pieces.iter().for_each(|piece| put_bytes(&mut out, piece.as_bytes()));
    out
}

/// A block of everything there is.
pub fn varied(rows: i64) -> Vec<Owned> {
    let row = |at: i64| {
        let text = match at % 7 {
            0 => String::new(),
            1 => format!(r#"{{"table":"t{}","count":{}}}"#, at / 7 % 3, at * 37),
            2 => format!(r#"{{"id":"5d5a9d2b-3f52-4ea6-8715-7ea666eb{:04x}"}}"#, at * 257),
            3 => format!(r#"{{"timestamp":"2026-01-01T00:00:{:02}.000Z","a":[1,-{at}]}}"#, at % 60),
            4 => format!(r#"{{"message":"{}"}}"#, "long words ".repeat(at as usize % 9)),
            5 => format!(r#"{{"at":"2026-01-01T00:00:00.{:06}Z"}}"#, at * 31),
            _ => format!(r#"{{"free":"{}"}}"#, at.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64)),
        };
        let mut row = Owned::of(at, body(&[&text]));
        row.sync = match at % 11 {
            0 => None,
            5 => Some(Sync::Text(format!("sync {at}"))),
            _ => Some(Sync::Uuid([(at / 11) as u8; 16])),
        };
        row.secret = (at % 5 == 2).then_some(at * 0x1234_5678_9abc);
        row.spill = (at % 6 == 3).then(|| format!(r#"{{"exception_id":"{at}"}}"#).into_bytes());
        row.received += at / 4 * 1000;
        row
    };
    (0..rows).map(row).collect()
}

/// Text that resembles JSON.
pub fn json_text() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        any::<i32>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        "-?[0-9]{1,3}(\\.[0-9]{1,3})?([eE][+-]?[0-9])?",
        "(true|false|null)",
        "\"[a-c]\"",
        "\"(\\\\[\"\\\\nu]|[ -~]){0,12}\"",
        "\"\\PC{0,6}\"",
        (0_i64..253_402_300_800).prop_map(|seconds| format!(
            "\"20{:02}-0{}-{:02}T00:{:02}:00.{:03}Z\"",
            seconds % 100,
            seconds % 10,
            seconds % 31,
            seconds % 60,
            seconds % 1000
        )),
        any::<[u8; 16]>().prop_map(|bytes| {
            let hex = bytes.map(|byte| format!("{byte:02x}")).concat();
            format!("\"{}-{}-{}-{}-{}\"", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        }),
    ];
    let key = prop_oneof!["[a-d]", "[a-d]", "\\PC{0,3}", "(\\\\\"|\\\\u0000)"];
    scalar.prop_recursive(6, 40, 6, move |inner| {
        let member = (key.clone(), "[ \n\r\t]?", inner.clone())
            .prop_map(|(key, blank, value)| format!("\"{key}\":{blank}{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

pub fn body_bytes() -> impl Strategy<Value = Vec<u8>> {
    let tail = prop::collection::vec(any::<u8>(), 0..12);
    let pieces = prop::collection::vec(json_text(), 0..4);
    let made = (0_u8..5, pieces, prop::option::weighted(0.2, tail)).prop_map(|(flags, pieces, tail)| {
        let mut out = vec![flags];
        pieces.iter().for_each(|piece| put_bytes(&mut out, piece.as_bytes()));
        out.extend(tail.unwrap_or_default());
        out
    });
    prop_oneof![8 => made, 1 => prop::collection::vec(any::<u8>(), 0..60), 1 => Just(body(&[r#"{"table":"orders"}"#]))]
}

pub fn row() -> impl Strategy<Value = Owned> {
    let edge = || prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>(), -3_000_000_i64..3_000_000];
    let sync = prop_oneof![
        3 => Just(None),
        4 => prop_oneof![Just([1; 16]), Just([2; 16]), any::<[u8; 16]>()].prop_map(|uuid| Some(Sync::Uuid(uuid))),
        1 => "\\PC{0,9}".prop_map(|text| Some(Sync::Text(text))),
    ];
    let head = ((edge(), 0_i64..5, 0_i64..3), any::<bool>(), edge(), sync);
    let rare = (
        prop::option::weighted(0.1, any::<i64>()),
        prop::option::weighted(0.1, prop::collection::vec(any::<u8>(), 0..30)),
    );
    (edge(), any::<i64>(), head, rare, body_bytes()).prop_map(|(created_us, hash, head, rare, body)| {
        let ((numbers, notable, received, sync), (secret, spill)) = (head, rare);
        let numbers = numbers.into();
        Owned { key: EventKey { created_us, hash }, numbers, notable, received, sync, secret, spill, body }
    })
}
