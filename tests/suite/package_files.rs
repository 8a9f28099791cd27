//! Package and gate files that are wrong.
