//! Places in a list, as opaque texts.
//!
//! In: the key of the last item. Out: base64url text. Refused (`None`): everything this room did not write.

use crate::{
    model::{EventId, EventKey},
    store::{Order, TailCursor},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

pub(super) fn seal(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

pub(super) fn open(cursor: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

/// The cursor behind an event.
#[must_use]
pub fn event_cursor(order: Order, after: EventKey) -> String {
    let order = match order {
        Order::Asc => 'a',
        Order::Desc => 'd',
    };
    seal(&format!("e1{order}{}", EventId(after)))
}

/// Order and key of such a cursor.
pub(super) fn parse_event_cursor(cursor: &str) -> Option<(Order, EventKey)> {
    let text = open(cursor)?;
    let text = text.strip_prefix("e1")?;
    let (order, id) = match text.split_at_checked(1)? {
        ("a", id) => (Order::Asc, id),
        ("d", id) => (Order::Desc, id),
        _ => return None,
    };
    Some((order, id.parse::<EventId>().ok()?.0))
}

/// The cursor behind an item in quarantine.
#[must_use]
pub fn quarantine_cursor(before: i64) -> String {
    seal(&format!("q1{before}"))
}

/// The number in such a cursor.
pub(super) fn parse_quarantine_cursor(cursor: &str) -> Option<i64> {
    open(cursor)?.strip_prefix("q1")?.parse().ok().filter(|before| *before > 0)
}

/// The id of a message of the live stream.
#[must_use]
pub fn tail_id(cursor: TailCursor) -> String {
    format!("{}.{}", cursor.commit, cursor.seen)
}

/// Reads such an id.
#[must_use]
pub fn parse_tail_cursor(id: &str) -> Option<TailCursor> {
    let (commit, seen) = id.trim().split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(commit) || !digits(seen) {
        return None;
    }
    Some(TailCursor { commit: commit.parse().ok()?, seen: seen.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_went() {
        let key = EventKey { created_us: -7, hash: i64::MIN };
        for order in [Order::Asc, Order::Desc] {
            assert_eq!(parse_event_cursor(&event_cursor(order, key)), Some((order, key)));
        }
        assert_eq!(parse_quarantine_cursor(&quarantine_cursor(42)), Some(42));
        let tail = TailCursor { commit: u64::MAX, seen: 3 };
        assert_eq!(parse_tail_cursor(&tail_id(tail)), Some(tail));
    }

    #[test]
    fn other_texts_are_no_cursors() {
        let event = event_cursor(Order::Asc, EventKey { created_us: 0, hash: 0 });
        for text in [
            "",
            "x",
            "é",
            "=",
            &event[1..],
            &event[..event.len() - 2],
            &quarantine_cursor(-1),
            &seal("e1z"),
            &seal("e1é"),
        ] {
            assert_eq!(parse_event_cursor(text), None, "{text}");
            assert_eq!(parse_quarantine_cursor(text), None, "{text}");
        }
        for text in ["", "1", "1.", ".1", "+1.1", "1.4294967296", "1.1.1", "-1.0"] {
            assert_eq!(parse_tail_cursor(text), None, "{text}");
        }
    }
}
