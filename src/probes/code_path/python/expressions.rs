//! Python expressions to the model.

use std::rc::Rc;

use ruff_python_ast as ast;

use super::{Lowering, bindings, start};
use crate::probes::code_path::model::{
    Argument, Comparison, Comprehension, ComprehensionLoop, Const, Element, Expr, ExprKind, Function, Parameter,
    ParameterKind, SequenceKind, Stmt, StmtKind, Target, Way,
};

impl Lowering<'_> {
    /// An expression.
    pub(super) fn expression(&mut self, expr: &ast::Expr) -> Expr {
        Expr { at: start(expr), kind: self.expression_kind(expr) }
    }

    fn boxed(&mut self, expr: &ast::Expr) -> Box<Expr> {
        Box::new(self.expression(expr))
    }

    fn all<'e>(&mut self, exprs: impl IntoIterator<Item = &'e ast::Expr>) -> Vec<Expr> {
        exprs.into_iter().map(|expr| self.expression(expr)).collect()
    }

    fn expression_kind(&mut self, expr: &ast::Expr) -> ExprKind {
        match expr {
            ast::Expr::BoolOp(e) => {
                let values = self.all(&e.values);
                match e.op {
                    ast::BoolOp::And => ExprKind::All(values),
                    ast::BoolOp::Or => ExprKind::Any(values),
                }
            }
            ast::Expr::Named(e) => match &*e.target {
                ast::Expr::Name(name) => ExprKind::Bind(name.id.as_str().into(), self.boxed(&e.value)),
                _ => ExprKind::Opaque("an assignment expression to something other than a name"),
            },
            ast::Expr::BinOp(e) => {
                let operands = vec![self.expression(&e.left), self.expression(&e.right)];
                match (e.op, &operands[0].kind) {
                    (ast::Operator::BitOr, _) => ExprKind::Either(operands),
                    (ast::Operator::Add, _) => ExprKind::Sum(operands),
                    // Up to its first mark a format is what it says.
                    (ast::Operator::Mod, ExprKind::Const(Const::Text(format))) => {
                        let head: super::super::model::Name = format.split('%').next().unwrap_or("").into();
                        ExprKind::Text(head, operands, None)
                    }
                    _ => ExprKind::Operation(operands),
                }
            }
            ast::Expr::UnaryOp(e) => self.unary(e),
            ast::Expr::Lambda(e) => ExprKind::Function(self.lambda(e)),
            ast::Expr::If(e) => {
                let (test, then) = (self.boxed(&e.test), self.boxed(&e.body));
                ExprKind::Choice { test, then, otherwise: self.boxed(&e.orelse) }
            }
            ast::Expr::Dict(e) => ExprKind::Table(
                e.items
                    .iter()
                    .map(|item| (item.key.as_ref().map(|key| self.expression(key)), self.expression(&item.value)))
                    .collect(),
            ),
            ast::Expr::Set(e) => ExprKind::Sequence(SequenceKind::Set, self.elements(&e.elts)),
            ast::Expr::List(e) => ExprKind::Sequence(SequenceKind::List, self.elements(&e.elts)),
            ast::Expr::Tuple(e) => ExprKind::Sequence(SequenceKind::Tuple, self.elements(&e.elts)),
            ast::Expr::ListComp(e) => self.comprehension((false, true), &e.generators, vec![&*e.elt]),
            ast::Expr::SetComp(e) => self.comprehension((false, false), &e.generators, vec![&*e.elt]),
            ast::Expr::DictComp(e) => {
                let element = e.key.iter().map(|key| &**key).chain([&*e.value]).collect();
                self.comprehension((false, false), &e.generators, element)
            }
            ast::Expr::Generator(e) => self.comprehension((true, true), &e.generators, vec![&*e.elt]),
            ast::Expr::Await(e) => ExprKind::Await(self.boxed(&e.value)),
            ast::Expr::Yield(e) => {
                self.yields = true;
                ExprKind::Yield(e.value.as_ref().map(|value| self.boxed(value)))
            }
            ast::Expr::YieldFrom(e) => {
                self.yields = true;
                ExprKind::YieldFrom(self.boxed(&e.value))
            }
            ast::Expr::Compare(e) => {
                let left = self.boxed(&e.left);
                let rest = e.ops.iter().zip(&*e.comparators);
                ExprKind::Compare(left, rest.map(|(op, expr)| (comparison(*op), self.expression(expr))).collect())
            }
            ast::Expr::Call(e) => {
                let callee = self.boxed(&e.func);
                ExprKind::Call(callee, self.arguments(&e.arguments))
            }
            ast::Expr::FString(e) => self.interpolated(e.value.iter().flat_map(|part| match part {
                ast::FStringPart::Literal(literal) => vec![Piece::Text(literal.as_str().to_owned())],
                ast::FStringPart::FString(inner) => inner.elements.iter().flat_map(Piece::of).collect(),
            })),
            ast::Expr::TString(e) => {
                let parts = self.interpolated(e.value.elements().flat_map(Piece::of));
                match parts {
                    ExprKind::Text(_, parts, _) => ExprKind::Operation(parts),
                    other => other,
                }
            }
            ast::Expr::StringLiteral(e) => ExprKind::Const(Const::Text(e.value.to_str().into())),
            ast::Expr::BytesLiteral(_) | ast::Expr::EllipsisLiteral(_) => ExprKind::Const(Const::Other),
            ast::Expr::NumberLiteral(e) => ExprKind::Const(match &e.value {
                ast::Number::Int(int) => int.as_i64().map_or(Const::Other, Const::Int),
                ast::Number::Float(_) | ast::Number::Complex { .. } => return ExprKind::Operation(Vec::new()),
            }),
            ast::Expr::BooleanLiteral(e) => ExprKind::Const(Const::Bool(e.value)),
            ast::Expr::NoneLiteral(_) => ExprKind::Const(Const::None),
            ast::Expr::Attribute(e) => ExprKind::Attribute(self.boxed(&e.value), self.attribute_name(&e.attr)),
            ast::Expr::Subscript(e) => {
                let object = self.boxed(&e.value);
                ExprKind::Item(object, self.boxed(&e.slice))
            }
            ast::Expr::Starred(_) => ExprKind::Opaque("a starred expression"),
            ast::Expr::Name(e) => ExprKind::Name(e.id.as_str().into()),
            ast::Expr::Slice(e) => {
                let parts = [&e.lower, &e.upper, &e.step];
                let parts = parts.into_iter().flatten().map(|part| self.expression(part)).collect();
                ExprKind::Operation(parts)
            }
            ast::Expr::IpyEscapeCommand(_) => ExprKind::Opaque("an interactive command"),
        }
    }

    fn unary(&mut self, e: &ast::ExprUnaryOp) -> ExprKind {
        let operand = self.expression(&e.operand);
        match (e.op, &operand.kind) {
            (ast::UnaryOp::Not, _) => ExprKind::Not(Box::new(operand)),
            (ast::UnaryOp::USub, ExprKind::Const(Const::Int(value))) => {
                value.checked_neg().map_or(ExprKind::Const(Const::Other), |value| ExprKind::Const(Const::Int(value)))
            }
            (ast::UnaryOp::Invert | ast::UnaryOp::UAdd | ast::UnaryOp::USub, _) => ExprKind::Operation(vec![operand]),
        }
    }

    fn interpolated<'e>(&mut self, pieces: impl Iterator<Item = Piece<'e>>) -> ExprKind {
        let (mut head, mut parts) = (String::new(), Vec::new());
        let (mut behind, mut plain): (Vec<String>, bool) = (Vec::new(), true);
        for piece in pieces {
            match (piece, behind.last_mut()) {
                (Piece::Text(text), None) => head.push_str(&text),
                (Piece::Text(text), Some(last)) => last.push_str(&text),
                (Piece::Expr(expr, as_it_is), _) => {
                    parts.push(self.expression(expr));
                    behind.push(String::new());
                    plain &= as_it_is;
                }
            }
        }
        if parts.is_empty() {
            return ExprKind::Const(Const::Text(head.into()));
        }
        let behind = plain.then(|| behind.into_iter().map(Into::into).collect());
        ExprKind::Text(head.into(), parts, behind)
    }

    fn elements(&mut self, exprs: &[ast::Expr]) -> Vec<Element> {
        let element = |expr: &ast::Expr| match expr {
            ast::Expr::Starred(starred) => Element { spread: true, value: self.expression(&starred.value) },
            other => Element { spread: false, value: self.expression(other) },
        };
        exprs.iter().map(element).collect()
    }

    /// The arguments of a call or of a class, in order of evaluation.
    pub(super) fn arguments(&mut self, arguments: &ast::Arguments) -> Vec<Argument> {
        let mut all = Vec::new();
        for expr in &arguments.args {
            all.push(match expr {
                ast::Expr::Starred(starred) => Argument { way: Way::Spread, value: self.expression(&starred.value) },
                other => Argument { way: Way::Position, value: self.expression(other) },
            });
        }
        for keyword in &arguments.keywords {
            let way = keyword.arg.as_ref().map_or(Way::SpreadNames, |name| Way::Name(name.as_str().into()));
            all.push(Argument { way, value: self.expression(&keyword.value) });
        }
        all
    }

    fn comprehension(
        &mut self,
        (lazy, ordered): (bool, bool),
        loops: &[ast::Comprehension],
        element: Vec<&ast::Expr>,
    ) -> ExprKind {
        let at = element.first().map_or(0, |first| start(*first));
        let generator = lazy.then(|| self.generator(at, loops, element[0])).flatten();
        let loops = loops
            .iter()
            .map(|each| ComprehensionLoop {
                target: self.target(&each.target),
                iterable: self.expression(&each.iter),
                conditions: self.all(&each.ifs),
                awaited: each.is_async,
            })
            .collect();
        ExprKind::Comprehension(Rc::new(Comprehension { lazy, ordered, loops, element: self.all(element), generator }))
    }

    /// A generator expression as the function that it is (Python reference, "Generator expressions").
    fn generator(&mut self, at: u32, loops: &[ast::Comprehension], element: &ast::Expr) -> Option<Rc<Function>> {
        const GIVEN: &str = ".0";
        if loops.iter().any(|each| each.is_async) {
            return None;
        }
        let value = self.expression(element);
        let mut body =
            vec![Stmt { at, kind: StmtKind::Expr(Expr { at, kind: ExprKind::Yield(Some(Box::new(value))) }) }];
        for (index, each) in loops.iter().enumerate().rev() {
            for test in each.ifs.iter().rev() {
                let test = self.expression(test);
                body = vec![Stmt { at: test.at, kind: StmtKind::If(vec![(Some(test), body)]) }];
            }
            let iterable = match index {
                0 => Expr { at: start(&each.iter), kind: ExprKind::Name(GIVEN.into()) },
                _ => self.expression(&each.iter),
            };
            let (target, body_of) = (Rc::new(self.target(&each.target)), Rc::new(body));
            let kind = StmtKind::For { target, iterable, body: body_of, otherwise: Vec::new(), awaited: false };
            body = vec![Stmt { at: start(&each.iter), kind }];
        }
        let mut targets = bindings::Bindings::default();
        loops.iter().for_each(|each| bindings::of_target(&self.target(&each.target), &mut targets));
        let mut bound = bindings::of(&body, None).names;
        // A binding expression binds a name of the function around it.
        if bound != targets.names || bindings::waits(&body) {
            return None;
        }
        bound.insert(GIVEN.into());
        let parameter =
            Parameter { name: GIVEN.into(), kind: ParameterKind::Position, annotation: None, default: None };
        Some(Rc::new(Function {
            name: "<genexpr>".into(),
            at,
            parameters: vec![parameter],
            body,
            decorators: Vec::new(),
            is_async: false,
            is_generator: true,
            locals: bound,
            returns: None,
            doc: None,
            self_assigned: Default::default(),
        }))
    }

    fn lambda(&mut self, e: &ast::ExprLambda) -> Rc<Function> {
        let parameters = e.parameters.as_ref().map(|parameters| self.parameters(parameters)).unwrap_or_default();
        let outer = std::mem::replace(&mut self.yields, false);
        let value = self.expression(&e.body);
        let body = vec![Stmt { at: value.at, kind: StmtKind::Return(Some(value)) }];
        let mut bound = bindings::of(&body, None);
        bound.names.extend(parameters.iter().map(|parameter| parameter.name.clone()));
        let function = Function {
            name: "<lambda>".into(),
            at: start(e),
            parameters,
            body,
            decorators: Vec::new(),
            is_async: false,
            is_generator: self.yields,
            locals: bound.names,
            returns: None,
            doc: None,
            self_assigned: bound.attributes,
        };
        self.yields = outer;
        Rc::new(function)
    }

    /// The parameters of a function.
    pub(super) fn parameters(&mut self, parameters: &ast::Parameters) -> Vec<Parameter> {
        let mut all = Vec::new();
        let groups = [
            (ParameterKind::Position, &parameters.posonlyargs),
            (ParameterKind::Either, &parameters.args),
            (ParameterKind::Name, &parameters.kwonlyargs),
        ];
        for (kind, group) in groups {
            for each in group {
                let default = each.default.as_ref().map(|default| self.expression(default));
                all.push(self.parameter(&each.parameter, kind, default));
            }
            if kind == ParameterKind::Either
                && let Some(rest) = &parameters.vararg
            {
                all.push(self.parameter(rest, ParameterKind::Rest, None));
            }
        }
        if let Some(rest) = &parameters.kwarg {
            all.push(self.parameter(rest, ParameterKind::RestNames, None));
        }
        all
    }

    fn parameter(&mut self, parameter: &ast::Parameter, kind: ParameterKind, default: Option<Expr>) -> Parameter {
        let annotation = parameter.annotation.as_ref().map(|annotation| self.annotation(annotation));
        Parameter { name: parameter.name.as_str().into(), kind, annotation, default }
    }

    /// Something that is assigned to.
    pub(super) fn target(&mut self, expr: &ast::Expr) -> Target {
        match expr {
            ast::Expr::Name(name) => Target::Name(name.id.as_str().into()),
            ast::Expr::Attribute(e) => {
                Target::Attribute(self.expression(&e.value), self.attribute_name(&e.attr), start(expr))
            }
            ast::Expr::Subscript(e) => Target::Item(self.expression(&e.value), self.expression(&e.slice)),
            ast::Expr::Tuple(e) => Target::Sequence(e.elts.iter().map(|item| self.target(item)).collect()),
            ast::Expr::List(e) => Target::Sequence(e.elts.iter().map(|item| self.target(item)).collect()),
            ast::Expr::Starred(e) => Target::Rest(Box::new(self.target(&e.value))),
            // Python's grammar admits nothing else; the parser reports it as an error.
            _ => Target::Sequence(Vec::new()),
        }
    }
}

/// A piece of an interpolated text.
enum Piece<'e> {
    Text(String),
    /// The flag says that it is shown as it is: no conversion, no format.
    Expr(&'e ast::Expr, bool),
}

impl<'e> Piece<'e> {
    fn of(element: &'e ast::InterpolatedStringElement) -> Vec<Self> {
        match element {
            ast::InterpolatedStringElement::Interpolation(inner) => {
                let converted = !matches!(inner.conversion, ast::ConversionFlag::None) || inner.debug_text.is_some();
                let mut pieces = vec![Self::Expr(&inner.expression, !converted && inner.format_spec.is_none())];
                // What stands in the format is evaluated too.
                let format = inner.format_spec.iter().flat_map(|format| format.elements.iter().flat_map(Self::of));
                pieces.extend(format.filter(|piece| matches!(piece, Self::Expr(..))));
                pieces
            }
            ast::InterpolatedStringElement::Literal(literal) => vec![Self::Text(literal.value.to_string())],
        }
    }
}

fn comparison(op: ast::CmpOp) -> Comparison {
    match op {
        ast::CmpOp::Eq => Comparison::Equal,
        ast::CmpOp::NotEq => Comparison::NotEqual,
        ast::CmpOp::Lt => Comparison::Less,
        ast::CmpOp::LtE => Comparison::LessEqual,
        ast::CmpOp::Gt => Comparison::Greater,
        ast::CmpOp::GtE => Comparison::GreaterEqual,
        ast::CmpOp::Is => Comparison::Is,
        ast::CmpOp::IsNot => Comparison::IsNot,
        ast::CmpOp::In => Comparison::In,
        ast::CmpOp::NotIn => Comparison::NotIn,
    }
}
