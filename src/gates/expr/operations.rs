//! The operators on known values: equality, order, membership, arithmetic.

use super::eval::{Result, Stop, Unknown, Val, and, or};
use super::node::{Node, Operator};
use crate::evidence::Fact;

pub(super) fn equal(a: &Val, b: &Val, node: &Node) -> Result<bool> {
    match (a, b) {
        (Val::Duration(a), Val::Duration(b)) => Ok(a == b),
        (Val::Fact(a), Val::Fact(b)) => equal_facts(a, b, node),
        (Val::Duration(_), Val::Fact(_)) | (Val::Fact(_), Val::Duration(_)) => {
            Err(Stop::error(format!("{node}: the operands do not fit")))
        }
    }
}

fn equal_facts(a: &Fact, b: &Fact, node: &Node) -> Result<bool> {
    match (a, b) {
        (Fact::Missing(missing), _) | (_, Fact::Missing(missing)) => {
            Err(Stop::Unknown(vec![Unknown::Missing { path: node.to_string(), missing: (**missing).clone() }]))
        }
        (Fact::List(a), Fact::List(b)) if a.len() == b.len() => {
            let mut all = Ok(true);
            for (a, b) in a.iter().zip(b) {
                all = and(all, || equal_facts(a, b, node));
            }
            all
        }
        (Fact::List(a), Fact::List(b)) => {
            known_whole(a, node)?;
            known_whole(b, node)?;
            Ok(false)
        }
        (Fact::Bool(a), Fact::Bool(b)) => Ok(a == b),
        (Fact::Int(a), Fact::Int(b)) => Ok(a == b),
        (Fact::Text(a), Fact::Text(b)) => Ok(a == b),
        (Fact::Time(a), Fact::Time(b)) => Ok(a == b),
        (Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_), _) => {
            Err(Stop::error(format!("{node}: the operands do not fit")))
        }
    }
}

/// Fails where a value is a list that is known in part only: how long it is cannot be told then.
pub(super) fn whole(value: &Val, node: &Node) -> Result<()> {
    match value.fact() {
        Some(Fact::List(items)) => known_whole(items, node),
        Some(Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::Map(_) | Fact::Missing(_)) | None => {
            Ok(())
        }
    }
}

/// An element that is missing stands for one or more that could not be read, or for none.
fn known_whole(items: &[Fact], node: &Node) -> Result<()> {
    let hole = items.iter().find_map(|item| match item {
        Fact::Missing(missing) => Some((**missing).clone()),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => None,
    });
    let unknown = |missing| Stop::Unknown(vec![Unknown::Missing { path: node.to_string(), missing }]);
    hole.map_or(Ok(()), |missing| Err(unknown(missing)))
}

pub(super) fn contains(value: &Val, items: &[Fact], node: &Node) -> Result<bool> {
    let Some(value) = value.fact() else {
        return Err(Stop::error(format!("{node}: the operands do not fit")));
    };
    // Not a `try_fold`: an element that could not be read must not hide one that decides.
    let mut any = Ok(false);
    for item in items {
        any = or(any, || equal_facts(value, item, node));
    }
    any
}

pub(super) fn order(a: &Val, b: &Val) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Val::Duration(a), Val::Duration(b)) => Some(a.cmp(b)),
        (Val::Fact(a), Val::Fact(b)) => match (&**a, &**b) {
            (Fact::Int(a), Fact::Int(b)) => Some(a.cmp(b)),
            (Fact::Text(a), Fact::Text(b)) => Some(a.cmp(b)),
            (Fact::Time(a), Fact::Time(b)) => Some(a.cmp(b)),
            _ => None,
        },
        (Val::Duration(_), Val::Fact(_)) | (Val::Fact(_), Val::Duration(_)) => None,
    }
}

/// `None`: the operands do not fit; `Some(None)`: overflow or division by zero.
pub(super) fn arithmetic(operator: Operator, left: Val<'_>, right: Val<'_>) -> Option<Option<Val<'static>>> {
    let (a, b) = match (left, right) {
        (Val::Duration(a), Val::Duration(b)) => {
            let sum = if operator == Operator::Add { a.checked_add(&b) } else { a.checked_sub(&b) };
            return matches!(operator, Operator::Add | Operator::Subtract).then_some(sum.map(Val::Duration));
        }
        (Val::Fact(time), Val::Duration(length)) | (Val::Duration(length), Val::Fact(time)) => {
            let Fact::Time(time) = *time else { return None };
            let moved = match operator {
                Operator::Add => time.checked_add_signed(length),
                Operator::Subtract => time.checked_sub_signed(length),
                Operator::Equal
                | Operator::NotEqual
                | Operator::Less
                | Operator::LessEqual
                | Operator::Greater
                | Operator::GreaterEqual
                | Operator::In
                | Operator::Multiply
                | Operator::Divide
                | Operator::Modulo => return None,
            };
            return Some(moved.map(|time| Val::from(Fact::Time(time))));
        }
        (Val::Fact(a), Val::Fact(b)) => (a.into_owned(), b.into_owned()),
    };
    let result = match (operator, a, b) {
        (Operator::Subtract, Fact::Time(a), Fact::Time(b)) => return Some(Some(Val::Duration(a - b))),
        (Operator::Add, Fact::Text(a), Fact::Text(b)) => Some(Fact::Text(a + &b)),
        (Operator::Add, Fact::List(mut a), Fact::List(b)) => {
            a.extend(b);
            Some(Fact::List(a))
        }
        (Operator::Add, Fact::Int(a), Fact::Int(b)) => a.checked_add(b).map(Fact::Int),
        (Operator::Subtract, Fact::Int(a), Fact::Int(b)) => a.checked_sub(b).map(Fact::Int),
        (Operator::Multiply, Fact::Int(a), Fact::Int(b)) => a.checked_mul(b).map(Fact::Int),
        (Operator::Divide, Fact::Int(a), Fact::Int(b)) => a.checked_div(b).map(Fact::Int),
        (Operator::Modulo, Fact::Int(a), Fact::Int(b)) => a.checked_rem(b).map(Fact::Int),
        _ => return None,
    };
    Some(result.map(Val::from))
}
