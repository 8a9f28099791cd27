//! The Python front end: text to [`model`](super::model). The parser behind it (ruff's, pinned) is
//! named nowhere else. It translates and judges nothing; what it does not know becomes `Opaque`.

mod bindings;
mod expressions;
mod nesting;
mod stacks;
mod statements;

use ruff_python_ast::Expr as PythonExpr;
use ruff_python_parser::{parse_module, parse_string_annotation};
use ruff_text_size::Ranged;

use super::model::{Module, ParseFailure};

/// How files of this language end.
pub const EXTENSION: &str = ".py";

/// Translates a module.
///
/// # Errors
/// The first syntax error, or nesting beyond what Python's own parser accepts.
pub fn parse(text: &str) -> Result<Module, ParseFailure> {
    nesting::check(text)?;
    let parsed = parse_module(text)
        .map_err(|error| ParseFailure { at: error.location.start().to_u32(), reason: error.error.to_string() })?;
    let body = parsed.syntax().body.iter();
    let mut lowering = Lowering { text, yields: false, class: None };
    let body: Vec<_> = body.map(|stmt| lowering.statement(stmt)).collect();
    let doc = statements::documentation(&parsed.syntax().body);
    Ok(Module { body, doc })
}

/// The translation of one module. The flag speaks of the function that is being translated.
struct Lowering<'t> {
    text: &'t str,
    yields: bool,
    class: Option<String>,
}

impl Lowering<'_> {
    /// An attribute's name, private ones as their class mangles them (Python reference, "Private name mangling").
    fn attribute_name(&self, name: &str) -> super::model::Name {
        match &self.class {
            Some(class) if name.starts_with("__") && !name.ends_with("__") && !name.contains('.') => {
                format!("_{}{name}", class.trim_start_matches('_')).into()
            }
            _ => name.into(),
        }
    }

    /// A declared type; one that is written as text is parsed from it.
    fn annotation(&mut self, expr: &PythonExpr) -> super::model::Expr {
        if let PythonExpr::StringLiteral(literal) = expr
            && let Some(inner) = literal.as_single_part_string()
            && let Ok(parsed) = parse_string_annotation(self.text, inner)
        {
            return self.expression(parsed.expr());
        }
        self.expression(expr)
    }
}

fn start(node: &impl Ranged) -> u32 {
    node.range().start().to_u32()
}
