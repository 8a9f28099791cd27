//! Managed contexts: what entering and leaving them does, and whether they swallow exceptions.

use std::rc::Rc;

use super::exits::{CALLED_BACK, TOLD, is_stack};
use super::tasks::GROUP;
use super::{Driver, Evaled, Exc, Flow, Interp, Outcomes, State};
use crate::probes::code_path::model::{Expr, Name, Stmt, Target};
use crate::probes::code_path::state::{Carried, Done};
use crate::probes::code_path::value::{
    Address, Arguments, Cell, ClassId, Spot, Suspended, SuspendedKind, Unseen, Value,
};

type Items = Rc<Vec<(Expr, Option<Target>)>>;

/// A body that a generator's manager holds: what runs where it yields.
#[derive(Clone, Debug)]
pub struct Hold {
    pub(super) items: Items,
    pub(super) index: usize,
    pub(super) body: Rc<Vec<Stmt>>,
    pub(super) stacked: Option<Rc<Vec<Stmt>>>,
    pub(super) awaited: bool,
    pub(super) frame: super::Frame,
    pub(super) spot: Spot,
}

/// Managers outside the tree that let every exception through.
const TRANSPARENT: &[&str] = &[
    "builtins.open",
    "contextlib.closing",
    "contextlib.nullcontext",
    "contextlib.redirect_stdout",
    "contextlib.redirect_stderr",
    "subprocess.Popen",
    "tarfile.open",
    "zipfile.ZipFile",
    "gzip.open",
    "io.open",
    "threading.Lock",
    "threading.RLock",
    "threading.Semaphore",
    "threading.Condition",
    "asyncio.Lock",
    "asyncio.Semaphore",
    "multiprocessing.Lock",
    "tempfile.TemporaryDirectory",
    "tempfile.NamedTemporaryFile",
    "tempfile.TemporaryFile",
    "decimal.localcontext",
    "socket.socket",
    "socket.create_connection",
    "os.scandir",
    "urllib.request.urlopen",
    "mmap.mmap",
    "concurrent.futures.ThreadPoolExecutor",
    "concurrent.futures.ProcessPoolExecutor",
];

/// Libraries whose connections commit when a managed block ends normally.
const COMMITTING: &[&str] = &["psycopg.", "psycopg2.", "psycopg_pool.", "sqlite3."];

impl Interp<'_> {
    /// A `with` statement.
    pub(super) fn with_statement(
        &mut self,
        state: State,
        items: &Items,
        body: &Rc<Vec<Stmt>>,
        stacked: Option<&Rc<Vec<Stmt>>>,
        awaited: bool,
        spot: Spot,
    ) -> Outcomes {
        let (items, body, stacked) = (items.clone(), body.clone(), stacked.cloned());
        let hold = Hold { items, index: 0, body, stacked, awaited, frame: self.frame().clone(), spot };
        self.with_item(state, &hold)
    }

    /// A `with` statement, from the manager at the index on.
    fn with_item(&mut self, state: State, hold: &Hold) -> Outcomes {
        let (items, spot) = (hold.items.clone(), hold.spot);
        let Some((manager, target)) = items.get(hold.index) else { return self.block(state, &hold.body.clone()) };
        let spot = Spot { module: spot.module, at: manager.at };
        let managers = self.evaluate(state, manager);
        self.then_flow(managers, |me, state, manager| {
            let mut out = Vec::new();
            for manager in manager.alternatives() {
                let hold = Hold { frame: me.frame().clone(), spot, ..hold.clone() };
                out.extend(me.managed(state.clone(), &manager, target.as_ref(), &hold));
            }
            me.settle(out)
        })
    }

    fn managed(&mut self, state: State, manager: &Value, target: Option<&Target>, hold: &Hold) -> Outcomes {
        match manager {
            Value::Suspended(suspended) if suspended.kind == SuspendedKind::Context => {
                self.managed_by_generator(state, suspended, hold)
            }
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => {
                    let class = *class;
                    self.managed_by_class(state, manager, class, target, hold)
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => {
                    self.managed_unseen(state, manager, None, target, hold)
                }
            },
            Value::Unseen(unseen) if is_stack(unseen, hold.awaited) && hold.stacked.is_some() => {
                // The contexts on it are entered and left as if each were in the other.
                let body = hold.stacked.clone().unwrap_or_else(|| hold.body.clone());
                self.entered(state, manager, target, &Hold { body, stacked: None, ..hold.clone() })
            }
            Value::Unseen(unseen) if *unseen.chain == *CALLED_BACK || *unseen.chain == *TOLD => {
                let unseen = unseen.clone();
                self.managed_by_stack(state, &unseen, hold)
            }
            Value::Unseen(unseen) if hold.awaited && *unseen.chain == *GROUP => {
                self.task_group(state, manager, unseen.id, target, hold)
            }
            Value::Unseen(unseen) => {
                let unseen = unseen.clone();
                self.managed_unseen(state, manager, Some(&unseen), target, hold)
            }
            _ => self.managed_unseen(state, manager, None, target, hold),
        }
    }

    /// Binds the target and runs the rest of the statement.
    pub(super) fn entered(&mut self, state: State, value: &Value, target: Option<&Target>, hold: &Hold) -> Outcomes {
        let bound = match target {
            Some(target) => self.assign(state, target, value, hold.spot),
            None => vec![(state, Flow::Next)],
        };
        let mut out = Vec::new();
        for (state, flow) in bound {
            match flow {
                Flow::Next => {
                    let next = Hold { index: hold.index + 1, ..hold.clone() };
                    out.extend(self.with_item(state, &next));
                }
                other => out.push((state, other)),
            }
        }
        out
    }

    /// The body of a context that a generator manages, run where the generator yields.
    pub(super) fn held_body(&mut self, state: State, hold: &Rc<Hold>, value: Value) -> Outcomes {
        self.frames.push(super::Frame { called_at: None, ..hold.frame.clone() });
        let target = hold.items.get(hold.index).and_then(|(_, target)| target.as_ref());
        let outcomes = self.entered(state, &value, target, hold);
        self.frames.pop();
        outcomes
    }

    fn managed_by_generator(&mut self, state: State, suspended: &Suspended, hold: &Hold) -> Outcomes {
        let depth = state.carried.len();
        let driver = Driver::Context(Rc::new(hold.clone()));
        self.catching += 1;
        let ran = self.run(state, &suspended.closure, suspended.arguments.clone(), suspended.spot, driver);
        self.catching -= 1;
        let mut out = Vec::new();
        for (mut state, result) in ran {
            let yields = state.carried.len().saturating_sub(depth);
            let carried = state.carried.get(depth).cloned();
            state.carried.truncate(depth);
            if yields > 1 {
                self.taint(&mut state, "a manager yields more than once", hold.spot);
            }
            let flow = match (result, carried) {
                (Err(exc), _) => Flow::Raise(exc),
                (Ok(_), Some(Carried::End)) => Flow::Next,
                (Ok(_), Some(Carried::Return(value))) => Flow::Return(value),
                (Ok(_), Some(Carried::Break)) => Flow::Break,
                (Ok(_), Some(Carried::Continue)) => Flow::Continue,
                // It ends without having yielded: Python raises.
                (Ok(_), None) => Flow::Raise(Exc::Builtin("RuntimeError".into())),
            };
            out.push((state, flow));
        }
        out
    }

    fn managed_by_class(
        &mut self,
        mut state: State,
        manager: &Value,
        class: ClassId,
        target: Option<&Target>,
        hold: &Hold,
    ) -> Outcomes {
        let (enter, exit): (Name, Name) = if hold.awaited {
            ("__aenter__".into(), "__aexit__".into())
        } else {
            ("__enter__".into(), "__exit__".into())
        };
        let known = self.find_member(class, &enter).is_some() && self.find_member(class, &exit).is_some();
        if !known {
            let reason = format!("how {} manages a context is not seen", self.class(class).name);
            self.taint(&mut state, &reason, hold.spot);
            return self.managed_unseen(state, manager, None, target, hold);
        }
        let entering = self.method(state, manager, &enter, Arguments::default(), hold);
        self.then_flow(entering, |me, state, value| {
            me.catching += 1;
            let outcomes = me.entered(state, &value, target, hold);
            me.catching -= 1;
            let mut out = Vec::new();
            for (state, flow) in outcomes {
                let raised = matches!(flow, Flow::Raise(_));
                let arguments = match raised {
                    true => Arguments::of(vec![me.data("exc_type"), me.data("exc"), me.data("traceback")]),
                    false => Arguments::of(vec![Value::None, Value::None, Value::None]),
                };
                let leaving = me.method(state, manager, &exit, arguments, hold);
                out.extend(me.then_flow(leaving, |me, state, swallows| {
                    if !raised {
                        return vec![(state, flow.clone())];
                    }
                    let truths = me.truths(state, &swallows, hold.spot).into_iter();
                    truths
                        .map(|(state, swallowed)| (state, if swallowed { Flow::Next } else { flow.clone() }))
                        .collect()
                }));
            }
            out
        })
    }

    /// `async with asyncio.TaskGroup()`: the tasks run where the body ends.
    fn task_group(
        &mut self,
        mut state: State,
        manager: &Value,
        group: Address,
        target: Option<&Target>,
        hold: &Hold,
    ) -> Outcomes {
        self.open_group(&mut state, group);
        self.catching += 1;
        let outcomes = self.entered(state, manager, target, hold);
        let mut out = Vec::new();
        for (mut state, flow) in outcomes {
            if matches!(flow, Flow::Raise(_)) {
                self.abort_group(&mut state, group);
                out.push((state, Flow::Raise(Exc::Any)));
                continue;
            }
            match self.await_gathered(&state, group, hold.spot) {
                Some(ended) => out.extend(ended.into_iter().map(|(state, result)| match result {
                    Ok(_) => (state, flow.clone()),
                    Err(_) => (state, Flow::Raise(Exc::Any)),
                })),
                None => {
                    self.unseen_code(&mut state, "what this group of tasks holds is not seen", hold.spot);
                    out.push((state, flow));
                }
            }
        }
        self.catching -= 1;
        out
    }

    fn method(&mut self, state: State, receiver: &Value, name: &Name, arguments: Arguments, hold: &Hold) -> Evaled {
        let methods = self.attribute(state, receiver, name, hold.spot);
        self.then(methods, |me, state, method| {
            let called = me.call(state, &method, arguments.clone(), hold.spot);
            if !hold.awaited {
                return called;
            }
            me.then(called, |me, state, value| me.awaited(state, &value, hold.spot))
        })
    }

    /// A manager that is not of the tree, as far as can be seen.
    fn managed_unseen(
        &mut self,
        mut state: State,
        manager: &Value,
        unseen: Option<&Rc<Unseen>>,
        target: Option<&Target>,
        hold: &Hold,
    ) -> Outcomes {
        let chain = unseen.map(|unseen| unseen.chain.clone()).unwrap_or_else(|| "".into());
        let last = chain.rsplit('.').next().unwrap_or("").to_owned();
        let in_database = matches!(
            &*last,
            "cursor" | "connect" | "connection" | "Connection" | "transaction" | "begin" | "conn" | "cur"
        );
        let lost = unseen.is_none_or(|unseen| {
            use crate::probes::code_path::value::Origin;
            match unseen.origin {
                Origin::Outside => false,
                Origin::Data => self.tree.may_define_method("__enter__") && !in_database,
                Origin::Lost(..) => true,
            }
        });
        if lost {
            self.unseen_code(&mut state, "what this context does is not seen", hold.spot);
        }
        state.others_run();
        let fresh = unseen.is_some_and(|unseen| {
            state.effect.made.contains(&unseen.root()) && !state.effect.touched.contains(&unseen.root())
        });
        let value = self.entered_value(&state, manager, unseen, &chain);
        self.catching += 1;
        let outcomes = self.entered(state.clone(), &value, target, hold);
        self.catching -= 1;
        let is_library = unseen.is_some_and(|unseen| unseen.origin == crate::probes::code_path::value::Origin::Outside);
        let transparent =
            in_database || is_library && TRANSPARENT.contains(&&*chain) || last == "lock" || last == "_lock";
        let suppresses = &*chain == "contextlib.suppress";
        let mut out = Vec::new();
        if self.catching > 0 {
            out.push((state, Flow::Raise(Exc::Any)));
        }
        for (mut state, flow) in outcomes {
            let raised = matches!(flow, Flow::Raise(_));
            state.others_run();
            if hold.awaited {
                self.counts.waits += 1;
            }
            if let Some(unseen) = unseen {
                self.left(&mut state, unseen, &chain, &last, raised, fresh);
            }
            if raised && !transparent {
                let mut swallowed = state.clone();
                if !suppresses {
                    self.doubt(&mut swallowed, "this context may swallow exceptions: it is not of the tree", hold.spot);
                }
                out.push((swallowed, Flow::Next));
            }
            out.push((state, flow));
        }
        out
    }

    fn entered_value(&mut self, state: &State, manager: &Value, unseen: Option<&Rc<Unseen>>, chain: &str) -> Value {
        let Some(unseen) = unseen else { return self.data("entered") };
        if chain == "contextlib.closing"
            && let Some(Cell::Seen(fields)) = state.cell(unseen.id)
            && let Some(thing) = fields.get("thing")
        {
            return thing.clone();
        }
        if chain == "contextlib.suppress" {
            return Value::None;
        }
        let _ = manager;
        // What is entered is the manager or belongs to it.
        let id = self.address();
        Value::Unseen(Rc::new(Unseen { id, connection: Some(unseen.root()), owner: None, ..(**unseen).clone() }))
    }

    /// A context of a database ends.
    fn left(&mut self, state: &mut State, unseen: &Unseen, chain: &str, last: &str, raised: bool, fresh: bool) {
        let mut root: Address = unseen.root();
        if chain == "contextlib.closing" {
            if let Some(Cell::Seen(fields)) = state.cell(unseen.id)
                && let Some(Value::Unseen(thing)) = fields.get("thing")
            {
                root = thing.root();
                if thing.connection.is_none() {
                    state.effect.pending.remove(&root);
                }
            }
            return;
        }
        if last == "cursor" || last == "cur" || !state.effect.pending.contains_key(&root) {
            return;
        }
        if raised {
            state.effect.pending.remove(&root);
            return;
        }
        let known = unseen.origin == crate::probes::code_path::value::Origin::Outside
            && COMMITTING.iter().any(|library| chain.starts_with(library));
        let lasts = match last {
            "begin" => true,
            // Inside another transaction this is only a savepoint.
            "transaction" => fresh,
            "connect" | "Connection" | "connection" => known,
            _ => false,
        };
        if lasts {
            self.commit(state, root);
            return;
        }
        let done = state.effect.pending.remove(&root).unwrap_or(Done::No);
        if done != Done::No {
            state.effect.written = state.effect.written.max(Done::Maybe);
            state.effect.pending.insert(root, Done::Maybe);
        }
    }
}
