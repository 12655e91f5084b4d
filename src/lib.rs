//! Lifeline: a log destination that Fivetran can be pointed at.
//!
//! # The journey of one request
//!
//! 1. [`server`] finds the [`protocol`] by path and hands it the head; [`auth`] decides who is asking.
//! 2. [`body`] reads the wire bytes against a cap and a clock, checks signatures over them, and inflates them against a second
//!    cap.
//! 3. The protocol decodes the bytes into records; [`envelope`] finds Fivetran's event in each, [`systems`] that of a neighbour.
//! 4. [`normalize`] gives every spelling of an event one form, [`redact`] removes secrets, [`validate`] compares
//!    it with `schemas/`, [`identity`] names it by its content.
//! 5. [`store`] commits the batch with an fsync, and only then does the protocol answer.
//! 6. [`query`] reads back what was kept and says with [`diagnose`] what errors mean; [`export`] writes it for other programs.
//!
//! [`pipeline`] is the only file that knows this order.

pub mod audit;
pub mod auth;
pub mod body;
pub mod cli;
pub mod config;
pub mod diagnose;
pub mod envelope;
pub mod export;
pub mod identity;
pub mod json;
pub mod lifecycle;
pub mod model;
pub mod normalize;
pub mod pipeline;
pub mod protocol;
pub mod query;
pub mod redact;
pub mod server;
pub mod simulate;
pub mod store;
pub mod systems;
pub mod telemetry;
pub mod validate;
