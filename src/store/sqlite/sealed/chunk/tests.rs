//! Round trips of chunks and of their blobs, and blobs that are damaged.

use super::*;
use proptest::{collection::vec, option, prelude::*};

/// An event that owns what it points to.
#[derive(Debug, Clone)]
struct Owned {
    key: EventKey,
    numbers: [i64; 4],
    notable: bool,
    received: i64,
    sync: Option<Result<[u8; 16], String>>,
    secret: Option<i64>,
    spill: Option<Vec<u8>>,
    body: Vec<u8>,
}

impl Owned {
    fn flat(&self) -> Flat<'_> {
        let [conn, label, kind, shape] = self.numbers;
        Flat {
            key: self.key,
            conn,
            label,
            kind,
            shape,
            notable: self.notable,
            received: self.received,
            sync: self.sync.as_ref().map(|sync| match sync {
                Ok(uuid) => SyncRef::Uuid(*uuid),
                Err(text) => SyncRef::Text(text),
            }),
            secret: self.secret,
            spill: self.spill.as_deref(),
            body: BodyRef::Plain(&self.body),
        }
    }
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0..300_i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => Just(1 << 32), 1 => any::<i64>()]
}

fn event() -> impl Strategy<Value = Owned> {
    let sync = prop_oneof![(0..4_u8).prop_map(|n| Ok([n; 16])), any::<[u8; 16]>().prop_map(Ok), ".{0,9}".prop_map(Err)];
    let numbers =
        prop_oneof![3 => [0..300_i64, 0..9_i64, 0..9_i64, 0..9_i64], 1 => [number(), number(), number(), number()]];
    let body = prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(0..3_u8, 0..3000)];
    (number(), number(), numbers, any::<bool>(), number(), option::of(sync), option::of(number()), body.clone(), body)
        .prop_map(|(created_us, hash, numbers, notable, received, sync, secret, spill, body)| Owned {
            key: EventKey { created_us, hash },
            numbers,
            notable,
            received,
            sync,
            secret,
            spill: (spill.len() % 3 == 0).then_some(spill),
            body,
        })
}

fn build(events: &[Owned]) -> Chunk {
    let mut builder = ChunkBuilder::new();
    for event in events {
        builder.push(&event.flat()).unwrap();
    }
    builder.finish()
}

fn blob(chunk: &Chunk) -> Vec<u8> {
    let mut out = b"before".to_vec();
    chunk.to_blob(&mut out);
    out.split_off(6)
}

/// A few ordinary events.
fn ordinary(count: i64) -> Vec<Owned> {
    let event = |at: i64| Owned {
        key: EventKey {
            created_us: 1_767_225_600_000_000 + at * 350,
            hash: at.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64),
        },
        numbers: [at * 7 % 500, 3, at % 12, at % 5],
        notable: at % 10 == 0,
        received: 2_000_000 - at * 350,
        sync: (at % 4 != 0).then(|| if at % 9 == 1 { Err("a sync".into()) } else { Ok([(at % 20) as u8; 16]) }),
        secret: (at % 50 == 7).then_some(-5),
        spill: (at % 60 == 8).then(|| b"{\"label\":1}".to_vec()),
        body: format!("\x01\x20{{\"table\":\"t{}\",\"rows\":{}}}", at % 7, at * at).into_bytes(),
    };
    (0..count).map(event).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_goes_in_comes_out_of_builder_chunk_and_blob(events in vec(event(), 0..60)) {
        let mut builder = ChunkBuilder::new();
        for (at, event) in events.iter().enumerate() {
            builder.push(&event.flat()).unwrap();
            prop_assert_eq!(builder.get(at), event.flat());
        }
        prop_assert_eq!(builder.len(), events.len());
        let chunk = builder.finish();
        prop_assert!(builder.is_empty());
        let again = Chunk::from_blob(&blob(&chunk)).unwrap();
        prop_assert!(chunk == again);
        prop_assert_eq!(chunk.len(), events.len());
        for (at, (flat, event)) in again.iter().zip(&events).enumerate() {
            prop_assert_eq!(flat, event.flat());
            prop_assert_eq!((chunk.key(at), chunk.conn(at), chunk.notable(at)), (flat.key, flat.conn, flat.notable));
        }
    }

    #[test]
    fn a_builder_finds_what_was_pushed_in_any_order(keys in vec((0..40_i64, 0..3_i64), 0..60), sorted in any::<bool>()) {
        let mut events = Vec::<Owned>::new();
        for (created_us, hash) in keys {
            let key = EventKey { created_us, hash };
            if events.iter().all(|event| event.key != key) {
                events.push(Owned { key, ..ordinary(1).remove(0) });
            }
        }
        if sorted {
            events.sort_by_key(|event| event.key);
        }
        let mut builder = ChunkBuilder::new();
        for (at, event) in events.iter().enumerate() {
            prop_assert_eq!(builder.find(event.key), None);
            builder.push(&event.flat()).unwrap();
            prop_assert_eq!(builder.find(event.key), Some(at));
        }
        for (at, event) in events.iter().enumerate() {
            prop_assert_eq!(builder.find(event.key), Some(at));
        }
        builder.clear();
        prop_assert!(events.iter().all(|event| builder.find(event.key).is_none()));
    }

    #[test]
    fn bytes_that_pass_the_checksum_never_panic(mut bytes in vec(any::<u8>(), 6..300), form in 0..3_u8, few in any::<bool>()) {
        bytes[0] = 1;
        bytes[5] = form;
        if few {
            bytes.iter_mut().skip(6).for_each(|byte| *byte %= 5);
        }
        sign(&mut bytes);
        if let Ok(chunk) = Chunk::from_blob(&bytes) {
            chunk.iter().for_each(|flat| drop(format!("{flat:?}")));
        }
    }

    #[test]
    fn a_blob_changed_and_signed_anew_never_panics(count in 1..60_i64, changes in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = blob(&build(&ordinary(count)));
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        sign(&mut bytes);
        if let Ok(chunk) = Chunk::from_blob(&bytes) {
            chunk.iter().for_each(|flat| drop(format!("{flat:?}")));
        }
    }
}

/// Makes the checksum right again.
fn sign(bytes: &mut [u8]) {
    let crc = crc32fast::hash(&[&bytes[..1], &bytes[5..]].concat());
    bytes[1..5].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    for count in [0, 1, 3, 60] {
        let whole = blob(&build(&ordinary(count)));
        assert!(Chunk::from_blob(&whole).is_ok());
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Chunk::from_blob(&flipped).is_err(), "bit {bit} of {count} events");
        }
        for len in 0..whole.len() {
            assert!(Chunk::from_blob(&whole[..len]).is_err(), "{len} bytes of {count} events");
            let mut signed = whole[..len].to_vec();
            if len >= 6 {
                sign(&mut signed);
                assert!(Chunk::from_blob(&signed).is_err(), "{len} signed bytes of {count} events");
            }
        }
        assert!(Chunk::from_blob(&[&whole[..], &[0]].concat()).is_err());
    }
}

#[test]
fn a_small_blob_cannot_ask_for_much_memory() {
    // 2^29 bytes of arena, said by a block of a few bytes.
    for form in [0, 1] {
        let mut bytes = vec![1, 0, 0, 0, 0, form, 0, 0, 0x80, 0x80, 0x80, 0x80, 2];
        bytes.extend_from_slice(&[0x80, 0x80, 0x80, 0x80, 2, 0, 0]);
        sign(&mut bytes);
        assert_eq!(Chunk::from_blob(&bytes).err(), Some(Short));
    }
}

#[test]
fn packed_bodies_are_refused_and_nothing_is_added() {
    let mut builder = ChunkBuilder::new();
    let events = ordinary(1);
    let packed = Flat { body: BodyRef::Packed(b"x"), ..events[0].flat() };
    assert_eq!(builder.push(&packed), Err(PushError::Packed));
    assert!(builder.is_empty());
}

#[test]
fn an_entry_is_small_and_so_is_a_chunk_of_one() {
    assert_eq!(size_of::<Entry>(), 48);
    let events = ordinary(3);
    let chunk = build(&events[2..]);
    assert!(chunk.bytes() < 200 + events[2].body.len(), "{}", chunk.bytes());
    let large = build(&ordinary(1000));
    assert!(blob(&large).len() < 40_000, "{}", blob(&large).len());
}

#[test]
fn sync_ids_are_kept_once() {
    let mut events = ordinary(100);
    events.iter_mut().for_each(|event| event.sync = Some(Ok([7; 16])));
    assert_eq!(build(&events).syncs, 1);
}
