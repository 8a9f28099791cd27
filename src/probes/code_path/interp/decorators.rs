//! Decorators: what they make of a function.

use std::rc::Rc;

use super::{Evaled, Interp, State};
use crate::probes::code_path::model::{Expr, ExprKind};
use crate::probes::code_path::value::{Arguments, Closure, ClosureKind, Origin, Spot, Value};

impl Interp<'_> {
    /// Applies the decorators of a function to its closure.
    pub(super) fn decorated(&mut self, state: State, closure: Closure) -> Evaled {
        let decorators: Vec<&Expr> = closure.function.decorators.iter().collect();
        let function = closure.function.clone();
        let evaluated = self.evaluate_all(state, &decorators);
        self.then(evaluated, |me, state, values| {
            let mut current: Evaled = vec![(state, Ok(Value::Function(Rc::new(closure.clone()))))];
            for (expr, decorator) in function.decorators.iter().zip(values).rev() {
                let spot = me.spot(expr.at);
                current = me.then(current, |me, state, value| me.decorate_once(state, &decorator, value, expr, spot));
            }
            current
        })
    }

    fn decorate_once(&mut self, state: State, decorator: &Value, value: Value, expr: &Expr, spot: Spot) -> Evaled {
        let chain = decorator.unseen().filter(|unseen| unseen.origin == Origin::Outside).map(|u| u.chain.clone());
        let with_kind = |kind: ClosureKind| match &value {
            Value::Function(closure) => Some(Value::Function(Rc::new(Closure { kind, ..(**closure).clone() }))),
            _ => None,
        };
        let known = match chain.as_deref() {
            Some("builtins.staticmethod") => with_kind(ClosureKind::Static),
            Some("builtins.classmethod") => with_kind(ClosureKind::OfClass),
            Some("builtins.property") => with_kind(ClosureKind::Property),
            Some("functools.cached_property") => with_kind(ClosureKind::Remembered),
            Some("contextlib.contextmanager" | "contextlib.asynccontextmanager") => with_kind(ClosureKind::Context),
            Some("functools.lru_cache" | "functools.cache") => with_kind(ClosureKind::Cached),
            Some(
                "abc.abstractmethod"
                | "functools.wraps"
                | "typing.override"
                | "typing.overload"
                | "typing.final"
                | "typing_extensions.override"
                | "typing.no_type_check",
            ) => Some(value.clone()),
            _ => None,
        };
        if let Some(known) = known {
            return vec![(state, Ok(known))];
        }
        // A setter or deleter of a property leaves the property as it was for reading.
        if let ExprKind::Attribute(object, name) = &expr.kind
            && matches!(&**name, "setter" | "deleter" | "getter")
        {
            let read = if &**name == "getter" { Vec::new() } else { self.evaluate(state.clone(), object) };
            let property = read.into_iter().find_map(|(_, result)| match result {
                Ok(Value::Function(closure)) if closure.kind == ClosureKind::Property => Some(closure),
                _ => None,
            });
            let value = match property {
                Some(closure) => Value::Function(closure),
                None => self.lost("a property with a setter", spot),
            };
            return vec![(state, Ok(value))];
        }
        if self.is_context(&state, decorator) {
            let mut state = state;
            if let Some(wrapped) = self.in_context(&mut state, decorator, &value, spot) {
                return vec![(state, Ok(wrapped))];
            }
            return self.call_lost(state, "a context decorates what is not followed", spot);
        }
        match decorator {
            Value::Function(_) | Value::Bound(_) | Value::Class(_) | Value::Object(_) | Value::Partial(_) => {
                self.call(state, decorator, Arguments::of(vec![value]), spot)
            }
            _ => {
                let Value::Function(closure) = &value else {
                    let value = self.lost("a decorator that is not understood", spot);
                    return vec![(state, Ok(value))];
                };
                let reason = format!("{} has a decorator that is not understood", closure.name);
                let closure = Closure { veiled: Some(reason.as_str().into()), ..(**closure).clone() };
                vec![(state, Ok(Value::Function(Rc::new(closure))))]
            }
        }
    }
}
