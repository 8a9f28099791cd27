//! Processes: which commands are writes, and when they are seen to have succeeded.

use std::rc::Rc;

use super::{Evaled, Interp, State};
use crate::probes::code_path::patterns::{CommandKind, command_kind, mentions_sink};
use crate::probes::code_path::state::{Aspect, Done};
use crate::probes::code_path::value::{Address, Arguments, Cell, Origin, Spot, Unseen, UnseenKind, Value};

impl Interp<'_> {
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
    pub(super) fn waited(&mut self, state: &State, process: Address, spot: Spot) -> Vec<State> {
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

    pub(super) fn command_words(&self, state: &State, name: &str, arguments: &Arguments) -> CommandKind {
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
}
