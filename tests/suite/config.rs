//! The config probe.
