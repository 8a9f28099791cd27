//! Gates: what they are in files, how they are checked, and how evidence is judged by them.

pub mod expr;
