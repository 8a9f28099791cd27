//! Branches by pattern.

use super::{Evaled, Flow, Interp, Outcomes, State};
use crate::probes::code_path::model::{Comparison, Const, MatchCase, Pattern};
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Spot, Value};

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
            Pattern::Structure(names) => {
                let mut matched = state.clone();
                for name in names {
                    let value = self.data(name);
                    self.assign_name(&mut matched, name, value);
                }
                vec![(matched, Ok(true)), (state, Ok(false))]
            }
        }
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
