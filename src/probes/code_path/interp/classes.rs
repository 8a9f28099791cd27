//! Classes of the tree: how they are made, what they inherit, and what their enumerations hold.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Evaled, Frame, Interp, State};
use crate::probes::code_path::model::{Class, ExprKind, Name, Stmt, StmtKind, Target, Way};
use crate::probes::code_path::state::Home;
use crate::probes::code_path::value::{Cell, ClassId, ModuleId, Origin, Value};

/// A class of the tree.
#[derive(Clone, Debug)]
pub struct ClassInfo {
    /// Its dotted name.
    pub name: Name,
    /// Where it is.
    pub module: ModuleId,
    /// Its definition.
    pub definition: Rc<Class>,
    /// Itself and the classes that it inherits from, in order of resolution.
    pub line: Vec<ClassId>,
    /// Dotted names of bases outside the tree, inherited ones included.
    pub outer: Vec<Name>,
    /// Whether something in its making is not understood: a metaclass, a decorator, a base.
    pub veiled: Option<String>,
    /// What its body bound.
    pub members: BTreeMap<Name, Value>,
    /// For an enumeration: names, contents and first names, in order.
    pub enumeration: Option<Vec<(Name, Value, Name)>>,
    /// Whether its initialiser is made from its declared fields.
    pub is_record: bool,
}

/// Bases outside the tree that add nothing which could run code of the tree.
fn is_plain_base(chain: &str) -> bool {
    let plain = [
        "builtins.object",
        "builtins.str",
        "builtins.int",
        "builtins.dict",
        "builtins.list",
        "builtins.tuple",
        "abc.ABC",
        "contextlib.ContextDecorator",
        "contextlib.AsyncContextDecorator",
        "typing.Protocol",
        "typing.Generic",
        "typing.NamedTuple",
        "typing.TypedDict",
        "typing_extensions.Protocol",
        "typing_extensions.TypedDict",
    ];
    plain.contains(&chain) || is_enum_base(chain) || is_exception(chain)
}

fn is_enum_base(chain: &str) -> bool {
    matches!(chain, "enum.Enum" | "enum.StrEnum" | "enum.IntEnum" | "enum.Flag" | "enum.IntFlag" | "enum.ReprEnum")
}

/// Whether the dotted name is one of Python's own exceptions.
pub fn is_exception(chain: &str) -> bool {
    let name = chain.strip_prefix("builtins.").unwrap_or("");
    name.ends_with("Error")
        || name.ends_with("Exception")
        || name.ends_with("Warning")
        || matches!(name, "SystemExit" | "KeyboardInterrupt" | "GeneratorExit" | "StopIteration" | "StopAsyncIteration")
}

impl Interp<'_> {
    /// A class.
    pub fn class(&self, id: ClassId) -> &ClassInfo {
        &self.classes[id.0]
    }

    /// Every class that was met.
    pub fn classes(&self) -> &[ClassInfo] {
        &self.classes
    }

    /// A member found along the line of inheritance, with the class that has it.
    pub(super) fn find_member(&self, class: ClassId, name: &str) -> Option<(ClassId, Value)> {
        self.find_member_in(&self.class(class).line, name)
    }

    pub(super) fn find_member_in(&self, line: &[ClassId], name: &str) -> Option<(ClassId, Value)> {
        line.iter().find_map(|id| self.class(*id).members.get(name).map(|value| (*id, value.clone())))
    }

    /// As [`Self::find_member`], as a path finds it: attributes of classes are assigned too, on this path or before it.
    pub(super) fn current_member(&mut self, state: &State, line: &[ClassId], name: &Name) -> Option<(ClassId, Value)> {
        let found = line.iter().find_map(|id| {
            let assigned = state.global(Home::Class(*id), name).cloned();
            let here = state.is_assigned(Home::Class(*id), name);
            let own = self.class(*id).members.get(name).cloned();
            assigned.or(own).map(|value| (*id, value, here))
        });
        let (id, value, here) = found?;
        let owner = self.class(id).definition.name.clone();
        if here || self.importing > 0 || !self.tree.may_be_replaced_in(&owner, name) {
            return Some((id, value));
        }
        let other = self.data(name);
        Some((id, Value::one_of([value, other.clone()], || other)))
    }

    /// Whether all that a class inherits is known.
    pub(super) fn is_closed(&self, class: ClassId) -> bool {
        let info = self.class(class);
        info.veiled.is_none() && info.outer.iter().all(|chain| is_plain_base(chain))
    }

    pub(super) fn has_metaclass(&self, class: ClassId) -> bool {
        self.class(class).veiled.is_some()
    }

    pub(super) fn has_own_equality(&self, class: ClassId) -> bool {
        self.class(class).veiled.is_some()
            || ["__eq__", "__ne__", "__hash__"].iter().any(|name| self.find_member(class, name).is_some())
    }

    /// Whether members of an enumeration are also texts or numbers.
    pub(super) fn is_mixed(&self, class: ClassId) -> bool {
        let mixed = ["builtins.str", "builtins.int", "enum.StrEnum", "enum.IntEnum", "enum.IntFlag"];
        self.class(class).outer.iter().any(|chain| mixed.contains(&&**chain))
    }

    /// The content of a member.
    pub(super) fn member_content(&self, member: &Value) -> Option<Value> {
        let Value::Member(class, name) = member else { return None };
        let members = self.class(*class).enumeration.as_ref()?;
        members.iter().find(|(each, ..)| each == name).map(|(_, content, _)| content.clone())
    }

    pub(super) fn member_truth(&self, class: ClassId, name: &Name) -> Option<bool> {
        let info = self.class(class);
        if self.find_member(class, "__bool__").is_some() || info.outer.iter().any(|chain| chain.ends_with("Flag")) {
            return None;
        }
        if !self.is_mixed(class) {
            return self.is_closed(class).then_some(true);
        }
        match self.member_content(&Value::Member(class, name.clone()))? {
            Value::Text(text) => Some(!text.is_empty()),
            Value::Int(value) => Some(value != 0),
            _ => None,
        }
    }

    /// Runs a class statement.
    pub(super) fn define_class(&mut self, state: State, class: &Rc<Class>) -> Evaled {
        let values: Vec<_> = class.arguments.iter().map(|argument| &argument.value).collect();
        let bases = self.evaluate_all(state, &values);
        self.then(bases, |me, state, values| me.make_class(state, class, &values))
    }

    fn make_class(&mut self, mut state: State, class: &Rc<Class>, values: &[Value]) -> Evaled {
        let mut lines: Vec<Vec<ClassId>> = Vec::new();
        let mut outer: Vec<Name> = Vec::new();
        let mut veiled: Option<String> = None;
        for (argument, value) in class.arguments.iter().zip(values) {
            match (&argument.way, value) {
                (Way::Position, Value::Class(base)) => {
                    lines.push(self.class(*base).line.clone());
                    outer.extend(self.class(*base).outer.iter().cloned());
                    veiled = veiled.or_else(|| self.class(*base).veiled.clone());
                }
                (Way::Position, Value::Unseen(unseen)) if unseen.origin == Origin::Outside => {
                    outer.push(unseen.chain.clone());
                }
                (Way::Name(name), Value::Unseen(unseen))
                    if &**name == "metaclass" && matches!(&*unseen.chain, "abc.ABCMeta" | "enum.EnumMeta") => {}
                (Way::Name(name), Value::Bool(_)) if &**name == "total" || &**name == "frozen" => {}
                _ => {
                    veiled = Some(format!("class {} is made in a way that is not understood", class.name));
                    let by_tree = match value {
                        Value::Class(_) => matches!(argument.way, Way::Name(_)),
                        Value::Object(_) | Value::Function(_) | Value::Bound(_) | Value::Partial(_) => true,
                        other => other.unseen().is_some_and(|unseen| matches!(unseen.origin, Origin::Lost(..))),
                    };
                    if by_tree {
                        // A metaclass, or an object that stands for bases: code of the tree makes the class.
                        let spot = self.spot(class.at);
                        self.taint(&mut state, "a class is made by code that is not followed", spot);
                    }
                }
            }
        }
        let id = ClassId(self.classes.len());
        let line = resolution_order(id, &lines);
        let enclosing = self.frame().body_of.map(|outer| self.class(outer).name.clone());
        let name = match enclosing {
            Some(outer) => format!("{outer}.{}", class.name).into(),
            None => self.tree.qualified(self.frame().module, &class.name),
        };
        let is_record = self.is_record(&state, class, &line, &outer);
        self.classes.push(ClassInfo {
            name,
            module: self.frame().module,
            definition: class.clone(),
            line,
            outer,
            veiled,
            members: BTreeMap::new(),
            enumeration: None,
            is_record,
        });
        self.class_body(state, class, id)
    }

    fn class_body(&mut self, mut state: State, class: &Rc<Class>, id: ClassId) -> Evaled {
        let scope = self.address();
        let outer = self.frame().scope;
        state.put(scope, Cell::Scope { names: BTreeMap::new(), outer });
        let mut frame: Frame = self.frame().clone();
        frame.scope = Some(scope);
        frame.body_of = Some(id);
        frame.class = Some(id);
        frame.called_at = None;
        self.frames.push(frame);
        let outcomes = self.block(state, &class.body);
        self.frames.pop();
        let mut out = Vec::new();
        let mut members: BTreeMap<Name, Value> = BTreeMap::new();
        for (mut state, flow) in outcomes {
            if let super::Flow::Raise(exc) = flow {
                out.push((state, Err(exc)));
                continue;
            }
            if let Some(names) = self.scope_names(&state, scope) {
                for (name, value) in names.clone() {
                    let both = members.remove(&name).into_iter().chain([value]);
                    let both = Value::one_of(both.collect::<Vec<_>>(), || self.data(&name));
                    members.insert(name, both);
                }
            }
            state.drop_cell(scope);
            out.push((state, Ok(Value::Class(id))));
        }
        let is_enum = self.class(id).outer.iter().any(|chain| is_enum_base(chain));
        let enumeration = is_enum.then(|| enumeration(&class.body, &members));
        let unclear = enumeration.iter().flatten().any(|(_, content, _)| match content {
            Value::Unseen(unseen) => &*unseen.chain != "enum.auto",
            Value::Object(_) => true,
            _ => false,
        });
        let hooked = self.find_member_in(&self.class(id).line[1..], "__init_subclass__").is_some();
        let is_cut = self.exhausted.is_some();
        self.run_class_hooks(&mut out, &members, id, hooked, class.at);
        let info = &mut self.classes[id.0];
        if hooked {
            info.veiled = Some(format!("a base of {} changes its subclasses", info.name));
        }
        info.members = members;
        info.enumeration = enumeration.filter(|members| !members.is_empty());
        if is_cut {
            info.veiled = Some(format!("the body of {} was not followed to its end", info.name));
        }
        if unclear {
            // Two members with equal contents are one member.
            info.veiled = Some(format!("the contents of the members of {} are not known", info.name));
        }
        self.decorate(out, class, id)
    }

    /// What bases and members do when a class of theirs is made.
    fn run_class_hooks(
        &mut self,
        made: &mut Evaled,
        members: &BTreeMap<Name, Value>,
        id: ClassId,
        hooked: bool,
        at: u32,
    ) {
        let spot = self.spot(at);
        let mut hooks: Vec<Value> = Vec::new();
        if hooked && let Some((_, hook)) = self.find_member_in(&self.class(id).line[1..], "__init_subclass__") {
            hooks.push(Value::Bound(Rc::new((Value::Class(id), hook))));
        }
        for (state, _) in made.iter() {
            members.values().for_each(|value| self.hooks(state, value, &["__set_name__"], 0, &mut hooks));
        }
        if self.class(id).enumeration.is_some() || self.class(id).outer.iter().any(|chain| is_enum_base(chain)) {
            // Each member is made by them.
            let makers = ["__init__", "__new__", "_generate_next_value_"].iter().filter_map(|name| members.get(*name));
            hooks.extend(makers.cloned());
        }
        if hooks.is_empty() {
            return;
        }
        for (state, result) in std::mem::take(made) {
            let states = self.perhaps(state, &hooks, spot);
            made.extend(states.into_iter().map(|state| (state, result.clone())));
        }
    }

    fn decorate(&mut self, made: Evaled, class: &Rc<Class>, id: ClassId) -> Evaled {
        let decorators: Vec<_> = class.decorators.iter().collect();
        self.then(made, |me, state, value| {
            let evaluated = me.evaluate_all(state, &decorators);
            me.then(evaluated, |me, state, values| {
                let mut current: Evaled = vec![(state, Ok(value.clone()))];
                for (expr, decorator) in class.decorators.iter().zip(&values).rev() {
                    let known = decorator.unseen().is_some_and(|unseen| {
                        let known = [
                            "dataclasses.dataclass",
                            "enum.unique",
                            "typing.final",
                            "typing.runtime_checkable",
                            "functools.total_ordering",
                            "typing_extensions.final",
                        ];
                        known.contains(&&*unseen.chain)
                    });
                    if known {
                        continue;
                    }
                    let spot = me.spot(expr.at);
                    let followed = match decorator {
                        Value::Function(_)
                        | Value::Bound(_)
                        | Value::Partial(_)
                        | Value::Object(_)
                        | Value::Class(_) => true,
                        other => other.unseen().is_some_and(|unseen| matches!(unseen.origin, Origin::Lost(..))),
                    };
                    let mut changed = !followed;
                    if followed {
                        current = me.then(current, |me, state, value| {
                            me.call(state, decorator, super::Arguments::of(vec![value]), spot)
                        });
                        changed = current.iter().any(|(_, result)| !matches!(result, Ok(same) if *same == value));
                        current.iter_mut().for_each(|(_, result)| *result = Ok(value.clone()));
                    }
                    if changed {
                        let reason = format!("class {} has a decorator that is not understood", class.name);
                        me.classes[id.0].veiled = Some(reason);
                    }
                }
                current
            })
        })
    }

    /// Whether the class's initialiser is made from its fields: decided by the decorator's text, before the body runs.
    fn is_record(&self, state: &State, class: &Class, line: &[ClassId], outer: &[Name]) -> bool {
        let named = class.decorators.iter().any(|decorator| {
            let callee = match &decorator.kind {
                ExprKind::Call(callee, _) => callee,
                _ => decorator,
            };
            let chain = match &callee.kind {
                ExprKind::Name(name) => self.global(state, self.frame().module, name),
                ExprKind::Attribute(_, name) if &**name == "dataclass" => return true,
                _ => None,
            };
            chain.is_some_and(|value| value.unseen().is_some_and(|unseen| &*unseen.chain == "dataclasses.dataclass"))
        });
        let base = ["typing.NamedTuple", "pydantic.BaseModel"];
        named
            || outer.iter().any(|chain| base.contains(&&**chain))
            || line[1..].iter().any(|id| self.class(*id).is_record)
    }

    /// The declared fields of a record, base classes first: name, the class that declares it, and the statement's parts.
    pub(super) fn record_fields(&self, class: ClassId) -> Vec<(Name, ClassId, usize)> {
        let mut fields: Vec<(Name, ClassId, usize)> = Vec::new();
        for id in self.class(class).line.iter().rev() {
            for (index, stmt) in self.class(*id).definition.body.iter().enumerate() {
                if let StmtKind::Declare(Target::Name(name), annotation, _) = &stmt.kind {
                    if mentions(annotation, "ClassVar") {
                        continue;
                    }
                    match fields.iter_mut().find(|(each, ..)| each == name) {
                        Some(field) => (field.1, field.2) = (*id, index),
                        None => fields.push((name.clone(), *id, index)),
                    }
                }
            }
        }
        fields
    }

    /// Names that methods other than the initialiser assign to the instance.
    pub(super) fn is_assigned_later(&self, class: ClassId, field: &str) -> bool {
        self.class(class).line.iter().any(|id| {
            self.class(*id).definition.body.iter().any(|stmt| match &stmt.kind {
                StmtKind::Function(function) => {
                    !matches!(&*function.name, "__init__" | "__post_init__" | "__new__")
                        && function.self_assigned.contains(field)
                }
                _ => false,
            })
        })
    }

    /// Whether a class cannot have instances of its own: a method of its line is abstract, or it is a protocol.
    pub(super) fn is_abstract(&self, class: ClassId) -> bool {
        let info = self.class(class);
        let names: Vec<&Name> = info.line.iter().flat_map(|id| self.class(*id).members.keys()).collect();
        let is_abstract = |value: &Value| match value {
            Value::Function(closure) => closure.function.decorators.iter().any(|d| mentions(d, "abstractmethod")),
            _ => false,
        };
        let abstract_base = info.outer.iter().any(|chain| &**chain == "abc.ABC")
            || info.line.iter().any(|id| {
                self.class(*id).definition.arguments.iter().any(|argument| mentions(&argument.value, "ABCMeta"))
            });
        self.is_protocol(class)
            || (abstract_base
                && names.iter().any(|name| self.find_member(class, name).is_some_and(|(_, value)| is_abstract(&value))))
    }

    /// Whether the class is itself a protocol: anything of the right form may stand for it.
    pub(super) fn is_protocol(&self, class: ClassId) -> bool {
        self.class(class).definition.arguments.iter().any(|argument| mentions(&argument.value, "Protocol"))
    }
}

/// Whether an expression names something anywhere.
pub(super) fn mentions(expr: &crate::probes::code_path::model::Expr, what: &str) -> bool {
    match &expr.kind {
        ExprKind::Name(name) => &**name == what,
        ExprKind::Attribute(inner, name) => &**name == what || mentions(inner, what),
        ExprKind::Item(object, index) => mentions(object, what) || mentions(index, what),
        ExprKind::Call(callee, _) => mentions(callee, what),
        _ => false,
    }
}

fn enumeration(body: &[Stmt], members: &BTreeMap<Name, Value>) -> Vec<(Name, Value, Name)> {
    let mut all: Vec<(Name, Value, Name)> = Vec::new();
    for stmt in body {
        let StmtKind::Assign(targets, _) = &stmt.kind else { continue };
        for target in targets {
            let Target::Name(name) = target else { continue };
            let Some(content) = members.get(name) else { continue };
            let is_member = !name.starts_with('_')
                && !matches!(content, Value::Function(_) | Value::Bound(_) | Value::Class(_) | Value::OneOf(_));
            if is_member && !all.iter().any(|(each, ..)| each == name) {
                let first = all.iter().find(|(_, other, _)| other == content).map(|(_, _, first)| first.clone());
                all.push((name.clone(), content.clone(), first.unwrap_or_else(|| name.clone())));
            }
        }
    }
    all
}

/// C3 linearisation; where there is none, the bases' lines one after another.
fn resolution_order(id: ClassId, lines: &[Vec<ClassId>]) -> Vec<ClassId> {
    let mut order = vec![id];
    let mut rest: Vec<Vec<ClassId>> = lines.to_vec();
    rest.push(lines.iter().filter_map(|line| line.first().copied()).collect());
    loop {
        rest.retain(|line| !line.is_empty());
        if rest.is_empty() {
            return order;
        }
        let free = rest.iter().map(|line| line[0]).find(|head| !rest.iter().any(|line| line[1..].contains(head)));
        let next = free.unwrap_or(rest[0][0]);
        order.push(next);
        rest.iter_mut().for_each(|line| line.retain(|each| *each != next));
    }
}
