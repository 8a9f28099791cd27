//! The language, case by case, and its agreement with the crate's own interpreter where all is known.

use std::borrow::Cow;

use super::*;
use crate::evidence::{Fact, Missing, MissingState, Shape};

fn missing(state: MissingState) -> Fact {
    let missing = Missing {
        state,
        tried: "read it".to_owned(),
        by: "auditor".to_owned(),
        said: "no".to_owned(),
        next: "chmod".to_owned(),
    };
    Fact::from(missing)
}

fn cert(fingerprint: &str, valid: Fact) -> Fact {
    Fact::record([("fingerprint", Fact::from(fingerprint)), ("valid", valid), ("bits", Fact::Int(256))])
}

fn facts() -> Vec<(&'static str, Shape, Fact)> {
    let cert_shape = Shape::record([("fingerprint", Shape::Text), ("valid", Shape::Bool), ("bits", Shape::Int)]);
    let ring = Shape::record([
        ("certs", Shape::list(cert_shape.clone())),
        ("none", Shape::list(cert_shape.clone())),
        ("denied", Shape::list(cert_shape.clone())),
        ("holed", Shape::list(cert_shape)),
        ("absent", Shape::Text),
        ("secret", Shape::Text),
        ("refused", Shape::Text),
        ("names", Shape::list(Shape::Text)),
        ("sizes", Shape::list(Shape::Int)),
        ("by_name", Shape::dict(Shape::Int)),
        ("count", Shape::Int),
        ("name", Shape::Text),
        ("ok", Shape::Bool),
        ("made", Shape::Time),
    ]);
    let value = Fact::record([
        ("certs", Fact::list([cert("AA", true.into()), cert("BB", missing(MissingState::Denied))])),
        ("none", Fact::List(Vec::new())),
        ("denied", missing(MissingState::Denied)),
        ("holed", Fact::list([cert("AA", true.into()), missing(MissingState::Unreadable)])),
        ("absent", missing(MissingState::Absent)),
        ("secret", missing(MissingState::Withheld)),
        ("refused", missing(MissingState::Error)),
        ("names", Fact::texts(["runs", "batches", "locks"])),
        ("sizes", Fact::list([Fact::Int(3), Fact::Int(0), Fact::Int(-7)])),
        ("by_name", Fact::record([("runs", Fact::Int(1)), ("locks", Fact::Int(2))])),
        ("count", Fact::Int(3)),
        ("name", Fact::from("vmi3080463")),
        ("ok", true.into()),
        ("made", Fact::Time("2026-05-21T10:00:00Z".parse().unwrap())),
    ]);
    let now = Fact::Time("2026-05-22T10:00:00Z".parse().unwrap());
    vec![("ring", ring, value), ("now", Shape::Time, now)]
}

fn scope() -> Scope {
    Scope { variables: facts().iter().map(|(name, shape, _)| ((*name).to_owned(), ExprType::from(shape))).collect() }
}

fn env() -> Env<'static> {
    Env { variables: facts().into_iter().map(|(name, _, fact)| (name.to_owned(), Cow::Owned(fact))).collect() }
}

fn word(rule: &str) -> String {
    let expr = Expr::parse(rule).unwrap_or_else(|problems| panic!("{rule}: {problems:?}"));
    let kind = expr.check(&scope()).unwrap_or_else(|problems| panic!("{rule}: {problems:?}"));
    assert_eq!(kind, ExprType::Bool, "{rule}");
    match expr.judge(&env()) {
        Outcome::Holds => "holds",
        Outcome::Fails => "fails",
        Outcome::Vacuous(_) => "vacuous",
        Outcome::Unknown(_) => "unknown",
    }
    .to_owned()
}

/// A list with a missing element is known in part: what was read may decide, and nothing else does.
#[test]
fn a_list_that_is_known_in_part_decides_only_by_what_was_read() {
    for (rule, expected) in [
        ("ring.holed.exists(c, c.fingerprint == \"AA\")", "holds"),
        ("ring.holed.exists(c, c.fingerprint == \"ZZ\")", "unknown"),
        ("!ring.holed.exists(c, c.fingerprint == \"ZZ\")", "unknown"),
        ("ring.holed.all(c, c.valid)", "unknown"),
        ("ring.holed.all(c, !c.valid)", "fails"),
        ("ring.holed.exists_one(c, c.valid)", "unknown"),
        ("size(ring.holed) > 0", "unknown"),
        ("size(ring.holed) == 0", "unknown"),
        ("size(ring.holed.filter(c, c.valid)) == 1", "unknown"),
        ("ring.holed.map(c, c.fingerprint) == [\"AA\"]", "unknown"),
        ("ring.holed[0].valid", "holds"),
        ("ring.holed[1].valid", "unknown"),
    ] {
        assert_eq!(word(rule), expected, "{rule}");
    }
}

/// An unreadable fact is unknown under a positive and under a negative assertion, a known one decides beside
/// it, and nothing vacuous holds in either polarity.
#[test]
fn unknown_and_vacuous_never_hold() {
    let table = [
        ("ring.refused == 'x'", "unknown"),
        ("ring.refused != 'x'", "unknown"),
        ("!(ring.refused == 'x')", "unknown"),
        ("ring.absent == 'x'", "unknown"),
        ("ring.absent != 'x'", "unknown"),
        ("has(ring.absent)", "fails"),
        ("!has(ring.absent)", "holds"),
        ("has(ring.refused)", "unknown"),
        ("!has(ring.refused)", "unknown"),
        ("has(ring.secret)", "holds"),
        ("ring.secret == 'hunter2'", "unknown"),
        ("has(ring.denied)", "unknown"),
        ("size(ring.denied) == 0", "unknown"),
        ("ring.denied.all(c, c.valid)", "unknown"),
        ("!ring.denied.exists(c, c.valid)", "unknown"),
        ("ring.none.all(c, c.valid)", "vacuous"),
        ("!ring.none.all(c, c.valid)", "vacuous"),
        ("ring.none.all(c, c.valid) || ring.ok", "holds"),
        ("ring.none.all(c, c.valid) && ring.ok", "vacuous"),
        ("ring.none.all(c, c.valid) && ring.refused == 'x'", "vacuous"),
        ("ring.none.all(c, c.valid) || ring.refused == 'x'", "unknown"),
        ("ring.none.exists(c, c.valid)", "fails"),
        ("size(ring.none) == 0", "holds"),
        ("ring.certs.exists(c, c.fingerprint == 'AA' && c.valid)", "holds"),
        ("ring.certs.exists(c, c.fingerprint == 'BB' && c.valid)", "unknown"),
        ("ring.certs.exists(c, c.fingerprint == 'CC' && c.valid)", "fails"),
        ("ring.certs.all(c, c.valid)", "unknown"),
        ("ring.certs.exists_one(c, c.fingerprint == 'AA')", "holds"),
        ("ring.certs.exists_one(c, c.valid)", "unknown"),
        ("ring.certs.filter(c, c.valid).size() == 1", "unknown"),
        ("ring.certs.map(c, c.fingerprint) == ['AA', 'BB']", "holds"),
        ("ring.certs.map(c, c.valid) == [true, true]", "unknown"),
        ("ring.certs.map(c, c.bits > 1, c.fingerprint).join('+') == 'AA+BB'", "holds"),
        ("ring.refused == 'x' && !ring.ok", "fails"),
        ("ring.refused == 'x' || ring.ok", "holds"),
        ("ring.ok ? ring.count == 3 : ring.refused == 'x'", "holds"),
        ("ring.refused == 'x' ? ring.ok : ring.ok", "unknown"),
        ("ring.certs[0].fingerprint == 'AA'", "holds"),
        ("ring.certs[7].fingerprint == 'AA'", "unknown"),
        ("ring.by_name['runs'] == 1", "holds"),
        ("ring.by_name.locks == 2", "holds"),
        ("ring.by_name['batches'] == 1", "unknown"),
        ("has(ring.by_name.batches)", "fails"),
        ("'batches' in ring.by_name", "fails"),
        ("'locks' in ring.names", "holds"),
        ("ring.names.all(n, n.matches('^[a-z]+$'))", "holds"),
        ("ring.count / (ring.count - 3) == 1", "unknown"),
        ("9223372036854775807 + ring.count > 0", "unknown"),
        ("now - ring.made <= duration('24h')", "holds"),
        ("now - ring.made < duration('1d')", "fails"),
        ("ring.made + duration('48h') > now", "holds"),
        ("ring.made < timestamp('2026-05-22T00:00:00Z')", "holds"),
        ("int('x') == 1", "unknown"),
        ("ring.certs.exists(c, ring.certs.exists(d, d.fingerprint == c.fingerprint && c.bits == 256))", "holds"),
    ];
    let wrong: Vec<_> =
        table.iter().filter(|(rule, expected)| word(rule) != *expected).map(|(rule, _)| (rule, word(rule))).collect();
    assert_eq!(wrong, Vec::new());
}

/// What is wrong in a rule is said when it is loaded, at its place.
#[test]
fn problems_are_found_at_load() {
    let table = [
        ("ring.cert.exists(c, c.valid)", "cert", "`ring` has no fact `cert`"),
        ("rings.ok", "rings", "nothing here is called `rings`"),
        ("ring.certs.exists(c, c.fingerprnt == 'A')", "fingerprnt", "has no fact `fingerprnt`"),
        ("ring.count", "count", ""),
        ("ring.count && ring.ok", "count", "this is int, and bool is needed"),
        ("ring.count == 'x'", "==", "`==` does not go between int and string"),
        ("ring.certs == []", "==", "`==` does not go between"),
        ("ring.name.all(c, true)", "name", "goes over a list"),
        ("sizee(ring.names) > 0", "sizee", "there is no function `sizee`"),
        ("size(ring.count) > 0", "size", "`size` does not take (int)"),
        ("ring.name.matches('(')", "matches", "unclosed group"),
        ("duration('1 day') == duration('1d')", "duration", "is no duration"),
        ("ring.ok &&", "", ""),
        ("ring.count == 1.5", "1.5", "whole numbers"),
        ("ring.name == null", "null", "no fact is null"),
        ("ring.by_name == {'a': 1}", "{", "do not build maps"),
        ("", "", "the expression is empty"),
        ("ring.certs.all(ring, ring.valid)", "certs", "already names a variable"),
    ];
    for (rule, place, message) in table {
        let problems = match Expr::parse(rule) {
            Err(problems) => problems,
            Ok(expr) => match expr.check(&scope()) {
                Err(problems) => problems,
                Ok(kind) => {
                    assert_ne!(kind, ExprType::Bool, "{rule} was accepted");
                    continue;
                }
            },
        };
        let first = problems.first().unwrap_or_else(|| panic!("{rule}: refused without a problem"));
        assert!(first.message.contains(message), "{rule}: {first:?}");
        assert!(first.end <= rule.len() && rule[first.start..first.end].starts_with(place), "{rule}: {first:?}");
    }
}

#[test]
fn all_problems_of_a_rule_are_reported_at_once() {
    let problems = Expr::parse("ring.a == 1 && ring.b == 2 && c").unwrap().check(&scope()).unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn nesting_beyond_reason_is_refused_and_not_a_crash() {
    let refused = ["(".repeat(4000) + "true" + &")".repeat(4000), "a.".repeat(4000) + "b", "!(".repeat(2000) + "true"];
    for rule in refused {
        let accepted = Expr::parse(&rule).is_ok_and(|expr| expr.check(&scope()).is_ok());
        assert!(!accepted, "{}…", &rule[..20]);
    }
    assert!(Expr::parse(&("!".repeat(5000) + "true")).is_err());
    assert_eq!(word(&("(".repeat(30) + "true" + &")".repeat(30))), "holds");
    assert_eq!(word(&("1 + ".repeat(390) + "1 > 0")), "holds");
}

#[test]
fn texts_quote_facts() {
    let table = [
        ("keys: {size(ring.certs)}, {ring.names}", "keys: 3-1"),
        ("{ring.name} {{literally}}", "vmi3080463 {literally}"),
        ("{ring.refused}", "(unknown: error)"),
        ("{ring.none.map(c, c.fingerprint)}", "none"),
        ("{now - ring.made}", "1 d 0 h"),
        ("{ring.names.join('}')}", "runs}batches}locks"),
    ];
    for (source, expected) in table.iter().skip(1) {
        let text = Text::parse(source).unwrap();
        text.check(&scope()).unwrap();
        assert_eq!(text.render(&env()), *expected);
    }
    let text = Text::parse(table[0].0).unwrap();
    assert_eq!(text.render(&env()), "keys: 2, runs, batches, locks");
    assert_eq!(text.reads().into_iter().collect::<Vec<_>>(), ["ring.certs", "ring.names"]);
    for (source, place) in [("a { b", 2), ("a } b", 2), ("{ring.nmae}", 6), ("x {1 +} y", 6)] {
        let problems = match Text::parse(source) {
            Err(problems) => problems,
            Ok(text) => text.check(&scope()).unwrap_err(),
        };
        assert_eq!(problems[0].start, place, "{source}: {problems:?}");
    }
}

#[test]
fn a_rule_is_explained_part_by_part() {
    let expr = Expr::parse("size(ring.certs) > 2 && ring.refused == 'x'").unwrap();
    let steps: Vec<_> =
        expr.explain(&env()).into_iter().map(|step| format!("{} {} = {}", step.depth, step.text, step.value)).collect();
    assert_eq!(
        steps,
        [
            "0 (size(ring.certs) > 2) && (ring.refused == \"x\") = false",
            "1 size(ring.certs) > 2 = false",
            "2 size(ring.certs) = 2",
            "3 ring.certs = 2 records",
            "1 ring.refused == \"x\" = (unknown: error)",
            "2 ring.refused = (unknown: error)",
        ]
    );
}

/// Where every fact is known, our judge and the crate's interpreter answer alike.
mod agreement {
    use proptest::prelude::*;

    use super::*;

    fn integer() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("1".to_owned()),
            Just("-2".to_owned()),
            Just("n".to_owned()),
            Just("size(xs)".to_owned()),
            Just("size(words)".to_owned()),
        ];
        leaf.prop_recursive(3, 12, 2, |inner| {
            (inner.clone(), prop_oneof![Just("+"), Just("-"), Just("*"), Just("/"), Just("%")], inner)
                .prop_map(|(a, op, b)| format!("({a} {op} {b})"))
        })
    }

    fn rule() -> impl Strategy<Value = String> {
        let compare =
            (integer(), prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")], integer());
        let leaf = prop_oneof![
            compare.prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            Just("yes".to_owned()),
            Just("false".to_owned()),
            Just("'b' in words".to_owned()),
            integer().prop_map(|n| format!("{n} in xs")),
            integer().prop_map(|n| format!("xs.exists(x, x == {n})")),
            integer().prop_map(|n| format!("xs.all(x, x > {n})")),
            integer().prop_map(|n| format!("xs.exists_one(x, x > {n})")),
            integer().prop_map(|n| format!("xs.map(x, x + {n}) == [4, 1, -6]")),
            integer().prop_map(|n| format!("size(xs.filter(x, x < {n})) == 1")),
            integer().prop_map(|n| format!("size(xs.map(x, x < {n}, x * 2)) > 1")),
            Just("words.all(w, w.startsWith('b') || w.endsWith('a'))".to_owned()),
            Just("has(rec.a)".to_owned()),
            Just("rec.a == n".to_owned()),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                inner.clone().prop_map(|a| format!("!({a})")),
                (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            ]
        })
    }

    fn crate_says(source: &str) -> Option<bool> {
        let program = cel::Program::compile(source).unwrap();
        let mut context = cel::Context::default();
        context.add_variable("n", 3_i64).unwrap();
        context.add_variable("yes", true).unwrap();
        context.add_variable("xs", vec![3_i64, 0, -7]).unwrap();
        context.add_variable("words", vec!["a", "b"]).unwrap();
        context.add_variable("rec", std::collections::HashMap::from([("a", 3_i64)])).unwrap();
        match program.execute(&context) {
            Ok(cel::Value::Bool(value)) => Some(value),
            Ok(other) => panic!("{source} gave {other:?}"),
            Err(_) => None,
        }
    }

    fn ours(source: &str) -> Option<bool> {
        let shapes = [
            ("n", Shape::Int, Fact::Int(3)),
            ("yes", Shape::Bool, Fact::Bool(true)),
            ("xs", Shape::list(Shape::Int), Fact::list([Fact::Int(3), Fact::Int(0), Fact::Int(-7)])),
            ("words", Shape::list(Shape::Text), Fact::texts(["a", "b"])),
            ("rec", Shape::record([("a", Shape::Int)]), Fact::record([("a", Fact::Int(3))])),
        ];
        let scope = Scope {
            variables: shapes.iter().map(|(name, shape, _)| ((*name).to_owned(), ExprType::from(shape))).collect(),
        };
        let env =
            Env { variables: shapes.into_iter().map(|(name, _, fact)| (name.to_owned(), Cow::Owned(fact))).collect() };
        let expr = Expr::parse(source).unwrap();
        assert_eq!(expr.check(&scope), Ok(ExprType::Bool), "{source}");
        match expr.judge(&env) {
            Outcome::Holds => Some(true),
            Outcome::Fails => Some(false),
            Outcome::Vacuous(why) => panic!("{source}: {why}"),
            Outcome::Unknown(_) => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
        #[test]
        fn with_the_interpreter_of_the_crate(source in rule()) {
            prop_assert_eq!(ours(&source), crate_says(&source), "{}", source);
        }
    }
}
