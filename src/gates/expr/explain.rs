//! A rule taken apart for a person: each part with its value, and what is demanded of it where that is not what it is.
//!
//! It judges nothing: the values are those of the judge, and what is demanded follows from where a part stands.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::eval::{Env, Judge, Stop, Val};
use super::node::{Kind, Loop, LoopForm, Node, Operator};
use super::render::{render_stop, render_value};
use crate::evidence::Fact;

/// A part of a rule with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How deep in the rule; 0 is the whole.
    pub depth: usize,
    /// The part, in CEL.
    pub text: String,
    /// Its value, or why it has none.
    pub value: String,
    /// What it must be, such as `must be == 5`; empty where nothing is demanded, or it is as demanded.
    pub wanted: String,
}

/// So many elements of a list are taken apart.
const ELEMENTS: usize = 3;

/// What is demanded of a part.
#[derive(Clone, Debug)]
enum Want {
    /// A truth value.
    Truth(bool),
    /// A comparison with the other side.
    Fit(String),
    /// Nothing.
    Free,
}

/// The parts of a rule that a person would ask about: each condition, the operands of comparisons, and the elements that a
/// loop fails on.
pub fn explain(node: &Node, env: &Env) -> Vec<Step> {
    let judge = Judge { env, bound: Vec::new(), steps: Cell::new(0) };
    let mut steps = Vec::new();
    part(&judge, &Fixed::default(), node, 0, &Want::Truth(true), &mut steps);
    steps
}

/// The variables of loops that go over what the package says.
#[derive(Clone, Default)]
pub(super) struct Fixed(BTreeSet<String>);

impl Fixed {
    /// Whether a part reads nothing of the host.
    pub fn holds(&self, node: &Node) -> bool {
        match &node.kind {
            Kind::Name(name) => self.0.contains(name) || super::super::check::COMMON.contains(&name.as_str()),
            Kind::Loop(looped) => {
                let inner = self.with(looped);
                let parts = looped.filter.iter().chain(std::iter::once(&looped.body));
                self.holds(&looped.range) && parts.into_iter().all(|part| inner.holds(part))
            }
            Kind::Literal(_)
            | Kind::Select(..)
            | Kind::Has(..)
            | Kind::Index(..)
            | Kind::Not(_)
            | Kind::Negate(_)
            | Kind::And(..)
            | Kind::Or(..)
            | Kind::Choose(..)
            | Kind::Binary(..)
            | Kind::List(_)
            | Kind::Call(..) => node.children().into_iter().all(|child| self.holds(child)),
        }
    }

    /// Inside a loop.
    pub fn with(&self, looped: &Loop) -> Self {
        let mut inner = self.clone();
        if self.holds(&looped.range) {
            inner.0.insert(looped.variable.clone());
        } else {
            inner.0.remove(&looped.variable);
        }
        inner
    }
}

/// Whether a part is known to be true or false.
pub(super) fn truth(judge: &Judge, node: &Node) -> Option<bool> {
    match judge.value(node).ok()?.fact() {
        Some(Fact::Bool(value)) => Some(*value),
        Some(_) | None => None,
    }
}

/// A part's value, or why it has none.
pub(super) fn shown(judge: &Judge, node: &Node) -> String {
    match judge.value(node) {
        Ok(value) => render_value(&value),
        Err(stop) => render_stop(&stop),
    }
}

fn part(judge: &Judge, fixed: &Fixed, node: &Node, depth: usize, want: &Want, steps: &mut Vec<Step>) {
    if matches!(node.kind, Kind::Literal(_)) {
        return;
    }
    // A demand that is met asks nothing of the parts below.
    let demand = match want {
        Want::Truth(wanted) if truth(judge, node) != Some(*wanted) => Some(*wanted),
        Want::Truth(_) | Want::Fit(_) | Want::Free => None,
    };
    let wanted = match (want, demand) {
        (Want::Fit(text), _) => text.clone(),
        (Want::Truth(_) | Want::Free, Some(wanted)) => format!("must be {wanted}"),
        (Want::Truth(_) | Want::Free, None) => String::new(),
    };
    steps.push(Step { depth, text: node.to_string(), value: shown(judge, node), wanted });
    let below = |child: &Node, want: Want, steps: &mut Vec<Step>| part(judge, fixed, child, depth + 1, &want, steps);
    let truth_of = |demand: Option<bool>| demand.map_or(Want::Free, Want::Truth);
    match &node.kind {
        Kind::And(a, b) | Kind::Or(a, b) => {
            below(a, truth_of(demand), steps);
            below(b, truth_of(demand), steps);
        }
        Kind::Not(operand) => below(operand, truth_of(demand.map(|wanted| !wanted)), steps),
        Kind::Choose(condition, a, b) => {
            let taken = truth(judge, condition);
            below(condition, Want::Free, steps);
            below(a, if taken == Some(true) { want.clone() } else { Want::Free }, steps);
            below(b, if taken == Some(false) { want.clone() } else { Want::Free }, steps);
        }
        Kind::Binary(operator, a, b) => {
            let (left, right) = match demand {
                Some(wanted) => fits(judge, fixed, *operator, a, b, wanted),
                None => (Want::Free, Want::Free),
            };
            below(a, left, steps);
            below(b, right, steps);
        }
        Kind::Call(..) => node.children().into_iter().for_each(|child| below(child, Want::Free, steps)),
        Kind::Loop(looped) => {
            below(&looped.range, Want::Free, steps);
            if let Some(wanted) = demand {
                elements(judge, fixed, looped, depth + 1, wanted, steps);
            }
        }
        Kind::Literal(_)
        | Kind::Name(_)
        | Kind::Select(..)
        | Kind::Has(..)
        | Kind::Index(..)
        | Kind::Negate(_)
        | Kind::List(_) => {}
    }
}

/// What a comparison that is to be `wanted` demands of its sides: of the left one, unless only the right one can change.
fn fits(judge: &Judge, fixed: &Fixed, operator: Operator, a: &Node, b: &Node, wanted: bool) -> (Want, Want) {
    let (of_left, of_right) = (fixed.holds(a), fixed.holds(b));
    let said = |word: Option<&str>, other: &Node| match (word, judge.value(other)) {
        (Some(word), Ok(value)) => Want::Fit(format!("must be {word} {}", quoted(&value))),
        (None, _) | (_, Err(_)) => Want::Free,
    };
    if of_left && !of_right {
        return (Want::Free, said(mirrored(operator, wanted), a));
    }
    (said(word(operator, wanted), b), Want::Free)
}

/// A value as a rule would write it: text in quotes.
pub(super) fn quoted(value: &Val) -> String {
    match value.fact() {
        Some(Fact::Text(text)) => format!("{text:?}"),
        Some(_) | None => render_value(value),
    }
}

/// The word for a comparison that is to be `wanted`; `None` for what is no comparison.
pub(super) fn word(operator: Operator, wanted: bool) -> Option<&'static str> {
    Some(match (operator, wanted) {
        (Operator::Equal, true) | (Operator::NotEqual, false) => "==",
        (Operator::NotEqual, true) | (Operator::Equal, false) => "!=",
        (Operator::Less, true) | (Operator::GreaterEqual, false) => "<",
        (Operator::LessEqual, true) | (Operator::Greater, false) => "<=",
        (Operator::Greater, true) | (Operator::LessEqual, false) => ">",
        (Operator::GreaterEqual, true) | (Operator::Less, false) => ">=",
        (Operator::In, true) => "in",
        (Operator::In, false) => "not in",
        (Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Modulo, _) => {
            return None;
        }
    })
}

/// As [`word`], as the right side sees it.
pub(super) fn mirrored(operator: Operator, wanted: bool) -> Option<&'static str> {
    let word = word(operator, wanted)?;
    Some(match word {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        "in" => "a list with",
        "not in" => "a list without",
        same => same,
    })
}

/// The elements of a loop's range, where they are known.
pub(super) fn range(judge: &Judge, looped: &Loop) -> Option<Vec<Fact>> {
    match judge.value(&looped.range).ok()?.fact()? {
        Fact::List(items) => Some(items.clone()),
        Fact::Map(map) => Some(map.keys().map(|key| Fact::Text(key.clone())).collect()),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::Missing(_) => None,
    }
}

/// How people tell an element from others: a text is itself, a record its path, name or first text.
pub(super) fn name_of(index: usize, element: &Fact) -> String {
    const NAMES: [&str; 5] = ["path", "name", "id", "key", "fingerprint"];
    match element {
        Fact::Text(text) => text.clone(),
        Fact::Map(fields) => {
            let named = NAMES.iter().filter_map(|name| fields.get(*name)).chain(fields.values());
            let named = named.filter_map(|fact| match fact {
                Fact::Text(text) => Some(text.clone()),
                Fact::Bool(_) | Fact::Int(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) | Fact::Missing(_) => None,
            });
            named.into_iter().next().unwrap_or_else(|| format!("element {index}"))
        }
        Fact::Missing(missing) => format!("what is {}", missing.state.word()),
        Fact::Bool(_) | Fact::Int(_) | Fact::Time(_) | Fact::List(_) => super::render_fact(element),
    }
}

/// A judge for a loop's body over one element.
pub(super) fn over<'a, 'e>(judge: &Judge<'a, 'e>, looped: &'e Loop, element: &'e Fact) -> Judge<'a, 'e> {
    let mut bound = judge.bound.clone();
    bound.push((&looped.variable, element));
    Judge { env: judge.env, bound, steps: Cell::new(judge.steps.get()) }
}

/// The elements that keep a loop from being `wanted`, taken apart.
fn elements(judge: &Judge, fixed: &Fixed, looped: &Loop, depth: usize, wanted: bool, steps: &mut Vec<Step>) {
    // Of what each of them demands: that the body holds for all, or for one; that it holds for none.
    let against = match (looped.form, wanted) {
        (LoopForm::All | LoopForm::Exists, true) => true,
        (LoopForm::Exists, false) => false,
        (LoopForm::All, false) | (LoopForm::ExistsOne | LoopForm::Filter | LoopForm::Map, _) => return,
    };
    let Some(items) = range(judge, looped) else { return };
    let inner = fixed.with(looped);
    let failing = |(_, item): &(usize, &Fact)| truth(&over(judge, looped, item), &looped.body) != Some(against);
    let failing: Vec<_> = items.iter().enumerate().filter(failing).collect();
    for (index, item) in failing.iter().take(ELEMENTS) {
        let text = format!("where {} is", looped.variable);
        steps.push(Step { depth, text, value: name_of(*index, item), wanted: String::new() });
        part(&over(judge, looped, item), &inner, &looped.body, depth + 1, &Want::Truth(against), steps);
    }
    if failing.len() > ELEMENTS {
        let value = format!("{} more", failing.len() - ELEMENTS);
        steps.push(Step { depth, text: "and".to_owned(), value, wanted: String::new() });
    }
}

/// Whether a part stopped because something could not be read, and what to do about it.
pub(super) fn unread(stop: &Stop) -> Option<(String, String, String)> {
    match stop {
        Stop::Unknown(unknown) => unknown.iter().find_map(|unknown| match unknown {
            super::Unknown::Missing { path, missing } => {
                Some((path.clone(), missing.state.word().to_owned(), missing.next.clone()))
            }
            super::Unknown::Error(_) => None,
        }),
        Stop::Vacuous(_) => None,
    }
}
