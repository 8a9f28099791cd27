//! The fuzzer: one program for every target, which the variable `FUZZ_TARGET` names. `scripts/fuzz` builds and
//! runs it.

#![no_main]

#[path = "../targets/mod.rs"]
mod targets;

use std::sync::LazyLock;

/// The target of this process.
static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let names = || targets::TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(" ");
    let found = targets::TARGETS.iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("FUZZ_TARGET is {name:?}, and none of: {}", names())).run
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (*RUN)(data));
