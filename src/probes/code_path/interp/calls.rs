//! Calls: what is called is looked at, and the call is followed, understood or given up.

use std::rc::Rc;

use super::{Evaled, Interp, State};
use crate::probes::code_path::model::{Argument, Expr, ExprKind, Way};
use crate::probes::code_path::patterns::any_matches;
use crate::probes::code_path::value::{Arguments, Cell, Origin, Spot, Unseen, UnseenKind, Value};

impl Interp<'_> {
    /// A call expression.
    pub(super) fn call_expression(&mut self, state: State, callee: &Expr, arguments: &[Argument], at: u32) -> Evaled {
        let spot = self.spot(at);
        if let ExprKind::Name(name) = &callee.kind
            && &**name == "super"
            && arguments.is_empty()
        {
            return self.bare_super(state, at);
        }
        let callees = self.evaluate(state, callee);
        self.then(callees, |me, state, callee| {
            let evaluated = me.arguments(state, arguments);
            me.then(evaluated, |me, state, arguments| me.call(state, &callee, arguments, spot))
        })
    }

    fn bare_super(&mut self, state: State, at: u32) -> Evaled {
        let frame = self.frame().clone();
        let first =
            frame.function.as_ref().and_then(|function| function.parameters.first().map(|first| first.name.clone()));
        match (frame.class, first) {
            (Some(class), Some(first)) => {
                let this = self.read_name(state, &first, at);
                self.then(this, |_, state, this| vec![(state, Ok(Value::Super(class, Rc::new(this))))])
            }
            _ => {
                let spot = self.spot(at);
                let value = self.lost("super() outside of a method", spot);
                vec![(state, Ok(value))]
            }
        }
    }

    pub(super) fn arguments(&mut self, state: State, arguments: &[Argument]) -> Evaled<Arguments> {
        let values: Vec<_> = arguments.iter().map(|argument| &argument.value).collect();
        let mut evaluated = self.evaluate_all(state, &values);
        if let Some(Argument { way: Way::Spread, value: last }) = arguments.last() {
            let spot = self.spot(last.at);
            evaluated = self.then(evaluated, |me, state, values| me.last_gathered(state, values, spot));
        }
        self.then(evaluated, |me, mut state, values| {
            let mut all = Arguments::default();
            for (argument, value) in arguments.iter().zip(values) {
                if argument.way != Way::Position && runs_outside(&value) {
                    state.others_run();
                }
                match &argument.way {
                    Way::Position => all.positions.push(value),
                    Way::Name(name) => all.names.push((name.clone(), value)),
                    Way::Spread | Way::SpreadNames if me.runs_when_iterated(&state, &value) => {
                        let spot = me.spot(argument.value.at);
                        me.driven_unseen(&mut state, &value);
                        me.taint(&mut state, "what is spread here runs code that is not followed", spot);
                        all.open = true;
                    }
                    Way::Spread => match &value {
                        Value::Tuple(items) if !all.open => all.positions.extend(items.iter().cloned()),
                        Value::Object(address) if !all.open => match state.cell(*address) {
                            Some(Cell::List(items)) if items.len() < 2 || !me.unordered.contains(address) => {
                                all.positions.extend(items.iter().cloned());
                            }
                            Some(
                                Cell::List(_)
                                | Cell::Table(_)
                                | Cell::Instance { .. }
                                | Cell::Scope { .. }
                                | Cell::Seen(_),
                            )
                            | None => {
                                all.open = true;
                                all.spread.push(value.clone());
                            }
                        },
                        _ => {
                            all.open = true;
                            all.spread.push(value.clone());
                        }
                    },
                    Way::SpreadNames => match &value {
                        Value::Object(address) => match state.cell(*address) {
                            Some(Cell::Table(entries)) => {
                                for (key, value) in entries {
                                    match key {
                                        Value::Text(name) => {
                                            all.names.retain(|(each, _)| each != name);
                                            all.names.push((name.clone(), value.clone()));
                                        }
                                        _ => all.open = true,
                                    }
                                }
                            }
                            Some(Cell::List(_) | Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => {
                                all.open = true
                            }
                        },
                        _ => all.open = true,
                    },
                }
            }
            vec![(state, Ok(all))]
        })
    }

    /// Calls a value.
    pub fn call(&mut self, mut state: State, callee: &Value, arguments: Arguments, spot: Spot) -> Evaled {
        if !self.step() {
            return Vec::new();
        }
        match callee {
            Value::OneOf(all) => {
                all.iter().flat_map(|each| self.call(state.clone(), each, arguments.clone(), spot)).collect()
            }
            Value::Function(closure) => self.invoke(state, closure, arguments, Some(spot)),
            Value::Bound(pair) => {
                let (receiver, function) = &**pair;
                match function {
                    Value::Unseen(method) => self.builtin_method(state, receiver, method, arguments, spot),
                    Value::Function(closure) => {
                        let mut arguments = arguments;
                        arguments.positions.insert(0, receiver.clone());
                        self.invoke(state, closure, arguments, Some(spot))
                    }
                    other => {
                        let mut arguments = arguments;
                        arguments.positions.insert(0, receiver.clone());
                        self.call(state, other, arguments, spot)
                    }
                }
            }
            Value::Partial(pair) => {
                let (function, given) = &**pair;
                let mut all = given.clone();
                all.positions.extend(arguments.positions);
                for (name, value) in arguments.names {
                    all.names.retain(|(each, _)| *each != name);
                    all.names.push((name, value));
                }
                all.open |= arguments.open;
                all.spread.extend(arguments.spread);
                self.call(state, function, all, spot)
            }
            Value::Class(class) => self.construct(state, *class, arguments, spot),
            Value::Object(address) => {
                let class = match state.cell(*address) {
                    Some(Cell::Instance { class, .. }) => Some(*class),
                    Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => None,
                };
                match class.and_then(|class| self.find_member(class, "__call__")) {
                    Some((_, Value::Function(closure))) => {
                        let mut arguments = arguments;
                        arguments.positions.insert(0, callee.clone());
                        self.invoke(state, &closure, arguments, Some(spot))
                    }
                    _ => self.call_lost(state, "an object is called in a way that is not seen", spot),
                }
            }
            Value::Unseen(unseen) => self.call_unseen(state, unseen, arguments, spot),
            Value::Super(..) | Value::Module(_) | Value::Suspended(_) | Value::Member(..) => {
                self.call_lost(state, "what is called here is not understood", spot)
            }
            Value::Unbound
            | Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::TextFrom(_)
            | Value::Tuple(_) => {
                // Python raises here; nobody would write it, so it is rather a misjudgement.
                self.doubt(&mut state, "something is called that cannot be called", spot);
                self.call_lost(state, "something is called that cannot be called", spot)
            }
        }
    }

    /// A call of which nothing is known.
    pub(super) fn call_lost(&mut self, mut state: State, reason: &str, spot: Spot) -> Evaled {
        self.taint(&mut state, reason, spot);
        let mut out = Vec::new();
        self.may_raise(&state, &mut out);
        let value = self.lost(reason, spot);
        out.push((state, Ok(value)));
        out
    }

    fn call_unseen(&mut self, state: State, unseen: &Rc<Unseen>, arguments: Arguments, spot: Spot) -> Evaled {
        let chain = unseen.chain.clone();
        let is_simulator = any_matches(&self.patterns.simulators, &chain) && !chain.is_empty();
        if is_simulator {
            self.met_simulator(&state, &chain, spot);
        }
        match &unseen.origin {
            Origin::Lost(reason, _) => {
                let reason = reason.to_string();
                self.escape(state, arguments, &reason, spot)
            }
            Origin::Outside => self.outside(state, unseen, arguments, spot),
            Origin::Data => {
                // What the package itself calls a simulator is no write.
                if is_simulator {
                    let mut out = Vec::new();
                    self.may_raise(&state, &mut out);
                    let value = self.data(&chain);
                    out.push((state, Ok(value)));
                    return out;
                }
                let Some((_, method)) = chain.rsplit_once('.') else {
                    let reason = format!("{chain} is an argument; what it does is not seen");
                    return self.escape(state, arguments, &reason, spot);
                };
                if unseen.owner.is_none() {
                    // It is no method of something: other code gave it, and may have been given functions of the tree.
                    let reason = format!("what {chain}() gave is called; what it does is not seen");
                    return self.escape(state, arguments, &reason, spot);
                }
                if self.tree.may_define_method(method) {
                    let reason = format!("the class of the object in {chain}() is not known");
                    return self.escape(state, arguments, &reason, spot);
                }
                self.outside(state, unseen, arguments, spot)
            }
        }
    }

    /// Unseen code is called and given these arguments: it may call what it is given.
    fn escape(&mut self, mut state: State, arguments: Arguments, reason: &str, spot: Spot) -> Evaled {
        self.unseen_code(&mut state, reason, spot);
        let handed = self.handed(&state, &arguments);
        self.forget_all(&mut state, &arguments);
        state.reachable(arguments.values()).into_iter().for_each(|address| state.share(address));
        let value = self.lost(reason, spot);
        let states = self.hand_over_these(state, handed, spot);
        let mut out = Vec::new();
        for state in states {
            self.may_raise(&state, &mut out);
            out.push((state, Ok(value.clone())));
        }
        self.settle(out)
    }

    /// A truth value that is remembered once it is known.
    pub(super) fn unknown_flag(&mut self) -> Value {
        self.unseen(Origin::Outside, "bool", UnseenKind::Bool)
    }
}

/// Whether going through a value runs code outside the tree.
pub(super) fn runs_outside(value: &Value) -> bool {
    value.alternatives().iter().any(|each| match each {
        Value::Unseen(unseen) => match unseen.kind {
            UnseenKind::Plain => true,
            UnseenKind::Scalar
            | UnseenKind::Bool
            | UnseenKind::Collection
            | UnseenKind::Length(_)
            | UnseenKind::Stale(_)
            | UnseenKind::Process
            | UnseenKind::Status(_) => false,
        },
        _ => false,
    })
}
