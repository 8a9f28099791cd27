//! Tasks of an event loop: coroutines that were handed to it run, in their order, when the code that is followed
//! waits. Between two waits nothing else runs, so that tasks which wait for nothing run one after another; where
//! several wait, they may come in any order, and what they share must not depend on it.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::driving::Progress;
use super::{Driver, Evaled, Exc, Flow, Interp, State};
use crate::probes::code_path::state::{Done, Task, Times};
use crate::probes::code_path::value::{
    Address, Arguments, Cell, Origin, Spot, Suspended, SuspendedKind, Unseen, UnseenKind, Value,
};

/// Attributes of a task's cell: what it returned, or raised.
const RETURNED: &str = "returned";
const RAISED: &str = "raised";

/// Attributes of what `gather` gives: the tasks, whether exceptions are results, and whether it is one task that
/// time may end.
const TASKS: &str = "tasks";
const KEEPS: &str = "keeps";
const SINGLE: &str = "single";

/// The attribute of what a thread is to do, when that is awaited.
pub(super) const WORK: &str = "work";

/// What `gather` gives.
pub(super) const GATHER: &str = "asyncio.gather";

/// A group of tasks.
pub(super) const GROUP: &str = "asyncio.TaskGroup";

/// What was counted while tasks ran.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Waits for something outside the tree.
    pub waits: usize,
    /// Changes of what was there before the tasks began.
    pub changes: usize,
    /// Cells up to here were there.
    pub mark: Address,
}

impl Interp<'_> {
    /// Calls of the event loop; `None` for the rest.
    pub(super) fn task_call(
        &mut self,
        state: &State,
        callee: &Unseen,
        arguments: &Arguments,
        spot: Spot,
    ) -> Option<Evaled> {
        let first = arguments.positions.first();
        match (&*callee.chain, first) {
            ("asyncio.create_task" | "asyncio.ensure_future", Some(value)) => {
                let coroutine = self.fresh_coroutine(state, value)?;
                let mut state = state.clone();
                let task = self.schedule(&mut state, &coroutine, Times::Once);
                Some(vec![(state, Ok(task))])
            }
            ("asyncio.TaskGroup.create_task", Some(value)) => {
                let coroutine = self.fresh_coroutine(state, value)?;
                let group = callee.owner?;
                let Some(Cell::Seen(fields)) = state.cell(group) else { return None };
                let Some(Value::Tuple(tasks)) = fields.get(TASKS).cloned() else { return None };
                let mut state = state.clone();
                let task = self.schedule(&mut state, &coroutine, Times::Once);
                let known = |task: &Value| match task {
                    Value::Suspended(task) => state.tasks.iter().any(|each| each.call.id == task.id),
                    _ => false,
                };
                if known(&task) {
                    let tasks: Vec<Value> = tasks.iter().cloned().chain([task.clone()]).collect();
                    self.remember(&mut state, group, &TASKS.into(), Value::Tuple(Rc::new(tasks)));
                }
                Some(vec![(state, Ok(task))])
            }
            (GATHER, _) => {
                let gathered = self.gather(state, arguments, spot);
                // Among what is not seen there may be coroutines.
                let reason = "what is gathered here is not seen";
                gathered.or_else(|| arguments.open.then(|| self.call_lost(state.clone(), reason, spot)))
            }
            ("asyncio.to_thread", Some(function)) => {
                let mut rest = arguments.clone();
                rest.positions.remove(0);
                let work = Value::Partial(Rc::new((function.clone(), rest)));
                let (mut state, id) = (state.clone(), self.address());
                let (connection, owner, kind) = (None, None, UnseenKind::Plain);
                let chain = callee.chain.clone();
                let unseen = Unseen { id, origin: Origin::Outside, chain, connection, owner, kind };
                self.remember(&mut state, id, &WORK.into(), work);
                Some(vec![(state, Ok(Value::Unseen(Rc::new(unseen))))])
            }
            ("asyncio.wait_for", Some(value)) => {
                let coroutine = self.fresh_coroutine(state, value)?;
                let mut state = state.clone();
                let task = self.schedule(&mut state, &coroutine, Times::Once);
                let value = self.awaitable(&mut state, vec![task], false, true);
                Some(vec![(state, Ok(value))])
            }
            _ => None,
        }
    }

    /// Whether a call has not begun.
    pub(super) fn is_fresh(&self, state: &State, suspended: &Suspended) -> bool {
        self.progress(state, suspended) == Progress::Fresh
    }

    /// A coroutine of the tree that has not begun.
    fn fresh_coroutine(&self, state: &State, value: &Value) -> Option<Rc<Suspended>> {
        let Value::Suspended(suspended) = value else { return None };
        let fresh = suspended.kind == SuspendedKind::Coroutine && self.progress(state, suspended) == Progress::Fresh;
        fresh.then(|| suspended.clone())
    }

    /// Hands a coroutine to the event loop. Of those that one place hands over again and again, one stands for all.
    fn schedule(&mut self, state: &mut State, coroutine: &Rc<Suspended>, times: Times) -> Value {
        self.begun(state, coroutine);
        let alike = |task: &&mut Task| are_alike(&task.call, coroutine);
        match state.tasks.iter_mut().find(alike) {
            Some(task) if task.times == Times::Any && times == Times::Any => {}
            Some(task) => task.times = Times::Some,
            None => state.tasks.push(Task { call: coroutine.clone(), times }),
        }
        Value::Suspended(Rc::new(Suspended { kind: SuspendedKind::Task, ..(**coroutine).clone() }))
    }

    fn gather(&mut self, state: &State, arguments: &Arguments, spot: Spot) -> Option<Evaled> {
        let keeps = match arguments.named("return_exceptions") {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => return None,
        };
        let mut state = state.clone();
        let mut tasks = Vec::new();
        for value in &arguments.positions {
            let task = match value {
                Value::Suspended(given) if given.kind == SuspendedKind::Task => value.clone(),
                Value::Suspended(_) => {
                    let coroutine = self.fresh_coroutine(&state, value)?;
                    self.schedule(&mut state, &coroutine, Times::Once)
                }
                Value::Unseen(unseen) if unseen.origin == Origin::Outside && !is_work(&state, unseen) => continue,
                _ => return None,
            };
            tasks.push(task);
        }
        match &arguments.spread[..] {
            [] if arguments.open => return None,
            [] => {}
            [collection] if self.truth(&state, collection) == Some(false) => {}
            [collection] => {
                let element = self.element_of(&mut state, collection, spot)?;
                for each in element.alternatives() {
                    let coroutine = self.fresh_coroutine(&state, &each)?;
                    tasks.push(self.schedule(&mut state, &coroutine, Times::Any));
                }
                self.use_up(&mut state, collection);
            }
            _ => return None,
        }
        let value = self.awaitable(&mut state, tasks, keeps, false);
        Some(vec![(state, Ok(value))])
    }

    /// Something that waits for tasks when it is awaited.
    fn awaitable(&mut self, state: &mut State, tasks: Vec<Value>, keeps: bool, single: bool) -> Value {
        let id = self.address();
        let (connection, owner, kind) = (None, None, UnseenKind::Plain);
        let unseen = Unseen { id, origin: Origin::Outside, chain: GATHER.into(), connection, owner, kind };
        self.awaits(state, id, tasks, keeps, single);
        Value::Unseen(Rc::new(unseen))
    }

    fn awaits(&mut self, state: &mut State, id: Address, tasks: Vec<Value>, keeps: bool, single: bool) {
        self.remember(state, id, &TASKS.into(), Value::Tuple(Rc::new(tasks)));
        self.remember(state, id, &KEEPS.into(), Value::Bool(keeps));
        self.remember(state, id, &SINGLE.into(), Value::Bool(single));
    }

    /// A group of tasks is entered.
    pub(super) fn open_group(&mut self, state: &mut State, group: Address) {
        self.awaits(state, group, Vec::new(), false, false);
    }

    /// A group of tasks is left by an exception: those that have not begun never do.
    pub(super) fn abort_group(&mut self, state: &mut State, group: Address) {
        let Some(Cell::Seen(fields)) = state.cell(group) else { return };
        let ids = fields.get(TASKS).map(task_ids).unwrap_or_default();
        state.tasks.retain(|task| !ids.contains(&task.call.id));
    }

    /// Waits for something outside the tree: tasks that were handed over run meanwhile.
    pub(super) fn waits(&mut self, state: State, spot: Spot) -> Vec<State> {
        self.counts.waits += 1;
        self.run_tasks(state, &[], spot)
    }

    /// Awaits a task.
    pub(super) fn await_task(&mut self, state: State, task: &Rc<Suspended>, spot: Spot) -> Evaled {
        let states = self.run_tasks(state, &[task.id], spot);
        states.into_iter().flat_map(|state| self.outcome(state, task, spot)).collect()
    }

    /// What a task that was run has come to.
    fn outcome(&mut self, mut state: State, task: &Suspended, spot: Spot) -> Evaled {
        let fields = match state.cell(task.id) {
            Some(Cell::Seen(fields)) => (fields.get(RETURNED).cloned(), fields.get(RAISED).cloned()),
            Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::List(_) | Cell::Table(_)) | None => (None, None),
        };
        match fields {
            (Some(value), None) => vec![(state, Ok(value))],
            (None, Some(value)) => {
                let exc = self.exception(&state, &value);
                vec![(state, Err(exc))]
            }
            // Two paths were merged, or another stands for this one.
            (Some(_), Some(_)) | (None, None) => {
                let reason = "what this task has come to is not seen";
                self.unseen_code(&mut state, reason, spot);
                let value = self.lost(reason, spot);
                vec![(state.clone(), Err(Exc::Any)), (state, Ok(value))]
            }
        }
    }

    /// Awaits what waits for tasks, or for a thread; `None` for anything else.
    pub(super) fn await_gathered(&mut self, state: &State, of: Address, spot: Spot) -> Option<Evaled> {
        let Some(Cell::Seen(fields)) = state.cell(of) else { return None };
        if let Some(work) = fields.get(WORK).cloned() {
            let mut state = state.clone();
            self.remember(&mut state, of, &WORK.into(), Value::None);
            let states = self.waits(state, spot);
            let done = states.into_iter().flat_map(|state| self.call(state, &work, Arguments::default(), spot));
            return Some(done.collect());
        }
        let Some(Value::Tuple(tasks)) = fields.get(TASKS).cloned() else { return None };
        let is = |name: &str| fields.get(name) == Some(&Value::Bool(true));
        let (keeps, single) = (is(KEEPS), is(SINGLE));
        let tasks: Vec<Rc<Suspended>> = tasks.iter().filter_map(as_suspended).collect();
        let ids: Vec<Address> = tasks.iter().map(|task| task.id).collect();
        let several = tasks.len() > 1 || state.tasks.iter().any(|task| task.times != Times::Once);
        let mut out: Evaled = Vec::new();
        if single && self.catching > 0 {
            // Time may be over before it begins.
            let mut cancelled = state.clone();
            cancelled.tasks.retain(|task| !ids.contains(&task.call.id));
            out.push((cancelled, Err(Exc::Any)));
        }
        let (before, written) = (self.counts.waits, state.effect.written);
        for state in self.run_tasks(state.clone(), &ids, spot) {
            if single && self.catching > 0 {
                out.push((state.clone(), Err(Exc::Any)));
            }
            let mut all: Evaled<Vec<Value>> = vec![(state, Ok(Vec::new()))];
            for task in &tasks {
                all = self.then(all, |me, state, values| {
                    let ended = me.outcome(state, task, spot).into_iter().map(|(state, result)| {
                        let result = match result {
                            Err(_) if keeps => Ok(me.data("exception")),
                            other => other,
                        };
                        let with = |value: Value| values.iter().cloned().chain([value]).collect::<Vec<_>>();
                        (state, result.map(with))
                    });
                    ended.collect()
                });
            }
            for (mut state, result) in all {
                if result.is_err() && several && self.counts.waits > before {
                    let reason = "how far other tasks have come when one raises is not followed";
                    self.order_unseen(&mut state, reason, written, spot);
                }
                let result = result.map(|mut values| match single {
                    true => values.pop().unwrap_or(Value::None),
                    false if several => self.collection("gathered"),
                    false => Value::Tuple(Rc::new(values)),
                });
                state.tasks.retain(|task| !ids.contains(&task.call.id));
                out.push((state, result));
            }
        }
        Some(self.settle(out))
    }

    /// Runs the tasks that were handed over, those of `joined` to their ends for sure.
    fn run_tasks(&mut self, mut state: State, joined: &[Address], spot: Spot) -> Vec<State> {
        let tasks = std::mem::take(&mut state.tasks);
        if tasks.is_empty() {
            return vec![state];
        }
        let before = self.counts;
        let written = state.effect.written;
        self.counts.mark = self.next;
        let (mut shared, mut used): (bool, BTreeSet<Address>) = (false, BTreeSet::new());
        let touched = std::mem::take(&mut state.effect.touched);
        let mut states = vec![state];
        let mut others_wait = false;
        for task in &tasks {
            let waits = self.counts.waits;
            let mut next = Vec::new();
            let mut roots: BTreeSet<Address> = BTreeSet::new();
            for state in states {
                for mut state in self.run_task(state, task, spot) {
                    roots.extend(std::mem::take(&mut state.effect.touched));
                    next.push((state, Flow::Next));
                }
            }
            shared |= roots.iter().any(|root| used.contains(root)) || task.times != Times::Once && !roots.is_empty();
            used.extend(roots);
            others_wait |= self.counts.waits > waits && !joined.contains(&task.call.id);
            states = self.settle(next).into_iter().map(|(state, _)| state).collect();
        }
        self.counts.mark = before.mark;
        for state in &mut states {
            state.effect.touched.extend(touched.iter().copied().chain(used.iter().copied()));
        }
        if others_wait {
            let reason = "when this task comes to its end is not seen";
            states.iter_mut().for_each(|state| self.order_unseen(state, reason, written, spot));
        }
        let several = tasks.len() > 1 || tasks.iter().any(|task| task.times != Times::Once);
        let waited = self.counts.waits > before.waits;
        if several && waited && (shared || self.counts.changes > before.changes) {
            let reason = "in which order tasks that run at once change what they share is not followed";
            states.iter_mut().for_each(|state| self.order_unseen(state, reason, written, spot));
        }
        // Tasks that these have handed over in turn.
        states.into_iter().flat_map(|state| self.run_tasks(state, joined, spot)).collect()
    }

    /// Runs a task, or any number of such, and keeps what it has come to.
    fn run_task(&mut self, mut state: State, task: &Task, spot: Spot) -> Vec<State> {
        let call = &task.call;
        let once = |me: &mut Self, state: State| {
            me.catching += 1;
            let ran = me.run(state, &call.closure, call.arguments.clone(), call.spot, Driver::None);
            me.catching -= 1;
            let mut flows = Vec::new();
            for (mut state, result) in ran {
                match result {
                    Ok(value) => me.remember(&mut state, call.id, &RETURNED.into(), value),
                    Err(exc) => {
                        let value = me.raised_value(&exc);
                        if let Some(Cell::Seen(fields)) = state.cell_mut(call.id) {
                            fields.remove(RETURNED);
                        }
                        me.remember(&mut state, call.id, &RAISED.into(), value);
                    }
                }
                flows.push((state, Flow::Next));
            }
            flows
        };
        let flows = match task.times {
            Times::Once => once(self, state),
            Times::Some | Times::Any => {
                let results = self.collection("results");
                self.remember(&mut state, call.id, &RETURNED.into(), results.clone());
                let mut advance = |_: &mut Self, state: State| vec![(state.clone(), true), (state, false)];
                let mut pass = |me: &mut Self, state: State| {
                    let raised = |state: &State| match state.cell(call.id) {
                        Some(Cell::Seen(fields)) => fields.get(RAISED).cloned(),
                        _ => None,
                    };
                    let earlier = raised(&state);
                    let mut flows = once(me, state);
                    for (state, _) in &mut flows {
                        let failed = raised(state).or_else(|| earlier.clone());
                        let kept = if failed.is_some() { None } else { Some(results.clone()) };
                        if let Some(Cell::Seen(fields)) = state.cell_mut(call.id) {
                            fields.remove(RETURNED);
                            fields.extend(kept.map(|kept| (RETURNED.into(), kept)));
                            fields.extend(failed.map(|failed| (RAISED.into(), failed)));
                        }
                    }
                    flows
                };
                self.unknown_times(state, task.times == Times::Some, spot, &mut advance, &mut pass)
            }
        };
        flows.into_iter().map(|(state, _)| state).collect()
    }

    /// What tasks have done by now is not seen, nor whether it lasts.
    fn order_unseen(&mut self, state: &mut State, reason: &str, written: Done, spot: Spot) {
        self.taint(state, reason, spot);
        state.effect.doubt_write_since(written);
    }

    fn raised_value(&mut self, exc: &Exc) -> Value {
        match exc {
            Exc::Any => self.data("exception"),
            Exc::Builtin(name) => self.unseen(Origin::Outside, &format!("builtins.{name}"), UnseenKind::Plain),
            Exc::Tree(_, value) => value.clone(),
        }
    }

    /// The event loop ends: tasks that nobody awaited may have run in part.
    pub(super) fn loop_ended(&mut self, ended: Evaled, spot: Spot) -> Evaled {
        let mut out = Vec::new();
        for (mut state, result) in ended {
            let tasks = std::mem::take(&mut state.tasks);
            let mut states = vec![state];
            for task in tasks {
                let reason = "how far a task comes that is not awaited is not followed";
                states.iter_mut().for_each(|state| self.taint(state, reason, spot));
                let value = Value::Suspended(task.call);
                states = states.into_iter().flat_map(|state| self.maybe_called(state, &value, spot)).collect();
            }
            out.extend(states.into_iter().map(|state| (state, result.clone())));
        }
        out
    }

    /// A task speaks to a connection: another that speaks to the same one may come before or after.
    pub(super) fn touched_by_task(&self, state: &mut State, root: Address) {
        if self.counts.mark > 0 {
            state.effect.touched.insert(root);
        }
    }

    /// Notes that something is changed that may have been there before the tasks that run.
    pub(super) fn note_change(&mut self, of: Option<Address>) {
        if of.is_none_or(|address| address <= self.counts.mark) {
            self.counts.changes += 1;
        }
    }
}

/// Whether something unseen is what a thread is to do.
fn is_work(state: &State, unseen: &Unseen) -> bool {
    matches!(state.cell(unseen.id), Some(Cell::Seen(fields)) if fields.contains_key(WORK))
}

fn as_suspended(value: &Value) -> Option<Rc<Suspended>> {
    match value {
        Value::Suspended(suspended) => Some(suspended.clone()),
        _ => None,
    }
}

fn task_ids(tasks: &Value) -> Vec<Address> {
    match tasks {
        Value::Tuple(tasks) => tasks.iter().filter_map(as_suspended).map(|task| task.id).collect(),
        _ => Vec::new(),
    }
}

/// Whether two calls are the same, but for data that nothing is known of.
pub(super) fn are_alike(one: &Suspended, other: &Suspended) -> bool {
    let same = |(one, other): (&Value, &Value)| match (one, other) {
        (Value::Unseen(one), Value::Unseen(other)) => {
            let plain = |unseen: &Unseen| unseen.origin != Origin::Outside && unseen.owner.is_none();
            one == other || plain(one) && plain(other) && one.kind == other.kind && one.chain == other.chain
        }
        (one, other) => one == other,
    };
    let names = one.arguments.names.iter().map(|(name, _)| name);
    one.kind == other.kind
        && one.spot == other.spot
        && one.closure == other.closure
        && one.arguments.open == other.arguments.open
        && one.arguments.positions.len() == other.arguments.positions.len()
        && names.eq(other.arguments.names.iter().map(|(name, _)| name))
        && one.arguments.values().zip(other.arguments.values()).all(same)
}
