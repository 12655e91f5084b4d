//! Tests that use the crate from outside, one module per capability.

mod decoders;
