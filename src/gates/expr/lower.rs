//! From the `cel` crate's syntax tree to ours.

use cel::IdedExpr;
use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr as Cel, LiteralValue, SourceInfo};

use super::ExprProblem;
use super::node::{Kind, Literal, Loop, LoopForm, Node, Operator, Span};

/// The longest expression that is looked at, in bytes: far beyond any rule that a person can read.
const MAX_SOURCE: usize = 8 * 1024;

/// The deepest nesting of brackets and the most operators: the parser and the judge recurse over both, and a
/// rule beyond them would be read by nobody.
const MAX_DEPTH: usize = 32;
const MAX_OPERATORS: usize = 400;

/// Where the source exceeds a limit, if it does: the byte and what is too many.
fn excess(source: &str) -> Option<(usize, &'static str)> {
    let (mut quote, mut escaped, mut depth, mut operators) = (None, false, 0_usize, 0_usize);
    for (i, c) in source.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if "([{".contains(c) => depth += 1,
            None if ")]}".contains(c) => depth = depth.saturating_sub(1),
            None if "+-*/%<>=!&|?:.".contains(c) => operators += 1,
            None => {}
        }
        if depth > MAX_DEPTH {
            return Some((i, "brackets are nested too deeply"));
        }
        if operators > MAX_OPERATORS {
            return Some((i, "there are too many operators"));
        }
    }
    None
}

/// Parses a source text.
pub fn parse(source: &str) -> Result<Node, Vec<ExprProblem>> {
    if source.len() > MAX_SOURCE {
        let message = format!("the expression has {} bytes, more than {MAX_SOURCE}", source.len());
        return Err(vec![problem(0, source.len(), message, "split it into several checks")]);
    }
    if let Some((at, what)) = excess(source) {
        return Err(vec![problem(at, at + 1, what.to_owned(), "split it into several checks")]);
    }
    if source.trim().is_empty() {
        return Err(vec![problem(0, source.len(), "the expression is empty".to_owned(), "write a condition in CEL")]);
    }
    dotted(source).map_or_else(|| parsed(source), Ok)
}

/// Words of CEL that are no names, or are reserved (its grammar, `RESERVED` and the literals).
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// A variable, or a fact of one, such as `params.candidate`: half of what texts quote. The parser reads them far more
/// slowly, and to the same tree; a test compares. Everything else, all that is reserved included, is left to it.
fn dotted(source: &str) -> Option<Node> {
    let mut node: Option<Node> = None;
    let mut start = 0;
    for word in source.split('.') {
        let name = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !name || RESERVED.contains(&word) {
            return None;
        }
        let span = Span { start, end: start + word.len() };
        let kind = match node {
            None => Kind::Name(word.to_owned()),
            Some(operand) => Kind::Select(Box::new(operand), word.to_owned()),
        };
        node = Some(Node { span, kind });
        start = span.end + 1;
    }
    node
}

/// Parses a source text by the grammar, whatever it is.
fn parsed(source: &str) -> Result<Node, Vec<ExprProblem>> {
    let program = cel::Program::compile(source).map_err(|errors| {
        errors.errors.iter().map(|error| syntax_problem(source, error.pos, &error.msg)).collect::<Vec<_>>()
    })?;
    let mut lowering = Lowering { source, info: program.source_info(), problems: Vec::new() };
    let node = lowering.node(program.expression());
    match node {
        Some(node) if lowering.problems.is_empty() => Ok(node),
        _ if lowering.problems.is_empty() => {
            let what = "this loop is none of CEL's macros".to_owned();
            Err(vec![problem(0, source.len(), what, "use all, exists, exists_one, filter or map")])
        }
        _ => Err(lowering.problems),
    }
}

fn problem(start: usize, end: usize, message: String, help: &str) -> ExprProblem {
    ExprProblem { start, end, message, help: help.to_owned() }
}

/// The parser counts lines and columns from one, columns in characters.
fn syntax_problem(source: &str, (line, column): (isize, isize), message: &str) -> ExprProblem {
    let line_no = usize::try_from(line - 1).unwrap_or(0);
    let line_start: usize = source.split_inclusive('\n').take(line_no).map(str::len).sum();
    let rest = source.get(line_start..).unwrap_or_default();
    let skip = usize::try_from(column - 1).unwrap_or(0);
    let start = rest.char_indices().nth(skip).map_or(source.len(), |(i, _)| line_start + i);
    let message = message.trim_start_matches("Syntax error: ").replace("<EOF>", "the end");
    // The parser lists every token that it could have taken; a person wants the fact, not the grammar.
    let message = message.split(" expecting ").next().unwrap_or_default().to_owned();
    let end = source[start..].chars().next().map_or(start, |c| start + c.len_utf8());
    problem(start, end, message, "see https://cel.dev for the language; in TOML use '…' around a rule with \"…\" in it")
}

struct Lowering<'a> {
    source: &'a str,
    info: &'a SourceInfo,
    problems: Vec<ExprProblem>,
}

impl Lowering<'_> {
    /// An offset of the parser's, which counts bytes, as one at which the source can be cut.
    fn byte(&self, offset: u32) -> usize {
        self.source.ceil_char_boundary(offset as usize)
    }

    fn span(&self, id: u64) -> Span {
        match self.info.offset_for(id) {
            Some((start, stop)) => Span { start: self.byte(start), end: self.byte(stop + 1) },
            None => Span { start: 0, end: self.source.len() },
        }
    }

    fn refuse(&mut self, id: u64, what: &str, help: &str) -> Option<Node> {
        let span = self.span(id);
        self.problems.push(problem(span.start, span.end, what.to_owned(), help));
        None
    }

    fn boxed(&mut self, expr: &IdedExpr) -> Option<Box<Node>> {
        self.node(expr).map(Box::new)
    }

    fn node(&mut self, expr: &IdedExpr) -> Option<Node> {
        let span = self.span(expr.id);
        let kind = match &expr.expr {
            Cel::Literal(LiteralValue::Boolean(value)) => Kind::Literal(Literal::Bool(**value)),
            Cel::Literal(LiteralValue::Int(value)) => Kind::Literal(Literal::Int(**value)),
            Cel::Literal(LiteralValue::String(value)) => Kind::Literal(Literal::Text(value.to_string())),
            Cel::Literal(LiteralValue::Double(_) | LiteralValue::UInt(_)) => {
                return self.refuse(expr.id, "facts are whole numbers", "write an integer without a point or `u`");
            }
            Cel::Literal(LiteralValue::Null) => {
                return self.refuse(expr.id, "no fact is null", "use has(record.field) to ask whether a fact is there");
            }
            Cel::Literal(LiteralValue::Bytes(_)) => {
                return self.refuse(expr.id, "no fact is bytes", "compare digests, which are strings");
            }
            Cel::Ident(name) => Kind::Name(name.clone()),
            Cel::Select(select) => {
                let operand = self.boxed(&select.operand)?;
                if select.test {
                    Kind::Has(operand, select.field.clone())
                } else {
                    Kind::Select(operand, select.field.clone())
                }
            }
            Cel::Call(call) => return self.call(expr.id, span, call),
            Cel::List(list) => {
                let items: Vec<_> = list.elements.iter().map(|item| self.node(item)).collect();
                Kind::List(items.into_iter().collect::<Option<_>>()?)
            }
            Cel::Comprehension(looped) => return self.comprehension(expr.id, span, looped),
            Cel::Map(_) | Cel::Struct(_) => {
                return self.refuse(expr.id, "gates do not build maps or messages", "compare the fields one by one");
            }
            Cel::Unspecified => return self.refuse(expr.id, "the expression has a hole", "write a condition in CEL"),
        };
        Some(Node { span: self.field_span(&kind, span), kind })
    }

    /// A selection's own token is the dot; what a person looks at is the field behind it.
    fn field_span(&self, kind: &Kind, span: Span) -> Span {
        let Kind::Select(_, field) = kind else { return span };
        let rest = self.source.get(span.end..).unwrap_or_default();
        let start = span.end + (rest.len() - rest.trim_start().len());
        let end = start + field.len();
        if self.source.get(start..end) == Some(field) { Span { start, end } } else { span }
    }

    fn call(&mut self, id: u64, span: Span, call: &CallExpr) -> Option<Node> {
        let args: Vec<_> = call.target.iter().map(|target| &**target).chain(&call.args).collect();
        let lowered: Vec<_> = args.iter().map(|arg| self.node(arg)).collect();
        let mut args: Vec<Node> = lowered.into_iter().collect::<Option<_>>()?;
        let name = call.func_name.as_str();
        let binary = match name {
            op::EQUALS => Some(Operator::Equal),
            op::NOT_EQUALS => Some(Operator::NotEqual),
            op::LESS => Some(Operator::Less),
            op::LESS_EQUALS => Some(Operator::LessEqual),
            op::GREATER => Some(Operator::Greater),
            op::GREATER_EQUALS => Some(Operator::GreaterEqual),
            op::IN => Some(Operator::In),
            op::ADD => Some(Operator::Add),
            op::SUBSTRACT => Some(Operator::Subtract),
            op::MULTIPLY => Some(Operator::Multiply),
            op::DIVIDE => Some(Operator::Divide),
            op::MODULO => Some(Operator::Modulo),
            _ => None,
        };
        let mut next = || Box::new(args.remove(0));
        let kind = match (name, binary) {
            (_, Some(operator)) => Kind::Binary(operator, next(), next()),
            (op::LOGICAL_AND, None) => Kind::And(next(), next()),
            (op::LOGICAL_OR, None) => Kind::Or(next(), next()),
            (op::LOGICAL_NOT, None) => Kind::Not(next()),
            (op::NEGATE, None) => Kind::Negate(next()),
            (op::INDEX, None) => Kind::Index(next(), next()),
            (op::CONDITIONAL, None) => Kind::Choose(next(), next(), next()),
            (op::OPT_INDEX | op::OPT_SELECT, None) => {
                return self.refuse(id, "optional selection is not used in gates", "use has(record.field)");
            }
            (_, None) => Kind::Call(name.to_owned(), args),
        };
        // A function's own token is the parenthesis; its name stands before it.
        let span = if let Kind::Call(name, _) = &kind
            && self.source[..span.start].ends_with(name.as_str())
        {
            Span { start: span.start - name.len(), end: span.start }
        } else {
            span
        };
        Some(Node { span, kind })
    }

    /// Recognises the standard macros by the loop that they expand to.
    fn comprehension(&mut self, id: u64, span: Span, looped: &ComprehensionExpr) -> Option<Node> {
        let (form, filter, body) = match (&looped.accu_init.expr, &looped.loop_step.expr) {
            (Cel::Literal(LiteralValue::Boolean(init)), Cel::Call(step)) if step.args.len() == 2 => {
                (if **init { LoopForm::All } else { LoopForm::Exists }, None, &step.args[1])
            }
            (Cel::Literal(LiteralValue::Int(_)), Cel::Call(step)) if step.args.len() == 3 => {
                (LoopForm::ExistsOne, None, &step.args[0])
            }
            (Cel::List(_), Cel::Call(step)) if step.func_name == op::ADD => (LoopForm::Map, None, appended(step)?),
            (Cel::List(_), Cel::Call(step)) if step.func_name == op::CONDITIONAL => {
                let Cel::Call(add) = &step.args[1].expr else { return None };
                let element = appended(add)?;
                // `filter` appends the element itself, the three-part `map` anything else.
                if matches!(&element.expr, Cel::Ident(name) if *name == looped.iter_var) {
                    (LoopForm::Filter, None, &step.args[0])
                } else {
                    (LoopForm::Map, Some(&step.args[0]), element)
                }
            }
            _ => {
                return self.refuse(
                    id,
                    "this loop is none of CEL's macros",
                    "use all, exists, exists_one, filter or map",
                );
            }
        };
        if looped.iter_var2.is_some() {
            return self.refuse(id, "loops have one variable here", "use x.all(element, …)");
        }
        let range = self.node(&looped.iter_range);
        let filter = match filter {
            Some(filter) => Some(self.node(filter)?),
            None => None,
        };
        let body = self.node(body);
        let looped = Loop { form, range: range?, variable: looped.iter_var.clone(), filter, body: body? };
        let word = looped.form.word();
        let named = self.source[..span.start].ends_with(word);
        let span = if named { Span { start: span.start - word.len(), end: span.start } } else { span };
        Some(Node { span, kind: Kind::Loop(Box::new(looped)) })
    }
}

/// The element that `accumulator + [element]` appends.
fn appended(add: &CallExpr) -> Option<&IdedExpr> {
    match add.args.get(1).map(|arg| &arg.expr) {
        Some(Cel::List(list)) => list.elements.first(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read without the grammar is what the grammar gives, places included.
    fn agree(source: &str) -> bool {
        let Some(read) = dotted(source) else { return false };
        let parsed = parsed(source).unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
        assert_eq!(format!("{read:?}"), format!("{parsed:?}"), "{source}");
        true
    }

    proptest! {
        #[test]
        fn names_and_their_fields_are_read_as_the_grammar_reads_them(source in "[_a-zA-Z][_a-zA-Z0-9]{0,7}(\\.[_a-zA-Z][_a-zA-Z0-9]{0,7}){0,5}") {
            let reserved = source.split('.').any(|word| RESERVED.contains(&word));
            prop_assert_eq!(agree(&source), !reserved);
        }

        #[test]
        fn nothing_else_is_read_without_the_grammar(source in "[a-c0-9_.\\[\\]()?! ]{0,9}") {
            agree(&source);
        }
    }

    #[test]
    fn what_is_reserved_or_is_no_name_is_left_to_the_grammar() {
        for word in RESERVED {
            assert!(!agree(word) && !agree(&format!("a.{word}")), "{word}");
        }
        for source in [
            "", ".", "a.", ".a", "a..b", "a b", " a", "a.1", "1", "1.a", "é", "a.é", "a-b", "a[0]", "a.b()", "a.?b",
            "`a`",
        ] {
            assert!(!agree(source), "{source:?}");
        }
        assert!(["a", "_", "has", "all.size", "int", "__result__", "a.b.c"].into_iter().all(agree));
    }
}
