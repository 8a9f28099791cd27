//! The live-code-path analysis.
