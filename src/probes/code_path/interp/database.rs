//! Writes: statements and their commits, commands and their status, other sinks.

use std::rc::Rc;

use super::{Evaled, Exc, Interp, State};
use crate::probes::code_path::model::Name;
use crate::probes::code_path::patterns::{
    CommandKind, DatabaseCall, StatementKind, command_kind, mentions_sink, statement_kind,
};
use crate::probes::code_path::state::{Aspect, Done};
use crate::probes::code_path::value::{Address, Arguments, Cell, Origin, Spot, Unseen, UnseenKind, Value};

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
        match call {
            DatabaseCall::Statement => self.statement_call(state, callee, name, root, arguments, spot),
            DatabaseCall::Commit => Some(self.commit_call(state.clone(), root)),
            DatabaseCall::Rollback => Some(self.rollback_call(state.clone(), root)),
            DatabaseCall::Close => {
                // Closing a cursor leaves the transaction; closing a connection ends it.
                let is_cursor = callee.chain.contains("cursor") || !state.effect.pending.contains_key(&root);
                if is_cursor { None } else { Some(self.rollback_call(state.clone(), root)) }
            }
        }
    }

    fn statement_call(
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

    fn send(&mut self, state: &mut State, root: Address, done: Done, call: &str, spot: Spot) {
        self.met_write(state, call, spot, done == Done::Yes);
        let effect = &mut state.effect;
        if effect.autocommit.contains(&root) {
            effect.write(done);
        } else {
            let before = effect.pending.get(&root).copied().unwrap_or(Done::No);
            effect.pending.insert(root, before.max(done));
        }
    }

    fn commit_call(&mut self, mut state: State, root: Address) -> Evaled {
        let mut out = Vec::new();
        if self.catching > 0 {
            let mut failed = state.clone();
            failed.effect.pending.remove(&root);
            out.push((failed, Err(Exc::Any)));
        }
        self.commit(&mut state, root);
        out.push((state, Ok(Value::None)));
        out
    }

    /// What was sent on a connection lasts from now on.
    pub(super) fn commit(&mut self, state: &mut State, root: Address) {
        let effect = &mut state.effect;
        if let Some(done) = effect.pending.remove(&root) {
            effect.write(done);
        }
        // Another connection may be this one under another name, unless both were made here.
        let mine = effect.made.contains(&root);
        let others =
            effect.pending.iter().any(|(other, done)| *done != Done::No && !(mine && effect.made.contains(other)));
        if others {
            effect.write(Done::Maybe);
        }
    }

    fn rollback_call(&mut self, mut state: State, root: Address) -> Evaled {
        let mut out = Vec::new();
        self.rollback(&mut state, root);
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

    /// A call that starts a process; `None` when it is not one.
    pub(super) fn command(
        &mut self,
        state: &State,
        callee: &Rc<Unseen>,
        arguments: &Arguments,
        spot: Spot,
    ) -> Option<Evaled> {
        let name = callee.chain.clone();
        let waits = match &*name {
            "subprocess.run" | "subprocess.call" => Some(false),
            "subprocess.check_call" | "subprocess.check_output" => Some(true),
            "subprocess.Popen"
            | "os.system"
            | "os.popen"
            | "subprocess.getoutput"
            | "subprocess.getstatusoutput"
            | "asyncio.create_subprocess_exec"
            | "asyncio.create_subprocess_shell"
            | "os.execv"
            | "os.execvp"
            | "os.spawnv" => None,
            _ => return None,
        };
        let kind = self.command_words(state, &name, arguments);
        if kind == CommandKind::Other {
            return None;
        }
        let checked = match arguments.named("check") {
            Some(Value::Bool(value)) => *value,
            Some(_) => false,
            None => waits == Some(true),
        };
        let understood = matches!(&*name, "subprocess.run" | "subprocess.call" | "subprocess.Popen") || checked;
        let certain = kind == CommandKind::Sink && understood && !arguments.open;
        self.met_write(state, &name, spot, certain);
        let mut out = Vec::new();
        self.may_raise(state, &mut out);
        let mut started = state.clone();
        if !certain {
            self.blocked(format!("what {name}() starts, or whether it succeeds, is not known"), spot);
            started.effect.write(Done::Maybe);
            let result = self.result(callee, &name, None);
            out.push((started, Ok(result)));
            return Some(out);
        }
        if checked {
            started.effect.write(Done::Yes);
            let result = self.result(callee, &name, None);
            out.push((started, Ok(result)));
            return Some(out);
        }
        let process = self.address();
        let kind = if &*name == "subprocess.call" { UnseenKind::Status(process) } else { UnseenKind::Process };
        let id = if kind == UnseenKind::Process { process } else { self.address() };
        self.processes.insert(process);
        let value = Value::Unseen(Rc::new(Unseen {
            id,
            origin: Origin::Outside,
            chain: name.clone(),
            connection: None,
            owner: None,
            kind,
        }));
        if &*name == "subprocess.Popen" {
            out.push((started, Ok(value)));
        } else {
            out.extend(self.waited(&started, process, spot).into_iter().map(|state| (state, Ok(value.clone()))));
        }
        Some(out)
    }

    /// A process was waited for: it succeeded or failed, if that is not known yet.
    fn waited(&mut self, state: &State, process: Address, spot: Spot) -> Vec<State> {
        if state.fact(process, Aspect::True).is_some() {
            return vec![state.clone()];
        }
        let ended = [true, false].map(|succeeded| {
            let mut state = state.clone();
            self.process_ended(&mut state, process, succeeded, spot);
            state
        });
        ended.to_vec()
    }

    fn command_words(&self, state: &State, name: &str, arguments: &Arguments) -> CommandKind {
        let commands = self.patterns.commands.clone();
        let in_words = matches!(name, "asyncio.create_subprocess_exec");
        let list: Vec<Value> = if in_words {
            arguments.positions.clone()
        } else {
            match arguments.positions.first().or_else(|| arguments.named("args")) {
                Some(Value::Tuple(items)) => items.to_vec(),
                Some(Value::Object(address)) => match state.cell(*address) {
                    Some(Cell::List(items)) => items.clone(),
                    Some(Cell::Table(_) | Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => {
                        return CommandKind::Unclear;
                    }
                },
                Some(Value::Text(text)) => {
                    // A shell line: its status is that of its last command, and words may be anything.
                    let simple = !text.contains(['|', ';', '&', '$', '`', '<', '>', '(', '\n', '"', '\'']);
                    let words: Vec<Option<&str>> = text.split_whitespace().map(Some).collect();
                    return match (simple, mentions_sink(text, &commands)) {
                        (true, _) => command_kind(&words, &commands),
                        (false, true) => CommandKind::Unclear,
                        (false, false) => CommandKind::Other,
                    };
                }
                _ => return CommandKind::Unclear,
            }
        };
        let words: Vec<Option<&str>> = list.iter().map(Value::text).collect();
        command_kind(&words, &commands)
    }

    /// A method of a process that was started.
    pub(super) fn process_method(&mut self, state: &State, process: Address, name: &str, spot: Spot) -> Option<Evaled> {
        let value = match name {
            // It may not have ended yet: nothing is learnt from its status, and it may have written.
            "poll" => {
                let mut unclear = state.clone();
                unclear.effect.write(Done::Maybe);
                let value = self.data("poll");
                let mut out = vec![(unclear, Ok(value))];
                self.may_raise(state, &mut out);
                return Some(out);
            }
            "wait" => {
                let id = self.address();
                let kind = UnseenKind::Status(process);
                Value::Unseen(Rc::new(Unseen {
                    id,
                    origin: Origin::Outside,
                    chain: "status".into(),
                    connection: None,
                    owner: None,
                    kind,
                }))
            }
            "check_returncode" => {
                let mut done = state.clone();
                self.process_ended(&mut done, process, true, spot);
                let mut out = vec![(done, Ok(Value::None))];
                self.may_raise(state, &mut out);
                return Some(out);
            }
            "communicate" => self.collection("communicate"),
            _ => return None,
        };
        let mut out = Vec::new();
        self.may_raise(state, &mut out);
        out.extend(self.waited(state, process, spot).into_iter().map(|state| (state, Ok(value.clone()))));
        Some(out)
    }

    /// The status of a process was looked at.
    pub(super) fn process_ended(&mut self, state: &mut State, process: Address, succeeded: bool, spot: Spot) {
        let _ = spot;
        state.learn(process, Aspect::True, succeeded);
        if succeeded {
            state.effect.write(Done::Yes);
        }
    }

    /// The result of a call outside the tree.
    pub(super) fn result(&mut self, callee: &Rc<Unseen>, chain: &str, connection: Option<Address>) -> Value {
        let id = self.address();
        let origin = callee.origin.clone();
        let kind = UnseenKind::Plain;
        Value::Unseen(Rc::new(Unseen { id, origin, chain: chain.into(), connection, owner: None, kind }))
    }
}
