//! What goes into a block comes out of it, and nothing else does.

mod rows;

use super::{BLOCK_ROWS_MAX, Bodies, Columns, Head, Heads, Unfit, encode, frame, hashes, times};
use crate::{
    model::EventKey,
    store::sqlite::flat::{BodyRef, Flat},
};
use proptest::prelude::*;
use rows::{Owned, body, body_bytes, row, varied};

fn block(rows: &[Owned]) -> Columns {
    let rows: Vec<Flat<'_>> = rows.iter().map(Owned::flat).collect();
    encode(&rows).unwrap()
}

/// Encodes, decodes and compares.
#[track_caller]
fn check(rows: &[Owned]) -> Columns {
    let columns = block(rows);
    let times = times(&columns.times, rows.len()).unwrap();
    let hashes = hashes(&columns.hashes, rows.len()).unwrap();
    let heads = Heads::open(&columns.heads, &times).unwrap();
    let bodies = Bodies::open(&columns.bodies, &times).unwrap();
    assert_eq!((heads.get(rows.len()), bodies.get(rows.len())), (None, None));
    for (at, row) in rows.iter().enumerate() {
        let Flat { key, conn: _, label, kind, shape, notable, received, sync, secret, spill, body } = row.flat();
        assert_eq!((times[at], hashes[at]), (key.created_us, key.hash));
        assert_eq!(heads.get(at), Some(Head { label, kind, shape, notable, received, sync, secret, spill }));
        assert_eq!(bodies.get(at).map(BodyRef::Plain), Some(body), "{}", row.body.escape_ascii());
    }
    columns
}

fn check_bodies(bodies: impl IntoIterator<Item = Vec<u8>>) -> Columns {
    check(&(0..).zip(bodies).map(|(at, body)| Owned::of(at, body)).collect::<Vec<_>>())
}

/// Opens everything; whether all of it could be read. Must not panic.
fn opens(columns: &Columns, rows: usize) -> bool {
    let Ok(times) = times(&columns.times, rows) else { return false };
    let heads = Heads::open(&columns.heads, &times);
    let bodies = Bodies::open(&columns.bodies, &times);
    if let (Ok(heads), Ok(bodies)) = (&heads, &bodies) {
        (0..rows).for_each(|row| assert!(heads.get(row).is_some() && bodies.get(row).is_some()));
    }
    heads.is_ok() && bodies.is_ok() && hashes(&columns.hashes, rows).is_ok()
}

/// One of the four columns.
fn nth(columns: &mut Columns, nth: usize) -> &mut Vec<u8> {
    match nth {
        0 => &mut columns.times,
        1 => &mut columns.hashes,
        2 => &mut columns.heads,
        _ => &mut columns.bodies,
    }
}

/// The same column with nothing compressed, so that edits reach what decoders see.
fn loose(column: &[u8], nth: usize) -> Vec<u8> {
    let mut input = frame::open(column, 1).unwrap();
    match nth {
        0 => drop((input.byte().unwrap(), input.signed().unwrap())),
        3 => drop(input.varint().unwrap()),
        _ => {}
    }
    let mut out = column[..column.len() - input.left()].to_vec();
    while !input.is_empty() && nth != 1 {
        frame::put_stored(&mut out, &frame::section(&mut input, 1 << 20).unwrap());
    }
    out.extend_from_slice(input.take(input.left()).unwrap());
    frame::seal(out)
}

#[test]
fn a_block_of_everything_comes_back() {
    for rows in [1, 2, 3, 7, 100, 700] {
        check(&varied(rows));
    }
}

#[test]
fn odd_bodies_come_back() {
    let odd = [
        r#"{"a":1,"a":2}"#,
        r#"{"a":-0,"b":0.10,"c":1e5,"d":1E+5,"e":01,"f":9223372036854775808,"g":-9223372036854775808}"#,
        r#"{"a":"\u0041\n\"\\","b":"é","c":"\ud800"}"#,
        r#"{"a\"b":1,"":2,"\u0000":3}"#,
        "{\"a\":\"\u{0}\u{1}\u{2}\",\"\u{1}\":\"\u{4}\"}",
        "[]",
        "{}",
        "[[],{},[{}]]",
        "[1,[2,[3,\"x\"]],null,true,false]",
        " { \"a\" :\t1 ,\r\n\"b\" : [ ] } ",
        r#"{"a":"unfinished"#,
        r#"{"a":"\"#,
        r#"{"a":}"#,
        "no json at all: \"x\" <y>",
        "\"alone\"",
        "-",
        "",
        "\u{1}\u{2}\u{4}\u{5}",
    ];
    check_bodies(odd.iter().map(|text| body(&[text])));
    check_bodies(odd.iter().map(|text| body(&[text, text, "1", text])));
    check_bodies([
        vec![],
        vec![0],
        vec![1],
        vec![255],
        vec![3, 1, 8, 0],
        vec![1, 0x80, 0],
        vec![0, 5, 1],
        vec![4, 4, 4, 4],
    ]);
    check_bodies([body(&[&"[".repeat(20_000)]), body(&[&format!("{{\"{}\":1}}", "k".repeat(20_000))])]);
    check_bodies([body(&[&format!("\"{}\"", "v".repeat(1 << 20))]), body(&["1"; 400]), body(&[&"[1,2]".repeat(100)])]);
    check_bodies((120..135).map(|len| body(&[&format!("{{\"a\":\"{}\"}}", "x".repeat(len))])));
    // A byte more than a length needs, and a length that ends too early.
    check_bodies([vec![1, 0x81, 0x00, b'1'], vec![1, 9, b'1'], vec![2, 1, b'7', 1, 8, 0]]);
}

#[test]
fn members_of_every_form_come_back() {
    let number = |at: i64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64);
    let forms: [&dyn Fn(i64) -> String; 14] = [
        &|at| format!("{at}"),
        &|at| format!("{}", 1_000_000_000 + at),
        &|at| format!("{}", number(at) / 1000),
        &|at| if at == 90 { "1.5".to_owned() } else { at.to_string() },
        &|at| format!("\"{}\"", ["a", "b", "c"][at as usize % 3]),
        &|at| format!("\"{}\"", number(at) % 300),
        &|at| format!("\"{}\"", number(at)),
        &|at| if at % 9 == 0 { "null".to_owned() } else { format!("\"{}\"", number(at)) },
        &|at| format!("\"5d5a9d2b-3f52-4ea6-8715-{:012x}\"", number(at) as u64 >> 16),
        &|at| format!("\"5d5a9d2b-3f52-4ea6-8715-{:012X}\"", number(at) as u64 >> 16),
        &|at| format!("\"5d5a9d2b-3f52-4ea6-8715-{:012x}\"", at / 3 % 150),
        &|at| format!("\"name of a table that is written now and then {}\"", number(at / 3) % 400),
        &|at| format!("\"2026-02-{:02}T00:00:00Z\"", at % 28 + 1),
        &|at| if at == 77 { "\"2026-02-30T00:00:00Z\"".to_owned() } else { "\"2026-02-20T00:00:00Z\"".to_owned() },
    ];
    for rows in [2, 10, 500, 3_000] {
        for form in forms {
            check_bodies((0..rows).map(|at| body(&[&format!("{{\"k\":{}}}", form(at))])));
        }
        check_bodies((0..rows).map(|at| {
            let members: Vec<String> = (0..).zip(forms).map(|(nth, form)| format!("\"k{nth}\":{}", form(at))).collect();
            body(&[&format!("{{{}}}", members.join(","))])
        }));
    }
}

#[test]
fn more_patterns_and_members_than_are_kept_apart_come_back() {
    check_bodies((0..3_000).map(|at| body(&[&format!("{{\"k{at}\":{at}}}")])));
    let many = |at: usize| (0..200).map(|nth| format!("\"m{}\":1", at * 200 + nth)).collect::<Vec<_>>().join(",");
    check_bodies((0..60).map(|at| body(&[&format!("{{{}}}", many(at))])));
}

#[test]
fn one_odd_body_does_not_spoil_those_after_it() {
    let usual = |at: i64| body(&[&format!("{{\"table\":\"orders\",\"rows\":{at}}}")]);
    let size = |odd: Vec<u8>| {
        let rows: Vec<Owned> = (0..1_000).map(|at| Owned { numbers: [1, 1, 1], ..Owned::of(at, usual(at)) }).collect();
        let odd = Owned { numbers: [1, 1, 1], ..Owned::of(-1, odd) };
        check(&std::iter::once(odd).chain(rows).collect::<Vec<_>>()).bodies.len()
    };
    assert!(size(body(&["no json"])) < size(usual(5)) + 60);
}

#[test]
fn heads_weigh_what_their_texts_weigh() {
    let mut rows: Vec<Owned> = (0..100).map(|n| Owned::of(n, Vec::new())).collect();
    let weight = |rows: &[Owned]| {
        let times: Vec<i64> = rows.iter().map(|row| row.key.created_us).collect();
        Heads::open(&block(rows).heads, &times).unwrap().weight()
    };
    assert!(weight(&rows) < 10_000);
    rows.iter_mut().for_each(|row| row.spill = Some(vec![b'x'; 1_000]));
    assert!(weight(&rows) > 100_000);
}

#[test]
fn more_than_256_groups_come_back() {
    let mut rows = varied(700);
    (0..).zip(&mut rows).for_each(|(at, row)| row.numbers = [at % 19, at % 29, i64::MIN + at % 2]);
    check(&rows);
}

#[test]
fn extremes_come_back() {
    let edge = [i64::MIN, i64::MIN + 1, -1_000_000, -1, 0, 1, 999, 1_000, 1_000_000, i64::MAX - 1, i64::MAX];
    let mut rows = Vec::new();
    for created_us in edge {
        for received in edge {
            let mut row = Owned::of(0, body(&[r#"{"t":"2026-01-01T00:00:00.000Z"}"#]));
            row.key = EventKey { created_us, hash: received };
            row.received = received;
            row.numbers = [received, created_us, received.wrapping_mul(3)];
            row.secret = Some(received);
            row.spill = Some(Vec::new());
            rows.push(row);
        }
    }
    check(&rows);
    rows.iter().for_each(|row| drop(check(std::slice::from_ref(row))));
    // Nothing depends on the order.
    rows.reverse();
    check(&rows);
}

#[test]
fn blocks_past_the_limits_are_refused() {
    assert_eq!(encode(&[]), Err(Unfit::Rows(0)));
    let row = Owned::of(0, body(&["{}"]));
    assert_eq!(encode(&vec![row.flat(); BLOCK_ROWS_MAX + 1]), Err(Unfit::Rows(BLOCK_ROWS_MAX + 1)));
    let packed = Flat { body: BodyRef::Packed(&[0, 1]), ..row.flat() };
    assert_eq!(encode(&[row.flat(), packed]), Err(Unfit::Packed));
    let large = vec![0; 1 << 20];
    let flat = Flat { body: BodyRef::Plain(&large), ..row.flat() };
    assert!(matches!(encode(&vec![flat; 300]), Err(Unfit::Bytes(_))));
    let flat = Flat { spill: Some(&large), ..row.flat() };
    assert!(matches!(encode(&vec![flat; 300]), Err(Unfit::Bytes(_))));
    check(&vec![row; BLOCK_ROWS_MAX]);
}

#[test]
fn what_is_not_compressed_is_read_as_well() {
    let rows = varied(300);
    let mut columns = block(&rows);
    (0..4).for_each(|column| *nth(&mut columns, column) = loose(nth(&mut columns, column), column));
    assert!(opens(&columns, rows.len()));
}

#[test]
fn any_flipped_bit_is_found() {
    let rows = varied(40);
    let whole = block(&rows);
    assert!(opens(&whole, rows.len()));
    for column in 0..4 {
        let len = nth(&mut whole.clone(), column).len();
        for bit in 0..len * 8 {
            let mut damaged = whole.clone();
            nth(&mut damaged, column)[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&damaged, rows.len()), "column {column}, bit {bit}");
        }
        for cut in 0..len {
            let mut damaged = whole.clone();
            nth(&mut damaged, column).truncate(cut);
            assert!(!opens(&damaged, rows.len()), "column {column}, cut at {cut}");
        }
    }
    assert!(!opens(&whole, rows.len() - 1));
    assert!(!opens(&whole, rows.len() + 1));
    assert!(!opens(&whole, 0));
    assert!(!opens(&whole, usize::MAX));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out(mut rows in prop::collection::vec(row(), 1..60)) {
        rows.sort_by_key(|row| row.key);
        check(&rows);
    }

    #[test]
    fn the_same_bodies_again_and_again_come_out(some in prop::collection::vec(body_bytes(), 1..6), order in prop::collection::vec(any::<prop::sample::Index>(), 1..300)) {
        check_bodies(order.iter().map(|at| at.get(&some).clone()));
    }

    /// As if someone had written the block who wishes us ill: the checksum holds.
    #[test]
    fn no_bytes_cause_a_panic(
        rows in 1_i64..50,
        column in 0_usize..4,
        uncompressed in prop::bool::weighted(0.8),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut columns = block(&varied(rows));
        let bytes = nth(&mut columns, column);
        if uncompressed {
            *bytes = loose(bytes, column);
        }
        for (at, byte) in edits {
            let at = 4 + at.index(bytes.len() - 4);
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(5 + cut.index(bytes.len() - 4));
        }
        *bytes = frame::seal(std::mem::take(bytes));
        opens(&columns, rows as usize);
    }

    #[test]
    fn no_noise_causes_a_panic(noise in prop::collection::vec(any::<u8>(), 0..200), rows in 1_usize..40) {
        let mut column = frame::begin(1);
        column.extend(noise);
        let column = frame::seal(column);
        let times_of = vec![0; rows];
        prop_assert!(times(&column, rows).is_ok_and(|times| times.len() == rows) || times(&column, rows).is_err());
        drop((Heads::open(&column, &times_of), Bodies::open(&column, &times_of), hashes(&column, rows)));
    }
}
