#![no_main]
//! See `laws`.

#[path = "../laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::inflating_stays_below_its_cap(data));
