//! The tree-manifest probe.
