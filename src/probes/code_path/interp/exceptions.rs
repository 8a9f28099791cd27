//! Exceptions: what is raised, what catches it, and what runs in any case.

use super::{Exc, Flow, Interp, Outcomes, State};
use crate::probes::code_path::model::{Expr, Handler, Stmt};
use crate::probes::code_path::value::{Cell, Origin, Value};

impl Interp<'_> {
    /// A check that disappears under `python -O`: it narrows the paths, and proves nothing.
    pub(super) fn assertion(&mut self, state: State, test: &Expr, message: Option<&Expr>) -> Outcomes {
        // Under -O nothing is tested: the path goes on, and has learnt nothing.
        let mut out = vec![(state.clone(), Flow::Next)];
        for (state, result) in self.evaluate(state, test) {
            match result {
                Ok(value) => {
                    let spot = self.spot(test.at);
                    for (state, truth) in self.truths(state, &value, spot) {
                        if truth {
                            out.push((state, Flow::Next));
                            continue;
                        }
                        // The message is made only when the test fails.
                        let made = match message {
                            Some(message) => self.evaluate(state, message),
                            None => vec![(state, Ok(Value::None))],
                        };
                        let failed =
                            |_: &mut Self, state, _| vec![(state, Flow::Raise(Exc::Builtin("AssertionError".into())))];
                        out.extend(self.then_flow(made, failed));
                    }
                }
                Err(exc) => out.push((state, Flow::Raise(exc))),
            }
        }
        self.settle(out)
    }

    /// What is raised.
    pub(super) fn exception(&self, state: &State, value: &Value) -> Exc {
        match value {
            Value::Class(class) => Exc::Tree(*class, value.clone()),
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => Exc::Tree(*class, value.clone()),
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => Exc::Any,
            },
            Value::Unseen(unseen) if unseen.origin == Origin::Outside => match unseen.chain.strip_prefix("builtins.") {
                Some(name) if super::classes::is_exception(&unseen.chain) => Exc::Builtin(name.into()),
                _ => Exc::Any,
            },
            _ => Exc::Any,
        }
    }

    pub(super) fn try_statement(
        &mut self,
        state: State,
        body: &[Stmt],
        handlers: &[Handler],
        otherwise: &[Stmt],
        finally: &[Stmt],
    ) -> Outcomes {
        let has_finally = usize::from(!finally.is_empty());
        let has_handlers = usize::from(!handlers.is_empty());
        self.catching += has_finally + has_handlers;
        // Even before its first statement a body can be interrupted.
        let mut tried: Outcomes = vec![(state.clone(), Flow::Raise(Exc::Any))];
        tried.extend(self.block(state, body));
        self.catching -= has_handlers;
        let mut handled: Outcomes = Vec::new();
        for (state, flow) in tried {
            match flow {
                Flow::Raise(exc) if has_handlers > 0 => handled.extend(self.handle(state, exc, handlers)),
                Flow::Next => handled.extend(self.block(state, otherwise)),
                other => handled.push((state, other)),
            }
        }
        self.catching -= has_finally;
        let handled = self.settle(handled);
        if has_finally == 0 {
            return handled;
        }
        let mut out = Vec::new();
        for (state, flow) in handled {
            for (state, last) in self.block(state, finally) {
                // Leaving by the finally block overrides how the rest was left.
                out.push((state, if last == Flow::Next { flow.clone() } else { last }));
            }
        }
        self.settle(out)
    }

    pub(super) fn handle(&mut self, state: State, exc: Exc, handlers: &[Handler]) -> Outcomes {
        let Some((handler, rest)) = handlers.split_first() else { return vec![(state, Flow::Raise(exc))] };
        let classes = match &handler.classes {
            None => vec![(state, Ok(None))],
            Some(classes) => {
                let values = self.evaluate(state, classes);
                self.then(values, |_, state, value| vec![(state, Ok(Some(value)))])
            }
        };
        let outcomes = self.then_flow(classes, |me, state, classes| {
            let verdict = match &classes {
                None => Some(true),
                Some(classes) => me.catches(classes, &exc),
            };
            let mut out = Vec::new();
            if verdict != Some(false) {
                let mut caught = state.clone();
                if let Some(name) = &handler.name {
                    let value = match &exc {
                        Exc::Tree(_, value @ Value::Object(_)) => value.clone(),
                        Exc::Tree(..) | Exc::Any | Exc::Builtin(_) => me.data(name),
                    };
                    me.assign_name(&mut caught, name, value);
                }
                let ran = me.block(caught, &handler.body);
                out.extend(ran.into_iter().map(|(state, flow)| match flow {
                    // A bare raise raises what was caught.
                    Flow::Raise(Exc::Any) => (state, Flow::Raise(Exc::Any)),
                    other => (state, other),
                }));
            }
            if verdict != Some(true) {
                out.extend(me.handle(state, exc.clone(), rest));
            }
            out
        });
        self.settle(outcomes)
    }

    /// Whether handler classes catch an exception; `None` when that is not known.
    pub(super) fn catches(&self, classes: &Value, exc: &Exc) -> Option<bool> {
        match classes {
            Value::Tuple(all) | Value::OneOf(all) => {
                let verdicts: Vec<_> = all.iter().map(|each| self.catches(each, exc)).collect();
                let any = verdicts.contains(&Some(true)) && matches!(classes, Value::Tuple(_));
                if any { Some(true) } else { verdicts.iter().all(|verdict| *verdict == Some(false)).then_some(false) }
            }
            Value::Class(class) => match exc {
                Exc::Tree(raised, _) if self.class(*raised).line.contains(class) => Some(true),
                Exc::Tree(raised, _) => self.is_closed(*raised).then_some(false),
                Exc::Builtin(_) => Some(false),
                Exc::Any => None,
            },
            Value::Unseen(unseen) if unseen.origin == Origin::Outside => {
                let name = unseen.chain.strip_prefix("builtins.")?;
                let special = |raised: &str| {
                    matches!(raised, "SystemExit" | "KeyboardInterrupt" | "GeneratorExit" | "BaseException")
                };
                match (name, exc) {
                    ("BaseException", _) => Some(true),
                    (_, Exc::Any) => None,
                    ("Exception", Exc::Builtin(raised)) => Some(!special(raised)),
                    (_, Exc::Builtin(raised)) if **raised == *name => Some(true),
                    (_, Exc::Builtin(_)) => None,
                    (_, Exc::Tree(raised, _)) => {
                        let info = self.class(*raised);
                        if info.outer.iter().any(|outer| outer.strip_prefix("builtins.") == Some(name)) {
                            return Some(true);
                        }
                        let ordinary = info.outer.iter().any(|outer| {
                            outer.strip_prefix("builtins.").is_some_and(|outer| !special(outer))
                                && super::classes::is_exception(outer)
                        });
                        if name == "Exception" && ordinary { Some(true) } else { None }
                    }
                }
            }
            _ => None,
        }
    }
}
