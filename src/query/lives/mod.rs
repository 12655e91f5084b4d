//! Questions about connections' lives: from a query string to a question, and from the store's rows to an answer.
//!
//! In: query strings, ids, the moment of asking. Out: JSON in the contract's shape; stages, incidents and runs are passed on as the
//! texts that the fold wrote. Refused: bad parameters ([`BadParameter`](super::BadParameter)), and what is not there ([`Missing`]).
//! Bounded: pages by number and, where items can be large, by bytes; days by [`DAYS_MAX`].

mod answer;
mod cursor;
mod daily;
mod json;
mod request;
pub mod shape;
mod stats;

#[cfg(test)]
pub(crate) mod fake;

pub use answer::{
    Missing, connection, connections, explain, incidents, newest, runs, schema_changes, sync, syncs, timeline,
};
pub use cursor::{SORTS, sort_word};
pub use daily::{DAYS_MAX, DailyRequest, daily};
pub use request::{
    ConnectionRequest, ConnectionsRequest, IncidentsRequest, RUN_STATUSES, RunsRequest, STAGES_MAX, StagesRequest,
    TimelineRequest,
};
pub use stats::{By, StatsRequest, stats};

use crate::{
    model::{DAY_US, TEST_CONNECTION_ID},
    store::StoreError,
};

/// What a question comes to: the body of an answer, or what there is nothing of.
pub type Answer = Result<Result<Vec<u8>, Missing>, StoreError>;

/// The id that Fivetran's own test deliveries carry is nobody's.
fn is_nobody(connection_id: &str) -> bool {
    connection_id == TEST_CONNECTION_ID
}
