//! Texts that quote facts: `"no certificate {params.backup_fingerprint} among {size(keyring.certs)}"`.

use super::eval::evaluate_text;
use super::{Env, Expr, ExprProblem, Scope};

/// A parsed text. `{expression}` is replaced by its value, `{{` and `}}` are literal braces.
#[derive(Clone, Debug)]
pub struct Text {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    /// The expression and the byte at which it starts in the source.
    Quote(Expr, usize),
}

impl Text {
    /// Parses a text.
    ///
    /// # Errors
    /// Braces that do not close, and the problems of every quoted expression, placed in the text.
    pub fn parse(source: &str) -> Result<Self, Vec<ExprProblem>> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut problems = Vec::new();
        let mut rest = source;
        while let Some(c) = rest.chars().next() {
            let at = source.len() - rest.len();
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(c);
                rest = &rest[2..];
            } else if c == '{' {
                let Some(length) = closing(&rest[1..]) else {
                    let help = "close it, or write {{ for a brace".to_owned();
                    problems.push(ExprProblem {
                        start: at,
                        end: at + 1,
                        message: "this brace is not closed".to_owned(),
                        help,
                    });
                    break;
                };
                parts.push(Part::Literal(std::mem::take(&mut literal)));
                match Expr::parse(&rest[1..=length]) {
                    Ok(expr) => parts.push(Part::Quote(expr, at + 1)),
                    Err(inner) => problems.extend(inner.into_iter().map(|problem| shifted(problem, at + 1))),
                }
                rest = &rest[length + 2..];
            } else if c == '}' {
                let help = "write }} for a brace".to_owned();
                problems.push(ExprProblem {
                    start: at,
                    end: at + 1,
                    message: "this brace closes nothing".to_owned(),
                    help,
                });
                rest = &rest[1..];
            } else {
                literal.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        parts.push(Part::Literal(literal));
        if problems.is_empty() { Ok(Self { source: source.to_owned(), parts }) } else { Err(problems) }
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Checks every quoted expression.
    ///
    /// # Errors
    /// Their problems, placed in the text.
    pub fn check(&self, scope: &Scope) -> Result<(), Vec<ExprProblem>> {
        let problems: Vec<_> = self
            .quotes()
            .filter_map(|(expr, at)| expr.check(scope).err().map(|problems| (problems, at)))
            .flat_map(|(problems, at)| problems.into_iter().map(move |problem| shifted(problem, at)))
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The text with every quotation filled in. Host text comes out raw: it is escaped where it is shown.
    pub fn render(&self, env: &Env) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.clone(),
                Part::Quote(expr, _) => evaluate_text(&expr.root, env),
            })
            .collect()
    }

    /// The dotted names that the quotations read; sorted.
    pub fn reads(&self) -> std::collections::BTreeSet<String> {
        self.quotes().flat_map(|(expr, _)| expr.reads()).collect()
    }

    fn quotes(&self) -> impl Iterator<Item = (&Expr, usize)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Quote(expr, at) => Some((expr, *at)),
        })
    }
}

fn shifted(problem: ExprProblem, by: usize) -> ExprProblem {
    ExprProblem { start: problem.start + by, end: problem.end + by, ..problem }
}

/// The length of an expression up to its closing brace; braces inside string literals do not count.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '}' => return Some(i),
            None => {}
        }
    }
    None
}
