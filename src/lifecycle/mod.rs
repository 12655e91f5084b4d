//! A connection's life, reconstructed from its events.
//!
//! In: facts, which are events reduced to what the life cycle needs, sorted by `created` and then by id. Out: rows of the
//! timeline (stages, incidents, days, transformation runs) and a summary of how the connection stands. Pure: no clock, no
//! I/O, no order of arrival; two sets of equal events give equal bytes. Every claim names the events that prove it.
//!
//! [`Fact::of`] reads an event, [`State::fold`] steps over facts, [`State::summary`] says how things stand. A state can be kept and
//! taken up again at any later fact, which is how a timeline stays current without being made anew.

mod deeds;
mod ends;
mod fact;
mod incidents;
mod neighbours;
mod objects;
mod read;
mod runs;
mod setup;
mod stage;
mod state;
mod step;
mod summary;
mod sync;
mod syncs;
mod tables;
mod words;

pub use fact::{
    Action, Change, Channel, Deed, Edit, Ending, Extract, Fact, Happening, Import, Job, Labels, Message, Modified,
    Moved, News, Resync, RunEvent, RunPhase, SchemaChange, Signal, Support, SyncId, TableName, TestResult, Work,
};
#[cfg(test)]
use read::signal_of as read_signal;
use stage::text;
pub use stage::{Activity, Day, Incident, Output, Run, Stage, StageKind, stage_order, time_json, time_text};
pub use state::{FOLD_VERSION, Live, State};
pub use summary::{Health, Status, Summary, SummaryView, SyncCounts};
pub use sync::{SyncRow, Written};

#[cfg(test)]
mod tests;
