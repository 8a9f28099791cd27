//! The program: parses, calls, exits.

use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Evidence is tens of thousands of small pieces. What is freed is wiped, whoever had it: a password is copied by libraries too.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: ZeroAlloc<tikv_jemallocator::Jemalloc> = ZeroAlloc(tikv_jemallocator::Jemalloc);

/// What is freed is wiped.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    cutgate::commands::run(std::env::args_os())
}
