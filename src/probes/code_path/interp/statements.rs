//! Statements, path by path.

use super::{Evaled, Exc, Flow, Interp, Outcomes, State};
use crate::probes::code_path::model::{Comparison, Const, Expr, Handler, MatchCase, Pattern, Stmt, StmtKind, Target};
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Cell, Origin, Spot, Value};

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
        if !self.step() {
            return Vec::new();
        }
        self.nesting += 1;
        let outcomes = self.statement_kind(state, stmt);
        self.nesting -= 1;
        outcomes
    }

    fn statement_kind(&mut self, mut state: State, stmt: &Stmt) -> Outcomes {
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
                self.then_flow(iterables, |me, mut state, iterable| {
                    if *awaited && !matches!(iterable, Value::Unseen(_)) {
                        me.unseen_code(&mut state, "an asynchronous iteration is not followed", spot);
                    }
                    me.for_loop(state, &iterable, target, body, otherwise, spot)
                })
            }
            StmtKind::Try { body, handlers, otherwise, finally, grouped } => {
                if *grouped {
                    self.doubt(&mut state, "except* is not followed", spot);
                }
                self.try_statement(state, body, handlers, otherwise, finally)
            }
            StmtKind::With { items, body, awaited } => self.with_statement(state, items, 0, body, *awaited, spot),
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
                    let exc = me.exception(&state, &value);
                    vec![(state, Flow::Raise(exc))]
                })
            }
            StmtKind::Raise(None) => vec![(state, Flow::Raise(Exc::Any))],
            StmtKind::Assert(test) => self.assertion(state, test),
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
            StmtKind::Global(_) | StmtKind::Nonlocal(_) | StmtKind::Pass | StmtKind::Declare(_, _, None) => {
                vec![(state, Flow::Next)]
            }
            StmtKind::Opaque(what) => {
                self.unseen_code(&mut state, format!("{what} is not understood"), spot);
                vec![(state, Flow::Next)]
            }
        }
    }

    fn delete(&mut self, mut state: State, target: &Target, spot: Spot) -> Outcomes {
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

    /// A check that disappears under `python -O`: it narrows the paths, and proves nothing.
    fn assertion(&mut self, state: State, test: &Expr) -> Outcomes {
        let mut out = vec![(state.clone(), Flow::Next)];
        for (state, result) in self.evaluate(state, test) {
            match result {
                Ok(value) => {
                    let spot = self.spot(test.at);
                    for (state, truth) in self.truths(state, &value, spot) {
                        let flow = if truth { Flow::Next } else { Flow::Raise(Exc::Builtin("AssertionError".into())) };
                        // Under -O what the test would have taught is not known: only its failure matters.
                        if !truth {
                            out.push((state, flow));
                        } else {
                            out.push((state, Flow::Next));
                        }
                    }
                }
                Err(exc) => out.push((state, Flow::Raise(exc))),
            }
        }
        self.settle(out)
    }

    fn branches(&mut self, state: State, branches: &[(Option<Expr>, Vec<Stmt>)]) -> Outcomes {
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
                self.then_flow(evaluated, |me, mut state, values| {
                    me.assign_item(&mut state, &values[0], &values[1], value, spot);
                    vec![(state, Flow::Next)]
                })
            }
            Target::Sequence(targets) => self.unpack(state, targets, value, spot),
            Target::Rest(inner) => {
                let rest = self.collection("rest");
                self.assign(state, inner, &rest, spot)
            }
        }
    }

    fn unpack(&mut self, state: State, targets: &[Target], value: &Value, spot: Spot) -> Outcomes {
        let rest = targets.iter().any(|target| matches!(target, Target::Rest(_)));
        let items = self.known_items(&state, value).filter(|items| !rest && items.len() == targets.len());
        let runs_code = self.runs_when_iterated(&state, value);
        let mut states: Outcomes = vec![(state.clone(), Flow::Next)];
        if runs_code {
            self.unseen_code(&mut states[0].0, "what is unpacked here runs code that is not followed", spot);
        }
        for (index, target) in targets.iter().enumerate() {
            let item = match &items {
                Some(items) => items[index].clone(),
                None => self.data("unpacked"),
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

    fn assign_item(&mut self, state: &mut State, object: &Value, index: &Value, value: &Value, spot: Spot) {
        match object {
            Value::Object(address) => match state.cell(*address).cloned() {
                Some(Cell::Table(mut entries)) if entries.len() < 64 => {
                    let simple = matches!(index, Value::Text(_) | Value::Member(..) | Value::Bool(_) | Value::Int(_));
                    if simple {
                        entries.retain(|(each, _)| each != index);
                        entries.push((index.clone(), value.clone()));
                        state.put(*address, Cell::Table(entries));
                    } else {
                        state.put(*address, Cell::Seen(std::collections::BTreeMap::new()));
                    }
                }
                Some(Cell::Table(_) | Cell::List(_)) => {
                    state.put(*address, Cell::Seen(std::collections::BTreeMap::new()));
                }
                Some(Cell::Instance { .. }) => {
                    self.unseen_code(state, "an element is assigned in a way that is not followed", spot);
                }
                Some(Cell::Scope { .. } | Cell::Seen(_)) | None => {}
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

    /// What is raised.
    fn exception(&self, state: &State, value: &Value) -> Exc {
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

    fn try_statement(
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

    fn handle(&mut self, state: State, exc: Exc, handlers: &[Handler]) -> Outcomes {
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
                Some(classes) => me.catches(&state, classes, &exc),
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
    fn catches(&self, state: &State, classes: &Value, exc: &Exc) -> Option<bool> {
        match classes {
            Value::Tuple(all) | Value::OneOf(all) => {
                let verdicts: Vec<_> = all.iter().map(|each| self.catches(state, each, exc)).collect();
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

    fn cases(&mut self, state: State, subject: &Value, cases: &[MatchCase], spot: Spot) -> Outcomes {
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

    fn matches(&mut self, mut state: State, pattern: &Pattern, subject: &Value, spot: Spot) -> Evaled<bool> {
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

    fn matches_any(&mut self, state: State, patterns: &[Pattern], subject: &Value, spot: Spot) -> Evaled<bool> {
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

    fn verdict(&mut self, state: State, verdict: Option<bool>, spot: Spot) -> Evaled<bool> {
        match verdict {
            Some(truth) => {
                self.decided(spot, truth.to_string());
                vec![(state, Ok(truth))]
            }
            None => vec![(state.clone(), Ok(true)), (state, Ok(false))],
        }
    }
}
