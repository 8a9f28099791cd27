//! Branches by pattern.

use super::{Evaled, Exc, Flow, Interp, Outcomes, State};
use crate::probes::code_path::model::{Comparison, Const, Expr, MatchCase, Name, Pattern};
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Cell, Spot, Value};

/// Methods by which a pattern looks into a sequence or a dictionary.
const LOOKING: &[&str] = &["__len__", "__getitem__", "__iter__", "__contains__", "get", "keys", "__eq__", "__hash__"];

impl Interp<'_> {
    pub(super) fn cases(&mut self, state: State, subject: &Value, cases: &[MatchCase], spot: Spot) -> Outcomes {
        let Some((case, rest)) = cases.split_first() else { return vec![(state, Flow::Next)] };
        let mut names = Vec::new();
        bound(&case.pattern, &mut names);
        let before: Vec<(Name, Value)> =
            names.into_iter().map(|name| (name.clone(), self.binding(&state, &name))).collect();
        let mut matched = self.matches(state, &case.pattern, subject, spot);
        for (state, _) in matched.iter_mut().filter(|(_, result)| !matches!(result, Ok(true))) {
            // Names are bound only where the whole pattern matches.
            before.iter().for_each(|(name, value)| self.assign_name(state, name, value.clone()));
        }
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
                self.then(values, |me, state, value| me.compare_once(state, Comparison::Equal, subject, &value, at))
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
                    None => {
                        let mut state = state;
                        me.claimed(&mut state, subject, Some(&class), at);
                        let reads = fields.iter().any(|(name, _)| me.tree.may_define_method(name));
                        if reads {
                            let reason = "what reading the attributes that a pattern names runs is not followed";
                            me.taint(&mut state, reason, at);
                        }
                        if !names.is_empty() {
                            me.forget_held(&mut state, subject);
                        }
                        me.may_match(state, names)
                    }
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
                _ => self.may_match_hooked(state, subject, names, spot),
            },
            Pattern::Entries(entries, names) => match subject {
                Value::Object(address) => match state.cell(*address).cloned() {
                    Some(Cell::Table(known)) => self.matches_entries(state, entries, &known, spot),
                    _ => self.may_match_hooked(state, subject, names, spot),
                },
                Value::Tuple(_) | Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) => {
                    vec![(state, Ok(false))]
                }
                _ => self.may_match_hooked(state, subject, names, spot),
            },
            Pattern::Structure(names) => {
                let named = !self.tree.files_with_word("__match_args__").is_empty();
                if named
                    && !matches!(
                        subject,
                        Value::Tuple(_) | Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_)
                    )
                {
                    self.taint(
                        &mut state,
                        "what reading the attributes that a pattern names runs is not followed",
                        spot,
                    );
                }
                self.may_match_hooked(state, subject, names, spot)
            }
        }
    }

    /// As [`Self::may_match`]; special methods of the subject may be called to find out.
    fn may_match_hooked(&mut self, state: State, subject: &Value, names: &[Name], spot: Spot) -> Evaled<bool> {
        let mut states = self.hooked(state, &[subject], LOOKING, spot);
        if !names.is_empty() {
            states.iter_mut().for_each(|state| self.forget_held(state, subject));
        }
        states.into_iter().flat_map(|state| self.may_match(state, names)).collect()
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

/// The names that a pattern binds.
fn bound(pattern: &Pattern, names: &mut Vec<Name>) {
    match pattern {
        Pattern::Value(_) | Pattern::Same(_) => {}
        Pattern::Anything(name) => names.extend(name.clone()),
        Pattern::As(inner, name) => {
            names.push(name.clone());
            bound(inner, names);
        }
        Pattern::Or(all) => all.iter().for_each(|inner| bound(inner, names)),
        Pattern::Structure(all) => names.extend(all.iter().cloned()),
        Pattern::Instance(_, fields, all) => {
            names.extend(all.iter().cloned());
            fields.iter().for_each(|(_, inner)| bound(inner, names));
        }
        Pattern::Items(inner, all) => {
            names.extend(all.iter().cloned());
            inner.iter().for_each(|inner| bound(inner, names));
        }
        Pattern::Entries(inner, all) => {
            names.extend(all.iter().cloned());
            inner.iter().for_each(|(_, inner)| bound(inner, names));
        }
    }
}
