//! Who does what to Lifeline, noted in the access log.
//!
//! In: who did what to Lifeline. Out: records, appended before the doing is answered where that is possible. Failed logins are counted
//! for a minute and written as one record an address; past [`ADDRESSES_MAX`] addresses a minute the rest is one record.

use crate::{
    audit::{Actor, ActorKind, Deed, Draft},
    auth::Reader,
    json::cut,
    model::Timestamp,
    server::state::{Door, now_us},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// Addresses of failed logins that get a record of their own in a minute.
pub const ADDRESSES_MAX: usize = 100;

/// Longest text that says what a command took, in characters.
const TAKEN_CHARS_MAX: usize = 4_000;

/// What a command took out of the store, as it tells the server over the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Taken {
    /// Events as a file.
    ExportEvents {
        /// Its form.
        format: String,
        /// Which events.
        filter: String,
    },
    /// Lives as a file.
    ExportTimeline {
        /// Its form.
        format: String,
        /// Of which connections and times.
        filter: String,
    },
    /// A copy of the database.
    BackupDatabase {
        /// Where it went.
        file: String,
    },
}

impl Taken {
    /// The deed that it is.
    #[must_use]
    pub fn deed(self) -> Deed {
        let text = |text: String| Value::from(cut(&text, TAKEN_CHARS_MAX));
        let export = |event, on, format, filter| Deed {
            event,
            action: "EXPORT",
            on: (on, "all".to_owned()),
            details: vec![("format", text(format)), ("filter", text(filter))],
        };
        match self {
            Self::ExportEvents { format, filter } => export("export_events", "EVENTS", format, filter),
            Self::ExportTimeline { format, filter } => export("export_timeline", "TIMELINES", format, filter),
            Self::BackupDatabase { file } => Deed {
                event: "backup_database",
                action: "EXPORT",
                on: ("DATABASE", "lifeline.db".to_owned()),
                details: vec![("file", text(file))],
            },
        }
    }
}

/// A replay of what could not be read. `details`: what became of it.
#[must_use]
pub fn replay(id: i64, details: Vec<(&'static str, Value)>) -> Deed {
    Deed { event: "replay_quarantined", action: "REPLAY", on: ("QUARANTINED_ITEM", id.to_string()), details }
}

/// What became of one that still cannot be read.
#[must_use]
pub fn replayed_in_vain(id: i64) -> Deed {
    replay(id, vec![("outcome", "still_unreadable".into())])
}

/// Who somebody is, and the road by which they came.
#[must_use]
pub fn who(by: Option<&Reader>, door: Door) -> (Actor, &'static str) {
    match (by, door) {
        (Some(reader), _) => (Actor { id: Some(reader.name.to_string()), kind: ActorKind::Token }, "HTTP"),
        (None, Door::Control) => (Actor { id: Some("control socket".into()), kind: ActorKind::System }, "CLI"),
        (None, Door::Public) => (Actor { id: None, kind: ActorKind::Unknown }, "HTTP"),
    }
}

/// Failed logins of this minute.
#[derive(Debug, Default)]
pub struct Failures(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    by_address: HashMap<Option<IpAddr>, u64>,
    others: u64,
}

impl Failures {
    /// Counts one.
    pub fn count(&self, from: Option<IpAddr>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = counts.by_address.len() >= ADDRESSES_MAX;
        match counts.by_address.get_mut(&from) {
            Some(count) => *count += 1,
            None if full => counts.others += 1,
            None => {
                counts.by_address.insert(from, 1);
            }
        }
    }

    /// The records of what was counted since the last time, in order of the addresses.
    pub fn take(&self) -> Vec<Draft> {
        let Counts { by_address, others } = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let at = Timestamp::from_micros(now_us());
        let mut counts: Vec<_> = by_address.into_iter().collect();
        counts.sort_unstable();
        let named = counts.into_iter().map(|(from, count)| (from.map(|from| from.to_string()), count));
        let others = (others > 0).then(|| (Some("other addresses".to_owned()), others));
        named
            .chain(others)
            .map(|(from, count)| {
                let details = vec![("count", count.into())];
                let deed = Deed { event: "failed_login", action: "LOGIN", on: ("SERVER", "lifeline".into()), details };
                deed.draft(Actor { id: from, kind: ActorKind::Unknown }, "HTTP", at)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_took_is_told_and_bounded() {
        let told = r#"{"event":"export_events","format":"ndjson","filter":"q=x"}"#;
        let taken: Taken = serde_json::from_str(told).expect("a deed");
        assert_eq!(serde_json::to_string(&taken).expect("JSON"), told);
        let deed = taken.deed();
        assert_eq!((deed.event, deed.action, deed.on.0), ("export_events", "EXPORT", "EVENTS"));
        let long = Taken::BackupDatabase { file: "x".repeat(100_000) }.deed();
        assert_eq!(long.details[0].1.as_str().map(str::len), Some(TAKEN_CHARS_MAX));
        assert!(serde_json::from_str::<Taken>(r#"{"event":"export_audit","format":"csv","filter":""}"#).is_err());
    }

    #[test]
    fn failed_logins_are_one_record_an_address_and_their_number_is_bounded() {
        let failures = Failures::default();
        for _ in 0..3 {
            failures.count(Some([192, 0, 2, 7].into()));
        }
        for last in 0..=255 {
            failures.count(Some([10, 0, 0, last].into()));
        }
        let drafts = failures.take();
        assert_eq!(drafts.len(), ADDRESSES_MAX + 1);
        let of = |who: &str| {
            let found = drafts.iter().find(|draft| draft.actor.id.as_deref() == Some(who)).expect("a record");
            assert_eq!((&*found.use_case, &*found.changes[0].field), ("failed_login", "count"));
            found.changes[0].new.as_u64().expect("a number")
        };
        assert_eq!((of("192.0.2.7"), of("10.0.0.0"), of("other addresses")), (3, 1, 256 - 99));
        assert!(failures.take().is_empty(), "they are written once");
    }
}
