//! What statements, expressions and patterns are made of, one level down: for walks over the syntax that have something to
//! say of a few kinds and pass through all others. A new kind of the model is taken apart here, and every walk goes through it.

use super::model::{Expr, ExprKind, Name, Pattern, Stmt, StmtKind, Target};

/// A part of a statement.
#[derive(Clone, Copy, Debug)]
pub enum Part<'m> {
    /// What is computed.
    Expression(&'m Expr),
    /// What is bound, assigned or deleted.
    Target(&'m Target),
    /// What something is matched with.
    Pattern(&'m Pattern),
    /// What runs as a part of it.
    Block(&'m [Stmt]),
}

impl Stmt {
    /// Passes on its parts; a value comes before its targets. Left aside are declared types, which no run computes, and what
    /// is inside functions and classes, which runs at another time or for another's sake.
    pub fn parts<'m>(&'m self, each: &mut impl FnMut(Part<'m>)) {
        use Part::{Block, Expression, Pattern, Target};
        match &self.kind {
            StmtKind::Expr(value) | StmtKind::Return(Some(value)) | StmtKind::Raise(Some(value)) => {
                each(Expression(value));
            }
            StmtKind::Assign(targets, value) => {
                each(Expression(value));
                targets.iter().for_each(|target| each(Target(target)));
            }
            StmtKind::Declare(target, _, value) => {
                value.iter().for_each(|value| each(Expression(value)));
                each(Target(target));
            }
            StmtKind::If(branches) => {
                for (test, body) in branches {
                    test.iter().for_each(|test| each(Expression(test)));
                    each(Block(body));
                }
            }
            StmtKind::While { test, body, otherwise } => {
                each(Expression(test));
                each(Block(body));
                each(Block(otherwise));
            }
            StmtKind::For { target, iterable, body, otherwise, awaited: _ } => {
                each(Expression(iterable));
                each(Target(target));
                each(Block(body));
                each(Block(otherwise));
            }
            StmtKind::Try { body, handlers, otherwise, finally, grouped: _ } => {
                each(Block(body));
                for handler in handlers {
                    handler.classes.iter().for_each(|classes| each(Expression(classes)));
                    each(Block(&handler.body));
                }
                each(Block(otherwise));
                each(Block(finally));
            }
            // What is stacked is the body once more.
            StmtKind::With { items, body, stacked: _, awaited: _ } => {
                for (manager, target) in items.iter() {
                    each(Expression(manager));
                    target.iter().for_each(|target| each(Target(target)));
                }
                each(Block(body));
            }
            StmtKind::Match(subject, cases) => {
                each(Expression(subject));
                for case in cases {
                    each(Pattern(&case.pattern));
                    case.guard.iter().for_each(|guard| each(Expression(guard)));
                    each(Block(&case.body));
                }
            }
            StmtKind::Assert(test, message) => {
                each(Expression(test));
                message.iter().for_each(|message| each(Expression(message)));
            }
            StmtKind::Delete(targets) => targets.iter().for_each(|target| each(Target(target))),
            StmtKind::Import(_)
            | StmtKind::ImportFrom { .. }
            | StmtKind::Function(_)
            | StmtKind::Class(_)
            | StmtKind::Return(None)
            | StmtKind::Raise(None)
            | StmtKind::Global(_)
            | StmtKind::Nonlocal(_)
            | StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Pass
            | StmtKind::Opaque(_) => {}
        }
    }

    /// The blocks among its parts.
    pub fn blocks(&self) -> Vec<&[Stmt]> {
        let mut blocks = Vec::new();
        self.parts(&mut |part| {
            if let Part::Block(block) = part {
                blocks.push(block);
            }
        });
        blocks
    }
}

impl Expr {
    /// Passes on the expressions that it is computed from. Left aside are the bodies of functions, and what the loops of a
    /// comprehension bind.
    pub fn parts<'m>(&'m self, each: &mut impl FnMut(&'m Expr)) {
        match &self.kind {
            ExprKind::Const(_)
            | ExprKind::Name(_)
            | ExprKind::Function(_)
            | ExprKind::Yield(None)
            | ExprKind::Opaque(_) => {}
            ExprKind::Attribute(inner, _)
            | ExprKind::Not(inner)
            | ExprKind::Await(inner)
            | ExprKind::Yield(Some(inner))
            | ExprKind::YieldFrom(inner)
            | ExprKind::Bind(_, inner) => each(inner),
            ExprKind::Call(callee, arguments) => {
                each(callee);
                arguments.iter().for_each(|argument| each(&argument.value));
            }
            ExprKind::Item(first, second) | ExprKind::Update(first, second, _) => {
                each(first);
                each(second);
            }
            ExprKind::Text(_, parts, _)
            | ExprKind::All(parts)
            | ExprKind::Any(parts)
            | ExprKind::Either(parts)
            | ExprKind::Operation(parts)
            | ExprKind::Sum(parts) => parts.iter().for_each(each),
            ExprKind::Compare(first, rest) => {
                each(first);
                rest.iter().for_each(|(_, other)| each(other));
            }
            ExprKind::Choice { test, then, otherwise } => {
                [test, then, otherwise].into_iter().for_each(|part| each(part))
            }
            ExprKind::Sequence(_, elements) => elements.iter().for_each(|element| each(&element.value)),
            ExprKind::Table(entries) => {
                for (key, value) in entries {
                    key.iter().for_each(&mut *each);
                    each(value);
                }
            }
            ExprKind::Comprehension(comprehension) => {
                for inner in &comprehension.loops {
                    each(&inner.iterable);
                    inner.conditions.iter().for_each(&mut *each);
                }
                comprehension.element.iter().for_each(each);
            }
        }
    }
}

impl Pattern {
    /// The names that it binds.
    pub fn bound(&self) -> Vec<&Name> {
        match self {
            Self::Value(_) | Self::Same(_) => Vec::new(),
            Self::Anything(name) => name.iter().collect(),
            Self::As(inner, name) => [vec![name], inner.bound()].concat(),
            Self::Or(patterns) => patterns.iter().flat_map(Self::bound).collect(),
            Self::Structure(names) | Self::Instance(_, _, names) | Self::Items(_, names) | Self::Entries(_, names) => {
                names.iter().collect()
            }
        }
    }
}
