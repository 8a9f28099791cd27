//! Branches by pattern.

use super::{Evaled, Exc, Flow, Interp, Outcomes, State};
use crate::probes::code_path::model::{Comparison, Const, Expr, MatchCase, Name, Pattern};
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Cell, Spot, Value};

impl Interp<'_> {
    pub(super) fn cases(&mut self, state: State, subject: &Value, cases: &[MatchCase], spot: Spot) -> Outcomes {
        let Some((case, rest)) = cases.split_first() else { return vec![(state, Flow::Next)] };
        let matched = self.matches(state, &case.pattern, subject, spot);
        let mut out = Vec::new();
        for (state, result) in matched {
            match result {
                Err(exc) => out.push((state, Flow::Raise(exc))),
                Ok(false) => out.extend(self.cases(state, subject, rest, spot)),
                Ok(true) => match &case.guard {
                    None => out.extend(self.block(state, &case.body)),
                    Some(guard) => {
                        let tests = self.test(state, guard);
                        out.extend(self.then_flow(tests, |me, state, truth| {
                            if truth { me.block(state, &case.body) } else { me.cases(state, subject, rest, spot) }
                        }));
                    }
                },
            }
        }
        self.settle(out)
    }

    pub(super) fn matches(&mut self, mut state: State, pattern: &Pattern, subject: &Value, spot: Spot) -> Evaled<bool> {
        match pattern {
            Pattern::Anything(name) => {
                if let Some(name) = name {
                    self.assign_name(&mut state, name, subject.clone());
                }
                vec![(state, Ok(true))]
            }
            Pattern::As(inner, name) => {
                let matched = self.matches(state, inner, subject, spot);
                self.then(matched, |me, mut state, truth| {
                    if truth {
                        me.assign_name(&mut state, name, subject.clone());
                    }
                    vec![(state, Ok(truth))]
                })
            }
            Pattern::Value(expr) => {
                let at = self.spot(expr.at);
                let values = self.evaluate(state, expr);
                self.then(values, |me, state, value| {
                    let verdict = me.compare(&state, Comparison::Equal, subject, &value);
                    me.verdict(state, verdict, at)
                })
            }
            Pattern::Same(constant) => {
                let value = self.constant(constant);
                let verdict = self.compare(&state, Comparison::Is, subject, &value);
                let learns = matches!(constant, Const::None);
                let verdicts = self.verdict(state, verdict, spot);
                self.then(verdicts, |_, mut state, truth| {
                    if let (true, Value::Unseen(unseen)) = (learns, subject) {
                        state.learn(unseen.id, Aspect::Null, truth);
                    }
                    vec![(state, Ok(truth))]
                })
            }
            Pattern::Or(all) => self.matches_any(state, all, subject, spot),
            Pattern::Instance(class, fields, names) => {
                let at = self.spot(class.at);
                let classes = self.evaluate(state, class);
                self.then(classes, |me, state, class| match me.is_instance(&state, subject, &class) {
                    Some(true) => me.matches_fields(state, fields, subject, at),
                    Some(false) => {
                        me.decided(at, "false");
                        vec![(state, Ok(false))]
                    }
                    None => me.may_match(state, names),
                })
            }
            Pattern::Items(patterns, names) => match subject {
                Value::Tuple(items) if items.len() == patterns.len() => {
                    let items = items.clone();
                    let mut all: Evaled<bool> = vec![(state, Ok(true))];
                    for (pattern, item) in patterns.iter().zip(items.iter()) {
                        all = self.then(all, |me, state, truth| match truth {
                            true => me.matches_each(state, pattern, item, spot),
                            false => vec![(state, Ok(false))],
                        });
                    }
                    all
                }
                Value::Tuple(_) | Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) => {
                    vec![(state, Ok(false))]
                }
                _ => self.may_match(state, names),
            },
            Pattern::Entries(entries, names) => match subject {
                Value::Object(address) => match state.cell(*address).cloned() {
                    Some(Cell::Table(known)) => self.matches_entries(state, entries, &known, spot),
                    _ => self.may_match(state, names),
                },
                Value::Tuple(_) | Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) => {
                    vec![(state, Ok(false))]
                }
                _ => self.may_match(state, names),
            },
            Pattern::Structure(names) => self.may_match(state, names),
        }
    }

    /// A structure that may match or not.
    fn may_match(&mut self, state: State, names: &[Name]) -> Evaled<bool> {
        let mut matched = state.clone();
        for name in names {
            let value = self.data(name);
            self.assign_name(&mut matched, name, value);
        }
        vec![(matched, Ok(true)), (state, Ok(false))]
    }

    /// A pattern against each alternative of a value.
    fn matches_each(&mut self, state: State, pattern: &Pattern, subject: &Value, spot: Spot) -> Evaled<bool> {
        let each = subject.alternatives();
        each.iter().flat_map(|subject| self.matches(state.clone(), pattern, subject, spot)).collect()
    }

    fn matches_fields(
        &mut self,
        state: State,
        fields: &[(Name, Pattern)],
        subject: &Value,
        spot: Spot,
    ) -> Evaled<bool> {
        let mut all: Evaled<bool> = vec![(state, Ok(true))];
        for (name, pattern) in fields {
            all = self.then(all, |me, state, truth| {
                if !truth {
                    return vec![(state, Ok(false))];
                }
                let read = me.attribute(state, subject, name, spot);
                let mut out = Vec::new();
                for (state, result) in read {
                    match result {
                        Ok(value) => out.extend(me.matches_each(state, pattern, &value, spot)),
                        // Without the attribute it does not match; any other exception goes on.
                        Err(Exc::Builtin(name)) if &*name == "AttributeError" => out.push((state, Ok(false))),
                        Err(Exc::Any) => out.extend([(state.clone(), Ok(false)), (state, Err(Exc::Any))]),
                        Err(exc) => out.push((state, Err(exc))),
                    }
                }
                out
            });
        }
        all
    }

    fn matches_entries(
        &mut self,
        state: State,
        entries: &[(Expr, Pattern)],
        known: &[(Value, Value)],
        spot: Spot,
    ) -> Evaled<bool> {
        let mut all: Evaled<bool> = vec![(state, Ok(true))];
        for (key, pattern) in entries {
            all = self.then(all, |me, state, truth| {
                if !truth {
                    return vec![(state, Ok(false))];
                }
                let keys = me.evaluate(state, key);
                me.then(keys, |me, state, key| {
                    let (found, open) = me.lookup(&state, known, &key);
                    let mut out = Vec::new();
                    if open {
                        out.push((state.clone(), Ok(false)));
                    }
                    for value in found {
                        out.extend(me.matches_each(state.clone(), pattern, &value, spot));
                    }
                    out
                })
            });
        }
        all
    }

    pub(super) fn matches_any(
        &mut self,
        state: State,
        patterns: &[Pattern],
        subject: &Value,
        spot: Spot,
    ) -> Evaled<bool> {
        let Some((first, rest)) = patterns.split_first() else { return vec![(state, Ok(false))] };
        let matched = self.matches(state, first, subject, spot);
        let mut out = Vec::new();
        for (state, result) in matched {
            match result {
                Ok(false) => out.extend(self.matches_any(state, rest, subject, spot)),
                other => out.push((state, other)),
            }
        }
        out
    }

    pub(super) fn verdict(&mut self, state: State, verdict: Option<bool>, spot: Spot) -> Evaled<bool> {
        match verdict {
            Some(truth) => {
                self.decided(spot, truth.to_string());
                vec![(state, Ok(truth))]
            }
            None => vec![(state.clone(), Ok(true)), (state, Ok(false))],
        }
    }
}
