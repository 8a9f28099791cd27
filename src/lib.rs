//! cutgate: may this host make an irreversible production run, and can that answer be proved?
//!
//! Data flows one way, and a room imports rooms to its left only:
//! `evidence → trust → probes → signing → package → gates → classify → report → execute → commands`.
//! `lab` stands beside them: it builds the demonstration, and `commands` alone calls it. A test compares both
//! with the sources; docs/architecture.md says what each room holds and must not do.
//!
//! - to add a **gate**: one TOML file in `gates/` (no Rust);
//! - to add a **probe**: one file in `src/probes/` and one line in its sorted registry;
//! - to add an output **format**: one file in `src/report/format/` and one line in its registry.

pub mod classify;
pub mod commands;
pub mod evidence;
pub mod execute;
pub mod gates;
pub mod lab;
pub mod package;
pub mod probes;
pub mod report;
pub mod signing;
pub mod trust;
