//! The rules of gates: CEL expressions over facts.
//!
//! The grammar is CEL's own, parsed by the `cel` crate. The judge over the syntax tree is ours, because an
//! auditor needs what CEL leaves open: every name and type is checked when the gate is loaded, a fact
//! that could not be read makes the answer *unknown* and says why, and `all()` over nothing holds in
//! neither polarity. Where every fact is known the answers are those of the crate's own interpreter, which
//! a test compares.
//!
//! This module never reads the world; it is a function of facts.

mod check;
mod closing;
mod eval;
mod explain;
mod functions;
mod lower;
mod mutate;
mod node;
mod operations;
mod render;
mod text;
mod types;

pub use closing::{Change, Closing, Needed};
pub use eval::{Env, Outcome, Unknown};
pub use explain::Step;
pub use mutate::Mutant;
pub use render::render as render_fact;
pub use text::Text;
pub use types::{ExprType, Scope};

use crate::evidence::Fact;
use node::Node;

/// Something wrong in an expression or a text, with its place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprProblem {
    /// First byte in the source.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// How to put it right; empty where nothing more can be said.
    pub help: String,
}

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Expr {
    source: String,
    root: Node,
}

impl Expr {
    /// Parses CEL.
    ///
    /// # Errors
    /// Every problem that the parser found, and constructs that gates do not use (floating point,
    /// bytes, maps, messages, null).
    pub fn parse(source: &str) -> Result<Self, Vec<ExprProblem>> {
        Ok(Self { source: source.to_owned(), root: lower::parse(source)? })
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The type of the expression in `scope`.
    ///
    /// # Errors
    /// Every unknown name, undeclared fact and type that does not fit.
    pub fn check(&self, scope: &Scope) -> Result<ExprType, Vec<ExprProblem>> {
        check::check(&self.root, scope)
    }

    /// Judges the expression as a rule: it holds, it fails, or that is unknown.
    pub fn judge(&self, env: &Env) -> Outcome {
        eval::judge(&self.root, env)
    }

    /// The fact that the expression gives; `None` when that is unknown, or a length of time.
    pub fn fact(&self, env: &Env) -> Option<Fact> {
        eval::evaluate_fact(&self.root, env)
    }

    /// The parts of the rule with their values, outermost first, for a person who asks why.
    pub fn explain(&self, env: &Env) -> Vec<Step> {
        explain::explain(&self.root, env)
    }

    /// What must become another for the rule to hold: the fewest parts, of those that break nothing that is `needed`; none
    /// where it holds.
    pub fn closing(&self, env: &Env, needed: &Needed) -> Closing {
        closing::closing(&self.root, env, needed)
    }

    /// Adds the parts that the rule asks for in any case.
    pub fn needs(&self, needed: &mut Needed) {
        closing::needs(&self.root, true, needed);
    }

    /// The dotted names that the expression reads from variables, such as `keyring.certs`; sorted.
    pub fn reads(&self) -> std::collections::BTreeSet<String> {
        let mut names = std::collections::BTreeSet::new();
        self.root.collect_reads(&mut Vec::new(), &mut names);
        names
    }
}

#[cfg(test)]
mod edges;
#[cfg(test)]
mod tests;
