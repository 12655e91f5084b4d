//! The words that every room shares: what arrives, what is understood, what is kept.
//!
//! In: nothing. Out: plain types. No behaviour beyond parsing and display, and nothing
//! imported from the other rooms, so that any of them can be read alone.

mod data;
mod event;
mod id;
mod level;
mod record;
mod stored;
mod time;

pub use data::Data;
pub use event::{Conflict, CreatedFrom, Event, Family, Source, Status, TEST_CONNECTION_ID, Verdict, Violation};
pub use id::{EventId, EventKey, ParseIdError};
pub use level::Level;
pub use record::{Hints, Payload, Record, RecordError};
pub use stored::{Delivery, NewEvent, NewQuarantine, QuarantinedItem, StoredEvent};
pub use time::{DAY_US, Fine, MICROS_PER_SECOND, Micros, Timestamp, TimestampError};
