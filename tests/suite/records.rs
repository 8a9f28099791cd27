//! Drill and dry-run records, and detached signatures.
