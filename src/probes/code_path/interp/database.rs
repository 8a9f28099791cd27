//! Writes: statements and their commits, commands and their status, other sinks.

use std::rc::Rc;

use super::{Evaled, Exc, Interp, State};
use crate::probes::code_path::model::Name;
use crate::probes::code_path::patterns::{DatabaseCall, StatementKind, statement_kind};
use crate::probes::code_path::state::Done;
use crate::probes::code_path::value::{Address, Arguments, Spot, Unseen, UnseenKind, Value};

/// Methods with which a driver asks an object for what it shall store.
const ADAPTING: &[&str] = &[
    "__clause_element__",
    "__composite_values__",
    "__conform__",
    "__float__",
    "__getitem__",
    "__index__",
    "__int__",
    "__iter__",
    "__len__",
    "__repr__",
    "__str__",
    "getquoted",
    "prepare",
];

impl Interp<'_> {
    /// A call that speaks to a database; `None` when it is not one after all.
    pub(super) fn database(
        &mut self,
        state: &State,
        callee: &Rc<Unseen>,
        call: DatabaseCall,
        name: &str,
        arguments: &Arguments,
        spot: Spot,
    ) -> Option<Evaled> {
        let root = callee.owner?;
        if matches!(call, DatabaseCall::Rollback | DatabaseCall::Close) {
            self.undone += 1;
        }
        match call {
            DatabaseCall::Statement => {
                let given: Vec<&Value> = arguments.values().collect();
                let mut out = Vec::new();
                for state in self.hooked(state.clone(), &given, ADAPTING, spot) {
                    out.extend(self.statement_call(&state, callee, name, root, arguments, spot)?);
                }
                Some(out)
            }
            DatabaseCall::Commit => Some(self.commit_call(state.clone(), root)),
            DatabaseCall::Rollback => Some(self.rollback_call(state.clone(), root)),
            DatabaseCall::Close => {
                // Closing a cursor leaves the transaction; closing a connection ends it.
                let is_cursor = callee.chain.contains("cursor") || !state.effect.pending.contains_key(&root);
                if is_cursor { None } else { Some(self.rollback_call(state.clone(), root)) }
            }
        }
    }

    pub(super) fn statement_call(
        &mut self,
        state: &State,
        callee: &Rc<Unseen>,
        name: &str,
        root: Address,
        arguments: &Arguments,
        spot: Spot,
    ) -> Option<Evaled> {
        let as_function = matches!(name, "execute_values" | "execute_batch");
        let root = match (as_function, arguments.positions.first()) {
            (true, Some(Value::Unseen(cursor))) => cursor.root(),
            (true, _) => return None,
            (false, _) => root,
        };
        let position = usize::from(as_function);
        let names = ["query", "sql", "statement", "operation"];
        let by_name = names.iter().find_map(|each| arguments.named(each));
        let text = arguments.positions.get(position).or(by_name);
        let kind = match (name, text) {
            ("copy_from", _) => StatementKind::Write,
            (_, Some(Value::Text(text))) => statement_kind(text, true),
            (_, Some(Value::TextFrom(head))) => statement_kind(head, false),
            ("copy", _) => return None,
            _ => StatementKind::Unclear,
        };
        let many = matches!(name, "executemany" | "execute_values" | "execute_batch");
        let rows = arguments.positions.get(position + 1);
        let surely = !many || rows.is_some_and(|rows| self.truth(state, rows) == Some(true));
        let mut out = Vec::new();
        if self.catching > 0 {
            // A statement that fails can undo what went before it in its transaction.
            let mut failed = state.clone();
            if let Some(done) = failed.effect.pending.get_mut(&root) {
                *done = Done::Maybe;
            }
            failed.effect.touched.insert(root);
            out.push((failed, Err(Exc::Any)));
        }
        let mut sent = state.clone();
        sent.effect.touched.insert(root);
        let result = self.result(callee, &callee.chain.clone(), Some(root));
        if many && !surely {
            out.push((sent.clone(), Ok(result.clone())));
        }
        match kind {
            StatementKind::Write => self.send(&mut sent, root, Done::Yes, &callee.chain, spot),
            StatementKind::Unclear => {
                self.blocked(format!("the text of the statement in {}() is not known", callee.chain), spot);
                // It may also end the transaction.
                sent.effect.pending.remove(&root);
                self.send(&mut sent, root, Done::Maybe, &callee.chain, spot);
            }
            StatementKind::Query => self.send(&mut sent, root, Done::Maybe, &callee.chain, spot),
            StatementKind::Read => {}
            StatementKind::Commit => self.commit(&mut sent, root),
            StatementKind::Rollback => self.rollback(&mut sent, root),
            StatementKind::Begin => {
                sent.effect.autocommit.remove(&root);
            }
        }
        out.push((sent, Ok(result)));
        Some(out)
    }

    pub(super) fn send(&mut self, state: &mut State, root: Address, done: Done, call: &str, spot: Spot) {
        self.met_write(state, call, spot, done == Done::Yes);
        let effect = &mut state.effect;
        if effect.autocommit.contains(&root) {
            effect.write_to(root, done);
        } else {
            let before = effect.pending.get(&root).copied().unwrap_or(Done::No);
            effect.pending.insert(root, before.max(done));
        }
    }

    pub(super) fn commit_call(&mut self, mut state: State, root: Address) -> Evaled {
        let mut out = Vec::new();
        if self.catching > 0 {
            let mut failed = state.clone();
            failed.effect.pending.remove(&root);
            out.push((failed, Err(Exc::Any)));
        }
        self.commit(&mut state, root);
        self.touched_by_task(&mut state, root);
        out.push((state, Ok(Value::None)));
        out
    }

    /// What was sent on a connection lasts from now on.
    pub(super) fn commit(&mut self, state: &mut State, root: Address) {
        let effect = &mut state.effect;
        if let Some(done) = effect.pending.remove(&root) {
            effect.write_to(root, done);
        }
        // Another connection may be this one under another name, unless both were made here.
        let mine = effect.made.contains(&root);
        let others =
            effect.pending.iter().any(|(other, done)| *done != Done::No && !(mine && effect.made.contains(other)));
        if others {
            effect.write(Done::Maybe);
        }
    }

    pub(super) fn rollback_call(&mut self, mut state: State, root: Address) -> Evaled {
        let mut out = Vec::new();
        self.rollback(&mut state, root);
        self.touched_by_task(&mut state, root);
        self.may_raise(&state, &mut out);
        out.push((state, Ok(Value::None)));
        out
    }

    /// What was sent on a connection is undone.
    pub(super) fn rollback(&mut self, state: &mut State, root: Address) {
        state.effect.pending.remove(&root);
        // It may be another connection's name too.
        let mine = state.effect.made.contains(&root);
        let made = state.effect.made.clone();
        for (other, done) in &mut state.effect.pending {
            if !(mine && made.contains(other)) {
                *done = Done::Maybe;
            }
        }
    }

    /// An attribute of a connection is assigned.
    pub(super) fn connection_option(&mut self, state: &mut State, unseen: &Unseen, name: &Name, value: &Value) {
        if &**name != "autocommit" {
            return;
        }
        match value {
            Value::Bool(true) => {
                state.effect.autocommit.insert(unseen.root());
            }
            _ => {
                state.effect.autocommit.remove(&unseen.root());
            }
        }
    }

    /// A new connection, perhaps one that commits each statement.
    pub(super) fn connected(&mut self, state: &mut State, id: Address, arguments: &Arguments) {
        state.effect.made.insert(id);
        if arguments.named("autocommit") == Some(&Value::Bool(true)) {
            state.effect.autocommit.insert(id);
        }
    }

    /// A sink that is neither a statement nor a command: its completion is the write.
    pub(super) fn plain_sink(&mut self, state: &State, callee: &Rc<Unseen>, spot: Spot) -> Evaled {
        let mut out = Vec::new();
        self.met_write(state, &callee.chain, spot, true);
        self.may_raise(state, &mut out);
        let mut done = state.clone();
        done.effect.write(Done::Yes);
        let result = self.result(callee, &callee.chain.clone(), None);
        out.push((done, Ok(result)));
        out
    }

    /// The result of a call outside the tree.
    pub(super) fn result(&mut self, callee: &Rc<Unseen>, chain: &str, connection: Option<Address>) -> Value {
        let id = self.address();
        let origin = callee.origin.clone();
        let kind = UnseenKind::Plain;
        Value::Unseen(Rc::new(Unseen { id, origin, chain: chain.into(), connection, owner: None, kind }))
    }
}
