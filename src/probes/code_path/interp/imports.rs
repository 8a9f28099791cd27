//! Modules of the tree: they are run once, as at import, and leave their variables in the base state.

use std::rc::Rc;

use super::globals::OPEN;
use super::{Driver, Evaled, Flow, Frame, Interp, State};
use crate::probes::code_path::model::{Module, Name, Stmt, StmtKind};
use crate::probes::code_path::scan::REWIRING;
use crate::probes::code_path::state::Home;
use crate::probes::code_path::tree::Resolution;
use crate::probes::code_path::value::{ModuleId, Origin, Spot, UnseenKind, Value};

/// How far a module is.
#[derive(Clone, Debug)]
pub enum Loading {
    /// It is being run.
    Begun,
    /// It was run.
    Done(Rc<ModuleFacts>),
    /// It cannot be understood.
    Failed(String, Spot),
}

/// What a module's text says beside its variables.
#[derive(Debug, Default)]
pub struct ModuleFacts {
    /// Variables that functions of the module assign.
    pub reassigned: std::collections::BTreeSet<Name>,
    /// Why names that it does not bind may yet be there.
    pub open: std::cell::RefCell<Option<String>>,
    /// The modules that it imports anywhere, resolved.
    pub imports: Vec<ModuleId>,
}

/// Statements of a module after which what it bound is shared.
const SETTLED: usize = 64;

/// Imports inside imports.
const IMPORT_DEPTH: usize = 400;

impl Interp<'_> {
    /// Runs a module and all that it imports anywhere, so that nothing needs to be loaded on a path.
    pub fn load_all(&mut self, from: ModuleId) {
        let mut work = vec![from];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(module) = work.pop() {
            if seen.insert(module) {
                self.load(module);
                if let Some(Loading::Done(facts)) = self.modules.get(&module) {
                    work.extend(facts.imports.iter().copied());
                }
            }
        }
    }

    /// The modules that a module imports anywhere.
    pub fn imports_of(&self, module: ModuleId) -> Vec<ModuleId> {
        match self.modules.get(&module) {
            Some(Loading::Done(facts)) => facts.imports.clone(),
            Some(Loading::Begun | Loading::Failed(..)) | None => Vec::new(),
        }
    }

    /// Begins a run: what the modules that the entry leads to rewired behind names, as they were imported or in
    /// functions that may have run before, leaves open what is called.
    pub fn taint_by_imports(&mut self, state: &mut State, entry: ModuleId) {
        self.entry = Some(entry);
        let (mut work, mut seen) = (vec![entry], std::collections::BTreeSet::new());
        while let Some(module) = work.pop() {
            if !seen.insert(module) {
                continue;
            }
            work.extend(self.imports_of(module));
            if let Some((reason, spot)) = self.import_taints.get(&module).cloned() {
                self.taint(state, &reason, spot);
            }
            let hook = super::reach::IMPORT_HOOKS.iter().find(|name| self.tree.file(module).may_spell(name));
            if let Some(name) = hook {
                let reason = format!("{name} stands here: what is imported may be something else");
                self.taint(state, &reason, Spot { module, at: 0 });
            }
            let rewired = self.tree.file(module).scan().assigned.iter().find(|name| REWIRING.contains(&name.as_str()));
            if let Some(name) = rewired {
                let reason = format!("{name} is assigned: what is called may be something else");
                self.taint(state, &reason, Spot { module, at: 0 });
            }
        }
    }

    /// Runs a module once.
    pub fn load(&mut self, module: ModuleId) {
        if self.modules.contains_key(&module) {
            self.refuse_cut(module);
            return;
        }
        // What is found after the run was given up is not kept: a later run loads the module whole.
        if self.exhausted.is_some() {
            return;
        }
        let start = Spot { module, at: 0 };
        if self.importing > IMPORT_DEPTH {
            self.modules.insert(module, Loading::Failed("imports nest too deep".to_owned(), start));
            return;
        }
        let parsed = match self.tree.file(module).parsed() {
            Ok(parsed) => parsed.clone(),
            Err(failure) => {
                let spot = Spot { module, at: failure.at };
                self.modules.insert(module, Loading::Failed(failure.reason.clone(), spot));
                return;
            }
        };
        self.modules.insert(module, Loading::Begun);
        let facts = Rc::new(self.module_facts(module, &parsed));
        self.run_module(module, &parsed, &facts);
        if let Some(why) = &self.exhausted {
            self.cut.insert(module, why.clone());
        }
        self.modules.insert(module, Loading::Done(facts));
    }

    fn run_module(&mut self, module: ModuleId, parsed: &Module, facts: &ModuleFacts) {
        let frame = Frame {
            scope: None,
            module,
            function: None,
            class: None,
            body_of: None,
            name: self.tree.file(module).module.as_str().into(),
            called_at: None,
            driver: Driver::None,
        };
        let dunder = self.tree.file(module).module.as_str().into();
        let outer = (std::mem::take(&mut self.frames), self.catching);
        (self.importing, self.quiet, self.catching) = (self.importing + 1, self.quiet + 1, 0);
        self.frames.push(frame);
        let mut state = self.base.clone();
        state.set_global(Home::Module(module), "__name__".into(), Value::Text(dunder));
        // Each statement leaves one state: the variables of a module are not followed path by path.
        for (index, stmt) in parsed.body.iter().enumerate() {
            if index % SETTLED == SETTLED - 1 {
                // What is bound so far is shared from here on, so that no statement copies it.
                self.settle_imports(state);
                state = self.base.clone();
            }
            let outcomes = self.statement(state.clone(), stmt);
            let ended = outcomes.into_iter().filter(|(_, flow)| *flow == Flow::Next);
            let mut ended = ended.map(|(state, _)| state.without_effect());
            let Some(first) = ended.next() else {
                *facts.open.borrow_mut() = Some("the module's own code always raises".to_owned());
                break;
            };
            let ended: Vec<State> = ended.collect();
            state = ended.into_iter().fold(first, |all, other| {
                let mut lost = || self.data("merged");
                all.join(&other, &mut lost)
            });
        }
        self.settle_imports(state);
        self.frames = outer.0;
        self.catching = outer.1;
        (self.importing, self.quiet) = (self.importing - 1, self.quiet - 1);
    }

    fn settle_imports(&mut self, mut state: State) {
        state.rebase(&self.base);
        self.base = State::new();
        state.flatten();
        self.base = state;
    }

    fn module_facts(&mut self, module: ModuleId, parsed: &Module) -> ModuleFacts {
        let mut facts = ModuleFacts::default();
        let mut requests = Vec::new();
        survey(&parsed.body, &mut facts.reassigned, &mut requests);
        for (name, level, names) in requests {
            let absolute = if level == 0 { Some(name.to_string()) } else { self.tree.absolute(module, level, &name) };
            let Some(absolute) = absolute else { continue };
            let mut wanted = vec![absolute.clone()];
            wanted.extend(names.iter().map(|each| format!("{absolute}.{each}")));
            for wanted in wanted {
                if let Resolution::Module(id) = self.tree.resolve(&wanted, Some(module)) {
                    facts.imports.push(id);
                }
            }
        }
        facts
    }

    /// `import a.b as c`
    pub(super) fn import(&mut self, mut state: State, names: &[(Name, Option<Name>)], at: u32) -> Vec<(State, Flow)> {
        let mut out: Evaled<()> = Vec::new();
        self.may_raise(&state, &mut out);
        for (name, alias) in names {
            let bound = match alias {
                Some(alias) => (alias.clone(), self.module_value(&mut state, name, at)),
                None => {
                    // Every part is loaded; the first is bound.
                    let _ = self.module_value(&mut state, name, at);
                    let first: Name = name.split('.').next().unwrap_or(name).into();
                    let value = self.module_value(&mut state, &first, at);
                    (first, value)
                }
            };
            self.assign_name(&mut state, &bound.0, bound.1);
        }
        let mut flows = self.then_flow(out, |_, state, ()| vec![(state, Flow::Next)]);
        flows.push((state, Flow::Next));
        flows
    }

    /// The value of a module by its absolute name.
    fn module_value(&mut self, state: &mut State, name: &str, at: u32) -> Value {
        let from = self.frame().module;
        let spot = self.spot(at);
        match self.tree.resolve(name, Some(from)) {
            Resolution::Module(id) => {
                self.load_into(state, id);
                Value::Module(id)
            }
            Resolution::Folder => self.unseen(Origin::Data, name, UnseenKind::Plain),
            Resolution::Gone(reason) => self.lost(&reason, spot),
            Resolution::Outside => {
                let library = self.unseen(Origin::Outside, name, UnseenKind::Plain);
                self.libraries.extend(library.unseen().map(|unseen| unseen.id));
                library
            }
        }
    }

    /// Whether importing a module, with all that it imports, may write or simulate.
    fn has_import_effect(&self, module: ModuleId) -> bool {
        self.leads_to(module, &self.import_effects)
    }

    /// Whether importing a module imports one of these.
    fn leads_to(&self, module: ModuleId, wanted: &std::collections::BTreeSet<ModuleId>) -> bool {
        let mut work = if wanted.is_empty() { Vec::new() } else { vec![module] };
        let mut seen = std::collections::BTreeSet::new();
        while let Some(module) = work.pop() {
            if wanted.contains(&module) {
                return true;
            }
            if seen.insert(module) {
                work.extend(self.imports_of(module));
            }
        }
        false
    }

    /// Loads a module while a path is being followed: what it leaves in the base is added to the path.
    pub(super) fn load_into(&mut self, state: &mut State, module: ModuleId) {
        self.load(module);
        state.rebase(&self.base);
        if self.importing == 0 && self.has_import_effect(module) {
            let reason = format!("importing {} may write or simulate", self.tree.file(module).module);
            self.unseen_code(state, reason, Spot { module, at: 0 });
        }
        if self.importing == 0
            && self.leads_to(module, &self.import_changes)
            && !self.surely_imported().contains(&module)
        {
            let reason = format!("importing {} changes other modules", self.tree.file(module).module);
            self.taint(state, &reason, Spot { module, at: 0 });
        }
    }

    /// `from a import b as c`
    pub(super) fn import_from(
        &mut self,
        mut state: State,
        module: &Name,
        level: u32,
        names: &[(Name, Name)],
        at: u32,
    ) -> Vec<(State, Flow)> {
        let from = self.frame().module;
        let spot = self.spot(at);
        let mut raised: Evaled<()> = Vec::new();
        self.may_raise(&state, &mut raised);
        let mut flows = self.then_flow(raised, |_, state, ()| vec![(state, Flow::Next)]);
        let absolute = if level == 0 { Some(module.to_string()) } else { self.tree.absolute(from, level, module) };
        let Some(absolute) = absolute else {
            for (_, alias) in names {
                let value = self.lost("a relative import leaves the tree", spot);
                self.assign_name(&mut state, alias, value);
            }
            flows.push((state, Flow::Next));
            return flows;
        };
        let source = if absolute.is_empty() { Value::Unbound } else { self.module_value(&mut state, &absolute, at) };
        for (name, alias) in names {
            if &**name == "*" {
                self.import_star(&mut state, &source, &absolute);
                continue;
            }
            let value = self.imported(&mut state, &source, &absolute, name, at);
            self.assign_name(&mut state, alias, value);
        }
        flows.push((state, Flow::Next));
        flows
    }

    fn imported(&mut self, state: &mut State, source: &Value, absolute: &str, name: &Name, at: u32) -> Value {
        let spot = self.spot(at);
        if let Value::Module(id) = source
            && let Some(value) = self.module_attribute(state, *id, name)
        {
            if self.importing > 0 && self.is_switch(*id, name) {
                return self.unseen(Origin::Outside, name, UnseenKind::Stale(spot));
            }
            return value;
        }
        let full = if absolute.is_empty() { name.to_string() } else { format!("{absolute}.{name}") };
        match (source, self.tree.resolve(&full, Some(self.frame().module))) {
            (_, Resolution::Module(_)) => self.module_value(state, &full, at),
            (Value::Unseen(unseen), _) => match &unseen.origin {
                Origin::Outside => self.unseen(Origin::Outside, &full, UnseenKind::Plain),
                Origin::Lost(reason, _) => {
                    let reason = reason.clone();
                    self.lost(&reason, spot)
                }
                Origin::Data => self.lost(&format!("{full} is not in the tree"), spot),
            },
            (Value::Module(id), _) => {
                let reason = match self.modules.get(id) {
                    Some(Loading::Failed(reason, at)) => {
                        format!("{absolute} is not understood: {reason} at {}", self.tree.place(*at))
                    }
                    Some(Loading::Begun) => format!("{full} is imported in a circle before it is bound"),
                    Some(Loading::Done(_)) | None => format!("{absolute} does not bind {name}"),
                };
                self.lost(&reason, spot)
            }
            _ => self.lost(&format!("{full} is not in the tree"), spot),
        }
    }

    fn import_star(&mut self, state: &mut State, source: &Value, absolute: &str) {
        let here = self.frame().module;
        if let Value::Module(id) = source
            && matches!(self.modules.get(id), Some(Loading::Done(_)))
        {
            let home = Home::Module(*id);
            let all_names = self.base.base().globals.keys();
            let names: Vec<Name> = all_names
                .filter(|(each, name)| *each == home && !name.starts_with('_'))
                .map(|(_, name)| name.clone())
                .collect();
            // With `__all__` some of them may stay behind, and others come.
            let chosen = ["__all__", OPEN].iter().any(|name| self.base.global(home, &(*name).into()).is_some());
            for name in names {
                if let Some(mut value) = self.module_attribute(state, *id, &name) {
                    if chosen {
                        let other = self.lost("a star import with __all__", Spot { module: here, at: 0 });
                        value = Value::one_of([value, other.clone()], || other);
                    }
                    self.assign_name(state, &name, value);
                }
            }
            if !chosen {
                return;
            }
        }
        let reason = format!("it takes everything from {absolute}");
        let value = self.lost(&reason, Spot { module: here, at: 0 });
        state.set_global(Home::Module(here), OPEN.into(), value);
    }
}

type Request = (Name, u32, Vec<Name>);

/// Which variables functions assign, and what is imported anywhere.
fn survey(body: &[Stmt], reassigned: &mut std::collections::BTreeSet<Name>, requests: &mut Vec<Request>) {
    for stmt in body {
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other kind is its parts")]
        match &stmt.kind {
            StmtKind::Global(names) => reassigned.extend(names.iter().cloned()),
            StmtKind::Import(names) => {
                for (name, _) in names {
                    let mut part = String::new();
                    for piece in name.split('.') {
                        part = if part.is_empty() { piece.to_owned() } else { format!("{part}.{piece}") };
                        requests.push((part.as_str().into(), 0, Vec::new()));
                    }
                }
            }
            StmtKind::ImportFrom { module, level, names } => {
                requests.push((module.clone(), *level, names.iter().map(|(name, _)| name.clone()).collect()));
            }
            StmtKind::Function(function) => survey(&function.body, reassigned, requests),
            StmtKind::Class(class) => survey(&class.body, reassigned, requests),
            _ => stmt.blocks().into_iter().for_each(|body| survey(body, reassigned, requests)),
        }
    }
}
