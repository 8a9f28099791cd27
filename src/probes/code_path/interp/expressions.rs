//! Evaluation of expressions, path by path.

use std::rc::Rc;

use super::{Evaled, Frame, Interp, State};
use crate::probes::code_path::model::{Const, Expr, ExprKind, Name};
use crate::probes::code_path::value::{Cell, Spot, Value};

impl Interp<'_> {
    /// Evaluates an expression.
    pub(super) fn evaluate(&mut self, state: State, expr: &Expr) -> Evaled {
        if !self.step() {
            return Vec::new();
        }
        self.nesting += 1;
        let evaled = self.evaluate_kind(state, expr);
        self.nesting -= 1;
        self.settle(evaled)
    }

    pub(super) fn evaluate_kind(&mut self, mut state: State, expr: &Expr) -> Evaled {
        let spot = self.spot(expr.at);
        match &expr.kind {
            ExprKind::Const(constant) => vec![(state, Ok(self.constant(constant)))],
            ExprKind::Text(head, parts, behind) => {
                let parts: Vec<_> = parts.iter().collect();
                let evaluated = self.evaluate_all(state, &parts);
                self.then(evaluated, |me, state, values| {
                    let text = shown(head, &values, behind.as_deref());
                    let shown = super::Arguments::of(values);
                    let states = me.hand_over(state, &shown, spot);
                    states.into_iter().map(|state| (state, Ok(text.clone()))).collect()
                })
            }
            ExprKind::Name(name) => self.read_name(state, name, expr.at),
            ExprKind::Attribute(object, name) => {
                let objects = self.evaluate(state, object);
                self.then(objects, |me, state, object| me.attribute(state, &object, name, spot))
            }
            ExprKind::Call(callee, arguments) => self.call_expression(state, callee, arguments, expr.at),
            ExprKind::Item(object, index) => {
                let objects = self.evaluate(state, object);
                self.then(objects, |me, state, object| {
                    let indices = me.evaluate(state, index);
                    me.then(indices, |me, state, index| me.item(state, &object, &index, spot))
                })
            }
            ExprKind::All(items) => self.chain_of(state, items, false),
            ExprKind::Any(items) => self.chain_of(state, items, true),
            ExprKind::Not(inner) => {
                let values = self.evaluate(state, inner);
                self.then(values, |me, state, value| {
                    let truths = me.tested(state, &value, spot);
                    truths.into_iter().map(|(state, truth)| (state, Ok(Value::Bool(!truth)))).collect()
                })
            }
            ExprKind::Compare(first, rest) => self.comparisons(state, first, rest, spot),
            ExprKind::Choice { test, then, otherwise } => {
                let tests = self.test(state, test);
                self.then(tests, |me, state, truth| me.evaluate(state, if truth { then } else { otherwise }))
            }
            ExprKind::Sequence(kind, elements) => self.sequence(state, *kind, elements, spot),
            ExprKind::Table(entries) => self.table(state, entries, spot),
            ExprKind::Function(function) => {
                let closures = self.closure(state, function);
                self.then(closures, |_, state, closure| vec![(state, Ok(Value::Function(Rc::new(closure))))])
            }
            ExprKind::Await(inner) => {
                let values = self.evaluate(state, inner);
                self.then(values, |me, state, value| me.awaited(state, &value, spot))
            }
            ExprKind::Yield(value) => {
                let values = match value {
                    Some(value) => self.evaluate(state, value),
                    None => vec![(state, Ok(Value::None))],
                };
                self.then(values, |me, state, value| me.yielded(state, value, spot))
            }
            ExprKind::YieldFrom(inner) => {
                let values = self.evaluate(state, inner);
                self.then(values, |me, state, value| me.yielded_from(state, &value, spot))
            }
            ExprKind::Comprehension(comprehension) => self.comprehension(state, comprehension, spot),
            ExprKind::Bind(name, value) => {
                let values = self.evaluate(state, value);
                self.then(values, |me, mut state, value| {
                    // Inside a comprehension it binds a variable of the function around it.
                    let is_inner =
                        |frame: &Frame| frame.function.is_none() && frame.body_of.is_none() && frame.scope.is_some();
                    let keep = me.frames.iter().rposition(|frame| !is_inner(frame)).map_or(0, |index| index + 1);
                    let inner = me.frames.split_off(keep.max(1).min(me.frames.len()));
                    me.assign_name(&mut state, name, value.clone());
                    me.frames.extend(inner);
                    vec![(state, Ok(value))]
                })
            }
            ExprKind::Update(first, second, adds) => {
                let evaluated = self.evaluate_all(state, &[first, second]);
                self.then(evaluated, |me, mut state, values| {
                    if me.changed_in_place(&mut state, &values[0]) {
                        let mut out = Vec::new();
                        me.may_raise(&state, &mut out);
                        out.push((state, Ok(values[0].clone())));
                        return out;
                    }
                    // A text that grows in a loop is known by its beginning.
                    let known = values.into_iter().map(|value| match value {
                        Value::Text(text) => Value::TextFrom(text),
                        other => other,
                    });
                    let known: Vec<_> = known.collect();
                    me.operation(state, &known, *adds, spot)
                })
            }
            ExprKind::Either(parts) | ExprKind::Operation(parts) | ExprKind::Sum(parts) => {
                let adds = matches!(expr.kind, ExprKind::Sum(_));
                let parts: Vec<_> = parts.iter().collect();
                let evaluated = self.evaluate_all(state, &parts);
                self.then(evaluated, |me, state, values| me.operation(state, &values, adds, spot))
            }
            ExprKind::Opaque(what) => {
                self.unseen_code(&mut state, format!("{what} is not understood"), spot);
                let value = self.lost(what, spot);
                vec![(state, Ok(value))]
            }
        }
    }

    /// The value of a literal.
    pub(super) fn constant(&mut self, constant: &Const) -> Value {
        match constant {
            Const::None => Value::None,
            Const::Bool(value) => Value::Bool(*value),
            Const::Int(value) => Value::Int(*value),
            Const::Text(text) => Value::Text(text.clone()),
            Const::Other => self.scalar("literal"),
        }
    }

    /// Evaluates expressions from left to right.
    pub(super) fn evaluate_all(&mut self, state: State, exprs: &[&Expr]) -> Evaled<Vec<Value>> {
        let mut all: Evaled<Vec<Value>> = vec![(state, Ok(Vec::new()))];
        for expr in exprs {
            all = self.then(all, |me, state, values| {
                let evaluated = me.evaluate(state, expr);
                me.then(evaluated, |_, state, value| {
                    let mut values = values.clone();
                    values.push(value);
                    vec![(state, Ok(values))]
                })
            });
        }
        all
    }

    /// An operation whose result is not computed.
    pub(super) fn operation(&mut self, mut state: State, values: &[Value], adds: bool, spot: Spot) -> Evaled {
        let own = values.iter().any(|value| match value {
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => {
                    let class = *class;
                    !self.is_closed(class) || self.has_operators(class)
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
            },
            _ => false,
        });
        if own {
            self.taint(&mut state, "an operator of a class of the tree is not followed", spot);
        }
        let head = match values {
            [Value::Text(one), Value::Text(other)] if adds => Some(Value::Text(format!("{one}{other}").into())),
            [Value::Text(one), Value::TextFrom(other)] if adds => Some(Value::TextFrom(format!("{one}{other}").into())),
            [Value::Text(text) | Value::TextFrom(text), ..] if adds => Some(Value::TextFrom(text.clone())),
            _ => None,
        };
        let items = values.iter().any(|value| !matches!(value, Value::Int(_) | Value::Text(_) | Value::TextFrom(_)));
        let value = match head {
            Some(head) => head,
            // The sum of two collections may hold objects of the tree; a number holds none.
            None if items => self.data("operation"),
            None => self.scalar("operation"),
        };
        let mut out = Vec::new();
        self.may_raise(&state, &mut out);
        out.push((state, Ok(value)));
        out
    }

    /// Tests an expression.
    pub(super) fn test(&mut self, state: State, expr: &Expr) -> Evaled<bool> {
        let spot = self.spot(expr.at);
        let values = self.evaluate(state, expr);
        self.then(values, |me, state, value| {
            me.tested(state, &value, spot).into_iter().map(|(state, truth)| (state, Ok(truth))).collect()
        })
    }

    /// Tests a value; a test that the values decide is remembered.
    pub(super) fn tested(&mut self, state: State, value: &Value, spot: Spot) -> Vec<(State, bool)> {
        let truths = self.truths(state, value, spot);
        if let [(_, truth)] = &truths[..] {
            self.decided(spot, truth.to_string());
        }
        truths
    }

    /// `a and b`, `a or b`: the value is the operand that decides.
    pub(super) fn chain_of(&mut self, state: State, items: &[Expr], until: bool) -> Evaled {
        let Some((first, rest)) = items.split_first() else { return vec![(state, Ok(Value::None))] };
        let values = self.evaluate(state, first);
        if rest.is_empty() {
            return values;
        }
        let spot = self.spot(first.at);
        self.then(values, |me, state, value| {
            let mut out = Vec::new();
            for (state, truth) in me.tested(state, &value, spot) {
                if truth == until {
                    out.push((state, Ok(value.clone())));
                } else {
                    out.extend(me.chain_of(state, rest, until));
                }
            }
            out
        })
    }
}

/// A text with its parts shown, as far as they are known.
fn shown(head: &Name, values: &[Value], behind: Option<&[Name]>) -> Value {
    let mut text = head.to_string();
    for (value, behind) in values.iter().zip(behind.unwrap_or_default()) {
        match value {
            Value::Text(part) => text.push_str(part),
            Value::Int(part) => text.push_str(&part.to_string()),
            _ => return Value::TextFrom(text.into()),
        }
        text.push_str(behind);
    }
    if behind.is_some() { Value::Text(text.into()) } else { Value::TextFrom(text.into()) }
}
