//! What people do to a connection by a click or a call, and what Fivetran does in their place.
//!
//! In: data of dashboard events, re-syncs and support's access. Out: their signals. Never refused.
//! Source: Fivetran log documentation, dashboard activity and the sections of forced re-syncs and diagnostic access.

use super::{
    super::{Signal, Support, TestResult},
    connector, deed, schema,
    values::{Members, TEXT_CHARS_MAX, count},
};
use crate::model::Event;

pub(super) fn tests_started(event: &Event, data: Members<'_>) -> Signal {
    let tests = data.any(&["testCount", "test_count"]).and_then(count).and_then(|count| u32::try_from(count).ok());
    Signal::TestsStarted(Box::new(deed::action(event, data)), tests)
}

pub(super) fn tested(event: &Event, data: Members<'_>, passed: bool) -> Signal {
    Signal::Tested(Box::new(TestResult {
        action: deed::action(event, data),
        name: data.text(&["testName", "test_name"]),
        message: data.said(&["message"], TEXT_CHARS_MAX),
        passed,
    }))
}

pub(super) fn resync(event: &Event, data: Members<'_>) -> Signal {
    let forced = event.name.starts_with("forced_");
    let action = if forced { deed::by_fivetran(event, data) } else { deed::action(event, data) };
    let table = event.name.ends_with("_table").then(|| connector::table(data)).filter(|table| !table.table.is_empty());
    Signal::Resync(Box::new(schema::resync(event, action, table, data.text(&["cause"]))))
}

pub(super) fn support(what: &'static str, data: Members<'_>) -> Signal {
    Signal::Support(Box::new(Support {
        what,
        actor: data.text(&["actor", "requester"]),
        ticket: data.text(&["ticketId", "supportTicket"]),
        message: data.said(&["message"], TEXT_CHARS_MAX),
    }))
}
