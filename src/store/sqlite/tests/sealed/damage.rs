//! Bits that flip in what is sealed and in the journal: what is lost is named, and everything else goes on.

use super::*;
use crate::store::{
    Lives as _, Trail as _,
    lives::Whose,
    trail::{Checks, Seen, Upto},
};
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Everything that looking at the store finds, as people read it; by slices of a few events the same.
#[track_caller]
fn found(store: &SqliteStore) -> Vec<String> {
    let mut found = Vec::new();
    let check = Checks { events: true, ..Checks::default() };
    let verified = store.verify(&check, &mut |seen| {
        if let Seen::Found(finding) = seen {
            found.push(finding.to_string());
        }
        ControlFlow::Continue(())
    });
    assert!(verified.unwrap().whole);
    let (mut next, mut slices) = (Some(Upto::Start), Vec::new());
    while let Some(after) = next {
        let slice = store.verify_events(after, 3, &check, &mut |finding| slices.push(finding.to_string()));
        next = slice.unwrap().next;
    }
    let is_of_events = |it: &&String| !it.starts_with("trail: ") && !it.starts_with("database: ");
    let of_events = found.iter().filter(is_of_events).cloned().collect::<Vec<_>>();
    assert_eq!(slices, of_events);
    found
}

/// Of a connection, so many together.
fn events(id: &str, numbers: std::ops::Range<i64>) -> Vec<NewEvent> {
    let of = |n| {
        let mut new = contract::sample(n);
        new.event.connection_id = Some(id.to_owned());
        new.key.hash ^= id.len() as i64;
        new
    };
    numbers.map(of).collect()
}

fn of(id: &str) -> EventFilter {
    EventFilter { connection_id: Some(id.into()), ..EventFilter::default() }
}

fn asked(store: &SqliteStore, id: &str) -> Result<usize, StoreError> {
    let (asc, desc) = (pages(store, &of(id), Order::Asc, 5), pages(store, &of(id), Order::Desc, 1000));
    assert_eq!(asc.is_ok(), desc.is_ok());
    asc.map(|events| events.len())
}

/// Three connections: one in blocks, one in the journal, one whose events nobody touches.
fn begun() -> (tempfile::TempDir, Vec<NewEvent>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, events("sealed", 0..40)).unwrap();
    append(&store, events("other", 0..40)).unwrap();
    assert!(seal(&store));
    append(&store, events("newest", 100..130)).unwrap();
    append(&store, events("other", 100..110)).unwrap();
    wait(store.close()).unwrap();
    (dir, [events("sealed", 0..40), events("newest", 100..130)].concat())
}

fn flip(dir: &Path, table: &str, column: &str, whose: &str, byte: usize, bit: u8) {
    let db = Connection::open(dir.join(DATABASE)).unwrap();
    let sql = format!("SELECT {column} FROM {table} WHERE {whose}");
    let mut bytes: Vec<u8> = db.query_row(&sql, [], |row| row.get(0)).unwrap();
    let at = byte % bytes.len();
    bytes[at] ^= 1 << bit;
    db.execute(&format!("UPDATE {table} SET {column} = ?1 WHERE {whose}"), [bytes]).unwrap();
}

fn length(dir: &Path, table: &str, column: &str, whose: &str) -> usize {
    count(dir, &format!("SELECT length({column}) FROM {table} WHERE {whose}")) as usize
}

const SEALED: &str = "conn = (SELECT id FROM connection WHERE connection_id = 'sealed')";
const NEWEST: &str = "seq = 3";

/// What is lost is said, the other connections answer, new events come in and are sealed, and what comes again is there again.
#[track_caller]
fn only_that_is_lost(dir: &Path, id: &str, told: &str, lost: &[NewEvent], others: [(&str, usize); 2]) {
    let store = open(dir);
    let Err(StoreError::Damaged(what)) = asked(&store, id) else { panic!("{told}: it was read") };
    assert!(what.contains(told), "{what}");
    assert!(pages(&store, &EventFilter::default(), Order::Asc, 100).is_err());
    for new in lost {
        assert!(matches!(store.event(EventId(new.key)), Err(StoreError::Damaged(_))), "{told}");
    }
    for (id, many) in others {
        assert_eq!(asked(&store, id), Ok(many), "{told}");
    }
    let found = found(&store);
    assert!(found.len() == 1 && found[0].contains(told) && found[0].ends_with(": cannot be read"), "{found:?}");
    // A sender that goes on with this connection and with others is not refused.
    append(&store, events("other", 200..203)).unwrap();
    append(&store, events(id, 300..320)).unwrap();
    assert!(seal(&store), "{told}");
    assert_eq!(tiers(dir).0 - i64::from(id == "newest"), 0, "nothing else stays in the journal");
    assert_eq!(asked(&store, "other"), Ok(others[0].1 + 3));
    // What comes again is there again: at once where nothing can tell that it was there, else when it is told otherwise.
    append(&store, lost.to_vec()).unwrap();
    let mut again = lost.to_vec();
    if told.starts_with("bodies") {
        assert!(lost.iter().all(|new| store.event(EventId(new.key)).is_err()));
        again.iter_mut().for_each(|new| new.event.connection_name = Some("told".into()));
        append(&store, again.clone()).unwrap();
    }
    for new in &again {
        contract::assert_same(&store.event(EventId(new.key)).unwrap().unwrap(), new);
    }
    drop(store);
    let store = open(dir);
    for new in &again {
        contract::assert_same(&store.event(EventId(new.key)).unwrap().unwrap(), new);
    }
    assert_eq!(asked(&store, "other"), Ok(others[0].1 + 3));
    assert!(found.iter().eq(self::found(&store).iter()), "it is still said that something was lost");
}

#[test]
fn any_bit_of_a_block_is_missed_and_only_its_events_are_lost() {
    let (from, new) = begun();
    let (first, last) = (&new[0].event.created, &new[39].event.created);
    let text = |created: &Timestamp| created.to_string().replace(".456", ".456000");
    for column in ["times", "hashes", "heads", "bodies"] {
        let length = length(from.path(), "block", column, SEALED);
        for byte in [0, 1, 4, 5, length / 2, length - 1] {
            let dir = copied(from.path());
            flip(dir.path(), "block", column, SEALED, byte, (byte % 8) as u8);
            let told = format!("{column} of block 1: 40 events of sealed from {} to {}", text(first), text(last));
            only_that_is_lost(dir.path(), "sealed", &told, &new[..40], [("other", 50), ("newest", 30)]);
        }
    }
}

#[test]
fn any_number_beside_a_block_is_missed() {
    let (from, _) = begun();
    let expected = {
        let dir = copied(from.path());
        let store = open(dir.path());
        assert_eq!(found(&store), Vec::<String>::new());
        all(&store).len()
    };
    assert_eq!(expected, 120);
    for change in [
        "first = first - 1",
        "last = last + 1",
        "n = n - 1",
        "n = n + 1",
        "bytes = bytes + 1",
        "crc = crc + 1",
        "conn = conn + 1",
    ] {
        let dir = copied(from.path());
        let db = Connection::open(dir.path().join(DATABASE)).unwrap();
        db.execute(&format!("UPDATE block SET {change} WHERE {SEALED}"), []).unwrap();
        drop(db);
        let store = open(dir.path());
        assert!(pages(&store, &EventFilter::default(), Order::Asc, 100).is_err(), "{change}");
        let found = found(&store);
        assert!(found.len() == 1 && found[0].contains(" of block 1: "), "{change}: {found:?}");
    }
}

#[test]
fn any_bit_of_a_row_of_the_journal_is_missed_and_only_its_events_are_lost() {
    let (from, new) = begun();
    let text = |created: &Timestamp| created.to_string().replace(".456", ".456000");
    let told = format!(
        "journal row 3: 30 events of newest from {} to {}",
        text(&new[40].event.created),
        text(&new[69].event.created)
    );
    let length = length(from.path(), "journal", "chunk", NEWEST);
    for byte in [0, 1, 4, 5, 6, length / 3, length / 2, length - 1] {
        let dir = copied(from.path());
        flip(dir.path(), "journal", "chunk", NEWEST, byte, (byte % 8) as u8);
        only_that_is_lost(dir.path(), "newest", &told, &new[40..], [("other", 50), ("sealed", 40)]);
    }
    for (change, told) in [
        ("n = n + 1", "journal row 3: 31 events of newest"),
        ("first = first - 1", "journal row 3: 30 events of newest"),
        ("last = last + 1", "journal row 3: 30 events of newest"),
        ("crc = crc + 1", "journal row 3: 30 events of newest"),
        ("seq = 77", "journal row 77: 30 events from"),
    ] {
        let dir = copied(from.path());
        let db = Connection::open(dir.path().join(DATABASE)).unwrap();
        db.execute(&format!("UPDATE journal SET {change} WHERE {NEWEST}"), []).unwrap();
        drop(db);
        let store = open(dir.path());
        let found = found(&store);
        assert!(found.len() == 1 && found[0].starts_with(told), "{change}: {found:?}");
        assert!(append(&store, events("other", 300..301)).is_ok() && seal(&store), "{change}");
        assert_eq!(asked(&store, "sealed"), Ok(40), "{change}");
        assert!(pages(&store, &EventFilter::default(), Order::Asc, 100).is_err(), "{change}");
        // Where the order of arrival does not tell whose they were, nobody is kept from reading his own.
        assert_eq!(asked(&store, "newest").is_err(), change != "seq = 77", "{change}");
    }
}

/// Which connections a sync was seen with is known of the journal's events from themselves: where they are lost, that is told.
#[test]
fn nobody_is_told_that_a_sync_is_unknown_whose_events_may_be_lost() {
    let (from, _) = begun();
    let of = |n: i64| EventFilter { sync_id: contract::sample(n).event.sync_id, ..EventFilter::default() };
    let asked = |store: &SqliteStore, n| pages(store, &of(n), Order::Asc, 5).map(|events| events.len());
    let whole = open(copied(from.path()).path());
    assert_eq!((asked(&whole, 110), asked(&whole, 0), asked(&whole, 5_000)), (Ok(5), Ok(10), Ok(0)));
    let dir = copied(from.path());
    flip(dir.path(), "journal", "chunk", NEWEST, 11, 2);
    let store = open(dir.path());
    for n in [110, 5_000] {
        assert!(matches!(asked(&store, n), Err(StoreError::Damaged(_))), "{n}");
    }
}

/// Bits that flip while the store is open are found in the file, whatever memory knows.
#[test]
fn what_is_damaged_under_an_open_store_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, events("sealed", 0..40)).unwrap();
    assert!(seal(&store));
    assert_eq!(asked(&store, "sealed"), Ok(40));
    append(&store, events("newest", 100..130)).unwrap();
    assert_eq!(found(&store), Vec::<String>::new());
    flip(dir.path(), "block", "hashes", SEALED, 9, 3);
    flip(dir.path(), "journal", "chunk", "seq = 2", 30, 3);
    let found = found(&store);
    assert!(found.len() == 2 && found[0].starts_with("journal row 2: 30 events of newest "), "{found:?}");
    assert!(found[1].starts_with("hashes of block 1: 40 events of sealed "), "{found:?}");
    // What memory holds is written to blocks.
    assert!(seal(&store));
    assert_eq!(asked(&store, "newest"), Ok(30));
    assert_eq!(self::found(&store), found[1..]);
}

/// One damaged block does not keep the small ones beside it from being joined, nor retention from the others.
#[test]
fn a_damaged_block_keeps_nothing_from_being_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, events("sealed", 0..4)).unwrap();
    assert!(seal(&store));
    wait(store.close()).unwrap();
    drop(store);
    flip(dir.path(), "block", "bodies", "id = 1", 7, 1);
    let store = open(dir.path());
    for n in 1..30 {
        append(&store, events("sealed", n * 4..n * 4 + 4)).unwrap();
        assert!(seal(&store));
    }
    let (journal, blocks, ever) = tiers(dir.path());
    assert!(journal == 0 && ever > blocks, "{journal} {blocks} {ever}");
    assert_eq!(found(&store).len(), 1);
    let after = EventFilter { from: Some(contract::sample(4).key.created_us), ..of("sealed") };
    assert_eq!(pages(&store, &after, Order::Asc, 1000).unwrap().len(), 29 * 4);
}

/// After a crash nothing is kept of lives but what the journal tells: where that cannot be read, senders go on all the same.
#[test]
fn nobody_is_refused_for_what_a_crash_and_a_flipped_bit_left() {
    for (table, column, whose) in
        [("journal", "chunk", "seq = 3"), ("block", "bodies", "id = 1"), ("block", "times", "id = 1")]
    {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        append(&store, events("one", 0..40)).unwrap();
        append(&store, events("two", 0..40)).unwrap();
        assert!(seal(&store));
        append(&store, events("one", 100..110)).unwrap();
        append(&store, events("two", 100..110)).unwrap();
        let crashed = copied(dir.path());
        drop(store);
        flip(crashed.path(), table, column, whose, 11, 2);
        let store = open(crashed.path());
        for id in ["one", "two"] {
            append(&store, events(id, 300..310)).unwrap();
            append(&store, events(id, 50..60)).unwrap();
            append(&store, events(id, 300..310)).unwrap();
        }
        assert_eq!(asked(&store, "two"), Ok(70), "{table} {column}");
        assert!(asked(&store, "one").is_err(), "{table} {column}");
        assert!(seal(&store));
        assert_eq!(asked(&store, "two"), Ok(70), "{table} {column}");
    }
}

/// Who follows arrivals gets on behind what is lost, and hears of it.
#[test]
fn what_is_lost_stops_nobody_who_follows() {
    let (from, _) = begun();
    let dir = copied(from.path());
    flip(dir.path(), "block", "bodies", SEALED, 9, 1);
    let store = open(dir.path());
    let (mut cursor, mut seen, mut gaps) = (TailCursor::default(), 0, 0);
    loop {
        let page = store.tail(cursor, 16).unwrap();
        (cursor, seen, gaps) = (page.next, seen + page.events.len(), gaps + usize::from(page.gap));
        if !page.more {
            break;
        }
    }
    assert_eq!((seen, gaps), (80, 3));
    append(&store, events("other", 400..403)).unwrap();
    let page = store.tail(cursor, 16).unwrap();
    assert_eq!((page.events.len(), page.gap), (3, false));
}

/// Nobody waits for a life whose events cannot be read; it is tried again, and goes on when they can be read again.
#[test]
fn one_life_stands_still_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for id in ["one", "two", "three"] {
        append(&store, events(id, 0..40)).unwrap();
    }
    assert!(seal(&store));
    let (whose, byte, bit) = ("conn = (SELECT id FROM connection WHERE connection_id = 'two')", 11, 2);
    flip(dir.path(), "block", "bodies", whose, byte, bit);
    wait(store.rebuild()).unwrap();
    let seen = |id| store.connection(Whose { id, source: None }, None);
    for id in ["one", "three"] {
        assert_eq!(wait(store.settle(Some(id.into()))).unwrap(), 0);
        assert_eq!(seen(id).unwrap().unwrap().events, 40, "{id}");
    }
    assert_eq!(wait(store.settle(Some("two".into()))).unwrap(), 0, "nobody waits for it");
    assert!(matches!(seen("two"), Err(StoreError::Damaged(_))));
    assert_eq!(wait(store.settle(None)).unwrap(), 0);
    let stats = store.stats();
    assert_eq!((stats.unfolded, stats.standing_still), (0, 1));
    // What comes late to it, and to the others, is taken and folded where it can be.
    for id in ["one", "two", "three"] {
        append(&store, events(id, 50..60)).unwrap();
        append(&store, events(id, 45..48)).unwrap();
    }
    assert_eq!(wait(store.settle(None)).unwrap(), 0);
    assert_eq!(seen("three").unwrap().unwrap().events, 53);
    assert_eq!(store.stats().standing_still, 1);
    flip(dir.path(), "block", "bodies", whose, byte, bit);
    let until = Instant::now() + Duration::from_secs(30);
    while store.stats().standing_still > 0 {
        assert!(Instant::now() < until, "it is not tried again");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(wait(store.settle(None)).unwrap(), 0);
    assert_eq!(seen("two").unwrap().unwrap().events, 53);
}

/// Looking goes on past records whose events cannot be read, and says of both.
#[test]
fn records_of_lost_events_are_named_too() {
    for sealed in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        append(&store, (0..8).map(contract::trail::deed).collect()).unwrap();
        assert!(!sealed || seal(&store));
        append(&store, vec![contract::trail::deed(20)]).unwrap();
        wait(store.close()).unwrap();
        drop(store);
        match sealed {
            true => flip(dir.path(), "block", "bodies", "n = 2 AND id = (SELECT min(id) FROM block WHERE n = 2)", 9, 1),
            false => flip(dir.path(), "journal", "chunk", "seq = 1", 40, 1),
        }
        let found = found(&open(dir.path()));
        let gone = |it: &&String| it.ends_with("differs from the event it was read from, or that is gone");
        assert_eq!(found.iter().filter(gone).count(), if sealed { 2 } else { 8 }, "{found:?}");
        assert_eq!(found.iter().filter(|it| it.ends_with(": cannot be read")).count(), 1, "{found:?}");
        assert_eq!(found.len(), if sealed { 3 } else { 9 });
    }
}

/// A bit of the last bytes of an index's root page, which is its only one: of an entry, not of where entries stand.
fn flip_index(dir: &Path, index: &str, from_end: u64) {
    use std::os::unix::fs::FileExt as _;
    let sql = format!("SELECT rootpage FROM sqlite_schema WHERE name = '{index}'");
    let db = Connection::open(dir.join(DATABASE)).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let page: i64 = db.query_row(&sql, [], |row| row.get(0)).unwrap();
    let size: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    drop(db);
    let file = std::fs::File::options().read(true).write(true).open(dir.join(DATABASE)).unwrap();
    let (at, mut byte) = ((page * size) as u64 - from_end, [0]);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[test]
fn a_bit_of_an_index_is_missed() {
    let (from, _) = begun();
    for index in ["block_conn", "block_first", "block_last", "sqlite_autoindex_connection_1"] {
        for from_end in 1..6 {
            let dir = copied(from.path());
            flip_index(dir.path(), index, from_end);
            let flaws = super::super::super::trail::file_flaws(dir.path()).unwrap();
            assert!(!flaws.is_empty(), "{index}, {from_end} from the end");
        }
    }
}

#[test]
fn a_mark_that_is_gone_is_missed() {
    let (from, _) = begun();
    let mut store = open(from.path());
    let mut odd = events("odd", 500..520);
    odd.iter_mut().for_each(|new| new.event.level = crate::model::Level::Warning);
    append(&store, odd).unwrap();
    assert!(seal(&store));
    assert_eq!(found(&store), Vec::<String>::new());
    wait(store.close()).unwrap();
    let db = Connection::open(from.path().join(DATABASE)).unwrap();
    let gone = "DELETE FROM notable WHERE (created, hash) = (SELECT created, hash FROM notable ORDER BY created LIMIT 1 OFFSET 7)";
    assert_eq!(db.execute(gone, []).unwrap(), 1);
    drop(db);
    store = open(from.path());
    let said = found(&store);
    assert!(said.len() == 1 && said[0].ends_with("deserves a look and is not listed for it"), "{said:?}");
}

#[test]
fn a_text_that_is_none_any_more_is_named_and_the_rest_is_looked_at() {
    let (from, _) = begun();
    let db = Connection::open(from.path().join(DATABASE)).unwrap();
    let whole = "UPDATE kind SET text = CAST(x'ff' || CAST(text AS BLOB) AS TEXT)";
    assert!(db.execute(whole, []).unwrap() > 0);
    drop(db);
    let store = open(from.path());
    let said = found(&store);
    let unreadable = said.iter().filter(|it| it.starts_with("event ") && it.ends_with("cannot be read")).count();
    assert_eq!(unreadable, 120, "{said:?}");
}
