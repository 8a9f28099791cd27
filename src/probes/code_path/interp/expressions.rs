//! Evaluation of expressions, path by path.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Driver, Evaled, Exc, Flow, Frame, Interp, State};
use crate::probes::code_path::model::{Comparison, Comprehension, Const, Element, Expr, ExprKind, SequenceKind};
use crate::probes::code_path::state::{Aspect, Carried};
use crate::probes::code_path::value::{Cell, Origin, Spot, UnseenKind, Value};

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

    fn evaluate_kind(&mut self, mut state: State, expr: &Expr) -> Evaled {
        let spot = self.spot(expr.at);
        match &expr.kind {
            ExprKind::Const(constant) => vec![(state, Ok(self.constant(constant)))],
            ExprKind::Text(head, parts) => {
                let parts: Vec<_> = parts.iter().collect();
                let evaluated = self.evaluate_all(state, &parts);
                let text = Value::TextFrom(head.clone());
                self.then(evaluated, |me, state, values| {
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
            ExprKind::Sequence(kind, elements) => self.sequence(state, *kind, elements),
            ExprKind::Table(entries) => self.table(state, entries),
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
            ExprKind::Update(first, second) => {
                let evaluated = self.evaluate_all(state, &[first, second]);
                self.then(evaluated, |me, mut state, values| {
                    if me.changed_in_place(&mut state, &values[0]) {
                        let mut out = Vec::new();
                        me.may_raise(&state, &mut out);
                        out.push((state, Ok(values[0].clone())));
                        return out;
                    }
                    me.operation(state, &values, spot)
                })
            }
            ExprKind::Either(parts) | ExprKind::Operation(parts) => {
                let parts: Vec<_> = parts.iter().collect();
                let evaluated = self.evaluate_all(state, &parts);
                self.then(evaluated, |me, state, values| me.operation(state, &values, spot))
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
    fn operation(&mut self, mut state: State, values: &[Value], spot: Spot) -> Evaled {
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
            self.unseen_code(&mut state, "an operator of a class of the tree is not followed", spot);
        }
        let head = match values {
            [Value::Text(text) | Value::TextFrom(text), ..] => Some(Value::TextFrom(text.clone())),
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

    /// Forgets the elements of a collection; false when the value is none.
    pub(super) fn changed_in_place(&mut self, state: &mut State, value: &Value) -> bool {
        match value {
            Value::Object(address) => {
                let is_collection =
                    matches!(state.cell(*address), Some(Cell::List(_) | Cell::Table(_) | Cell::Seen(_)));
                if is_collection {
                    state.put(*address, Cell::Seen(BTreeMap::new()));
                }
                is_collection
            }
            Value::Unseen(unseen) if unseen.kind == UnseenKind::Collection => {
                state.forget(unseen.id);
                true
            }
            _ => false,
        }
    }

    fn has_operators(&self, class: crate::probes::code_path::value::ClassId) -> bool {
        let plain = [
            "__init__",
            "__post_init__",
            "__call__",
            "__enter__",
            "__exit__",
            "__aenter__",
            "__aexit__",
            "__new__",
            "__doc__",
            "__module__",
            "__slots__",
            "__repr__",
            "__str__",
            "__bool__",
            "__len__",
            "__eq__",
            "__ne__",
            "__hash__",
            "__annotations__",
            "__qualname__",
        ];
        self.class(class)
            .line
            .iter()
            .any(|id| self.class(*id).members.keys().any(|name| name.starts_with("__") && !plain.contains(&&**name)))
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
    fn tested(&mut self, state: State, value: &Value, spot: Spot) -> Vec<(State, bool)> {
        let truths = self.truths(state, value, spot);
        if let [(_, truth)] = &truths[..] {
            self.decided(spot, truth.to_string());
        }
        truths
    }

    /// `a and b`, `a or b`: the value is the operand that decides.
    fn chain_of(&mut self, state: State, items: &[Expr], until: bool) -> Evaled {
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

    fn comparisons(&mut self, state: State, first: &Expr, rest: &[(Comparison, Expr)], spot: Spot) -> Evaled {
        let values = self.evaluate(state, first);
        self.then(values, |me, state, value| me.compare_rest(state, value, rest, spot))
    }

    fn compare_rest(&mut self, state: State, left: Value, rest: &[(Comparison, Expr)], spot: Spot) -> Evaled {
        let Some(((op, expr), rest)) = rest.split_first() else { return vec![(state, Ok(Value::Bool(true)))] };
        let rights = self.evaluate(state, expr);
        self.then(rights, |me, state, right| {
            let compared = me.compare_once(state, *op, &left, &right, spot);
            me.then(compared, |me, state, truth| match truth {
                true if !rest.is_empty() => me.compare_rest(state, right.clone(), rest, spot),
                truth => vec![(state, Ok(Value::Bool(truth)))],
            })
        })
    }

    fn compare_once(
        &mut self,
        mut state: State,
        op: Comparison,
        left: &Value,
        right: &Value,
        spot: Spot,
    ) -> Evaled<bool> {
        let mut out: Evaled<bool> = Vec::new();
        let mut raised: Evaled<bool> = Vec::new();
        for left in left.alternatives() {
            for right in right.alternatives() {
                match self.compare(&state, op, &left, &right) {
                    Some(truth) => {
                        self.decided(spot, truth.to_string());
                        out.push((state.clone(), Ok(truth)));
                    }
                    None => {
                        self.may_raise(&state, &mut raised);
                        if let Some(reason) = self.comparison_runs_code(&state, op, &left, &right) {
                            self.unseen_code(&mut state, reason, spot);
                        }
                        for truth in [true, false] {
                            let mut state = state.clone();
                            self.learn_comparison(&mut state, op, &left, &right, truth, spot);
                            out.push((state, Ok(truth)));
                        }
                    }
                }
            }
        }
        out.extend(raised);
        out
    }

    fn comparison_runs_code(&self, state: &State, op: Comparison, left: &Value, right: &Value) -> Option<String> {
        if matches!(op, Comparison::Is | Comparison::IsNot) {
            return None;
        }
        let own = |value: &Value| match value {
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => {
                    self.has_own_equality(*class) || self.has_operators(*class) || !self.is_closed(*class)
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
            },
            Value::Member(class, _) => self.has_own_equality(*class),
            // Looking for something in a generator drives it.
            Value::Suspended(_) => true,
            _ => false,
        };
        (own(left) || own(right)).then(|| "a comparison of a class of the tree is not followed".to_owned())
    }

    fn learn_comparison(
        &mut self,
        state: &mut State,
        op: Comparison,
        left: &Value,
        right: &Value,
        truth: bool,
        spot: Spot,
    ) {
        let (unseen, other) = match (left, right) {
            (Value::Unseen(unseen), other) | (other, Value::Unseen(unseen)) => (unseen, other),
            _ => return,
        };
        let swapped = !matches!(left, Value::Unseen(_));
        let positive = match op {
            Comparison::Is | Comparison::Equal => Some(truth),
            Comparison::IsNot | Comparison::NotEqual => Some(!truth),
            Comparison::In
            | Comparison::NotIn
            | Comparison::Greater
            | Comparison::GreaterEqual
            | Comparison::Less
            | Comparison::LessEqual => None,
        };
        match (other, positive, &unseen.kind) {
            (Value::None, Some(null), _) if matches!(op, Comparison::Is | Comparison::IsNot) => {
                state.learn(unseen.id, Aspect::Null, null);
            }
            (Value::Bool(value), Some(same), UnseenKind::Bool | UnseenKind::Stale(_)) => {
                self.learn_truth(state, &Value::Unseen(unseen.clone()), same == *value, spot);
            }
            (Value::Int(0), Some(zero), UnseenKind::Length(_) | UnseenKind::Status(_)) => {
                self.learn_truth(state, &Value::Unseen(unseen.clone()), !zero, spot);
            }
            (Value::Int(limit), None, UnseenKind::Length(of)) if !swapped => {
                let filled = match (op, limit, truth) {
                    (Comparison::Greater, 0, filled) | (Comparison::GreaterEqual, 1, filled) => Some(filled),
                    (Comparison::Less, 1, empty) | (Comparison::LessEqual, 0, empty) => Some(!empty),
                    (Comparison::Greater | Comparison::GreaterEqual, 1.., true) => Some(true),
                    _ => None,
                };
                if let Some(filled) = filled {
                    state.learn(*of, Aspect::Filled, filled);
                }
            }
            _ => {}
        }
    }

    fn sequence(&mut self, state: State, kind: SequenceKind, elements: &[Element]) -> Evaled {
        let exprs: Vec<_> = elements.iter().map(|element| &element.value).collect();
        let evaluated = self.evaluate_all(state, &exprs);
        self.then(evaluated, |me, mut state, values| {
            let mut items = Vec::new();
            for (element, value) in elements.iter().zip(values) {
                match element.spread {
                    false => items.push(value),
                    true if me.runs_when_iterated(&state, &value) => {
                        let spot = me.spot(element.value.at);
                        me.unseen_code(&mut state, "what is spread here runs code that is not followed", spot);
                        return vec![(state, Ok(me.collection("display")))];
                    }
                    true => match me.known_items(&state, &value) {
                        Some(more) => items.extend(more),
                        None => {
                            let filled = items.len() + 1 < elements.len();
                            let collection = me.collection("display");
                            if let (true, Value::Unseen(unseen)) = (filled, &collection) {
                                state.learn(unseen.id, Aspect::Filled, true);
                            }
                            return vec![(state, Ok(collection))];
                        }
                    },
                }
            }
            let value = match kind {
                SequenceKind::Tuple => Value::Tuple(Rc::new(items)),
                SequenceKind::List | SequenceKind::Set => {
                    let address = me.address();
                    state.put(address, Cell::List(items));
                    Value::Object(address)
                }
            };
            vec![(state, Ok(value))]
        })
    }

    fn table(&mut self, state: State, entries: &[(Option<Expr>, Expr)]) -> Evaled {
        let exprs: Vec<_> = entries.iter().flat_map(|(key, value)| key.iter().chain([value])).collect();
        let evaluated = self.evaluate_all(state, &exprs);
        self.then(evaluated, |me, mut state, values| {
            let mut values = values.into_iter();
            let mut all: Vec<(Value, Value)> = Vec::new();
            for (key, _) in entries {
                let mut next = || values.next().unwrap_or(Value::None);
                match key {
                    Some(_) => {
                        let key = next();
                        all.push((key, next()));
                    }
                    None => match next() {
                        Value::Object(address) => match state.cell(address) {
                            Some(Cell::Table(more)) => all.extend(more.iter().cloned()),
                            Some(Cell::List(_) | Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => {
                                return vec![(state, Ok(me.collection("dict")))];
                            }
                        },
                        _ => return vec![(state, Ok(me.collection("dict")))],
                    },
                }
            }
            let mut last: Vec<(Value, Value)> = Vec::new();
            for (key, value) in all {
                last.retain(|(each, _)| *each != key);
                last.push((key, value));
            }
            let address = me.address();
            state.put(address, Cell::Table(last));
            vec![(state, Ok(Value::Object(address)))]
        })
    }

    /// `object[index]`
    fn item(&mut self, state: State, object: &Value, index: &Value, spot: Spot) -> Evaled {
        if let Value::OneOf(all) = object {
            return all.iter().flat_map(|each| self.item(state.clone(), each, index, spot)).collect();
        }
        let mut out: Evaled = Vec::new();
        let value = match object {
            Value::Tuple(items) => self.position(items, index),
            Value::Object(address) => match state.cell(*address).cloned() {
                Some(Cell::List(items)) => self.position(&items, index),
                Some(Cell::Table(entries)) => {
                    let (found, open) = self.lookup(&state, &entries, index);
                    if let (false, [_]) = (open, &found[..]) {
                        self.decided(spot, format!("{index:?}"));
                    }
                    if open {
                        out.push((state.clone(), Err(Exc::Builtin("KeyError".into()))));
                    }
                    if found.is_empty() {
                        return out;
                    }
                    Value::one_of(found, || self.data("item"))
                }
                Some(Cell::Instance { class, .. }) => match self.find_member(class, "__getitem__") {
                    Some((_, Value::Function(closure))) => {
                        let arguments =
                            crate::probes::code_path::value::Arguments::of(vec![object.clone(), index.clone()]);
                        return self.invoke(state, &closure, arguments, Some(spot));
                    }
                    _ => return self.call_lost(state, "an element is read in a way that is not seen", spot),
                },
                Some(Cell::Scope { .. } | Cell::Seen(_)) | None => self.data("item"),
            },
            Value::Class(class) => match (&self.class(*class).enumeration, index) {
                (Some(members), Value::Text(name)) => {
                    let found = members.iter().find(|(each, ..)| each == name);
                    match found {
                        Some((_, _, first)) => Value::Member(*class, first.clone()),
                        None => {
                            out.push((state, Err(Exc::Builtin("KeyError".into()))));
                            return out;
                        }
                    }
                }
                (Some(members), _) => {
                    let all: Vec<_> =
                        members.iter().map(|(_, _, first)| Value::Member(*class, first.clone())).collect();
                    Value::one_of(all, || self.data("member"))
                }
                // A generic class with its parameters is the class.
                (None, _) => object.clone(),
            },
            Value::Unseen(unseen) => {
                let origin = match (&unseen.origin, &unseen.kind) {
                    (Origin::Outside, UnseenKind::Collection) => Origin::Data,
                    (origin, _) => origin.clone(),
                };
                let kind = if unseen.kind == UnseenKind::Scalar { UnseenKind::Scalar } else { UnseenKind::Plain };
                let chain = unseen.chain.to_string();
                self.unseen(origin, &chain, kind)
            }
            Value::Text(_) | Value::TextFrom(_) => self.scalar("text"),
            _ => self.data("item"),
        };
        self.may_raise(&state, &mut out);
        out.extend(value.alternatives().into_iter().map(|each| (state.clone(), Ok(each))));
        out
    }

    fn position(&mut self, items: &[Value], index: &Value) -> Value {
        let known = match index {
            Value::Int(index) => usize::try_from(*index).ok().and_then(|index| items.get(index).cloned()),
            // False and True are 0 and 1 as positions: a dispatch on a condition.
            Value::Bool(second) => items.get(usize::from(*second)).cloned(),
            _ => None,
        };
        let other = self.data("item");
        known.unwrap_or_else(|| Value::one_of(items.iter().cloned().chain([other.clone()]), || other))
    }

    fn comprehension(&mut self, state: State, comprehension: &Comprehension, spot: Spot) -> Evaled {
        // A lazy one runs when it is iterated; it is run here, or not at all, and both are followed.
        let unrun = comprehension.lazy.then(|| state.clone());
        let before = self.met_so_far();
        let frame = self.frame().clone();
        let scope = self.address();
        let outer = if frame.body_of.is_some() { None } else { frame.scope };
        let mut state = state;
        state.effect.doubt |= comprehension.lazy;
        state.put(scope, Cell::Scope { names: BTreeMap::new(), outer });
        self.frames.push(Frame {
            scope: Some(scope),
            function: None,
            body_of: None,
            called_at: None,
            driver: Driver::None,
            ..frame
        });
        let ran = self.comprehension_loops(state, comprehension, 0, spot);
        self.frames.pop();
        let mut out: Evaled = Vec::new();
        for (mut state, flow) in ran {
            if !comprehension.lazy {
                state.drop_cell(scope);
            }
            match flow {
                Flow::Raise(exc) => out.push((state, Err(exc))),
                Flow::Next | Flow::Return(_) | Flow::Break | Flow::Continue => {
                    let filled = comprehension.loops.len() == 1 && comprehension.loops[0].conditions.is_empty();
                    let value = if comprehension.lazy { self.data("generator") } else { self.collection("list") };
                    if let (true, Value::Unseen(unseen), Some(true)) =
                        (filled, &value, state.fact(scope, Aspect::Filled))
                    {
                        let id = unseen.id;
                        state.learn(id, Aspect::Filled, true);
                    }
                    out.push((state, Ok(value)));
                }
            }
        }
        if let Some(mut state) = unrun {
            // Whether, and how often, it is driven is not followed: that matters where it does something.
            let mut expected = state.effect.clone();
            expected.doubt = true;
            let harmless = before == self.met_so_far() && out.iter().all(|(each, _)| each.effect == expected);
            if harmless {
                out.iter_mut().for_each(|(each, _)| each.effect = state.effect.clone());
            } else {
                self.doubt(&mut state, "how this generator is driven is not followed", spot);
            }
            let value = self.data("generator");
            out.push((state, Ok(value)));
        }
        self.settle(out)
    }

    fn comprehension_loops(
        &mut self,
        state: State,
        comprehension: &Comprehension,
        depth: usize,
        spot: Spot,
    ) -> Vec<(State, Flow)> {
        let Some(each) = comprehension.loops.get(depth) else {
            let elements: Vec<_> = comprehension.element.iter().collect();
            let values = self.evaluate_all(state, &elements);
            return self.then_flow(values, |_, state, _| vec![(state, Flow::Next)]);
        };
        let iterables = self.evaluate(state, &each.iterable);
        self.then_flow(iterables, |me, mut state, iterable| {
            if depth == 0
                && me.truth(&state, &iterable) == Some(true)
                && let Some(scope) = me.frame().scope
            {
                state.learn(scope, Aspect::Filled, true);
            }
            me.iterate(state, &iterable, &each.target, spot, &mut |me, state| {
                let mut states = vec![(state, Flow::Next)];
                for condition in &each.conditions {
                    let mut next = Vec::new();
                    for (state, flow) in states {
                        if flow != Flow::Next {
                            next.push((state, flow));
                            continue;
                        }
                        let tests = me.test(state, condition);
                        next.extend(me.then_flow(tests, |_, state, truth| {
                            vec![(state, if truth { Flow::Next } else { Flow::Continue })]
                        }));
                    }
                    states = next;
                }
                let mut out = Vec::new();
                for (state, flow) in states {
                    match flow {
                        Flow::Next => out.extend(me.comprehension_loops(state, comprehension, depth + 1, spot)),
                        other => out.push((state, other)),
                    }
                }
                out
            })
        })
    }

    /// A value is given to whoever drives this generator.
    fn yielded(&mut self, mut state: State, value: Value, spot: Spot) -> Evaled {
        match self.frame().driver.clone() {
            Driver::None => {
                let reason = "a generator is driven in a way that is not seen";
                self.unseen_code(&mut state, reason, spot);
                let value = self.lost(reason, spot);
                vec![(state.clone(), Err(Exc::Any)), (state, Ok(value))]
            }
            Driver::Exhaust => {
                let sent = self.data("sent");
                vec![(state, Ok(sent))]
            }
            Driver::Context(hold) => {
                let held = self.held_body(state, &hold, value);
                held.into_iter()
                    .map(|(mut state, flow)| {
                        let (carried, result) = match flow {
                            Flow::Next => (Carried::End, Ok(Value::None)),
                            Flow::Return(value) => (Carried::Return(value), Ok(Value::None)),
                            Flow::Break => (Carried::Break, Ok(Value::None)),
                            Flow::Continue => (Carried::Continue, Ok(Value::None)),
                            Flow::Raise(exc) => (Carried::End, Err(exc)),
                        };
                        state.carried.push(carried);
                        (state, result)
                    })
                    .collect()
            }
        }
    }

    fn yielded_from(&mut self, mut state: State, value: &Value, spot: Spot) -> Evaled {
        match (value, &self.frame().driver) {
            (Value::Suspended(suspended), Driver::Exhaust) => {
                let suspended = suspended.clone();
                self.resume(state, &suspended)
            }
            (Value::Tuple(_) | Value::Object(_) | Value::Unseen(_), Driver::Exhaust) => {
                let sent = self.data("sent");
                let mut out = Vec::new();
                self.may_raise(&state, &mut out);
                out.push((state, Ok(sent)));
                out
            }
            _ => {
                self.unseen_code(&mut state, "a generator is driven in a way that is not seen", spot);
                let value = self.lost("yield from", spot);
                vec![(state, Ok(value))]
            }
        }
    }
}
