//! What a module may replace in things that are not its own: attributes that it assigns or deletes, in whatever way the
//! language has for it, and what is given to functions that do so. It follows no paths and errs on the side of too much.

use std::collections::{BTreeMap, BTreeSet};

use crate::probes::code_path::model::{
    Argument, Class, Const, Expr, ExprKind, Function, Module, Name, Pattern, Stmt, StmtKind, Target, Way,
};
use crate::probes::code_path::occurrences::last_name;
use crate::probes::code_path::parts::Part;
use crate::probes::code_path::scan::REWIRING;

/// What one module replaces.
#[derive(Debug, Default)]
pub(super) struct Rewired {
    /// Attributes of anything but `self`.
    pub names: BTreeSet<Name>,
    /// Attributes of what belongs to a library, with the library's first name.
    pub rooted: BTreeSet<(String, Name)>,
    /// Libraries of which attributes are replaced under names that are not seen.
    pub computed: BTreeSet<String>,
}

/// Functions and methods that set or delete an attribute by its name, or all of a module's names.
const SETTERS: &[&str] = &["setattr", "delattr", "__setattr__", "__delattr__"];

/// Names that a test library gives to what replaces attributes: `patch("a.b")`, `patch.object(a, "b")`,
/// `patch.multiple(a, b=…)`.
const PATCHES: &[&str] = &["patch", "object", "multiple"];

/// Methods and functions that change a table of attributes.
const TABLE_SETTERS: &[&str] =
    &["update", "setdefault", "pop", "popitem", "clear", "setitem", "delitem", "__setitem__", "__delitem__"];

/// Functions that are given an attribute's name and only look.
const LOOKING: &[&str] = &["getattr", "hasattr", "isinstance", "issubclass", "print"];

impl Rewired {
    /// Of a module.
    pub fn of(module: &Module) -> Self {
        let mut walk = Walk::default();
        // What a name stands for may be said below its use, and by way of another.
        for _ in 0..3 {
            walk.block(&module.body);
        }
        if walk.loose {
            let texts = std::mem::take(&mut walk.texts);
            walk.found.names.extend(texts.iter().map(|text| last_part(text)));
            let libraries: Vec<String> = walk.roots.values().flatten().cloned().collect();
            for library in libraries {
                walk.found.computed.insert(library);
            }
        }
        walk.found
    }
}

#[derive(Default)]
struct Walk {
    found: Rewired,
    /// The libraries that a name may belong to.
    roots: BTreeMap<Name, BTreeSet<String>>,
    /// Every text.
    texts: BTreeSet<Name>,
    /// Whether a setter stands as a value: it may be called under another name.
    loose: bool,
}

impl Walk {
    fn block(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.statement(stmt));
    }

    fn statement(&mut self, stmt: &Stmt) {
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other kind is its parts")]
        match &stmt.kind {
            StmtKind::Assign(targets, value) => targets.iter().for_each(|target| self.bound(target, value)),
            StmtKind::Declare(target, _, Some(value)) => self.bound(target, value),
            StmtKind::For { target, iterable, .. } => self.bound(target, iterable),
            StmtKind::With { items, stacked, .. } => {
                for (manager, target) in items.iter() {
                    target.iter().for_each(|target| self.bound(target, manager));
                }
                stacked.iter().for_each(|stacked| self.block(stacked));
            }
            StmtKind::Import(modules) => {
                for (module, alias) in modules {
                    let library = first_part(module);
                    let name = alias.clone().unwrap_or_else(|| library.as_str().into());
                    self.roots.entry(name).or_default().insert(library);
                }
            }
            StmtKind::ImportFrom { module, level: 0, names } => {
                for (_, alias) in names {
                    self.roots.entry(alias.clone()).or_default().insert(first_part(module));
                }
            }
            StmtKind::Function(function) => self.function(function),
            StmtKind::Class(class) => self.class(class),
            _ => {}
        }
        stmt.parts(&mut |part| match part {
            Part::Expression(expr) => self.expression(expr),
            Part::Target(target) => self.target(target),
            Part::Pattern(pattern) => self.pattern(pattern),
            Part::Block(body) => self.block(body),
        });
    }

    fn function(&mut self, function: &Function) {
        function.decorators.iter().for_each(|decorator| self.expression(decorator));
        for default in function.parameters.iter().filter_map(|parameter| parameter.default.as_ref()) {
            self.expression(default);
        }
        self.block(&function.body);
    }

    fn class(&mut self, class: &Class) {
        class.decorators.iter().for_each(|decorator| self.expression(decorator));
        class.arguments.iter().for_each(|argument| self.expression(&argument.value));
        self.block(&class.body);
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Value(value) => self.expression(value),
            Pattern::Instance(class, attributes, _) => {
                self.expression(class);
                attributes.iter().for_each(|(_, each)| self.pattern(each));
            }
            Pattern::As(inner, _) => self.pattern(inner),
            Pattern::Or(patterns) | Pattern::Items(patterns, _) => patterns.iter().for_each(|each| self.pattern(each)),
            Pattern::Entries(entries, _) => {
                for (key, each) in entries {
                    self.expression(key);
                    self.pattern(each);
                }
            }
            Pattern::Same(_) | Pattern::Anything(_) | Pattern::Structure(_) => {}
        }
    }

    /// Something is assigned `value`, or what is in it.
    fn bound(&mut self, target: &Target, value: &Expr) {
        let roots = self.roots_in(value);
        self.named(target, &roots);
    }

    fn named(&mut self, target: &Target, roots: &BTreeSet<String>) {
        match target {
            Target::Name(name) if !roots.is_empty() => {
                self.roots.entry(name.clone()).or_default().extend(roots.iter().cloned());
            }
            Target::Sequence(targets) => targets.iter().for_each(|target| self.named(target, roots)),
            Target::Rest(target) => self.named(target, roots),
            Target::Name(_) | Target::Attribute(..) | Target::Item(..) => {}
        }
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Attribute(object, name, _) => {
                self.expression(object);
                let own = matches!(&object.kind, ExprKind::Name(object) if &**object == "self");
                if !own || REWIRING.contains(&&**name) {
                    self.replaced(name, &self.roots_of(object));
                }
            }
            Target::Item(object, index) => {
                self.expression(object);
                self.expression(index);
                if is_table(object) {
                    let roots = self.roots_of(object);
                    match &index.kind {
                        ExprKind::Const(Const::Text(name)) => self.replaced(name, &roots),
                        _ => self.found.computed.extend(roots),
                    }
                }
            }
            Target::Sequence(targets) => targets.iter().for_each(|target| self.target(target)),
            Target::Rest(target) => self.target(target),
            Target::Name(_) => {}
        }
    }

    /// An attribute of something that may belong to these libraries is replaced.
    fn replaced(&mut self, name: &Name, roots: &BTreeSet<String>) {
        self.found.names.insert(name.clone());
        for root in roots {
            self.found.rooted.insert((root.clone(), name.clone()));
            if REWIRING.contains(&&**name) {
                self.found.computed.insert(root.clone());
            }
        }
    }

    fn expression(&mut self, expr: &Expr) {
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other kind is its parts")]
        match &expr.kind {
            ExprKind::Const(Const::Text(text)) => {
                self.loose |= SETTERS.contains(&&**text);
                self.texts.insert(text.clone());
            }
            ExprKind::Text(text, ..) => {
                self.texts.insert(text.clone());
            }
            ExprKind::Name(name) | ExprKind::Attribute(_, name) => self.loose |= SETTERS.contains(&&**name),
            ExprKind::Call(callee, arguments) => return self.call(callee, arguments),
            ExprKind::Bind(name, value) => {
                let roots = self.roots_in(value);
                self.named(&Target::Name(name.clone()), &roots);
            }
            ExprKind::Function(function) => self.function(function),
            ExprKind::Comprehension(comprehension) => {
                for each in &comprehension.loops {
                    self.bound(&each.target, &each.iterable);
                    self.target(&each.target);
                }
                comprehension.generator.iter().for_each(|generator| self.function(generator));
            }
            _ => {}
        }
        expr.parts(&mut |part| self.expression(part));
    }

    fn call(&mut self, callee: &Expr, arguments: &[Argument]) {
        match &callee.kind {
            ExprKind::Name(_) => {}
            // The name of the method stands in its place: it is called here.
            ExprKind::Attribute(inner, _) => self.expression(inner),
            _ => self.expression(callee),
        }
        arguments.iter().for_each(|argument| self.expression(&argument.value));
        let texts: Vec<&Name> = arguments.iter().filter_map(|argument| text_of(&argument.value)).collect();
        let mut roots: BTreeSet<String> =
            arguments.iter().flat_map(|argument| self.roots_of(&argument.value)).collect();
        let last = match &callee.kind {
            ExprKind::Name(name) | ExprKind::Attribute(_, name) => &**name,
            _ => "",
        };
        if let ExprKind::Attribute(object, _) = &callee.kind
            && (SETTERS.contains(&last) || is_table(object))
        {
            roots.extend(self.roots_of(object));
        }
        if SETTERS.contains(&last) || PATCHES.contains(&last) {
            for text in &texts {
                let name: Name = last_part(text);
                if text.contains('.') {
                    self.replaced(&name, &BTreeSet::from([first_part(text)]));
                }
                self.replaced(&name, &roots);
            }
            let positions = arguments.iter().filter(|argument| argument.way == Way::Position);
            // `setattr(object, name, value)`, `object.__setattr__(name, value)`.
            let seen = positions.take(2).any(|argument| text_of(&argument.value).is_some());
            if SETTERS.contains(&last) && !seen {
                self.found.computed.extend(roots);
            } else if last == "multiple" {
                for argument in arguments {
                    if let Way::Name(name) = &argument.way {
                        self.replaced(name, &roots);
                    }
                }
            }
        } else if TABLE_SETTERS.contains(&last)
            && (matches!(&callee.kind, ExprKind::Attribute(object, _) if is_table(object))
                || arguments.first().is_some_and(|argument| is_table(&argument.value)))
        {
            self.found.computed.extend(roots);
        } else if !LOOKING.contains(&last) {
            // What is called may be a setter of the tree's own.
            let given = roots.iter().flat_map(|root| texts.iter().map(|text| (root.clone(), last_part(text))));
            self.found.rooted.extend(given);
        }
    }

    /// The libraries that an expression's value may belong to.
    fn roots_of(&self, expr: &Expr) -> BTreeSet<String> {
        match &expr.kind {
            ExprKind::Name(name) => self.roots.get(name).cloned().unwrap_or_default(),
            ExprKind::Attribute(inner, _) | ExprKind::Await(inner) | ExprKind::Bind(_, inner) => self.roots_of(inner),
            ExprKind::Item(object, index) => {
                let mut roots = self.roots_of(object);
                roots.extend(text_of(index).map(|text| first_part(text)));
                roots
            }
            ExprKind::Call(callee, arguments) => {
                let mut roots = self.roots_of(callee);
                match last_name(callee).map(|name| &**name) {
                    Some("import_module" | "__import__") => {
                        roots.extend(
                            arguments
                                .iter()
                                .filter_map(|argument| text_of(&argument.value))
                                .map(|text| first_part(text)),
                        );
                    }
                    Some("vars" | "getattr" | "type" | "cast") => {
                        roots.extend(arguments.iter().flat_map(|argument| self.roots_of(&argument.value)));
                    }
                    _ => {}
                }
                roots
            }
            ExprKind::Choice { then, otherwise, .. } => {
                let mut roots = self.roots_of(then);
                roots.extend(self.roots_of(otherwise));
                roots
            }
            ExprKind::Either(parts) | ExprKind::Any(parts) | ExprKind::All(parts) => {
                parts.iter().flat_map(|part| self.roots_of(part)).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// The libraries that the value, or an element of it, may belong to.
    fn roots_in(&self, expr: &Expr) -> BTreeSet<String> {
        match &expr.kind {
            ExprKind::Sequence(_, elements) => elements.iter().flat_map(|each| self.roots_in(&each.value)).collect(),
            ExprKind::Table(entries) => entries.iter().flat_map(|(_, value)| self.roots_in(value)).collect(),
            _ => self.roots_of(expr),
        }
    }
}

/// Whether an expression is a table of attributes: `x.__dict__`, `vars(x)`.
fn is_table(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Attribute(_, name) => &**name == "__dict__",
        ExprKind::Call(callee, _) => last_name(callee).is_some_and(|name| &**name == "vars"),
        _ => false,
    }
}

fn text_of(expr: &Expr) -> Option<&Name> {
    match &expr.kind {
        ExprKind::Const(Const::Text(text)) => Some(text),
        _ => None,
    }
}

fn first_part(name: &str) -> String {
    name.split('.').next().unwrap_or(name).to_owned()
}

fn last_part(name: &str) -> Name {
    name.rsplit('.').next().unwrap_or(name).into()
}
