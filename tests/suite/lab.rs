//! The laboratory that demo builds.
