//! Gates: what they are in files, how they are checked, and how evidence is judged by them.

pub mod expr;

mod finding;

pub use finding::{CheckFinding, CheckOutcome, Finding, GapState, Tier, state_of};
