//! The program: parses, calls, exits.

use std::process::ExitCode;

use wiping::Heap;

/// Evidence is tens of thousands of small pieces. From the first secret on what is freed is wiped, whoever had it.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static HEAP: Heap<tikv_jemallocator::Jemalloc> = Heap::new(tikv_jemallocator::Jemalloc);

/// From the first secret on what is freed is wiped, whoever had it.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[global_allocator]
static HEAP: Heap<std::alloc::System> = Heap::new(std::alloc::System);

fn main() -> ExitCode {
    cutgate::commands::run(std::env::args_os())
}
