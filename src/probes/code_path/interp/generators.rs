//! Comprehensions and generators.

use std::rc::Rc;

use super::driving::Take;
use super::{Driver, Evaled, Exc, Flow, Frame, Interp, State};
use crate::probes::code_path::model::{Comprehension, Function};
use crate::probes::code_path::state::{Aspect, Carried};
use crate::probes::code_path::value::{Arguments, Cell, Closure, Spot, Value};

impl Interp<'_> {
    pub(super) fn comprehension(&mut self, state: State, comprehension: &Rc<Comprehension>, spot: Spot) -> Evaled {
        if let Some(generator) = &comprehension.generator {
            return self.generator_expression(state, comprehension, generator, spot);
        }
        // A lazy one runs when it is iterated; it is run here, or not at all, and both are followed.
        let unrun = comprehension.lazy.then(|| state.clone());
        let before = self.met_so_far();
        let frame = self.frame().clone();
        let scope = self.address();
        // In the body of a class it does not see what that binds.
        let outer = match (frame.body_of, frame.scope.and_then(|scope| state.cell(scope))) {
            (Some(_), Some(Cell::Scope { outer, .. })) => *outer,
            (Some(_), _) => None,
            (None, _) => frame.scope,
        };
        let mut state = state;
        state.effect.doubt |= comprehension.lazy;
        let exact = comprehension.ordered && !comprehension.lazy;
        let all = exact.then(|| (super::elements::ALL.into(), Value::Tuple(Rc::default())));
        state.put(scope, Cell::Scope { names: all.into_iter().collect(), outer });
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
            let element = self.noted_element(&state, scope);
            let made_none = comprehension.element.len() == 1 && !self.has_noted(&state, scope);
            let unkept = comprehension.element.len() > 1;
            let all = self.all_noted(&state, scope);
            if !comprehension.lazy {
                state.drop_cell(scope);
            }
            match flow {
                Flow::Raise(exc) => out.push((state, Err(exc))),
                Flow::Next | Flow::Return(_) | Flow::Break | Flow::Continue => {
                    if let Some(items) = all {
                        let list = self.address();
                        state.put(list, Cell::List(items));
                        out.push((state, Ok(Value::Object(list))));
                        continue;
                    }
                    let filled = comprehension.loops.len() == 1 && comprehension.loops[0].conditions.is_empty();
                    let value = if comprehension.lazy { self.data("generator") } else { self.collection("list") };
                    if let (true, Value::Unseen(unseen), Some(true)) =
                        (filled, &value, state.fact(scope, Aspect::Filled))
                    {
                        let id = unseen.id;
                        state.learn(id, Aspect::Filled, true);
                    }
                    if let (Value::Unseen(unseen), true, false) = (&value, made_none, comprehension.lazy) {
                        state.learn(unseen.id, Aspect::Filled, false);
                    }
                    if let (Value::Unseen(unseen), Some(element), false) = (&value, element, unkept) {
                        self.remember(&mut state, unseen.id, &super::elements::ELEMENT.into(), element);
                    }
                    out.push((state, Ok(value)));
                }
            }
        }
        if let Some(mut state) = unrun {
            // Whether, and how often, it is driven is not followed: that matters where it does something.
            let mut expected = state.effect.clone();
            expected.doubt = true;
            let changed = out.iter().any(|(each, _)| {
                let before = State { effect: each.effect.clone(), ..state.clone() };
                super::driving::has_changed(&before, each)
            });
            let harmless = before == self.met_so_far() && out.iter().all(|(each, _)| each.effect == expected);
            if changed {
                let reason = "when this generator is driven, and what that changes, is not followed";
                out.iter_mut().for_each(|(each, _)| self.taint(each, reason, spot));
                self.taint(&mut state, reason, spot);
            }
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

    /// A generator expression: one that does nothing is no more than what it gives; another one is a generator.
    fn generator_expression(
        &mut self,
        state: State,
        comprehension: &Rc<Comprehension>,
        generator: &Rc<Function>,
        spot: Spot,
    ) -> Evaled {
        // What the outermost loop goes through is evaluated here, the rest where it is driven.
        let iterables = self.evaluate(state, &comprehension.loops[0].iterable);
        self.then(iterables, |me, state, iterable| {
            let closures = me.closure(state, generator);
            me.then(closures, |me, state, closure| {
                let (closure, arguments) = (Rc::new(closure), Arguments::of(vec![iterable.clone()]));
                if me.does_nothing(&state, &closure, &arguments, spot) {
                    let value = me.data("generator");
                    return vec![(state, Ok(value))];
                }
                me.invoke(state, &closure, arguments, Some(spot))
            })
        })
    }

    /// Whether driving a generator to its end neither does, changes nor raises anything.
    fn does_nothing(&mut self, state: &State, closure: &Rc<Closure>, arguments: &Arguments, spot: Spot) -> bool {
        let noted = self.noted;
        self.quiet += 1;
        let ran = self.run(state.clone(), closure, arguments.clone(), spot, Driver::Exhaust);
        self.quiet -= 1;
        noted == self.noted
            && ran.iter().all(|(after, result)| {
                let changed = super::driving::has_changed(state, after) || super::driving::has_driven(state, after);
                result.is_ok() && after.effect == state.effect && !changed
            })
    }

    pub(super) fn comprehension_loops(
        &mut self,
        state: State,
        comprehension: &Rc<Comprehension>,
        depth: usize,
        spot: Spot,
    ) -> Vec<(State, Flow)> {
        let Some(each) = comprehension.loops.get(depth) else {
            let elements: Vec<_> = comprehension.element.iter().collect();
            let values = self.evaluate_all(state, &elements);
            return self.then_flow(values, |me, mut state, values| {
                if let [value] = &values[..] {
                    me.note_element(&mut state, value);
                }
                vec![(state, Flow::Next)]
            });
        };
        let iterables = self.evaluate(state, &each.iterable);
        self.then_flow(iterables, |me, mut state, iterable| {
            if depth == 0
                && me.truth(&state, &iterable) == Some(true)
                && let Some(scope) = me.frame().scope
            {
                state.learn(scope, Aspect::Filled, true);
            }
            if me.known_items(&state, &iterable).is_none_or(|items| items.len() > super::elements::NOTED) {
                me.note_no_more(&mut state);
            }
            if let Some(suspended) = me.followed_generator(&state, &iterable, each.awaited) {
                let take = Take::Comprehension(comprehension.clone(), depth);
                return me.drive_flows(state, &suspended, take, spot);
            }
            if each.awaited && !matches!(iterable, Value::Unseen(_)) {
                me.taint(&mut state, "an asynchronous iteration is not followed", spot);
            }
            me.iterate(state, &iterable, &each.target, spot, &mut |me, state| {
                me.comprehension_pass(state, comprehension, depth, spot)
            })
        })
    }

    /// One pass through a loop of a comprehension, its target being bound.
    pub(super) fn comprehension_pass(
        &mut self,
        state: State,
        comprehension: &Rc<Comprehension>,
        depth: usize,
        spot: Spot,
    ) -> Vec<(State, Flow)> {
        let mut states = vec![(state, Flow::Next)];
        for condition in &comprehension.loops[depth].conditions {
            let mut next = Vec::new();
            for (state, flow) in states {
                if flow != Flow::Next {
                    next.push((state, flow));
                    continue;
                }
                let tests = self.test(state, condition);
                next.extend(self.then_flow(tests, |_, state, truth| {
                    vec![(state, if truth { Flow::Next } else { Flow::Continue })]
                }));
            }
            states = next;
        }
        let mut out = Vec::new();
        for (state, flow) in states {
            match flow {
                Flow::Next => out.extend(self.comprehension_loops(state, comprehension, depth + 1, spot)),
                other => out.push((state, other)),
            }
        }
        out
    }

    /// A value is given to whoever drives this generator.
    pub(super) fn yielded(&mut self, mut state: State, value: Value, spot: Spot) -> Evaled {
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
            Driver::Taker(taker) => self.taken(state, &taker, value),
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

    pub(super) fn yielded_from(&mut self, mut state: State, value: &Value, spot: Spot) -> Evaled {
        if let Value::OneOf(all) = value {
            return all.iter().flat_map(|each| self.yielded_from(state.clone(), each, spot)).collect();
        }
        let is_driven = !matches!(self.frame().driver, Driver::None);
        match value {
            Value::Suspended(_) if is_driven && self.followed_generator(&state, value, false).is_some() => {
                match self.followed_generator(&state, value, false) {
                    Some(inner) => self.pass_on(state, &inner),
                    None => Vec::new(),
                }
            }
            Value::Tuple(_) | Value::Object(_) | Value::Unseen(_)
                if is_driven && !self.runs_when_iterated(&state, value) =>
            {
                let mut give = |me: &mut Self, state: State, element: Value| {
                    let given = me.yielded(state, element, spot);
                    me.then_flow(given, |_, state, _| vec![(state, Flow::Next)])
                };
                let flows = self.each_value(state, value, spot, &mut give);
                let results = flows.into_iter().map(|(state, flow)| match flow {
                    Flow::Raise(exc) => (state, Err(exc)),
                    Flow::Next | Flow::Return(_) | Flow::Break | Flow::Continue => (state, Ok(Value::None)),
                });
                results.collect()
            }
            _ => {
                self.driven_unseen(&mut state, value);
                self.taint(&mut state, "a generator is driven in a way that is not seen", spot);
                let value = self.lost("yield from", spot);
                vec![(state, Ok(value))]
            }
        }
    }
}
