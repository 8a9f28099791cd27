//! Stacks of contexts (`contextlib.ExitStack`): a body that puts contexts on one, each by a statement of its own, is
//! what those contexts are inside each other.

use std::rc::Rc;

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{self as ast};

use super::{Lowering, start};
use crate::probes::code_path::model::{Expr, ExprKind, Stmt, StmtKind};

/// Methods that put something on a stack; the flag says that it is entered first.
const PUTTING: &[(&str, bool, bool)] = &[
    ("enter_context", true, false),
    ("callback", false, false),
    ("push", false, false),
    ("enter_async_context", true, true),
    ("push_async_callback", false, true),
    ("push_async_exit", false, true),
];

/// A statement that puts something on a stack.
struct Put<'s> {
    call: &'s ast::ExprCall,
    target: Option<&'s ast::Expr>,
    enters: bool,
    awaited: bool,
}

impl Lowering<'_> {
    /// The body of a statement `with … as stack`, its contexts inside each other; nothing where the stack is used in
    /// another way.
    pub(super) fn stacked(&mut self, s: &ast::StmtWith) -> Option<Rc<Vec<Stmt>>> {
        let [item] = &s.items[..] else { return None };
        let ast::Expr::Call(_) = &item.context_expr else { return None };
        let ast::Expr::Name(stack) = item.optional_vars.as_deref()? else { return None };
        let stack = stack.id.as_str();
        let puts = s.body.iter().filter(|stmt| put(stmt, stack).is_some()).count();
        let mut uses = Uses { stack, count: 0 };
        s.body.iter().for_each(|stmt| uses.visit_stmt(stmt));
        (puts > 0 && uses.count == puts).then(|| Rc::new(self.nested(&s.body, stack)))
    }

    fn nested(&mut self, body: &[ast::Stmt], stack: &str) -> Vec<Stmt> {
        let mut out = Vec::new();
        for (index, stmt) in body.iter().enumerate() {
            let Some(put) = put(stmt, stack) else {
                out.push(self.statement(stmt));
                continue;
            };
            let manager = match (put.enters, &put.call.arguments.args[..]) {
                (true, [manager]) => self.expression(manager),
                _ => self.put_call(put.call, stack),
            };
            let target = put.target.map(|target| self.target(target));
            let body = Rc::new(self.nested(&body[index + 1..], stack));
            let kind =
                StmtKind::With { items: Rc::new(vec![(manager, target)]), body, stacked: None, awaited: put.awaited };
            out.push(Stmt { at: start(stmt), kind });
            break;
        }
        out
    }
}

impl Lowering<'_> {
    /// What is put on a stack to be called; by a name that no program can write.
    fn put_call(&mut self, call: &ast::ExprCall, stack: &str) -> Expr {
        let method = match &*call.func {
            ast::Expr::Attribute(method) => format!("{}()", method.attr.as_str()),
            _ => "()".to_owned(),
        };
        let of = Box::new(Expr { at: start(&*call.func), kind: ExprKind::Name(stack.into()) });
        let callee = Box::new(Expr { at: start(&*call.func), kind: ExprKind::Attribute(of, method.as_str().into()) });
        Expr { at: start(call), kind: ExprKind::Call(callee, self.arguments(&call.arguments)) }
    }
}

/// `stack.enter_context(…)` and its like, as a statement.
fn put<'s>(stmt: &'s ast::Stmt, stack: &str) -> Option<Put<'s>> {
    let (value, target) = match stmt {
        ast::Stmt::Expr(s) => (&*s.value, None),
        ast::Stmt::Assign(s) => match &s.targets[..] {
            [target] => (&*s.value, Some(target)),
            _ => return None,
        },
        _ => return None,
    };
    let (value, is_awaited) = match value {
        ast::Expr::Await(inner) => (&*inner.value, true),
        value => (value, false),
    };
    let ast::Expr::Call(call) = value else { return None };
    let ast::Expr::Attribute(method) = &*call.func else { return None };
    let ast::Expr::Name(of) = &*method.value else { return None };
    let (_, enters, awaited) = PUTTING.iter().find(|(name, ..)| *name == method.attr.as_str())?;
    let fits = of.id.as_str() == stack
        && is_awaited == (*enters && *awaited)
        && (*enters || target.is_none())
        && (!*enters || call.arguments.args.len() == 1 && call.arguments.keywords.is_empty());
    fits.then_some(Put { call, target, enters: *enters, awaited: *awaited })
}

/// How often a name is used.
struct Uses<'s> {
    stack: &'s str,
    count: usize,
}

impl<'a> Visitor<'a> for Uses<'_> {
    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        if matches!(expr, ast::Expr::Name(name) if name.id.as_str() == self.stack) {
            self.count += 1;
        }
        walk_expr(self, expr);
    }
}
