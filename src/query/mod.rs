//! Reading back what was kept: from a query string to a page, and from an event to its public shape.
//!
//! In: the text of a query, a store. Out: filters, pages and views that serialise in the contract's shape. Refused:
//! unknown or repeated parameters and bad values, each with the name of the parameter and what is allowed
//! ([`BadParameter`]). Knows nothing of HTTP.

pub mod audit;
pub mod cell;
mod cursor;
pub mod diagnosis;
mod filter;
pub mod lives;
mod page;
mod params;
pub mod render;
mod tail;

pub use cursor::{event_cursor, parse_tail_cursor, quarantine_cursor, tail_id};
pub use filter::Matcher;
pub use page::{EventsRequest, LIMIT_DEFAULT, LIMIT_MAX, QuarantineRequest, StreamRequest, events, quarantine};
pub use params::{BadParameter, Params};
pub use tail::{LiveEvent, LivePage, Tails};
