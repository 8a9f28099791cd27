//! Every integration test, in one binary. Tests use real parts: real files, real `gpg`, a real
//! PostgreSQL, the real program with a scrubbed environment. A missing tool fails the test.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on fails, and says of other variants that they are not the expected one"
)]

mod absent;
mod approvals;
mod attestations;
mod audit;
mod baseline;
mod build_servers;
mod changed_nothing;
mod code_path;
mod code_path_command;
mod collection;
mod config;
mod diff;
mod doctor;
mod documents;
mod first_hour;
mod formats;
#[allow(dead_code, reason = "each test module uses a part of it")]
mod gate_tests;
mod harness;
mod host;
mod interrupts;
mod keyring;
mod knowledge_base;
mod lab;
mod man;
mod memory;
mod operators;
mod package_files;
mod pages;
mod pg_example;
mod pg_principals;
mod pg_surface;
#[allow(dead_code, reason = "each test module uses a part of it")]
mod postgres;
mod profiles;
mod provisioning;
mod records;
mod reference;
mod regressions;
mod runs;
mod sarif;
mod schemas;
mod screen;
mod services;
mod settings;
mod signed_reports;
mod signing;
mod site;
mod snapshot;
mod sql;
#[allow(dead_code, reason = "each family of states uses a part of it")]
mod states;
mod stock_gates;
mod systemd;
mod traps;
mod tree_manifest;
mod tutorial;
mod waivers;
mod watch;
