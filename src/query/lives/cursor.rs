//! Places in the lists of lives, as opaque texts.
//!
//! In: the place of the last item. Out: base64url text that names its list and order. Refused (`None`): everything this room did
//! not write, a cursor of another list included.

use super::super::cursor::{open, seal};
use crate::{
    lifecycle::StageKind,
    model::{EventId, EventKey, Source},
    store::{
        Order,
        lives::{LifeCursor, LifeSort, SortValue, StageCursor},
    },
};

/// A list of stages, incidents or runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Timeline,
    Syncs,
    SchemaChanges,
    Incidents,
    Runs,
}

impl List {
    const fn mark(self) -> &'static str {
        match self {
            Self::Timeline => "t1",
            Self::Syncs => "s1",
            Self::SchemaChanges => "c1",
            Self::Incidents => "i1",
            Self::Runs => "r1",
        }
    }
}

/// Before this stage.
pub(super) fn stage_cursor(list: List, (key, kind): StageCursor) -> String {
    seal(&format!("{}{}.{}", list.mark(), EventId(key), kind.as_str()))
}

/// The stage of such a cursor.
pub(super) fn parse_stage_cursor(list: List, cursor: &str) -> Option<StageCursor> {
    let text = open(cursor)?;
    let (id, kind) = text.strip_prefix(list.mark())?.split_once('.')?;
    let kind = StageKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    Some((id.parse::<EventId>().ok()?.0, kind))
}

/// Before the item with this anchor.
pub(super) fn anchor_cursor(list: List, key: EventKey) -> String {
    seal(&format!("{}{}", list.mark(), EventId(key)))
}

/// The anchor of such a cursor.
pub(super) fn parse_anchor_cursor(list: List, cursor: &str) -> Option<EventKey> {
    Some(open(cursor)?.strip_prefix(list.mark())?.parse::<EventId>().ok()?.0)
}

/// Every order of the list of connections.
pub const SORTS: [LifeSort; 5] =
    [LifeSort::Id, LifeSort::Name, LifeSort::Status, LifeSort::LastSuccess, LifeSort::LastEvent];

/// The word that the parameter uses.
#[must_use]
pub const fn sort_word(sort: LifeSort) -> &'static str {
    match sort {
        LifeSort::Id => "id",
        LifeSort::Name => "name",
        LifeSort::Status => "status",
        LifeSort::LastSuccess => "last_success",
        LifeSort::LastEvent => "last_event",
    }
}

/// Behind this connection.
pub(super) fn life_cursor(sort: LifeSort, order: Order, place: &LifeCursor) -> String {
    let descending = order == Order::Desc;
    let source = place.source.as_str();
    let id = &place.connection_id;
    let parts = match &place.value {
        SortValue::Number(number) => serde_json::json!([sort_word(sort), descending, source, id, number]),
        SortValue::Text(text) => serde_json::json!([sort_word(sort), descending, source, id, text]),
    };
    seal(&format!("l1{parts}"))
}

/// Sort, order and place of such a cursor.
pub(super) fn parse_life_cursor(cursor: &str) -> Option<(LifeSort, Order, LifeCursor)> {
    let text = open(cursor)?;
    let parts = serde_json::from_str(text.strip_prefix("l1")?).ok()?;
    let (sort, descending, source, connection_id, value): (String, bool, String, String, serde_json::Value) = parts;
    let sort = SORTS.into_iter().find(|known| sort_word(*known) == sort)?;
    let source = Source::ALL.into_iter().find(|known| known.as_str() == source)?;
    let value = match value {
        serde_json::Value::String(text) => SortValue::Text(text),
        other => SortValue::Number(other.as_i64()?),
    };
    let order = if descending { Order::Desc } else { Order::Asc };
    Some((sort, order, LifeCursor { value, connection_id, source }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: EventKey = EventKey { created_us: -7, hash: i64::MIN };

    #[test]
    fn cursors_come_back_as_they_went_to_their_own_list() {
        let place = (KEY, StageKind::Sync);
        let cursor = stage_cursor(List::Syncs, place);
        assert_eq!(parse_stage_cursor(List::Syncs, &cursor), Some(place));
        assert_eq!(parse_stage_cursor(List::Timeline, &cursor), None);
        let cursor = anchor_cursor(List::Incidents, KEY);
        assert_eq!(parse_anchor_cursor(List::Incidents, &cursor), Some(KEY));
        assert_eq!(parse_anchor_cursor(List::Runs, &cursor), None);
        for value in [SortValue::Number(i64::MIN), SortValue::Text("a\"b.\u{7f}é".into()), SortValue::Text("7".into())]
        {
            let place = LifeCursor { value, connection_id: "x\ny".into(), source: Source::Fivetran };
            for order in [Order::Asc, Order::Desc] {
                let cursor = life_cursor(LifeSort::Name, order, &place);
                assert_eq!(parse_life_cursor(&cursor), Some((LifeSort::Name, order, place.clone())));
            }
        }
    }

    #[test]
    fn other_texts_are_no_cursors() {
        for text in ["", "x", "l1", "l1[]", "l1[\"id\",true,\"fivetran\",\"a\",null]", "t1.sync", "t1zz.sync", "i1"] {
            for text in [text.to_owned(), seal(text)] {
                assert_eq!(parse_life_cursor(&text), None, "{text}");
                assert_eq!(parse_stage_cursor(List::Timeline, &text), None, "{text}");
                assert_eq!(parse_anchor_cursor(List::Incidents, &text), None, "{text}");
            }
        }
    }
}
