//! The program: reads the arguments and does what they say. Everything else is in the library.

use clap::Parser as _;
use std::process::ExitCode;

/// Many short-lived texts in several threads: measured, the system's allocator is a bottleneck for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lifeline::cli::run(lifeline::cli::Cli::parse())
}
