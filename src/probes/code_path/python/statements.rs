//! Python statements to the model.

use std::rc::Rc;

use ruff_python_ast as ast;

use super::{Lowering, bindings, start};
use crate::probes::code_path::model::{
    Class, Const, Expr, ExprKind, Function, Handler, MatchCase, Name, Pattern, Stmt, StmtKind,
};

impl Lowering<'_> {
    pub(super) fn block(&mut self, body: &[ast::Stmt]) -> Vec<Stmt> {
        body.iter().map(|stmt| self.statement(stmt)).collect()
    }

    /// A statement.
    pub(super) fn statement(&mut self, stmt: &ast::Stmt) -> Stmt {
        Stmt { at: start(stmt), kind: self.statement_kind(stmt) }
    }

    fn statement_kind(&mut self, stmt: &ast::Stmt) -> StmtKind {
        match stmt {
            ast::Stmt::FunctionDef(s) => StmtKind::Function(self.function(s)),
            ast::Stmt::ClassDef(s) => StmtKind::Class(self.class(s)),
            ast::Stmt::Return(s) => StmtKind::Return(s.value.as_ref().map(|value| self.expression(value))),
            ast::Stmt::Delete(s) => StmtKind::Delete(s.targets.iter().map(|target| self.target(target)).collect()),
            ast::Stmt::TypeAlias(s) => {
                let value = self.expression(&s.value);
                StmtKind::Assign(vec![self.target(&s.name)], value)
            }
            ast::Stmt::Assign(s) => {
                let value = self.expression(&s.value);
                StmtKind::Assign(s.targets.iter().map(|target| self.target(target)).collect(), value)
            }
            ast::Stmt::AugAssign(s) => {
                let at = start(stmt);
                let (first, second) = (Box::new(self.expression(&s.target)), Box::new(self.expression(&s.value)));
                let value = Expr { at, kind: ExprKind::Update(first, second, s.op == ast::Operator::Add) };
                StmtKind::Assign(vec![self.target(&s.target)], value)
            }
            ast::Stmt::AnnAssign(s) => {
                let annotation = self.annotation(&s.annotation);
                let value = s.value.as_ref().map(|value| self.expression(value));
                StmtKind::Declare(self.target(&s.target), annotation, value)
            }
            ast::Stmt::For(s) => StmtKind::For {
                target: Rc::new(self.target(&s.target)),
                iterable: self.expression(&s.iter),
                body: Rc::new(self.block(&s.body)),
                otherwise: self.block(&s.orelse),
                awaited: s.is_async,
            },
            ast::Stmt::While(s) => StmtKind::While {
                test: self.expression(&s.test),
                body: self.block(&s.body),
                otherwise: self.block(&s.orelse),
            },
            ast::Stmt::If(s) => {
                let mut branches = vec![(Some(self.expression(&s.test)), self.block(&s.body))];
                for clause in &s.elif_else_clauses {
                    let test = clause.test.as_ref().map(|test| self.expression(test));
                    branches.push((test, self.block(&clause.body)));
                }
                StmtKind::If(branches)
            }
            ast::Stmt::With(s) => StmtKind::With {
                items: Rc::new(
                    s.items
                        .iter()
                        .map(|item| {
                            let manager = self.expression(&item.context_expr);
                            (manager, item.optional_vars.as_ref().map(|target| self.target(target)))
                        })
                        .collect(),
                ),
                body: Rc::new(self.block(&s.body)),
                stacked: self.stacked(s),
                awaited: s.is_async,
            },
            ast::Stmt::Match(s) => {
                let subject = self.expression(&s.subject);
                StmtKind::Match(subject, s.cases.iter().map(|case| self.case(case)).collect())
            }
            ast::Stmt::Raise(s) => {
                let raised = StmtKind::Raise(s.exc.as_ref().map(|exc| self.expression(exc)));
                match s.cause.as_deref() {
                    None | Some(ast::Expr::Name(_) | ast::Expr::NoneLiteral(_)) => raised,
                    Some(cause) => {
                        let cause = StmtKind::Expr(self.expression(cause));
                        let both = [cause, raised].map(|kind| Stmt { at: start(stmt), kind });
                        StmtKind::If(vec![(None, both.into())])
                    }
                }
            }
            ast::Stmt::Try(s) => self.try_statement(s),
            ast::Stmt::Assert(s) => {
                let test = self.expression(&s.test);
                StmtKind::Assert(test, s.msg.as_ref().map(|message| self.expression(message)))
            }
            ast::Stmt::Import(s) => StmtKind::Import(
                s.names.iter().map(|alias| (name(&alias.name), alias.asname.as_ref().map(name))).collect(),
            ),
            ast::Stmt::ImportFrom(s) => StmtKind::ImportFrom {
                module: s.module.as_ref().map_or_else(|| "".into(), name),
                level: s.level,
                names: s
                    .names
                    .iter()
                    .map(|alias| (name(&alias.name), alias.asname.as_ref().map_or_else(|| name(&alias.name), name)))
                    .collect(),
            },
            ast::Stmt::Global(s) => StmtKind::Global(s.names.iter().map(name).collect()),
            ast::Stmt::Nonlocal(s) => StmtKind::Nonlocal(s.names.iter().map(name).collect()),
            ast::Stmt::Expr(s) => StmtKind::Expr(self.expression(&s.value)),
            ast::Stmt::Pass(_) => StmtKind::Pass,
            ast::Stmt::Break(_) => StmtKind::Break,
            ast::Stmt::Continue(_) => StmtKind::Continue,
            ast::Stmt::IpyEscapeCommand(_) => StmtKind::Opaque("an interactive command"),
        }
    }

    fn try_statement(&mut self, s: &ast::StmtTry) -> StmtKind {
        let body = self.block(&s.body);
        let handlers = s
            .handlers
            .iter()
            .map(|ast::ExceptHandler::ExceptHandler(handler)| Handler {
                classes: handler.type_.as_ref().map(|classes| self.expression(classes)),
                name: handler.name.as_ref().map(name),
                body: self.block(&handler.body),
            })
            .collect();
        let (otherwise, finally) = (self.block(&s.orelse), self.block(&s.finalbody));
        StmtKind::Try { body, handlers, otherwise, finally, grouped: s.is_star }
    }

    fn case(&mut self, case: &ast::MatchCase) -> MatchCase {
        MatchCase {
            pattern: self.pattern(&case.pattern),
            guard: case.guard.as_ref().map(|guard| self.expression(guard)),
            body: self.block(&case.body),
        }
    }

    fn pattern(&mut self, pattern: &ast::Pattern) -> Pattern {
        match pattern {
            ast::Pattern::MatchValue(p) => Pattern::Value(self.expression(&p.value)),
            ast::Pattern::MatchSingleton(p) => Pattern::Same(match p.value {
                ast::Singleton::None => Const::None,
                ast::Singleton::True => Const::Bool(true),
                ast::Singleton::False => Const::Bool(false),
            }),
            ast::Pattern::MatchAs(p) => match (&p.pattern, &p.name) {
                (None, bound) => Pattern::Anything(bound.as_ref().map(name)),
                (Some(inner), Some(bound)) => Pattern::As(Box::new(self.pattern(inner)), name(bound)),
                (Some(inner), None) => self.pattern(inner),
            },
            ast::Pattern::MatchOr(p) => Pattern::Or(p.patterns.iter().map(|inner| self.pattern(inner)).collect()),
            ast::Pattern::MatchSequence(p)
                if !p.patterns.iter().any(|inner| matches!(inner, ast::Pattern::MatchStar(_))) =>
            {
                Pattern::Items(p.patterns.iter().map(|inner| self.pattern(inner)).collect(), bound_in(pattern))
            }
            ast::Pattern::MatchMapping(p) if p.rest.is_none() => {
                let entries = p.keys.iter().zip(&p.patterns);
                let entries = entries.map(|(key, inner)| (self.expression(key), self.pattern(inner))).collect();
                Pattern::Entries(entries, bound_in(pattern))
            }
            ast::Pattern::MatchClass(p) if p.arguments.patterns.is_empty() => {
                let class = self.expression(&p.cls);
                let keywords = p.arguments.keywords.iter();
                let fields = keywords.map(|keyword| (name(&keyword.attr), self.pattern(&keyword.pattern))).collect();
                Pattern::Instance(class, fields, bound_in(pattern))
            }
            ast::Pattern::MatchSequence(_)
            | ast::Pattern::MatchMapping(_)
            | ast::Pattern::MatchClass(_)
            | ast::Pattern::MatchStar(_) => Pattern::Structure(bound_in(pattern)),
        }
    }

    fn function(&mut self, s: &ast::StmtFunctionDef) -> Rc<Function> {
        let decorators: Vec<_> = s.decorator_list.iter().map(|each| self.expression(&each.expression)).collect();
        let parameters = self.parameters(&s.parameters);
        let outer = self.yields;
        self.yields = false;
        let body = self.block(&s.body);
        let receiver = parameters.first().map(|parameter| parameter.name.clone());
        let mut bound = bindings::of(&body, receiver.as_deref());
        bound.names.extend(parameters.iter().map(|parameter| parameter.name.clone()));
        let locals = bound.names.difference(&bound.elsewhere).cloned().collect();
        let function = Function {
            name: self.attribute_name(&s.name),
            at: s.name.range.start().to_u32(),
            parameters,
            body,
            decorators,
            is_async: s.is_async,
            is_generator: self.yields,
            locals,
            returns: s.returns.as_ref().map(|declared| self.expression(declared)),
            doc: documentation(&s.body),
            self_assigned: bound.attributes,
        };
        self.yields = outer;
        Rc::new(function)
    }

    fn class(&mut self, s: &ast::StmtClassDef) -> Rc<Class> {
        let decorators = s.decorator_list.iter().map(|each| self.expression(&each.expression)).collect();
        let arguments = s.arguments.as_ref().map(|arguments| self.arguments(arguments)).unwrap_or_default();
        let outer = self.yields;
        let around = self.class.replace(s.name.id.to_string());
        let body = self.block(&s.body);
        self.class = around;
        self.yields = outer;
        let at = s.name.range.start().to_u32();
        Rc::new(Class { name: name(&s.name), at, arguments, body, decorators, doc: documentation(&s.body) })
    }
}

fn name(identifier: &ast::Identifier) -> Name {
    identifier.id.as_str().into()
}

fn bound_in(pattern: &ast::Pattern) -> Vec<Name> {
    let mut names = Vec::new();
    captured(pattern, &mut names);
    names
}

/// The names that a structural pattern binds.
fn captured(pattern: &ast::Pattern, names: &mut Vec<Name>) {
    match pattern {
        ast::Pattern::MatchValue(_) | ast::Pattern::MatchSingleton(_) => {}
        ast::Pattern::MatchSequence(p) => p.patterns.iter().for_each(|inner| captured(inner, names)),
        ast::Pattern::MatchMapping(p) => {
            p.patterns.iter().for_each(|inner| captured(inner, names));
            names.extend(p.rest.as_ref().map(name));
        }
        ast::Pattern::MatchClass(p) => {
            p.arguments.patterns.iter().for_each(|inner| captured(inner, names));
            p.arguments.keywords.iter().for_each(|keyword| captured(&keyword.pattern, names));
        }
        ast::Pattern::MatchStar(p) => names.extend(p.name.as_ref().map(name)),
        ast::Pattern::MatchAs(p) => {
            p.pattern.iter().for_each(|inner| captured(inner, names));
            names.extend(p.name.as_ref().map(name));
        }
        ast::Pattern::MatchOr(p) => p.patterns.iter().for_each(|inner| captured(inner, names)),
    }
}

/// A documentation text with white space folded, cut where it becomes a book.
pub(super) fn documentation(body: &[ast::Stmt]) -> Option<String> {
    const LONGEST: usize = 1_200;
    let ast::Stmt::Expr(first) = body.first()? else { return None };
    let ast::Expr::StringLiteral(literal) = &*first.value else { return None };
    let folded = literal.value.to_str().split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = folded.chars().take(LONGEST).collect();
    Some(if cut.len() < folded.len() { cut + "…" } else { folded })
}
