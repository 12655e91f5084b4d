//! The text of a simulated event, as each kind of delivery writes it.
//!
//! In: a [`SimEvent`]. Out: one compact JSON object, without a newline, appended to a buffer.

use super::{DAY, MS, SECOND, SimEvent};
use std::cell::Cell;

/// The members' order that external logs were seen to have.
pub fn write_json(event: &SimEvent, out: &mut Vec<u8>) {
    head(event, out);
    if !event.data.is_empty() {
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(event.data.as_bytes());
    }
    created(event, out);
    if let Some(connection) = &event.connection {
        out.extend_from_slice(connection.members.as_bytes());
    }
    member_id(br#","sync_id":""#, event.sync_id, out);
    member_id(br#","exception_id":""#, event.exception_id, out);
    out.push(b'}');
}

/// The members and order of Fivetran's webhooks: the old names, and the destination's group.
pub fn write_webhook(event: &SimEvent, out: &mut Vec<u8>) {
    head(event, out);
    created(event, out);
    if let Some(connection) = &event.connection {
        for (name, value) in [
            (&br#","connector_type":""#[..], connection.kind.name),
            (br#","connector_id":""#, &connection.id),
            (br#","connector_name":""#, &connection.name),
        ] {
            out.extend_from_slice(name);
            out.extend_from_slice(value.as_bytes());
            out.push(b'"');
        }
    }
    member_id(br#","sync_id":""#, event.sync_id, out);
    member_id(br#","exception_id":""#, event.exception_id, out);
    if let Some(connection) = &event.connection {
        out.extend_from_slice(br#","destination_group_id":""#);
        out.extend_from_slice(connection.destination.as_bytes());
        out.push(b'"');
    }
    if !event.data.is_empty() {
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(event.data.as_bytes());
    }
    out.push(b'}');
}

fn head(event: &SimEvent, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"event":""#);
    out.extend_from_slice(event.name.as_bytes());
    out.push(b'"');
}

fn created(event: &SimEvent, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","created":""#);
    write_time(event.created_us, event.digits, out);
    out.push(b'"');
}

/// A member whose value is a UUID.
fn member_id(name: &[u8], id: Option<u128>, out: &mut Vec<u8>) {
    if let Some(id) = id {
        out.extend_from_slice(name);
        out.extend_from_slice(uuid_text(id).encode_lower(&mut uuid::Uuid::encode_buffer()).as_bytes());
        out.push(b'"');
    }
}

/// Random bits as a version 4 UUID.
pub(super) fn uuid_text(bits: u128) -> uuid::fmt::Hyphenated {
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().hyphenated()
}

thread_local! {
    /// The day that was written last: events come in order of time, so it nearly always fits.
    static DAY_TEXT: Cell<(i64, [u8; 10])> = const { Cell::new((i64::MIN, [0; 10])) };
}

/// `2026-01-31T12:34:56.789Z` with 3 or 6 decimals. Years outside 1 to 9999 are moved to its edge.
pub fn write_time(micros: i64, digits: u8, out: &mut Vec<u8>) {
    let day = micros.div_euclid(DAY);
    let within = micros.rem_euclid(DAY);
    let text = DAY_TEXT.with(|cached| {
        let (known, text) = cached.get();
        if known == day {
            return text;
        }
        let text = day_text(day);
        cached.set((day, text));
        text
    });
    out.extend_from_slice(&text);
    let seconds = within / SECOND;
    for (mark, value) in [(b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)] {
        out.extend_from_slice(&[mark, b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
    }
    let below = within % SECOND;
    out.push(b'.');
    let (value, mut unit) = if digits == 3 { (below / MS, 100) } else { (below, 100_000) };
    while unit > 0 {
        out.push(b'0' + (value / unit % 10) as u8);
        unit /= 10;
    }
    out.push(b'Z');
}

fn day_text(day: i64) -> [u8; 10] {
    let date = i32::try_from(day)
        .ok()
        .and_then(|days| jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok());
    let date = date.unwrap_or(if day < 0 { jiff::civil::date(1, 1, 1) } else { jiff::civil::Date::MAX });
    let mut text = *b"0000-00-00";
    let (mut year, month, day) = (i32::from(date.year()).max(0), date.month() as u8, date.day() as u8);
    for at in (0..4).rev() {
        text[at] = b'0' + (year % 10) as u8;
        year /= 10;
    }
    text[5..7].copy_from_slice(&[b'0' + month / 10, b'0' + month % 10]);
    text[8..10].copy_from_slice(&[b'0' + day / 10, b'0' + day % 10]);
    text
}
