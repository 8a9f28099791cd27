//! The program: parses, calls, exits.

use std::process::ExitCode;

/// Evidence is tens of thousands of small pieces.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cutgate::commands::run(std::env::args_os())
}
