//! The syntax tree that is checked and judged: CEL with its macros recognised.

use std::collections::BTreeSet;
use std::fmt;

/// A place in the source: bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A node and where it was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its own token: a name, an operator, a parenthesis.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A constant.
    Literal(Literal),
    /// A variable.
    Name(String),
    /// `operand.field`.
    Select(Box<Node>, String),
    /// `has(operand.field)`.
    Has(Box<Node>, String),
    /// `operand[index]`.
    Index(Box<Node>, Box<Node>),
    /// `!operand`.
    Not(Box<Node>),
    /// `-operand`.
    Negate(Box<Node>),
    /// `a && b`.
    And(Box<Node>, Box<Node>),
    /// `a || b`.
    Or(Box<Node>, Box<Node>),
    /// `condition ? then : otherwise`.
    Choose(Box<Node>, Box<Node>, Box<Node>),
    /// A comparison, membership or arithmetic.
    Binary(Operator, Box<Node>, Box<Node>),
    /// `[a, b]`.
    List(Vec<Node>),
    /// A function; a method's target is the first argument.
    Call(String, Vec<Node>),
    /// `range.macro(variable, body)`, and `range.map(variable, filter, body)`.
    Loop(Box<Loop>),
}

/// A macro over a list or a dictionary's keys.
#[derive(Clone, Debug)]
pub struct Loop {
    /// Which one.
    pub form: LoopForm,
    /// What it goes over.
    pub range: Node,
    /// The name of the element.
    pub variable: String,
    /// The condition of a three-part `map`.
    pub filter: Option<Node>,
    /// The predicate, or for `map` the new element.
    pub body: Node,
}

/// The macros of CEL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopForm {
    /// Every element, and there is one.
    All,
    /// Some element.
    Exists,
    /// Exactly one element.
    ExistsOne,
    /// The elements for which the predicate holds.
    Filter,
    /// A new element for each.
    Map,
}

impl LoopForm {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Filter => "filter",
            Self::Map => "map",
        }
    }
}

/// A constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
}

/// The operators with two strict operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `in`
    In,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

impl Operator {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

impl Node {
    /// The nodes directly below.
    pub fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Literal(_) | Kind::Name(_) => Vec::new(),
            Kind::Select(a, _) | Kind::Has(a, _) | Kind::Not(a) | Kind::Negate(a) => vec![a],
            Kind::Index(a, b) | Kind::And(a, b) | Kind::Or(a, b) | Kind::Binary(_, a, b) => vec![a, b],
            Kind::Choose(a, b, c) => vec![a, b, c],
            Kind::List(items) | Kind::Call(_, items) => items.iter().collect(),
            Kind::Loop(looped) => {
                let filter = looped.filter.iter();
                std::iter::once(&looped.range).chain(filter).chain(std::iter::once(&looped.body)).collect()
            }
        }
    }

    /// The dotted path that a chain of selections spells from a variable.
    pub fn dotted(&self) -> Option<String> {
        match &self.kind {
            Kind::Name(name) => Some(name.clone()),
            Kind::Select(operand, field) => operand.dotted().map(|path| format!("{path}.{field}")),
            Kind::Literal(_)
            | Kind::Has(..)
            | Kind::Index(..)
            | Kind::Not(_)
            | Kind::Negate(_)
            | Kind::And(..)
            | Kind::Or(..)
            | Kind::Choose(..)
            | Kind::Binary(..)
            | Kind::List(_)
            | Kind::Call(..)
            | Kind::Loop(_) => None,
        }
    }

    /// Adds the longest dotted paths from variables that are not bound by a loop.
    pub(super) fn collect_reads(&self, bound: &mut Vec<String>, names: &mut BTreeSet<String>) {
        let path = if let Kind::Has(operand, field) = &self.kind {
            operand.dotted().map(|path| format!("{path}.{field}"))
        } else {
            self.dotted()
        };
        if let Some(path) = path {
            let root = path.split('.').next().unwrap_or_default();
            if !bound.iter().any(|name| name == root) {
                names.insert(path);
            }
            return;
        }
        if let Kind::Loop(looped) = &self.kind {
            looped.range.collect_reads(bound, names);
            bound.push(looped.variable.clone());
            for node in looped.filter.iter().chain(std::iter::once(&looped.body)) {
                node.collect_reads(bound, names);
            }
            bound.pop();
            return;
        }
        for child in self.children() {
            child.collect_reads(bound, names);
        }
    }
}

/// The node in CEL, with parentheses only where a part is itself an operation.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Literal(Literal::Bool(value)) => write!(f, "{value}"),
            Kind::Literal(Literal::Int(value)) => write!(f, "{value}"),
            Kind::Literal(Literal::Text(value)) => write!(f, "{value:?}"),
            Kind::Name(name) => f.write_str(name),
            Kind::Select(operand, field) => write!(f, "{}.{field}", Part(operand)),
            Kind::Has(operand, field) => write!(f, "has({operand}.{field})"),
            Kind::Index(operand, index) => write!(f, "{}[{index}]", Part(operand)),
            Kind::Not(operand) => write!(f, "!{}", Part(operand)),
            Kind::Negate(operand) => write!(f, "-{}", Part(operand)),
            Kind::And(a, b) => write!(f, "{} && {}", Part(a), Part(b)),
            Kind::Or(a, b) => write!(f, "{} || {}", Part(a), Part(b)),
            Kind::Choose(a, b, c) => write!(f, "{} ? {} : {}", Part(a), Part(b), Part(c)),
            Kind::Binary(operator, a, b) => write!(f, "{} {} {}", Part(a), operator.word(), Part(b)),
            Kind::List(items) => write!(f, "[{}]", join(items)),
            Kind::Call(name, items) => write!(f, "{name}({})", join(items)),
            Kind::Loop(looped) => {
                write!(f, "{}.{}({}, ", Part(&looped.range), looped.form.word(), looped.variable)?;
                if let Some(filter) = &looped.filter {
                    write!(f, "{filter}, ")?;
                }
                write!(f, "{})", looped.body)
            }
        }
    }
}

fn join(items: &[Node]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

struct Part<'a>(&'a Node);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::And(..) | Kind::Or(..) | Kind::Choose(..) | Kind::Binary(..) => write!(f, "({})", self.0),
            Kind::Literal(_)
            | Kind::Name(_)
            | Kind::Select(..)
            | Kind::Has(..)
            | Kind::Index(..)
            | Kind::Not(_)
            | Kind::Negate(_)
            | Kind::List(_)
            | Kind::Call(..)
            | Kind::Loop(_) => write!(f, "{}", self.0),
        }
    }
}
