//! The judge: an expression over facts holds, fails, or is unknown, and says why.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::functions;
use super::node::{Kind, Literal, Loop, LoopForm, Node, Operator};
use super::operations::{arithmetic, contains, equal, order, whole};
use super::render::{render_stop, render_value};
use crate::evidence::{Fact, Missing, MissingState};

/// The variables of one judgement. A probe that brought nothing back is a [`Fact::Missing`].
#[derive(Clone, Debug, Default)]
pub struct Env<'a> {
    /// By name.
    pub variables: BTreeMap<String, Cow<'a, Fact>>,
}

impl Env<'_> {
    /// The same variables, borrowed: to add others to.
    pub fn shared(&self) -> Env<'_> {
        let variables = self.variables.iter().map(|(name, fact)| (name.clone(), Cow::Borrowed(&**fact)));
        Env { variables: variables.collect() }
    }
}

/// The answer to a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Known to hold.
    Holds,
    /// Known not to hold.
    Fails,
    /// It would hold only because there was nothing to look at: `all()` over an empty list.
    Vacuous(String),
    /// A fact that decides it could not be read, or the rule erred.
    Unknown(Vec<Unknown>),
}

/// Why a rule has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// A fact could not be read.
    Missing {
        /// The fact as the rule names it.
        path: String,
        /// The reason.
        missing: Missing,
    },
    /// The rule met something that it cannot compute with.
    Error(String),
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { path, missing } => write!(f, "{path} is {missing}"),
            Self::Error(what) => f.write_str(what),
        }
    }
}

/// A value while judging.
#[derive(Clone, Debug)]
pub enum Val<'a> {
    /// A fact; never [`Fact::Missing`].
    Fact(Cow<'a, Fact>),
    /// A length of time.
    Duration(TimeDelta),
}

impl From<Fact> for Val<'_> {
    fn from(fact: Fact) -> Self {
        Self::Fact(Cow::Owned(fact))
    }
}

impl Val<'_> {
    /// The fact, if it is one.
    pub fn fact(&self) -> Option<&Fact> {
        match self {
            Self::Fact(fact) => Some(fact),
            Self::Duration(_) => None,
        }
    }
}

/// Why the evaluation of a part stopped.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    Vacuous(String),
    Unknown(Vec<Unknown>),
}

impl Stop {
    pub(super) fn error(what: impl Into<String>) -> Self {
        Self::Unknown(vec![Unknown::Error(what.into())])
    }
}

pub(super) type Result<T> = std::result::Result<T, Stop>;

/// Steps of one judgement; a rule that needs more is unknown.
const MAX_STEPS: usize = 20_000_000;

/// Judges a rule.
pub fn judge(node: &Node, env: &Env) -> Outcome {
    let judge = Judge { env, bound: Vec::new(), steps: Cell::new(0) };
    match judge.truth(node) {
        Ok(true) => Outcome::Holds,
        Ok(false) => Outcome::Fails,
        Err(Stop::Vacuous(why)) => Outcome::Vacuous(why),
        Err(Stop::Unknown(unknown)) => Outcome::Unknown(unknown),
    }
}

/// The fact that an expression gives; `None` when it is unknown or no fact.
pub fn evaluate_fact(node: &Node, env: &Env) -> Option<Fact> {
    let judge = Judge { env, bound: Vec::new(), steps: Cell::new(0) };
    judge.value(node).ok()?.fact().cloned()
}

/// The text of any expression: its value, or the word for why it has none.
pub fn evaluate_text(node: &Node, env: &Env) -> String {
    let judge = Judge { env, bound: Vec::new(), steps: Cell::new(0) };
    match judge.value(node) {
        Ok(value) => render_value(&value),
        Err(stop) => render_stop(&stop),
    }
}

/// One judgement under way.
pub(super) struct Judge<'a, 'e> {
    pub(super) env: &'e Env<'a>,
    /// The names that loops bind, outermost first, each with the element that it stands for.
    pub(super) bound: Vec<(&'e str, &'e Fact)>,
    pub(super) steps: Cell<usize>,
}

impl<'a, 'e> Judge<'a, 'e> {
    fn truth(&self, node: &Node) -> Result<bool> {
        match self.value(node)?.fact() {
            Some(Fact::Bool(value)) => Ok(*value),
            Some(_) | None => Err(Stop::error(format!("{node} is not true or false"))),
        }
    }

    pub(super) fn value<'v>(&'v self, node: &'v Node) -> Result<Val<'v>> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MAX_STEPS {
            return Err(Stop::error(format!("the rule took more than {MAX_STEPS} steps")));
        }
        match &node.kind {
            Kind::Literal(Literal::Bool(value)) => Ok(Val::from(Fact::Bool(*value))),
            Kind::Literal(Literal::Int(value)) => Ok(Val::from(Fact::Int(*value))),
            Kind::Literal(Literal::Text(value)) => Ok(Val::from(Fact::Text(value.clone()))),
            Kind::Name(_) | Kind::Select(..) | Kind::Index(..) => match self.place(node)? {
                Val::Fact(fact) => match &*fact {
                    Fact::Missing(missing) => Err(Stop::Unknown(vec![Unknown::Missing {
                        path: node.to_string(),
                        missing: (**missing).clone(),
                    }])),
                    Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => {
                        Ok(Val::Fact(fact))
                    }
                },
                Val::Duration(duration) => Ok(Val::Duration(duration)),
            },
            Kind::Has(operand, field) => self.has(operand, field),
            Kind::Not(operand) => Ok(Val::from(Fact::Bool(!self.truth(operand)?))),
            Kind::Negate(operand) => {
                let value = self.int(operand)?;
                let negated = value.checked_neg().ok_or_else(|| Stop::error(format!("{node} overflows")))?;
                Ok(Val::from(Fact::Int(negated)))
            }
            Kind::And(a, b) => and(self.truth(a), || self.truth(b)).map(|value| Val::from(Fact::Bool(value))),
            Kind::Or(a, b) => or(self.truth(a), || self.truth(b)).map(|value| Val::from(Fact::Bool(value))),
            Kind::Choose(condition, a, b) => self.value(if self.truth(condition)? { a } else { b }),
            Kind::Binary(operator, a, b) => self.binary(*operator, node, a, b),
            Kind::List(items) => {
                let items = items.iter().map(|item| self.owned(item)).collect::<Result<_>>()?;
                Ok(Val::from(Fact::List(items)))
            }
            Kind::Call(name, args) => {
                let function =
                    functions::find(name).ok_or_else(|| Stop::error(format!("there is no function {name}")))?;
                let args = args.iter().map(|arg| self.value(arg)).collect::<Result<Vec<_>>>()?;
                if function.name == "size" {
                    args.iter().try_for_each(|arg| whole(arg, node))?;
                }
                (function.call)(&args).map_err(|error| Stop::error(format!("{node}: {error}")))
            }
            Kind::Loop(looped) => self.looped(looped),
        }
    }

    /// The fact at a place, which may be missing.
    fn place<'v>(&'v self, node: &'v Node) -> Result<Val<'v>> {
        match &node.kind {
            Kind::Name(name) => {
                let bound = self.bound.iter().rev().find(|(bound, _)| bound == name).map(|(_, fact)| *fact);
                let fact = bound.or_else(|| self.env.variables.get(name).map(Cow::as_ref));
                let fact = fact.ok_or_else(|| Stop::error(format!("nothing is called {name}")))?;
                Ok(Val::Fact(Cow::Borrowed(fact)))
            }
            Kind::Select(operand, field) => self.member(node, operand, field),
            Kind::Index(operand, index) => match (self.value(index)?.fact(), operand) {
                (Some(Fact::Text(key)), operand) => self.member(node, operand, key),
                (Some(Fact::Int(index)), operand) => {
                    let at = usize::try_from(*index).ok();
                    let item = match (self.value(operand)?, at) {
                        (Val::Fact(Cow::Borrowed(Fact::List(items))), Some(at)) => items.get(at).map(Cow::Borrowed),
                        (Val::Fact(Cow::Owned(Fact::List(mut items))), Some(at)) if at < items.len() => {
                            Some(Cow::Owned(items.swap_remove(at)))
                        }
                        (Val::Fact(_) | Val::Duration(_), _) => None,
                    };
                    item.map(Val::Fact).ok_or_else(|| Stop::error(format!("{node}: there is no element {index}")))
                }
                (Some(_) | None, _) => Err(Stop::error(format!("{node}: the index is no string or integer"))),
            },
            Kind::Literal(_)
            | Kind::Has(..)
            | Kind::Not(_)
            | Kind::Negate(_)
            | Kind::And(..)
            | Kind::Or(..)
            | Kind::Choose(..)
            | Kind::Binary(..)
            | Kind::List(_)
            | Kind::Call(..)
            | Kind::Loop(_) => self.value(node),
        }
    }

    fn member<'v>(&'v self, node: &Node, operand: &'v Node, field: &str) -> Result<Val<'v>> {
        let none = || Stop::error(format!("{node}: there is no {field:?}"));
        match self.value(operand)? {
            Val::Fact(Cow::Borrowed(Fact::Map(map))) => {
                map.get(field).map(|fact| Val::Fact(Cow::Borrowed(fact))).ok_or_else(none)
            }
            Val::Fact(Cow::Owned(Fact::Map(mut map))) => map.remove(field).map(Val::from).ok_or_else(none),
            Val::Fact(_) | Val::Duration(_) => Err(Stop::error(format!("{operand} has no fields"))),
        }
    }

    /// `has()`: true when the fact is there (a withheld one is), false only when it is known to be absent.
    fn has<'v>(&'v self, operand: &'v Node, field: &str) -> Result<Val<'v>> {
        let record = self.value(operand)?;
        let Some(Fact::Map(map)) = record.fact() else {
            return Err(Stop::error(format!("{operand} has no fields")));
        };
        let there = match map.get(field) {
            None => false,
            Some(Fact::Missing(missing)) => match missing.state {
                MissingState::Absent => false,
                MissingState::Withheld => true,
                MissingState::Denied | MissingState::Unreadable | MissingState::TimedOut | MissingState::Error => {
                    let path = format!("{operand}.{field}");
                    return Err(Stop::Unknown(vec![Unknown::Missing { path, missing: (**missing).clone() }]));
                }
            },
            Some(Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_)) => true,
        };
        Ok(Val::from(Fact::Bool(there)))
    }

    fn int(&self, node: &Node) -> Result<i64> {
        match self.value(node)?.fact() {
            Some(Fact::Int(value)) => Ok(*value),
            Some(_) | None => Err(Stop::error(format!("{node} is not a whole number"))),
        }
    }

    fn owned(&self, node: &Node) -> Result<Fact> {
        match self.value(node)? {
            Val::Fact(fact) => Ok(fact.into_owned()),
            Val::Duration(_) => Err(Stop::error(format!("{node}: a duration cannot be an element"))),
        }
    }

    fn binary<'v>(&'v self, operator: Operator, node: &Node, a: &'v Node, b: &'v Node) -> Result<Val<'v>> {
        let (left, right) = (self.value(a)?, self.value(b)?);
        let unfit = || Stop::error(format!("{node}: the operands do not fit"));
        let flag = |value: bool| Ok(Val::from(Fact::Bool(value)));
        let overflow = || Stop::error(format!("{node} overflows"));
        match operator {
            Operator::Equal => flag(equal(&left, &right, node)?),
            Operator::NotEqual => flag(!equal(&left, &right, node)?),
            Operator::Less => flag(order(&left, &right).ok_or_else(unfit)?.is_lt()),
            Operator::LessEqual => flag(order(&left, &right).ok_or_else(unfit)?.is_le()),
            Operator::Greater => flag(order(&left, &right).ok_or_else(unfit)?.is_gt()),
            Operator::GreaterEqual => flag(order(&left, &right).ok_or_else(unfit)?.is_ge()),
            Operator::In => match right.fact() {
                Some(Fact::List(items)) => flag(contains(&left, items, node)?),
                Some(Fact::Map(map)) => match left.fact() {
                    Some(Fact::Text(key)) => flag(map.contains_key(key)),
                    Some(_) | None => Err(unfit()),
                },
                Some(_) | None => Err(unfit()),
            },
            Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Modulo => {
                arithmetic(operator, left, right).map_or_else(|| Err(unfit()), |result| result.ok_or_else(overflow))
            }
        }
    }

    fn looped<'v>(&'v self, looped: &'v Loop) -> Result<Val<'v>> {
        let range = self.value(&looped.range)?;
        let elements: Cow<[Fact]> = match &range {
            Val::Fact(Cow::Borrowed(Fact::List(items))) => Cow::Borrowed(items.as_slice()),
            Val::Fact(Cow::Owned(Fact::List(items))) => Cow::Owned(items.clone()),
            Val::Fact(fact) => match &**fact {
                Fact::Map(map) => Cow::Owned(map.keys().map(|key| Fact::Text(key.clone())).collect()),
                Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Missing(_) => {
                    return Err(Stop::error(format!("{} is not a list", looped.range)));
                }
            },
            Val::Duration(_) => return Err(Stop::error(format!("{} is not a list", looped.range))),
        };
        let mut inner = Judge { env: self.env, bound: self.bound.clone(), steps: Cell::new(self.steps.get()) };
        let outer = inner.bound.len();
        let flag = |value: bool| Val::from(Fact::Bool(value));
        let mut made = Vec::new();
        let mut holding = 0_usize;
        let mut answer: Result<bool> = Ok(looped.form == LoopForm::All);
        for element in elements.iter() {
            inner.bound.truncate(outer);
            inner.bound.push((&looped.variable, element));
            match looped.form {
                LoopForm::All => answer = and(answer, || inner.truth(&looped.body)),
                LoopForm::Exists => answer = or(answer, || inner.truth(&looped.body)),
                LoopForm::ExistsOne => holding += usize::from(inner.truth(&looped.body)?),
                LoopForm::Filter => {
                    if inner.truth(&looped.body)? {
                        made.push(element.clone());
                    }
                }
                LoopForm::Map => {
                    let wanted = looped.filter.as_ref().map_or(Ok(true), |filter| inner.truth(filter))?;
                    if wanted {
                        made.push(inner.owned(&looped.body)?);
                    }
                }
            }
        }
        self.steps.set(inner.steps.get());
        match looped.form {
            LoopForm::All if elements.is_empty() => {
                Err(Stop::Vacuous(format!("{} is empty, and all() over nothing does not hold", looped.range)))
            }
            LoopForm::All | LoopForm::Exists => answer.map(flag),
            LoopForm::ExistsOne => Ok(flag(holding == 1)),
            LoopForm::Filter | LoopForm::Map => Ok(Val::from(Fact::List(made))),
        }
    }
}

/// Conjunction: a known false decides, whatever else could not be read.
pub(super) fn and(a: Result<bool>, b: impl FnOnce() -> Result<bool>) -> Result<bool> {
    match a {
        Ok(false) => Ok(false),
        Ok(true) => b(),
        Err(stop) => match b() {
            Ok(false) => Ok(false),
            Ok(true) => Err(stop),
            Err(other) => Err(merge(stop, other, true)),
        },
    }
}

/// Disjunction: a known true decides, whatever else could not be read.
pub(super) fn or(a: Result<bool>, b: impl FnOnce() -> Result<bool>) -> Result<bool> {
    match a {
        Ok(true) => Ok(true),
        Ok(false) => b(),
        Err(stop) => match b() {
            Ok(true) => Ok(true),
            Ok(false) => Err(stop),
            Err(other) => Err(merge(stop, other, false)),
        },
    }
}

/// Two stops: in a conjunction the vacuous side decides that it does not hold, in a disjunction the unknown
/// side might still have held.
fn merge(a: Stop, b: Stop, conjunction: bool) -> Stop {
    match (a, b) {
        (Stop::Unknown(mut a), Stop::Unknown(b)) => {
            for unknown in b {
                if !a.contains(&unknown) {
                    a.push(unknown);
                }
            }
            Stop::Unknown(a)
        }
        (Stop::Vacuous(why), Stop::Unknown(unknown)) | (Stop::Unknown(unknown), Stop::Vacuous(why)) => {
            if conjunction {
                Stop::Vacuous(why)
            } else {
                Stop::Unknown(unknown)
            }
        }
        (Stop::Vacuous(why), Stop::Vacuous(_)) => Stop::Vacuous(why),
    }
}
