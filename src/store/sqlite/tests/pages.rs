//! Pages of large events.

use super::*;
use crate::{
    model::EventId,
    store::{EventFilter, EventQuery, Order, PAGE_BYTES_MAX, TailCursor},
};

fn large(n: i64, bytes: usize) -> NewEvent {
    let mut new = contract::sample(n);
    new.raw = format!("{{\"n\":\"{}\"}}", "x".repeat(bytes));
    new
}

#[test]
fn a_page_ends_by_its_bytes_and_paging_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = super::open(dir.path());
    let sizes = [1 << 20, 100, PAGE_BYTES_MAX * 2, 100, 3 << 20, 2 << 20, 2 << 20, 100];
    let events: Vec<_> = sizes.iter().enumerate().map(|(n, bytes)| large(n as i64, *bytes)).collect();
    let keys: Vec<_> = events.iter().map(|new| new.key).collect();
    append(&store, events).unwrap();
    let within = |bytes: Vec<usize>| bytes.len() <= 1 || bytes.iter().sum::<usize>() <= PAGE_BYTES_MAX;

    let mut sorted = keys.clone();
    sorted.sort();
    for order in [Order::Asc, Order::Desc] {
        let (mut found, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let query = EventQuery { filter: EventFilter::default(), order, after, limit: 1000 };
            let page = store.events(&query).unwrap();
            assert!(within(page.events.iter().map(|event| event.raw.len()).collect()));
            found.extend(page.events.iter().map(|event| event.id.0));
            pages += 1;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        if order == Order::Desc {
            found.reverse();
        }
        assert_eq!(found, sorted);
        assert!(pages > 3, "{pages}");
    }

    let (mut found, mut cursor) = (Vec::new(), TailCursor::default());
    loop {
        let page = store.tail(cursor, 128).unwrap();
        assert!(within(page.events.iter().map(|(_, event)| event.raw.len()).collect()));
        found.extend(page.events.iter().map(|(_, event)| event.id));
        cursor = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!(cursor, store.tail_end().unwrap());
    found.sort();
    assert_eq!(found, sorted.into_iter().map(EventId).collect::<Vec<_>>());
}

#[test]
fn a_text_is_found_as_people_write_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = super::open(dir.path());
    let mut new = contract::sample(1);
    new.raw = r#"{"message":"role \"hxwraqld\" of C:\\dir\nGröße"}"#.into();
    append(&store, vec![new, contract::sample(2)]).unwrap();
    for q in ["role \"hxwraqld\"", r"c:\dir", "dir\ngrö", "GRÖ"] {
        let filter = EventFilter { q: Some(q.into()), ..EventFilter::default() };
        let page = store.events(&EventQuery { filter, order: Order::Asc, after: None, limit: 10 }).unwrap();
        assert_eq!(page.events.len(), 1, "{q}");
    }
}
