//! The fewest parts of a rule that must become others for it to hold: all that fail of a conjunction, the cheapest of
//! a disjunction.
//!
//! It follows from the form of the rule and from the values that it met, and from nothing else: what one change brings
//! along, whether it can be made, and what it costs is not known here. Where the form does not say what must change, that is
//! said instead of a guess.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::eval::{Env, Judge, Val};
use super::explain::{Fixed, mirrored, name_of, over, quoted, range, shown, truth, unread, word};
use super::node::{Kind, Loop, LoopForm, Node, Operator};

/// One part that must become another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Change {
    /// The part, in CEL.
    pub part: String,
    /// The element of a list that it is about; empty where it is about none.
    pub of: String,
    /// What it is.
    pub actual: String,
    /// What it must become: `== 5`, `true`.
    pub demanded: String,
    /// Whether it could not be read, so that nobody knows whether it must change.
    pub unread: bool,
    /// Whether only the package file says it, so that it is changed there.
    pub in_package: bool,
}

/// What must become another for a rule to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// The fewest changes; empty where the rule holds.
    pub changes: Vec<Change>,
    /// How many other ways there are, each of as many changes or more.
    pub others: usize,
    /// Why these may not be the fewest; empty where they are.
    pub doubt: String,
    /// Whether one of them would break what another rule asks for.
    breaks: bool,
}

/// What rules ask for in any case: parts that are true or false whatever else is so.
pub type Needed = BTreeSet<(String, bool)>;

/// Adds what a rule that is to be `wanted` asks for in any case.
pub fn needs(node: &Node, wanted: bool, needed: &mut Needed) {
    match (&node.kind, wanted) {
        (Kind::And(a, b), true) | (Kind::Or(a, b), false) => {
            needs(a, wanted, needed);
            needs(b, wanted, needed);
        }
        (Kind::Not(operand), _) => needs(operand, !wanted, needed),
        (Kind::Name(_) | Kind::Select(..) | Kind::Has(..) | Kind::Index(..) | Kind::Call(..), _) => {
            needed.insert((node.to_string(), wanted));
        }
        (
            Kind::And(..)
            | Kind::Or(..)
            | Kind::Literal(_)
            | Kind::Negate(_)
            | Kind::Choose(..)
            | Kind::Binary(..)
            | Kind::List(_)
            | Kind::Loop(_),
            _,
        ) => {}
    }
}

impl Closing {
    fn one(change: Change) -> Self {
        Self { changes: vec![change], ..Self::default() }
    }

    fn and(mut self, other: Self) -> Self {
        for change in other.changes {
            if !self.changes.contains(&change) {
                self.changes.push(change);
            }
        }
        self.others += other.others;
        self.breaks |= other.breaks;
        self.doubted(&other.doubt)
    }

    fn or(self, other: Self) -> Self {
        let cost = |closing: &Self| (closing.breaks, !closing.doubt.is_empty(), closing.changes.len());
        // What would break another rule is no way.
        let open = |closing: &Self| usize::from(!closing.breaks);
        let others = self.others + other.others + (open(&self) + open(&other)).saturating_sub(1);
        let cheaper = if cost(&other) < cost(&self) { other } else { self };
        Self { others, ..cheaper }
    }

    fn doubted(mut self, why: &str) -> Self {
        if self.doubt.is_empty() {
            why.clone_into(&mut self.doubt);
        }
        self
    }
}

/// What must become another for a rule to hold.
pub fn closing(node: &Node, env: &Env, needed: &Needed) -> Closing {
    let judge = Judge { env, bound: Vec::new(), steps: Cell::new(0) };
    Walk { judge, fixed: Fixed::default(), of: String::new(), needed }.close(node, true)
}

/// A place in the rule: what loops bind there, and the element that it is about.
struct Walk<'a, 'e> {
    judge: Judge<'a, 'e>,
    fixed: Fixed,
    of: String,
    needed: &'e Needed,
}

impl<'e> Walk<'_, 'e> {
    fn close(&self, node: &'e Node, wanted: bool) -> Closing {
        let judge = &self.judge;
        if truth(judge, node) == Some(wanted) {
            return Closing::default();
        }
        match &node.kind {
            Kind::And(a, b) if wanted => self.close(a, true).and(self.close(b, true)),
            Kind::And(a, b) => self.close(a, false).or(self.close(b, false)),
            Kind::Or(a, b) if wanted => self.close(a, true).or(self.close(b, true)),
            Kind::Or(a, b) => self.close(a, false).and(self.close(b, false)),
            Kind::Not(operand) => self.close(operand, !wanted),
            Kind::Choose(condition, a, b) => match truth(judge, condition) {
                Some(true) => self.close(a, wanted).or(self.close(condition, false).and(self.close(b, wanted))),
                Some(false) => self.close(b, wanted).or(self.close(condition, true).and(self.close(a, wanted))),
                None => self.atom(node, wanted),
            },
            Kind::Loop(looped) => self.looped(node, looped, wanted),
            Kind::Binary(operator, a, b) => self.compared(node, *operator, a, b, wanted),
            Kind::Literal(_) => self.atom(node, wanted).doubted("a constant of the rule never holds"),
            Kind::Name(_)
            | Kind::Select(..)
            | Kind::Has(..)
            | Kind::Index(..)
            | Kind::Negate(_)
            | Kind::List(_)
            | Kind::Call(..) => self.atom(node, wanted),
        }
    }

    fn change(&self, node: &Node, actual: String, demanded: String) -> Change {
        let in_package = self.fixed.holds(node);
        Change { part: node.to_string(), of: self.of.clone(), actual, demanded, unread: false, in_package }
    }

    /// A part that is not taken apart further.
    fn atom(&self, node: &'e Node, wanted: bool) -> Closing {
        self.unread(node).unwrap_or_else(|| {
            let change = self.change(node, shown(&self.judge, node), wanted.to_string());
            let breaks = self.of.is_empty() && self.needed.contains(&(change.part.clone(), !wanted));
            Closing { breaks, ..Closing::one(change) }
        })
    }

    /// What must be readable first, where a part could not be told.
    fn unread(&self, node: &'e Node) -> Option<Closing> {
        let stop = self.judge.value(node).err()?;
        match unread(&stop) {
            Some((part, state, next)) => {
                let demanded = if state == "absent" { format!("there: {next}") } else { format!("readable: {next}") };
                let (of, actual) = (self.of.clone(), format!("({state})"));
                Some(Closing::one(Change { part, of, actual, demanded, unread: true, in_package: false }))
            }
            None => match &node.kind {
                // all() over nothing is known, and is told as a loop.
                Kind::Loop(_) => None,
                Kind::Literal(_)
                | Kind::Name(_)
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
                | Kind::Call(..) => {
                    let change = self.change(node, shown(&self.judge, node), "something that can be told".to_owned());
                    Some(Closing::one(change).doubted("the rule cannot compute with what it met"))
                }
            },
        }
    }

    fn compared(&self, node: &'e Node, operator: Operator, a: &'e Node, b: &'e Node, wanted: bool) -> Closing {
        if let Some(unread) = self.unread(node) {
            return unread;
        }
        let (Some(of_left), Some(of_right)) = (word(operator, wanted), mirrored(operator, wanted)) else {
            return self.atom(node, wanted);
        };
        let value = |node| self.judge.value(node).map(|value| quoted(&value)).unwrap_or_default();
        let (part, word, other) =
            if self.fixed.holds(a) && !self.fixed.holds(b) { (b, of_right, a) } else { (a, of_left, b) };
        let demanded = match (&other.kind, self.fixed.holds(other)) {
            (Kind::Literal(_), _) => format!("{word} {}", value(other)),
            // What the package pins is a value; what the host has may change as well.
            (_, true) => format!("{word} {}", value(other)),
            (_, false) => format!("{word} {other} ({})", value(other)),
        };
        Closing::one(self.change(part, value(part), demanded))
    }

    fn looped(&self, node: &'e Node, looped: &'e Loop, wanted: bool) -> Closing {
        let Some(items) = range(&self.judge, looped) else {
            return self.unread(&looped.range).unwrap_or_else(|| self.atom(node, wanted));
        };
        let holding = |item| truth(&over(&self.judge, looped, item), &looped.body);
        let fitting = items.iter().filter(|item| holding(item) == Some(true)).count();
        let told = |demanded: &str| {
            let actual = match (items.len(), fitting) {
                (0, _) => "none".to_owned(),
                (all, fitting) => format!("{fitting} of {all} fit"),
            };
            let of = self.pinned(looped);
            let demanded = format!("{demanded} for which {}{of}", looped.body);
            Closing::one(self.change(&looped.range, actual, demanded))
        };
        match (looped.form, wanted) {
            (LoopForm::All, true) if items.is_empty() => told("at least one element, and only such"),
            (LoopForm::All, true) => self.each(looped, &items, true),
            (LoopForm::Exists, false) => self.each(looped, &items, false),
            // Whether one that is there may be changed, or another is to be made, the rule does not say.
            (LoopForm::Exists, true) => match self.first_unread(looped, &items) {
                Some(unread) => told("one").or(unread),
                None => told("one"),
            },
            (LoopForm::ExistsOne, true) => told("exactly one"),
            (LoopForm::ExistsOne, false) => told("none or several"),
            (LoopForm::All, false) => told("not only such"),
            (LoopForm::Filter | LoopForm::Map, _) => self.atom(node, wanted),
        }
    }

    /// What must change so that the body is `wanted` of every element.
    fn each(&self, looped: &Loop, items: &[crate::evidence::Fact], wanted: bool) -> Closing {
        let each = items.iter().enumerate().map(|(index, item)| {
            let name = name_of(index, item);
            let of = if self.of.is_empty() { name } else { format!("{}, {name}", self.of) };
            let fixed = self.fixed.with(looped);
            Walk { judge: over(&self.judge, looped, item), fixed, of, needed: self.needed }.close(&looped.body, wanted)
        });
        each.fold(Closing::default(), Closing::and)
    }

    /// What could not be read of an element: it may be the one that is asked for.
    fn first_unread(&self, looped: &Loop, items: &[crate::evidence::Fact]) -> Option<Closing> {
        items.iter().enumerate().find_map(|(index, item)| {
            let judge = over(&self.judge, looped, item);
            if truth(&judge, &looped.body).is_some() {
                return None;
            }
            let walk = Walk { judge, fixed: self.fixed.with(looped), of: name_of(index, item), needed: self.needed };
            walk.unread(&looped.body)
        })
    }

    /// The values of the package that a loop's body compares with.
    fn pinned(&self, looped: &Loop) -> String {
        let mut names = BTreeSet::new();
        looped.body.collect_reads(&mut vec![looped.variable.clone()], &mut names);
        let of_package = |name: &String| name.starts_with("params.") || name.starts_with("pkg.");
        let values = names.into_iter().filter(of_package).filter_map(|name| {
            let (table, key) = name.split_once('.')?;
            match &**self.judge.env.variables.get(table)? {
                crate::evidence::Fact::Map(fields) => {
                    Some(format!("{name} is {}", quoted(&Val::from(fields.get(key)?.clone()))))
                }
                crate::evidence::Fact::Bool(_)
                | crate::evidence::Fact::Int(_)
                | crate::evidence::Fact::Text(_)
                | crate::evidence::Fact::Time(_)
                | crate::evidence::Fact::List(_)
                | crate::evidence::Fact::Missing(_) => None,
            }
        });
        let values: Vec<_> = values.collect();
        if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) }
    }
}
