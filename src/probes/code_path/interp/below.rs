//! Which classes of the tree a declared class stands for: those below it, and whether there may be others that
//! are made in a way that is not seen.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Interp, State};
use crate::probes::code_path::model::{Expr, ExprKind, Name, Stmt, StmtKind, Way};
use crate::probes::code_path::occurrences::last_name;
use crate::probes::code_path::value::{ClassId, Spot, Value};

/// Classes below one name that are not told apart.
const CLASSES: usize = 8;

/// Files that are looked into for classes with the methods of a protocol.
const FILES: usize = 40;

/// Functions that make classes.
const MAKERS: &[&str] = &["type", "new_class", "make_dataclass", "with_metaclass", "namedtuple"];

/// Functions that give modules by names that are texts.
const DYNAMIC: &[&str] = &["importlib.", "builtins.__import__", "pkgutil.", "runpy."];

impl Interp<'_> {
    /// The classes of the tree whose instances a declared class admits; tests aside.
    pub(super) fn concrete(&mut self, class: ClassId) -> Rc<Vec<ClassId>> {
        if let Some(known) = self.subclasses.get(&class) {
            return known.clone();
        }
        let mut found = self.below(class);
        found.retain(|id| !self.is_abstract(*id));
        let found = Rc::new(found);
        self.subclasses.insert(class, found.clone());
        found
    }

    fn below(&mut self, class: ClassId) -> Vec<ClassId> {
        let mut found = vec![class];
        let mut index = 0;
        while index < found.len() {
            let name = self.class(found[index]).definition.name.clone();
            for module in self.tree.files_with_base(&name) {
                self.load(module);
            }
            let parent = found[index];
            let children = (0..self.classes().len()).map(ClassId).filter(|id| {
                let info = self.class(*id);
                info.line.contains(&parent) && !self.tree.file(info.module).is_test
            });
            for child in children.collect::<Vec<_>>() {
                if !found.contains(&child) {
                    found.push(child);
                }
            }
            index += 1;
        }
        found
    }

    /// Why there may be classes below one that are not seen, and where.
    pub(super) fn unseen_below(&mut self, class: ClassId) -> Option<(String, Spot)> {
        if let Some(known) = self.unseen_classes.get(&class) {
            return known.clone();
        }
        self.unseen_classes.insert(class, None);
        let found = self.below(class).into_iter().find_map(|id| self.unseen_child(id));
        self.unseen_classes.insert(class, found.clone());
        found
    }

    fn unseen_child(&mut self, class: ClassId) -> Option<(String, Spot)> {
        let name = self.class(class).definition.name.clone();
        let tree = self.tree;
        for module in tree.files_with_word(&name) {
            let all = self.occurrences(module);
            let mut names = vec![name.clone()];
            names.extend(all.renamed.iter().filter(|(each, _)| *each == name).map(|(_, other)| other.clone()));
            let is_named = |expr: &Expr| {
                !matches!(expr.kind, ExprKind::Call(..)) && last_name(expr).is_some_and(|each| names.contains(each))
            };
            let at = |at: u32| Spot { module, at };
            if let Some(inner) =
                all.inner_classes.iter().find(|inner| inner.arguments.iter().any(|base| is_named(&base.value)))
            {
                // One that was followed is known by its own.
                let whole = |known: &super::ClassInfo| known.veiled.is_none() && known.module == module;
                if !self.classes().iter().any(|known| whole(known) && known.definition.at == inner.at) {
                    return Some((
                        format!("class {} inside a function inherits from {name}", inner.name),
                        at(inner.at),
                    ));
                }
            }
            // A base of that name which came in a way that is not followed may be this class.
            let blurred = self.classes().iter().find(|known| {
                let dynamic = |outer: &Name| DYNAMIC.iter().any(|way| outer.starts_with(way));
                known.module == module
                    && !known.line.contains(&class)
                    && (known.veiled.is_some() || known.outer.iter().any(dynamic))
                    && known.definition.arguments.iter().any(|base| is_named(&base.value))
            });
            if let Some(known) = blurred {
                return Some((format!("what {} inherits from is not known", known.name), at(known.definition.at)));
            }
            let makes = all.calls.iter().find(|call| {
                let maker = last_name(call.callee).is_some_and(|callee| MAKERS.contains(&&**callee));
                maker && call.arguments.iter().any(|argument| holds(&argument.value, &is_named))
            });
            if let Some(call) = makes {
                return Some((format!("a class below {name} may be made by a call"), at(call.callee.at)));
            }
            if let Some(expr) = all.registering.iter().find(|expr| is_named(expr)) {
                return Some((format!("another class is registered as {name}"), at(expr.at)));
            }
            let computed = all.classes.iter().find(|class| {
                class.arguments.iter().any(|base| match &base.value.kind {
                    ExprKind::Call(_, arguments) => {
                        base.way == Way::Position && arguments.iter().any(|each| holds(&each.value, &is_named))
                    }
                    _ => false,
                })
            });
            if let Some(class) = computed {
                return Some((format!("what class {} inherits from is computed", class.name), at(class.at)));
            }
        }
        let callee = tree.computed_bases().iter().find(|callee| {
            tree.files_with_word(callee).into_iter().any(|id| {
                let file = tree.file(id);
                file.scan().defined.contains(callee.as_str()) && file.may_hold(&name)
            })
        })?;
        let spot = Spot { module: self.class(class).module, at: self.class(class).definition.at };
        Some((format!("a class inherits from what {callee}() gives, which may be {name}"), spot))
    }

    /// An instance of any class of the tree that has all the methods of a protocol.
    pub(super) fn implementation(&mut self, state: &mut State, class: ClassId, chain: &str) -> Value {
        let line = self.class(class).line.clone();
        let methods: BTreeSet<Name> = line
            .iter()
            .filter(|id| self.is_protocol(**id))
            .flat_map(|id| self.class(*id).members.iter())
            .filter(|(name, value)| matches!(value, Value::Function(_)) && &***name != "__init__")
            .map(|(name, _)| name.clone())
            .collect();
        let tree = self.tree;
        let home = self.class(class).module;
        // A method may be put into an object that has none.
        if methods.iter().any(|name| tree.may_be_replaced_near(home, name)) {
            return self.data(chain);
        }
        let Some(modules) = methods.iter().map(|name| tree.files_with_word(name)).min_by_key(Vec::len) else {
            return self.data(chain);
        };
        if modules.len() > FILES {
            return self.data(chain);
        }
        let mut unseen = None;
        for module in modules {
            self.load(module);
            // A class inside a function is made when that runs.
            let all = self.occurrences(module);
            let defines = |name: &Name, body: &[Stmt]| {
                body.iter().any(|stmt| matches!(&stmt.kind, StmtKind::Function(each) if each.name == *name))
            };
            let inner = all.inner_classes.iter().find(|inner| methods.iter().any(|name| defines(name, &inner.body)));
            unseen = unseen.or(inner.map(|inner| {
                let reason = format!("class {} inside a function has methods of a protocol", inner.name);
                (reason, Spot { module, at: inner.at })
            }));
        }
        self.catch_up(state);
        let fits = |me: &Self, id: ClassId| {
            let info = me.class(id);
            let assigns = |name: &Name| {
                let bodies = info.line.iter().flat_map(|id| me.class(*id).definition.body.iter());
                bodies.into_iter().any(|stmt| match &stmt.kind {
                    StmtKind::Function(function) => function.self_assigned.contains(name),
                    _ => false,
                })
            };
            let has = |name: &Name| me.find_member(id, name).is_some() || assigns(name);
            !tree.file(info.module).is_test
                && !me.is_abstract(id)
                && info.enumeration.is_none()
                && (info.line.contains(&class) || methods.iter().all(has))
        };
        let found: Vec<ClassId> = (0..self.classes().len()).map(ClassId).filter(|id| fits(self, *id)).collect();
        if found.is_empty() || found.len() > CLASSES {
            return self.data(chain);
        }
        let mut instances: Vec<Value> = Vec::new();
        for id in found {
            let instance = self.earlier_instance(state, id);
            if let Value::Object(address) = &instance {
                self.implementing.insert(*address);
            }
            instances.push(instance);
        }
        if let Some((reason, spot)) = unseen {
            instances.push(self.lost(&reason, spot));
        }
        Value::one_of(instances, || self.data(chain))
    }

    /// Instances of the classes of the tree that inherit from a class outside it.
    pub(super) fn instances_below_outer(&mut self, state: &mut State, name: &str, chain: &str) -> Vec<Value> {
        let last = name.rsplit('.').next().unwrap_or(name).to_owned();
        for module in self.tree.files_with_base(&last) {
            self.load(module);
        }
        self.catch_up(state);
        let found = (0..self.classes().len()).map(ClassId).filter(|id| {
            let info = self.class(*id);
            let inherits = info.outer.iter().any(|outer| outer.rsplit('.').next() == Some(last.as_str()));
            inherits && !self.tree.file(info.module).is_test
        });
        let found: Vec<ClassId> = found.collect();
        if found.len() > CLASSES {
            return vec![self.data(chain)];
        }
        found.into_iter().map(|id| self.earlier_instance(state, id)).collect()
    }

    /// Whether an instance of another class may still count as one of this class: it says so itself, or the
    /// other is registered with it.
    pub(super) fn may_claim(&mut self, class: ClassId) -> bool {
        let hooked = ["__subclasshook__", "__instancecheck__"];
        self.class(class).veiled.is_some()
            || self.is_protocol(class)
            || hooked.iter().any(|name| self.find_member(class, name).is_some())
            || {
                let name = self.class(class).definition.name.clone();
                let tree = self.tree;
                tree.files_with_word(&name).into_iter().any(|module| {
                    let all = self.occurrences(module);
                    all.registering.iter().any(|expr| last_name(expr) == Some(&name))
                })
            }
    }
}

/// Whether an expression is, or displays, something.
fn holds(expr: &Expr, is: &dyn Fn(&Expr) -> bool) -> bool {
    is(expr)
        || match &expr.kind {
            ExprKind::Sequence(_, elements) => elements.iter().any(|element| holds(&element.value, is)),
            _ => false,
        }
}
