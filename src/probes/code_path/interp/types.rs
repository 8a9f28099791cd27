//! Values that stand for "some argument of this declared type". Declarations are taken at their word.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Interp, State};
use crate::probes::code_path::model::{Const, Expr, ExprKind, Name, Parameter, ParameterKind, StmtKind, Way};
use crate::probes::code_path::value::{Arguments, Cell, ClassId, Closure, ModuleId, Origin, Unseen, UnseenKind, Value};

/// More concrete classes than this for one declaration are not told apart.
const CLASSES: usize = 8;

/// Initialisers that are followed inside initialisers.
const FILLING: usize = 6;

impl Interp<'_> {
    /// A value of the declared type, named by `chain` in messages and patterns.
    pub(super) fn declared(&mut self, state: &mut State, expr: &Expr, module: ModuleId, chain: &str) -> Value {
        match &expr.kind {
            ExprKind::Const(Const::None) => Value::None,
            ExprKind::Either(parts) => {
                let values: Vec<_> = parts.iter().map(|part| self.declared(state, part, module, chain)).collect();
                Value::one_of(values, || self.data(chain))
            }
            ExprKind::Item(of, index) => self.declared_item(state, of, index, module, chain),
            ExprKind::Name(_) | ExprKind::Attribute(..) => {
                let named = self.dotted(state, expr, module);
                self.of_type(state, named, chain)
            }
            _ => self.data(chain),
        }
    }

    fn declared_item(&mut self, state: &mut State, of: &Expr, index: &Expr, module: ModuleId, chain: &str) -> Value {
        let generic = self.dotted(state, of, module);
        let name = generic.as_ref().and_then(|value| value.unseen().map(|unseen| unseen.chain.clone()));
        match name.as_deref() {
            Some("typing.Optional") => {
                let inner = self.declared(state, index, module, chain);
                Value::one_of([Value::None, inner], || self.data(chain))
            }
            Some("typing.Union") => match &index.kind {
                ExprKind::Sequence(_, elements) => {
                    let values: Vec<_> =
                        elements.iter().map(|element| self.declared(state, &element.value, module, chain)).collect();
                    Value::one_of(values, || self.data(chain))
                }
                _ => self.declared(state, index, module, chain),
            },
            Some("typing.Final" | "typing.ClassVar") => self.declared(state, index, module, chain),
            Some("typing.Annotated") => match &index.kind {
                ExprKind::Sequence(_, elements) if !elements.is_empty() => {
                    self.declared(state, &elements[0].value, module, chain)
                }
                _ => self.data(chain),
            },
            Some("typing.Literal") => self.scalar(chain),
            _ => self.of_type(state, generic, chain),
        }
    }

    /// The value of a dotted name in a module, without running anything.
    pub(super) fn dotted(&mut self, state: &mut State, expr: &Expr, module: ModuleId) -> Option<Value> {
        let value = match &expr.kind {
            ExprKind::Name(name) => self.module_attribute(state, module, name).or_else(|| self.builtin(name)),
            ExprKind::Attribute(object, name) => match self.dotted(state, object, module)? {
                Value::Module(id) => self.module_attribute(state, id, name),
                Value::Class(id) => self.find_member(id, name).map(|(_, value)| value),
                Value::Unseen(unseen) if unseen.origin == Origin::Outside => {
                    let chain = format!("{}.{name}", unseen.chain);
                    Some(self.unseen(Origin::Outside, &chain, UnseenKind::Plain))
                }
                _ => None,
            },
            _ => None,
        };
        // A name bound only while types are checked is bound on one of two paths.
        value.map(|value| {
            let bound: Vec<_> = value.alternatives().into_iter().filter(|each| *each != Value::Unbound).collect();
            Value::one_of(bound, || self.data("type"))
        })
    }

    fn of_type(&mut self, state: &mut State, named: Option<Value>, chain: &str) -> Value {
        match named {
            Some(Value::Class(class)) => self.instance_of(state, class, chain),
            Some(Value::Unseen(unseen)) if unseen.origin == Origin::Outside => {
                self.of_outer_type(state, &unseen.chain, chain)
            }
            _ => self.data(chain),
        }
    }

    fn of_outer_type(&mut self, state: &mut State, name: &str, chain: &str) -> Value {
        match name {
            "builtins.bool" => self.flag(),
            "builtins.str" | "builtins.int" | "builtins.float" | "builtins.bytes" | "decimal.Decimal"
            | "pathlib.Path" | "datetime.datetime" | "datetime.date" | "uuid.UUID" => self.scalar(chain),
            "builtins.list"
            | "builtins.dict"
            | "builtins.tuple"
            | "builtins.set"
            | "builtins.frozenset"
            | "typing.List"
            | "typing.Dict"
            | "typing.Tuple"
            | "typing.Set"
            | "typing.FrozenSet"
            | "typing.Sequence"
            | "typing.Mapping"
            | "typing.MutableMapping"
            | "typing.Collection"
            | "collections.abc.Sequence"
            | "collections.abc.Mapping"
            | "collections.abc.MutableMapping"
            | "collections.abc.Collection"
            | "collections.OrderedDict"
            | "collections.deque" => self.collection(chain),
            "typing.Any" | "builtins.object" => self.data(chain),
            _ if name.starts_with("typing.") || name.starts_with("collections.abc.") => self.data(chain),
            _ => {
                let id = self.address();
                let (connection, owner, kind) = (None, None, UnseenKind::Plain);
                let unseen = Unseen { id, origin: Origin::Outside, chain: name.into(), connection, owner, kind };
                let below = self.instances_below_outer(state, name, chain);
                Value::one_of([Value::Unseen(Rc::new(unseen))].into_iter().chain(below), || self.data(chain))
            }
        }
    }

    /// An instance of a class or of one of its subclasses in the tree, that was made before the run.
    pub(super) fn instance_of(&mut self, state: &mut State, class: ClassId, chain: &str) -> Value {
        if let Some(members) = self.class(class).enumeration.clone() {
            let firsts: Vec<_> = members.into_iter().map(|(_, _, first)| Value::Member(class, first)).collect();
            return Value::one_of(firsts, || self.data(chain));
        }
        if self.is_protocol(class) {
            return self.implementation(state, class, chain);
        }
        let concrete = self.concrete(class);
        self.catch_up(state);
        if concrete.is_empty() || concrete.len() > CLASSES {
            return self.data(chain);
        }
        let mut instances: Vec<_> = concrete.iter().map(|id| self.earlier_instance(state, *id)).collect();
        if let Some((reason, spot)) = self.unseen_below(class) {
            instances.push(self.lost(&reason, spot));
        }
        Value::one_of(instances, || self.data(chain))
    }

    /// An instance of exactly this class that was made before the run.
    pub(super) fn earlier_instance(&mut self, state: &mut State, class: ClassId) -> Value {
        let address = self.address();
        state.put(address, Cell::Instance { class, fields: BTreeMap::new(), fresh: false, filled: false });
        Value::Object(address)
    }

    /// Takes into a path what was loaded while it was followed.
    pub(super) fn catch_up(&mut self, state: &mut State) {
        state.rebase(&self.base);
    }

    /// Follows the initialiser of an instance that was made before the run, with any arguments of the
    /// declared types, to learn its attributes. What it does to the world was done before the run.
    pub(super) fn fill(&mut self, state: &mut State, address: u32) {
        let Some(Cell::Instance { class, filled: false, .. }) = state.cell(address) else { return };
        let class = *class;
        if let Some(Cell::Instance { filled, .. }) = state.cell_mut(address) {
            *filled = true;
        }
        if self.filling >= FILLING {
            return;
        }
        let kept = state.clone();
        let frames = std::mem::take(&mut self.frames);
        let catching = std::mem::take(&mut self.catching);
        (self.filling, self.quiet) = (self.filling + 1, self.quiet + 1);
        let mut result = self.filled_states(state.clone(), class, address).into_iter();
        (self.filling, self.quiet) = (self.filling - 1, self.quiet - 1);
        (self.frames, self.catching) = (frames, catching);
        if let Some(first) = result.next() {
            let first = first.without_effect();
            let joined = result.fold(first, |all, other| {
                let other = other.without_effect();
                let mut lost = || self.data("merged");
                all.join(&other, &mut lost)
            });
            *state = joined;
            state.keep_outside(kept);
        }
        self.blur_fields(state, class, address);
    }

    fn filled_states(&mut self, mut state: State, class: ClassId, address: u32) -> Vec<State> {
        let this = Value::Object(address);
        match self.find_member(class, "__init__") {
            Some((_, Value::Function(closure))) => {
                let arguments = self.any_arguments(&mut state, &closure, Some(this));
                let called = self.invoke(state, &closure, arguments, None);
                called.into_iter().filter(|(_, result)| result.is_ok()).map(|(state, _)| state).collect()
            }
            Some(_) => vec![state],
            None => {
                if self.class(class).is_record {
                    self.fill_record(&mut state, class, address);
                }
                vec![state]
            }
        }
    }

    fn fill_record(&mut self, state: &mut State, class: ClassId, address: u32) {
        let mut position = 0;
        for (name, owner, index) in self.record_fields(class) {
            let info = self.class(owner);
            let (module, definition) = (info.module, info.definition.clone());
            let StmtKind::Declare(_, annotation, default) = &definition.body[index].kind else { continue };
            let declared = self.declared(state, annotation, module, &name);
            let declared = self.with_assigned(state, class, &name, Some(position), declared);
            position += 1;
            let default = match default {
                Some(default) => {
                    let made = self.record_default(state, default, annotation, owner, &name);
                    self.default_made_earlier(state, made)
                }
                None => None,
            };
            let value = Value::one_of(default.into_iter().chain([declared]).collect::<Vec<_>>(), || self.data(&name));
            self.set_field(state, address, &name, value);
        }
    }

    /// The default of a field where it is a literal, plain or as `field(default=…)`.
    pub(super) fn plain_default(&mut self, default: &Expr) -> Option<Value> {
        match &default.kind {
            ExprKind::Const(constant) => Some(self.constant(constant)),
            ExprKind::Call(_, arguments) => {
                arguments.iter().find_map(|argument| match (&argument.way, &argument.value.kind) {
                    (Way::Name(name), ExprKind::Const(constant)) if &**name == "default" => {
                        Some(self.constant(constant))
                    }
                    _ => None,
                })
            }
            _ => None,
        }
    }

    /// Attributes that other methods assign may hold what an earlier run left there.
    pub(super) fn blur_fields(&mut self, state: &mut State, class: ClassId, address: u32) {
        let Some(Cell::Instance { fields, .. }) = state.cell(address) else { return };
        let collections: Vec<(Name, u32)> = fields
            .iter()
            .filter_map(|(name, value)| match value {
                Value::Object(address) => Some((name.clone(), *address)),
                _ => None,
            })
            .collect();
        let tuples: Vec<Value> = fields.values().filter(|value| matches!(value, Value::Tuple(_))).cloned().collect();
        tuples.iter().for_each(|tuple| self.blur_tuple(state, tuple));
        for (name, address) in collections {
            self.blur_collection(state, address, &name);
        }
        let Some(Cell::Instance { fields, .. }) = state.cell(address) else { return };
        let module = self.class(class).module;
        let names: Vec<Name> = fields
            .keys()
            .filter(|name| self.is_assigned_later(class, name) || self.tree.may_be_replaced_near(module, name))
            .cloned()
            .collect();
        for name in names {
            if self.pinned.contains(&(address, name.clone())) {
                continue;
            }
            // What was left there is of the declared type, where there is one.
            let later = match self.declared_field(state, class, &name) {
                Some(later) => later,
                None => self.data(&name),
            };
            let Some(Cell::Instance { fields, .. }) = state.cell_mut(address) else { return };
            let before = fields.remove(&name).into_iter().chain([later.clone()]).collect::<Vec<_>>();
            fields.insert(name, Value::one_of(before, || later));
        }
    }

    /// A value of the type that a class declares for an attribute.
    fn declared_field(&mut self, state: &mut State, class: ClassId, name: &Name) -> Option<Value> {
        let (_, owner, index) = self.record_fields(class).into_iter().find(|(each, ..)| each == name)?;
        let info = self.class(owner);
        let (module, definition) = (info.module, info.definition.clone());
        match &definition.body[index].kind {
            StmtKind::Declare(_, annotation, _) => {
                let declared = self.declared(state, annotation, module, name);
                Some(self.with_assigned(state, class, name, None, declared))
            }
            _ => None,
        }
    }

    /// A default as an object holds it that was made before the run.
    fn default_made_earlier(&mut self, state: &mut State, default: Value) -> Option<Value> {
        let each = default.alternatives().into_iter().map(|value| match value {
            Value::Object(address) => match state.cell(address) {
                Some(Cell::Instance { class, fresh: true, .. }) => {
                    let class = *class;
                    self.earlier_instance(state, class)
                }
                Some(Cell::Instance { .. } | Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_))
                | None => Value::Object(address),
            },
            other => other,
        });
        let each: Vec<_> = each.collect();
        Some(Value::one_of(each, || self.data("default")))
    }

    pub(super) fn set_field(&mut self, state: &mut State, address: u32, name: &Name, value: Value) {
        if let Some(Cell::Instance { fields, .. }) = state.cell_mut(address) {
            fields.insert(name.clone(), value);
        }
    }

    /// Arguments of the declared types for every parameter of a function; optional ones may be absent.
    pub(super) fn any_arguments(&mut self, state: &mut State, closure: &Closure, receiver: Option<Value>) -> Arguments {
        let mut arguments = Arguments::default();
        let mut receiver = receiver;
        for (index, parameter) in closure.function.parameters.iter().enumerate() {
            if let Some(receiver) = receiver.take() {
                arguments.positions.push(receiver);
                continue;
            }
            let value = self.any_argument(state, closure, index, parameter);
            match parameter.kind {
                ParameterKind::Position => arguments.positions.push(value),
                ParameterKind::Either | ParameterKind::Name => arguments.names.push((parameter.name.clone(), value)),
                ParameterKind::Rest | ParameterKind::RestNames => arguments.open = true,
            }
        }
        arguments
    }

    fn any_argument(&mut self, state: &mut State, closure: &Closure, index: usize, parameter: &Parameter) -> Value {
        let declared = match &parameter.annotation {
            Some(annotation) => {
                let declared = self.declared(state, annotation, closure.module, &parameter.name);
                self.with_given(state, closure, index, declared)
            }
            None => self.data(&parameter.name),
        };
        let default = closure.defaults.get(index).cloned().flatten();
        let all: Vec<_> = default.into_iter().chain([declared]).collect();
        Value::one_of(all, || self.data(&parameter.name))
    }
}
