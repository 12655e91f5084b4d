//! Lives against an oracle: made-up accounts of which the truth is known (`tests/fixtures/oracle`).
//!
//! In: logs. Out: nothing; a connection, sync or table that differs from the truth fails, and so does a difference from
//! Fivetran's dbt package that is not one of its known errors. `LIFELINE_ORACLE_ROUNDS` goes deeper,
//! `LIFELINE_ORACLE_ACCOUNT` checks other accounts.

mod account;
mod arrivals;
mod asking;
mod cases;
mod dbt;
mod folded;
mod golden;
mod log;
mod odd;
mod sync;
mod transitions;
mod truth;
mod views;
