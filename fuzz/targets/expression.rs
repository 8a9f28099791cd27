//! Rules. What is said while facts are missing is still said when they are there: a rule never holds, and never
//! fails, on the ground of something that could not be read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use cutgate::evidence::{Fact, Missing, MissingState, Shape};
use cutgate::gates::expr::{Env, Expr, ExprType, Outcome, Scope, Text};

use super::now;

static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    let text = || Shape::Text;
    let item = Shape::record([
        ("fingerprint", text()),
        ("valid", Shape::Bool),
        ("bits", Shape::Int),
        ("tags", Shape::list(text())),
    ]);
    let probe = Shape::record([
        ("ok", Shape::Bool),
        ("count", Shape::Int),
        ("name", text()),
        ("at", Shape::Time),
        ("certs", Shape::list(item)),
        ("names", Shape::list(text())),
        ("rows", Shape::dict(Shape::Int)),
    ]);
    let variables = [("ring", ExprType::from(&probe)), ("q", ExprType::from(&probe)), ("now", ExprType::Time)];
    Scope { variables: variables.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect() }
});

/// A probe's facts; `missing` says which of its seven are not there.
fn facts(missing: u8, turn: bool) -> Fact {
    let gone = |bit: u8, fact: Fact| if missing >> bit & 1 == 1 { reason() } else { fact };
    let item = |name: &str, n: i64| {
        let tags = if turn { vec![] } else { vec!["x", name] };
        Fact::record([
            ("fingerprint", name.into()),
            ("valid", gone(6, Fact::Bool(turn))),
            ("bits", n.into()),
            ("tags", Fact::texts(tags)),
        ])
    };
    let items = if turn { vec![item("a", 0), item("b", -7), item("a", 3)] } else { vec![item("é", 1)] };
    let rows = if turn { vec![("a", 1_i64)] } else { vec![("a", 2), ("b", i64::MAX)] };
    let rows = rows.into_iter().map(|(table, n)| (table.to_owned(), Fact::Int(n)));
    Fact::record([
        ("ok", gone(0, Fact::Bool(turn))),
        ("count", gone(1, Fact::Int(if turn { 3 } else { i64::MIN }))),
        ("name", gone(2, Fact::text(if turn { "a" } else { "" }))),
        ("at", gone(3, Fact::Time(if turn { now() } else { now() - chrono::TimeDelta::days(2) }))),
        ("certs", gone(4, Fact::List(items))),
        ("names", gone(5, Fact::texts(if turn { vec!["a", "b"] } else { vec![] }))),
        ("rows", gone(6, Fact::Map(rows.collect()))),
    ])
}

fn reason() -> Fact {
    Fact::from(Missing {
        state: MissingState::Denied,
        tried: "read it".to_owned(),
        by: "fuzz".to_owned(),
        said: "no".to_owned(),
        next: "ask".to_owned(),
    })
}

fn env(p: Fact, q: Fact) -> Env<'static> {
    let variables = [("ring", p), ("q", q), ("now", Fact::Time(now()))];
    let variables: BTreeMap<_, _> =
        variables.into_iter().map(|(name, fact)| (name.to_owned(), Cow::Owned(fact))).collect();
    Env { variables }
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Holds,
    DoesNot,
    Unknown,
}

fn answer(expr: &Expr, env: &Env<'_>) -> Answer {
    match expr.judge(env) {
        Outcome::Holds => Answer::Holds,
        Outcome::Fails | Outcome::Vacuous(_) => Answer::DoesNot,
        Outcome::Unknown(reasons) => {
            assert!(!reasons.is_empty(), "unknown without a reason");
            Answer::Unknown
        }
    }
}

pub fn run(data: &[u8]) {
    let Some((&missing, source)) = data.split_first() else { return };
    let Ok(source) = std::str::from_utf8(source) else { return };
    let whole = [env(facts(0, true), facts(0, false)), env(facts(0, false), facts(0, true))];
    if let Ok(text) = Text::parse(source) {
        let _ = text.check(&SCOPE);
        let _ = (text.render(&whole[0]), text.render(&env(reason(), reason())));
        text.reads();
    }
    let expr = match Expr::parse(source) {
        Ok(expr) => expr,
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(problem.start <= problem.end && problem.end <= source.len() + 1, "{problem:?}");
            }
            return;
        }
    };
    let nothing = env(reason(), reason());
    let unchecked = answer(&expr, &nothing);
    expr.explain(&nothing);
    let Ok(kind) = expr.check(&SCOPE) else { return };
    if kind != ExprType::Bool {
        assert_eq!(unchecked, Answer::Unknown, "only a truth value answers");
        return;
    }
    let parts = env(facts(missing, true), facts(missing >> 1, false));
    let [known, other] = [&whole[0], &whole[1]].map(|env| answer(&expr, env));
    let some = answer(&expr, &parts);
    if unchecked != Answer::Unknown {
        assert_eq!((&unchecked, &unchecked, &unchecked), (&some, &known, &other), "{source}");
    }
    if some != Answer::Unknown {
        assert_eq!(some, known, "{source}");
    }
    expr.explain(&parts);
}
