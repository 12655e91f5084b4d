#![no_main]
//! See `laws`.

#[path = "../laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::understanding_is_total(data));
