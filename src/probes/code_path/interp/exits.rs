//! Stacks of contexts (`contextlib.ExitStack`): what is put on them is called when they are left.

use std::rc::Rc;

use super::contexts::Hold;
use super::{Evaled, Flow, Interp, Outcomes, State};
use crate::probes::code_path::value::{Arguments, Cell, Unseen, UnseenKind, Value};

/// Whether a manager is a stack of contexts of Python's library.
pub(super) fn is_stack(unseen: &Unseen, awaited: bool) -> bool {
    let outside = unseen.origin == crate::probes::code_path::value::Origin::Outside && unseen.owner.is_none();
    outside && *unseen.chain == *if awaited { "contextlib.AsyncExitStack" } else { "contextlib.ExitStack" }
}

/// What a stack of contexts calls when it is left.
pub(super) const CALLED_BACK: &str = "contextlib.callback()";

/// What a stack of contexts calls when it is left, and tells what was raised.
pub(super) const TOLD: &str = "contextlib.push()";

/// Where the two keep what is called, and whether that is awaited.
const EXIT: &str = "exit";

const AWAITED: &str = "awaited";

impl Interp<'_> {
    /// What a stack of contexts is given to call when it is left: a function with its arguments, or one that is told
    /// what was raised and may swallow it.
    pub(super) fn put_on_stack(&mut self, state: &State, chain: &str, arguments: &Arguments) -> Option<Evaled> {
        let method = chain.strip_prefix("contextlib.ExitStack.").or(chain.strip_prefix("contextlib.AsyncExitStack."))?;
        let (is_callback, awaited) = match method {
            "callback()" => (true, false),
            "push_async_callback()" => (true, true),
            "push()" => (false, false),
            "push_async_exit()" => (false, true),
            _ => return None,
        };
        let first = arguments.positions.first()?;
        if arguments.open {
            return None;
        }
        let mut state = state.clone();
        let exit = if is_callback {
            let mut rest = arguments.clone();
            rest.positions.remove(0);
            Value::Partial(Rc::new((first.clone(), rest)))
        } else {
            first.clone()
        };
        let chain = if is_callback { CALLED_BACK } else { TOLD };
        let value = self.unseen(crate::probes::code_path::value::Origin::Outside, chain, UnseenKind::Plain);
        if let Value::Unseen(unseen) = &value {
            self.remember(&mut state, unseen.id, &EXIT.into(), exit);
            self.remember(&mut state, unseen.id, &AWAITED.into(), Value::Bool(awaited));
        }
        Some(vec![(state, Ok(value))])
    }

    pub(super) fn managed_by_stack(&mut self, state: State, unseen: &Unseen, hold: &Hold) -> Outcomes {
        let field = |name: &str| match state.cell(unseen.id) {
            Some(Cell::Seen(fields)) => fields.get(name).cloned(),
            Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::List(_) | Cell::Table(_)) | None => None,
        };
        let awaited = field(AWAITED) == Some(Value::Bool(true));
        let exit = field(EXIT).unwrap_or(Value::None);
        let is_told = *unseen.chain == *TOLD;
        self.catching += 1;
        let outcomes = self.entered(state, &Value::None, None, &Hold { awaited: false, ..hold.clone() });
        self.catching -= 1;
        let mut out = Vec::new();
        for (state, flow) in outcomes {
            let raised = matches!(flow, Flow::Raise(_));
            let arguments = match (is_told, raised) {
                (false, _) => Arguments::default(),
                (true, true) => Arguments::of(vec![self.data("exc_type"), self.data("exc"), self.data("traceback")]),
                (true, false) => Arguments::of(vec![Value::None, Value::None, Value::None]),
            };
            // Something that manages a context is left without having been entered.
            let is_manager = is_told && matches!(exit, Value::Object(_));
            let callees = match is_manager {
                true => self.attribute(state, &exit, &if awaited { "__aexit__" } else { "__exit__" }.into(), hold.spot),
                false => vec![(state, Ok(exit.clone()))],
            };
            let called = self.then(callees, |me, state, callee| me.call(state, &callee, arguments.clone(), hold.spot));
            let called = match awaited {
                true => self.then(called, |me, state, value| me.awaited(state, &value, hold.spot)),
                false => called,
            };
            out.extend(self.then_flow(called, |me, state, swallows| {
                if !(raised && is_told) {
                    return vec![(state, flow.clone())];
                }
                let truths = me.truths(state, &swallows, hold.spot).into_iter();
                truths.map(|(state, swallowed)| (state, if swallowed { Flow::Next } else { flow.clone() })).collect()
            }));
        }
        out
    }
}
