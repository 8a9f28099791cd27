//! Refuses texts that nest deeper than Python accepts, before anything recursive sees them.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

use crate::probes::code_path::model::ParseFailure;

/// CPython refuses more than 200 open brackets ("too many nested parentheses") and 100 levels of
/// indentation; operators in one expression are bounded by its parser's stack.
const BRACKETS: usize = 200;
const INDENTATION: usize = 100;
const OPERATORS: usize = 1_000;

/// Bounds the depth of the syntax tree from the tokens alone.
///
/// # Errors
/// Where the limit is passed.
pub fn check(text: &str) -> Result<(), ParseFailure> {
    let mut lexer = lexer::lex(text, Mode::Module);
    let (mut indentation, mut operators) = (0_usize, 0_usize);
    let mut open: Vec<usize> = Vec::new();
    loop {
        let kind = lexer.next_token();
        // The lexer keeps its positions to itself: the file is named, not the place in it.
        let refuse = |what: &str| Err(ParseFailure { at: 0, reason: format!("nested too deep: {what}") });
        match kind {
            TokenKind::EndOfFile => return Ok(()),
            TokenKind::Indent => indentation += 1,
            TokenKind::Dedent => indentation = indentation.saturating_sub(1),
            TokenKind::Newline => {
                operators = 0;
                open.clear();
            }
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                operators += 1;
                open.push(operators);
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace | TokenKind::FStringEnd | TokenKind::TStringEnd => {
                operators = open.pop().unwrap_or(operators)
            }
            TokenKind::Comma => operators = open.last().copied().unwrap_or(0),
            TokenKind::Name | TokenKind::Int | TokenKind::Float | TokenKind::String | TokenKind::NonLogicalNewline => {}
            _ => operators += 1,
        }
        if indentation > INDENTATION {
            return refuse("more than 100 levels of indentation");
        }
        if open.len() > BRACKETS {
            return refuse("more than 200 open brackets");
        }
        if operators > OPERATORS {
            return refuse("more than 1000 operators in one expression");
        }
    }
}
