//! Statements, path by path.

use super::loops::ForLoop;
use super::{Exc, Flow, Interp, Outcomes, State};
use crate::probes::code_path::model::{Expr, Stmt, StmtKind, Target};
use crate::probes::code_path::value::{Arguments, Cell, Origin, Spot, Value};

impl Interp<'_> {
    /// Runs statements in order.
    pub(super) fn block(&mut self, state: State, body: &[Stmt]) -> Outcomes {
        let mut out: Outcomes = Vec::new();
        let mut states: Outcomes = vec![(state, Flow::Next)];
        for stmt in body {
            let mut next = Vec::new();
            for (state, _) in states {
                for (state, flow) in self.statement(state, stmt) {
                    if flow == Flow::Next {
                        next.push((state, flow));
                    } else {
                        out.push((state, flow));
                    }
                }
            }
            states = self.settle(next);
            if states.is_empty() {
                break;
            }
        }
        out.extend(states);
        self.settle(out)
    }

    /// Runs one statement.
    pub(super) fn statement(&mut self, state: State, stmt: &Stmt) -> Outcomes {
        if self.exhausted.is_none() {
            self.now_at = Some(self.spot(stmt.at));
        }
        if !self.step() {
            return Vec::new();
        }
        self.nesting += 1;
        let outcomes = self.statement_kind(state, stmt);
        self.nesting -= 1;
        outcomes
    }

    pub(super) fn statement_kind(&mut self, mut state: State, stmt: &Stmt) -> Outcomes {
        let spot = self.spot(stmt.at);
        match &stmt.kind {
            StmtKind::Expr(expr) => {
                let values = self.evaluate(state, expr);
                self.then_flow(values, |_, state, _| vec![(state, Flow::Next)])
            }
            StmtKind::Assign(targets, value) => {
                let values = self.evaluate(state, value);
                self.then_flow(values, |me, state, value| {
                    let mut states = vec![(state, Flow::Next)];
                    for target in targets {
                        let mut next = Vec::new();
                        for (state, flow) in states {
                            match flow {
                                Flow::Next => next.extend(me.assign(state, target, &value, spot)),
                                other => next.push((state, other)),
                            }
                        }
                        states = next;
                    }
                    states
                })
            }
            StmtKind::Declare(target, _, Some(value)) => {
                let values = self.evaluate(state, value);
                self.then_flow(values, |me, state, value| me.assign(state, target, &value, spot))
            }
            StmtKind::If(branches) => self.branches(state, branches),
            StmtKind::While { test, body, otherwise } => self.while_loop(state, test, body, otherwise),
            StmtKind::For { target, iterable, body, otherwise, awaited } => {
                let iterables = self.evaluate(state, iterable);
                self.then_flow(iterables, |me, state, iterable| {
                    let each = ForLoop { target, body, awaited: *awaited };
                    me.for_loop(state, &iterable, &each, otherwise, spot)
                })
            }
            StmtKind::Try { body, handlers, otherwise, finally, grouped } => {
                if *grouped {
                    self.doubt(&mut state, "except* is not followed", spot);
                }
                self.try_statement(state, body, handlers, otherwise, finally)
            }
            StmtKind::With { items, body, stacked, awaited } => {
                self.with_statement(state, items, body, stacked.as_ref(), *awaited, spot)
            }
            StmtKind::Match(subject, cases) => {
                let subjects = self.evaluate(state, subject);
                self.then_flow(subjects, |me, state, subject| me.cases(state, &subject, cases, spot))
            }
            StmtKind::Return(value) => match value {
                Some(value) => {
                    let values = self.evaluate(state, value);
                    self.then_flow(values, |_, state, value| vec![(state, Flow::Return(value))])
                }
                None => vec![(state, Flow::Return(Value::None))],
            },
            StmtKind::Raise(Some(value)) => {
                let values = self.evaluate(state, value);
                self.then_flow(values, |me, state, value| {
                    // Raising a class makes an instance of it.
                    let makes = match &value {
                        Value::Class(class) => me.find_member(*class, "__init__").is_some(),
                        _ => false,
                    };
                    if !makes {
                        let exc = me.exception(&state, &value);
                        return vec![(state, Flow::Raise(exc))];
                    }
                    let made = me.call(state, &value, Arguments::default(), spot);
                    me.then_flow(made, |me, state, instance| {
                        let exc = match &instance {
                            Value::Object(_) => me.exception(&state, &instance),
                            _ => me.exception(&state, &value),
                        };
                        vec![(state, Flow::Raise(exc))]
                    })
                })
            }
            StmtKind::Raise(None) => vec![(state, Flow::Raise(Exc::Any))],
            StmtKind::Assert(test, message) => self.assertion(state, test, message.as_ref()),
            StmtKind::Import(names) => self.import(state, names, stmt.at),
            StmtKind::ImportFrom { module, level, names } => self.import_from(state, module, *level, names, stmt.at),
            StmtKind::Function(function) => {
                let closures = self.closure(state, function);
                self.then_flow(closures, |me, state, closure| {
                    let decorated = me.decorated(state, closure);
                    me.then_flow(decorated, |me, mut state, value| {
                        me.assign_name(&mut state, &function.name, value);
                        vec![(state, Flow::Next)]
                    })
                })
            }
            StmtKind::Class(class) => {
                let classes = self.define_class(state, class);
                self.then_flow(classes, |me, mut state, value| {
                    me.assign_name(&mut state, &class.name, value);
                    vec![(state, Flow::Next)]
                })
            }
            StmtKind::Break => vec![(state, Flow::Break)],
            StmtKind::Continue => vec![(state, Flow::Continue)],
            StmtKind::Delete(targets) => {
                let mut states = vec![(state, Flow::Next)];
                for target in targets {
                    let mut next = Vec::new();
                    for (state, flow) in states {
                        match flow {
                            Flow::Next => next.extend(self.delete(state, target, spot)),
                            other => next.push((state, other)),
                        }
                    }
                    states = next;
                }
                states
            }
            StmtKind::Global(_) | StmtKind::Nonlocal(_) if self.frame().body_of.is_some() => {
                self.taint(&mut state, "a class's body assigns variables that are not its own", spot);
                vec![(state, Flow::Next)]
            }
            StmtKind::Global(_) | StmtKind::Nonlocal(_) | StmtKind::Pass | StmtKind::Declare(_, _, None) => {
                vec![(state, Flow::Next)]
            }
            StmtKind::Opaque(what) => {
                self.unseen_code(&mut state, format!("{what} is not understood"), spot);
                vec![(state, Flow::Next)]
            }
        }
    }

    pub(super) fn delete(&mut self, mut state: State, target: &Target, spot: Spot) -> Outcomes {
        match target {
            Target::Name(name) => {
                self.assign_name(&mut state, name, Value::Unbound);
                vec![(state, Flow::Next)]
            }
            Target::Attribute(..) => {
                self.taint(&mut state, "an attribute is deleted", spot);
                vec![(state, Flow::Next)]
            }
            Target::Item(object, index) => {
                let evaluated = self.evaluate_all(state, &[object, index]);
                self.then_flow(evaluated, |me, mut state, values| {
                    if !me.changed_in_place(&mut state, &values[0]) {
                        me.taint(&mut state, "an element is deleted in a way that is not followed", spot);
                    }
                    let mut out = vec![(state.clone(), Flow::Next)];
                    if me.catching > 0 {
                        out.push((state, Flow::Raise(Exc::Any)));
                    }
                    out
                })
            }
            Target::Sequence(items) => {
                let mut states = vec![(state, Flow::Next)];
                for item in items {
                    states = states.into_iter().flat_map(|(state, _)| self.delete(state, item, spot)).collect();
                }
                states
            }
            Target::Rest(inner) => self.delete(state, inner, spot),
        }
    }

    pub(super) fn branches(&mut self, state: State, branches: &[(Option<Expr>, Vec<Stmt>)]) -> Outcomes {
        let Some(((test, body), rest)) = branches.split_first() else { return vec![(state, Flow::Next)] };
        let Some(test) = test else { return self.block(state, body) };
        let tests = self.test(state, test);
        let outcomes = self.then_flow(
            tests,
            |me, state, truth| {
                if truth { me.block(state, body) } else { me.branches(state, rest) }
            },
        );
        self.settle(outcomes)
    }

    /// Assigns to a target.
    pub(super) fn assign(&mut self, mut state: State, target: &Target, value: &Value, spot: Spot) -> Outcomes {
        match target {
            Target::Name(name) => {
                self.assign_name(&mut state, name, value.clone());
                vec![(state, Flow::Next)]
            }
            Target::Attribute(object, name, at) => {
                let spot = Spot { module: spot.module, at: *at };
                let objects = self.evaluate(state, object);
                self.then_flow(objects, |me, state, object| {
                    let states = me.assign_attribute(state, &object, name, value, spot);
                    states.into_iter().map(|state| (state, Flow::Next)).collect()
                })
            }
            Target::Item(object, index) => {
                let evaluated = self.evaluate_all(state, &[object, index]);
                self.then_flow(evaluated, |me, state, values| {
                    let known =
                        matches!(values[1], Value::Text(_) | Value::Int(_) | Value::Bool(_) | Value::Member(..));
                    let mut given = vec![&values[1]];
                    given.extend((!known).then_some(value));
                    let mut states = me.hooked(state, &given, super::comparisons::EQUATING, spot);
                    states.iter_mut().for_each(|state| me.assign_item(state, &values[0], &values[1], value, spot));
                    states.into_iter().map(|state| (state, Flow::Next)).collect()
                })
            }
            Target::Sequence(targets) => self.unpack(state, targets, value, spot),
            Target::Rest(inner) => {
                let rest = self.collection("rest");
                self.assign(state, inner, &rest, spot)
            }
        }
    }

    pub(super) fn unpack(&mut self, state: State, targets: &[Target], value: &Value, spot: Spot) -> Outcomes {
        if let Some(suspended) = self.followed_generator(&state, value, false) {
            let gathered = self.gathered(state, &suspended, spot);
            return self.then_flow(gathered, |me, state, list| me.unpack(state, targets, &list, spot));
        }
        let known = self.known_items(&state, value);
        let rest = targets.iter().position(|target| matches!(target, Target::Rest(_)));
        let mut state = state;
        let items = match rest {
            None => known.filter(|items| items.len() == targets.len()),
            Some(at) => known.filter(|items| items.len() + 1 >= targets.len()).map(|mut items| {
                let more = items.len() + 1 - targets.len();
                let address = self.address();
                state.put(address, Cell::List(items.splice(at..at + more, [Value::Object(address)]).collect()));
                items
            }),
        };
        let runs_code = self.runs_when_iterated(&state, value);
        let is_lost = self.holds_calls(&state, value)
            || value
                .alternatives()
                .iter()
                .any(|each| each.unseen().is_some_and(|unseen| matches!(unseen.origin, Origin::Lost(..))));
        if super::calls::runs_outside(value) {
            state.others_run();
        }
        if items.is_none() {
            // What is bound may be any of the collections that it holds.
            self.forget_held(&mut state, value);
        }
        let mut states: Outcomes = vec![(state.clone(), Flow::Next)];
        if runs_code {
            self.driven_unseen(&mut states[0].0, value);
            self.taint(&mut states[0].0, "what is unpacked here runs code that is not followed", spot);
        }
        for (index, target) in targets.iter().enumerate() {
            let item = match &items {
                Some(items) => items[index].clone(),
                None if is_lost => self.lost("what is unpacked here is not seen", spot),
                None => self.data("unpacked"),
            };
            let target = match target {
                Target::Rest(inner) if items.is_some() => inner,
                other => other,
            };
            let mut next = Vec::new();
            for (state, flow) in states {
                match flow {
                    Flow::Next => next.extend(self.assign(state, target, &item, spot)),
                    other => next.push((state, other)),
                }
            }
            states = next;
        }
        if items.is_none() && self.catching > 0 {
            states.push((state, Flow::Raise(Exc::Any)));
        }
        states
    }

    pub(super) fn assign_item(&mut self, state: &mut State, object: &Value, index: &Value, value: &Value, spot: Spot) {
        self.note_change(match object {
            Value::Object(address) => Some(*address),
            Value::Unseen(unseen) => Some(unseen.id),
            _ => None,
        });
        let is_key = matches!(index, Value::Text(_) | Value::Member(..) | Value::Bool(_) | Value::Int(_));
        let stays = match object {
            Value::Object(address) => is_key && matches!(state.cell(*address), Some(Cell::Table(_))),
            _ => false,
        };
        if !stays {
            // It is not known any more where it is, nor what is done to it there.
            self.forget_held(state, &Value::Tuple(std::rc::Rc::new(vec![value.clone()])));
        }
        match object {
            Value::Object(address) => match state.cell(*address).cloned() {
                Some(Cell::Table(mut entries)) if entries.len() < 64 => {
                    let simple = matches!(index, Value::Text(_) | Value::Member(..) | Value::Bool(_) | Value::Int(_));
                    if simple {
                        let before = entries.len();
                        entries.retain(|(each, _)| each != index);
                        if self.importing > 0 && entries.len() < before {
                            // Which of them comes last depends on the order of the imports.
                            self.contested.insert(*address);
                        }
                        entries.push((index.clone(), value.clone()));
                        state.put(*address, Cell::Table(entries));
                    } else {
                        self.lose_elements(state, *address, true);
                    }
                }
                Some(Cell::Table(_)) => self.lose_elements(state, *address, true),
                Some(Cell::List(_)) => self.lose_elements(state, *address, false),
                Some(Cell::Instance { .. }) => {
                    self.taint(state, "an element is assigned in a way that is not followed", spot);
                }
                Some(Cell::Seen(_)) => self.lose_elements(state, *address, false),
                Some(Cell::Scope { .. }) | None => {}
            },
            Value::Unseen(unseen) => {
                state.forget(unseen.id);
                if matches!(unseen.origin, Origin::Lost(..)) || &*unseen.chain == "sys.modules" {
                    self.taint(state, "an element of something unseen is assigned", spot);
                }
            }
            Value::OneOf(all) => all.iter().for_each(|each| self.assign_item(state, each, index, value, spot)),
            _ => {}
        }
    }
}
