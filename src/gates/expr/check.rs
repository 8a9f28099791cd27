//! The static check: every name is declared, every type fits, all problems at once.

use std::collections::BTreeMap;

use super::functions::{self, FUNCTIONS};
use super::node::{Kind, Literal, Loop, LoopForm, Node, Operator};
use super::{ExprProblem, ExprType, Scope};

/// The type of `node` in `scope`.
pub fn check(node: &Node, scope: &Scope) -> Result<ExprType, Vec<ExprProblem>> {
    let mut checker = Checker { scope, bound: Vec::new(), problems: Vec::new() };
    let kind = checker.kind(node);
    match kind {
        Some(kind) if checker.problems.is_empty() => Ok(kind),
        _ => Err(checker.problems),
    }
}

struct Checker<'a> {
    scope: &'a Scope,
    bound: Vec<(String, ExprType)>,
    problems: Vec<ExprProblem>,
}

impl Checker<'_> {
    /// Reports a problem; `None` stands for a type that is not known, about which nothing more is said.
    fn problem(&mut self, node: &Node, message: String, help: String) -> Option<ExprType> {
        self.problems.push(ExprProblem { start: node.span.start, end: node.span.end, message, help });
        None
    }

    fn kind(&mut self, node: &Node) -> Option<ExprType> {
        match &node.kind {
            Kind::Literal(Literal::Bool(_)) => Some(ExprType::Bool),
            Kind::Literal(Literal::Int(_)) => Some(ExprType::Int),
            Kind::Literal(Literal::Text(_)) => Some(ExprType::Text),
            Kind::Name(name) => self.name(node, name),
            Kind::Select(operand, field) => self.field(node, operand, field),
            Kind::Has(operand, field) => self.field(node, operand, field).map(|_| ExprType::Bool),
            Kind::Index(operand, index) => self.index(node, operand, index),
            Kind::Not(operand) => self.expect(operand, &ExprType::Bool),
            Kind::Negate(operand) => self.expect(operand, &ExprType::Int),
            Kind::And(a, b) | Kind::Or(a, b) => {
                let (a, b) = (self.expect(a, &ExprType::Bool), self.expect(b, &ExprType::Bool));
                a.and(b)
            }
            Kind::Choose(condition, a, b) => {
                let condition = self.expect(condition, &ExprType::Bool);
                let (a, b) = (self.kind(a), self.kind(b));
                condition?;
                let (a, b) = (a?, b?);
                a.unify(&b).or_else(|| {
                    let message = format!("the branches are {} and {}", a.name(), b.name());
                    self.problem(node, message, "give both branches one type".to_owned())
                })
            }
            Kind::Binary(operator, a, b) => {
                let (left, right) = (self.kind(a), self.kind(b));
                self.binary(node, *operator, &left?, &right?)
            }
            Kind::List(items) => {
                let kinds: Vec<_> = items.iter().map(|item| self.kind(item)).collect();
                let kinds: Vec<_> = kinds.into_iter().collect::<Option<_>>()?;
                let item = kinds.iter().try_fold(ExprType::Nothing, |all, kind| all.unify(kind));
                match item {
                    Some(item) => Some(ExprType::List(Box::new(item))),
                    None => {
                        self.problem(node, "the list mixes types".to_owned(), "give its elements one type".to_owned())
                    }
                }
            }
            Kind::Call(name, args) => self.call(node, name, args),
            Kind::Loop(looped) => self.looped(looped),
        }
    }

    fn expect(&mut self, node: &Node, wanted: &ExprType) -> Option<ExprType> {
        let kind = self.kind(node)?;
        if kind.unify(wanted).is_some() {
            return Some(wanted.clone());
        }
        let help = match (wanted, &kind) {
            (ExprType::Bool, ExprType::List(_)) => format!("ask size({node}) > 0, or use all() or exists()"),
            (ExprType::Bool, _) => format!("compare it: {node} == …"),
            _ => String::new(),
        };
        self.problem(node, format!("this is {}, and {} is needed", kind.name(), wanted.name()), help)
    }

    fn name(&mut self, node: &Node, name: &str) -> Option<ExprType> {
        let bound = self.bound.iter().rev().find(|(bound, _)| bound == name).map(|(_, kind)| kind.clone());
        if let Some(kind) = bound.or_else(|| self.scope.variables.get(name).cloned()) {
            return Some(kind);
        }
        let known: Vec<_> =
            self.scope.variables.keys().chain(self.bound.iter().map(|(name, _)| name)).map(String::as_str).collect();
        let help = suggestion(name, &known);
        self.problem(node, format!("nothing here is called `{name}`"), help)
    }

    fn field(&mut self, node: &Node, operand: &Node, field: &str) -> Option<ExprType> {
        match self.kind(operand)? {
            ExprType::Record(fields) => fields.get(field).cloned().or_else(|| {
                let known: Vec<_> = fields.keys().map(String::as_str).collect();
                self.problem(node, format!("`{operand}` has no fact `{field}`"), suggestion(field, &known))
            }),
            ExprType::Dict(item) => Some(*item),
            other @ ExprType::List(_) => {
                let help = format!("say which element: {operand}.exists(x, x.{field} == …)");
                self.problem(node, format!("`{operand}` is {}, which has no fields", other.name()), help)
            }
            other @ (ExprType::Bool
            | ExprType::Int
            | ExprType::Text
            | ExprType::Time
            | ExprType::Duration
            | ExprType::Nothing) => {
                self.problem(node, format!("`{operand}` is {}, which has no fields", other.name()), String::new())
            }
        }
    }

    fn index(&mut self, node: &Node, operand: &Node, index: &Node) -> Option<ExprType> {
        let (range, at) = (self.kind(operand), self.kind(index));
        match (range?, at?) {
            (ExprType::List(item), ExprType::Int) | (ExprType::Dict(item), ExprType::Text) => Some(*item),
            (range, at) => {
                let message = format!("{} cannot be indexed by {}", range.name(), at.name());
                self.problem(node, message, "a list takes an integer, a map a string".to_owned())
            }
        }
    }

    fn binary(&mut self, node: &Node, operator: Operator, a: &ExprType, b: &ExprType) -> Option<ExprType> {
        use ExprType::{Bool, Dict, Duration, Int, List, Text, Time};
        let result = match operator {
            Operator::Equal | Operator::NotEqual => a.unify(b).filter(ExprType::is_comparable).map(|_| Bool),
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
                a.unify(b).filter(ExprType::is_ordered).map(|_| Bool)
            }
            Operator::In => match b {
                List(item) => a.unify(item).filter(ExprType::is_comparable).map(|_| Bool),
                Dict(_) => (*a == Text).then_some(Bool),
                Bool | Int | Text | Time | Duration | ExprType::Record(_) | ExprType::Nothing => None,
            },
            Operator::Add => match (a, b) {
                (Int, Int) => Some(Int),
                (Text, Text) => Some(Text),
                (Time, Duration) | (Duration, Time) => Some(Time),
                (Duration, Duration) => Some(Duration),
                (List(_), List(_)) => a.unify(b),
                _ => None,
            },
            Operator::Subtract => match (a, b) {
                (Int, Int) => Some(Int),
                (Time, Time) | (Duration, Duration) => Some(Duration),
                (Time, Duration) => Some(Time),
                _ => None,
            },
            Operator::Multiply | Operator::Divide | Operator::Modulo => (*a == Int && *b == Int).then_some(Int),
        };
        result.or_else(|| {
            let message = format!("`{}` does not go between {} and {}", operator.word(), a.name(), b.name());
            self.problem(node, message, String::new())
        })
    }

    fn call(&mut self, node: &Node, name: &str, args: &[Node]) -> Option<ExprType> {
        let kinds: Vec<_> = args.iter().map(|arg| self.kind(arg)).collect();
        let Some(function) = functions::find(name) else {
            let known: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
            return self.problem(node, format!("there is no function `{name}`"), suggestion(name, &known));
        };
        let kinds: Vec<_> = kinds.into_iter().collect::<Option<_>>()?;
        let Some(result) = (function.result)(&kinds) else {
            let given: Vec<_> = kinds.iter().map(ExprType::name).collect();
            let message = format!("`{name}` does not take ({})", given.join(", "));
            return self.problem(node, message, format!("write {}", function.usage));
        };
        // Constants that cannot work are found now and not in the audit.
        let last = args.last().map(|arg| &arg.kind);
        if let Some(Kind::Literal(Literal::Text(text))) = last {
            let wrong = match name {
                "matches" => regex::Regex::new(text).err().map(|error| error.to_string()),
                "duration" => functions::duration(text).err(),
                "timestamp" => chrono::DateTime::parse_from_rfc3339(text).err().map(|error| error.to_string()),
                _ => None,
            };
            if let Some(wrong) = wrong {
                return self.problem(node, wrong, format!("write {}", function.usage));
            }
        }
        Some(result)
    }

    fn looped(&mut self, looped: &Loop) -> Option<ExprType> {
        let element = match self.kind(&looped.range)? {
            ExprType::List(item) => *item,
            ExprType::Dict(_) => ExprType::Text,
            other @ (ExprType::Bool
            | ExprType::Int
            | ExprType::Text
            | ExprType::Time
            | ExprType::Duration
            | ExprType::Record(_)
            | ExprType::Nothing) => {
                let message =
                    format!("`{}` is {}, and {}() goes over a list", looped.range, other.name(), looped.form.word());
                return self.problem(&looped.range, message, String::new());
            }
        };
        if self.scope.variables.contains_key(&looped.variable) {
            let message = format!("`{}` already names a variable", looped.variable);
            return self.problem(&looped.range, message, "give the element another name".to_owned());
        }
        self.bound.push((looped.variable.clone(), element.clone()));
        let filter = looped.filter.as_ref().map(|filter| self.expect(filter, &ExprType::Bool));
        let result = match looped.form {
            LoopForm::All | LoopForm::Exists | LoopForm::ExistsOne => self.expect(&looped.body, &ExprType::Bool),
            LoopForm::Filter => self.expect(&looped.body, &ExprType::Bool).map(|_| ExprType::List(Box::new(element))),
            LoopForm::Map => self.kind(&looped.body).map(|kind| ExprType::List(Box::new(kind))),
        };
        self.bound.pop();
        match filter {
            Some(None) => None,
            Some(Some(_)) | None => result,
        }
    }
}

/// "did you mean `x`?" where a known name is near, else the known names.
fn suggestion(given: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|name| (strsim::damerau_levenshtein(given, name), *name)).min();
    match nearest {
        Some((distance, name)) if distance <= 2.max(given.len() / 3) => format!("did you mean `{name}`?"),
        Some(_) if known.len() <= 24 => format!("known here: {}", known.join(", ")),
        Some(_) | None => String::new(),
    }
}

/// The type at a dotted path; the error is a message and a help.
pub fn type_at(variables: &BTreeMap<String, ExprType>, path: &str) -> Result<ExprType, (String, String)> {
    let mut parts = path.split('.');
    let first = parts.next().unwrap_or_default();
    let known: Vec<_> = variables.keys().map(String::as_str).collect();
    let start =
        variables.get(first).ok_or_else(|| (format!("nothing here is called `{first}`"), suggestion(first, &known)))?;
    parts.try_fold(start.clone(), |kind, part| match kind {
        ExprType::Record(fields) => fields.get(part).cloned().ok_or_else(|| {
            let known: Vec<_> = fields.keys().map(String::as_str).collect();
            (format!("`{path}` names no fact: there is no `{part}`"), suggestion(part, &known))
        }),
        ExprType::Dict(item) => Ok(*item),
        other @ (ExprType::Bool
        | ExprType::Int
        | ExprType::Text
        | ExprType::Time
        | ExprType::Duration
        | ExprType::List(_)
        | ExprType::Nothing) => {
            Err((format!("`{path}` goes into {}, which has no fields", other.name()), String::new()))
        }
    })
}
