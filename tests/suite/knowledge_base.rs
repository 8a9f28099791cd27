//! The knowledge-base probe.
