//! The filter of `/v1/events` applied to one event in hand, for the live stream.
//!
//! In: a filter and an event. Out: whether it fits, by the same rules as the store's.

use crate::{
    model::StoredEvent,
    store::{EventFilter, StoreError, TextSearch},
};

/// A filter, ready to be applied.
#[derive(Debug, Clone)]
pub struct Matcher {
    filter: EventFilter,
    text: Option<TextSearch>,
}

impl Matcher {
    /// Of a filter.
    ///
    /// # Errors
    /// Its text is too long to be looked for.
    pub fn new(filter: EventFilter) -> Result<Self, StoreError> {
        let text = filter.q.as_deref().map(TextSearch::new).transpose()?;
        Ok(Self { filter, text })
    }

    /// Whether an event fits every part of the filter.
    #[must_use]
    pub fn matches(&self, stored: &StoredEvent) -> bool {
        matches(&self.filter, stored) && self.text.as_ref().is_none_or(|text| text.matches(stored))
    }
}

/// Whether an event fits everything but the text.
fn matches(filter: &EventFilter, stored: &StoredEvent) -> bool {
    let event = &stored.event;
    let same = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|w| found == Some(w));
    let created = event.created.micros();
    same(&filter.connection_id, event.connection_id.as_deref())
        && same(&filter.event, Some(&event.name))
        && filter.family.is_none_or(|family| family == event.family)
        && filter.source.is_none_or(|source| source == event.source)
        && filter.level.is_none_or(|level| level == event.level)
        && same(&filter.sync_id, event.sync_id.as_deref())
        && filter.validation.is_none_or(|status| status == stored.verdict.status)
        && same(&filter.destination, event.destination.as_deref())
        && filter.from.is_none_or(|from| created >= from)
        && filter.to.is_none_or(|to| created < to)
        && filter.fine.holds(filter.from, filter.to, event.created)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Level, Source, Status},
        query::render::tests::sample,
    };

    #[test]
    fn every_part_of_a_filter_narrows() {
        let event = sample();
        let created = event.event.created.micros();
        let text = |text: &str| Some(text.to_owned());
        let cases: Vec<(EventFilter, bool)> = vec![
            (EventFilter::default(), true),
            (EventFilter { connection_id: text("conn_1"), ..Default::default() }, true),
            (EventFilter { connection_id: text("conn_"), ..Default::default() }, false),
            (EventFilter { event: text("sync_end"), ..Default::default() }, true),
            (EventFilter { event: text("sync_start"), ..Default::default() }, false),
            (EventFilter { sync_id: text("s"), ..Default::default() }, false),
            (EventFilter { destination: text("warehouse"), ..Default::default() }, true),
            (EventFilter { level: Some(Level::Severe), ..Default::default() }, false),
            (EventFilter { source: Some(Source::Code42), ..Default::default() }, false),
            (EventFilter { validation: Some(Status::Valid), ..Default::default() }, true),
            (EventFilter { from: Some(created), to: Some(created + 1), ..Default::default() }, true),
            (EventFilter { from: Some(created + 1), ..Default::default() }, false),
            (EventFilter { to: Some(created), ..Default::default() }, false),
            (EventFilter { q: text("SUCCESSful"), ..Default::default() }, true),
            (EventFilter { q: text("CONN_1"), ..Default::default() }, true),
            (EventFilter { q: text("failure"), ..Default::default() }, false),
        ];
        for (filter, expected) in cases {
            let matcher = Matcher::new(filter).expect("a short text");
            assert_eq!(matcher.matches(&event), expected, "{matcher:?}");
        }
    }
}
