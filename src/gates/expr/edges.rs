//! The edges of the language: its limits to the byte, the places of problems, and the arithmetic.

use std::borrow::Cow;

use super::*;
use crate::evidence::{Fact, Shape};

fn messages(source: &str) -> Vec<(usize, usize, String)> {
    let problems = Expr::parse(source).expect_err(source);
    problems.into_iter().map(|problem| (problem.start, problem.end, problem.message)).collect()
}

fn nested(depth: usize) -> String {
    format!("{}1{} == 1", "(".repeat(depth), ")".repeat(depth))
}

#[test]
fn limits_hold_to_the_byte() {
    assert!(Expr::parse(&nested(32)).is_ok());
    assert_eq!(messages(&nested(33)), [(32, 33, "brackets are nested too deeply".to_owned())]);
    for (open, close) in [("[", "]"), ("[(", ")]")] {
        let deep = format!("size({}1{}) == 1", open.repeat(33), close.repeat(33));
        assert!(messages(&deep)[0].2.contains("too deeply"), "{deep}");
    }
    let sum = |operators: usize| format!("1{}", "+1".repeat(operators));
    assert!(Expr::parse(&sum(400)).is_ok());
    assert!(messages(&sum(401))[0].2.contains("too many operators"));
    let long = |bytes: usize| format!("1 == 1{}", " ".repeat(bytes - 6));
    assert!(Expr::parse(&long(8 * 1024)).is_ok());
    assert!(messages(&long(8 * 1024 + 1))[0].2.contains("more than 8192"));
    // Beside each other is not nested.
    let beside = vec!["(1 == 1)"; 40].join(" && ");
    assert!(Expr::parse(&beside).is_ok());
}

#[test]
fn what_stands_in_quotes_is_no_nesting() {
    let many = "(".repeat(40);
    for quoted in [format!("'{many}'"), format!("\"{many}\""), format!("'\"{many}'"), format!("'a\\'{many}'")] {
        assert!(Expr::parse(&format!("{quoted} == 'x'")).is_ok(), "{quoted}");
    }
    for closed in ["'a'", "\"a\"", "'\\\\'", "'\"'"] {
        let text = format!("{closed} == 'b' && {}", nested(33));
        assert!(messages(&text)[0].2.contains("too deeply"), "{text}");
    }
}

#[test]
fn problems_are_placed_where_they_are() {
    // The third character of the second line; characters before it are longer than a byte.
    let at = "'é' == 'é' &&\n1 ".len();
    let (start, end, message) = messages("'é' == 'é' &&\n1 = 1").remove(0);
    assert_eq!((start, end), (at, at + 1), "{message}");
    let source = "true ? 'é' : null";
    let (start, end, message) = messages(source).remove(0);
    assert_eq!(&source[start..end], "null", "{message}");
    assert!(!messages("[1].map(x, 1.5) == [1]").is_empty());
    let text = "{{é}} {name} {null}";
    let problems = Text::parse(text).expect_err("no fact is null");
    assert_eq!(&text[problems[0].start..problems[0].end], "null");
    let text = "é {nothing.here}";
    let problems = Text::parse(text).expect("parses").check(&Scope::default()).expect_err("an unknown name");
    assert_eq!(&text[problems[0].start..problems[0].end], "nothing", "{problems:?}");
    for (text, at) in [("é {a", 3), ("é }", 3)] {
        let problems = Text::parse(text).expect_err("braces");
        assert_eq!((problems[0].start, problems[0].end), (at, at + 1), "{text}");
    }
}

fn scope() -> Scope {
    let probe = Shape::record([
        ("n", Shape::Int),
        ("at", Shape::Time),
        ("ok", Shape::Bool),
        ("name", Shape::Text),
        ("names", Shape::list(Shape::Text)),
    ]);
    Scope { variables: [("p".to_owned(), ExprType::from(&probe))].into_iter().collect() }
}

fn env() -> Env<'static> {
    let facts = Fact::record([
        ("n", Fact::Int(7)),
        ("at", Fact::Time("2026-05-21T10:00:00Z".parse().unwrap())),
        ("ok", Fact::Bool(true)),
        ("name", Fact::from("a}b\"c")),
        ("names", Fact::texts(["a", "b"])),
    ]);
    Env { variables: [("p".to_owned(), Cow::Owned(facts))].into_iter().collect() }
}

fn said(text: &str) -> String {
    let text = Text::parse(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    text.check(&scope()).unwrap_or_else(|problems| panic!("{problems:?}"));
    text.render(&env())
}

#[test]
fn arithmetic_and_lengths_of_time() {
    let table = [
        ("{p.n - 2} {p.n / 2} {p.n * 2} {p.n + 2} {p.n % 4}", "5 3 14 9 3"),
        ("{p.at - p.at}", "0 s"),
        ("{duration('59s')} {duration('60s')} {duration('3600s')}", "59 s 1 min 1 h 0 min"),
        ("{duration('90061s')} {duration('86400s')}", "1 d 1 h 1 d 0 h"),
        ("{duration('7325s')} {duration('172800s') + duration('82800s')}", "2 h 2 min 2 d 23 h"),
        ("{p.at - (p.at + duration('90s'))}", "-1 min"),
        ("{duration('1s') - duration('1s')}", "0 s"),
        ("{'}'} {\"\\\"}\"} {'\\'}'} {p.name}", "} \"} '} a}b\"c"),
        ("{{{p.n}}}", "{7}"),
    ];
    for (text, expected) in table {
        assert_eq!(said(text), expected, "{text}");
    }
    for (rule, expected) in [
        ("[1] == [1, 2]", "false"),
        ("[1, 2] == [1]", "false"),
        ("[] == [1]", "false"),
        ("[1] == []", "false"),
        ("[1, 2] == [1, 2]", "true"),
        ("[[], [1]] == [[], [1]]", "true"),
        ("[1] + [2] == [1, 2]", "true"),
        ("[3, 4][1] == 4", "true"),
        ("p.ok == true", "true"),
        ("p.ok == false", "false"),
        ("p.at == p.at", "true"),
        ("p.at == p.at + duration('1s')", "false"),
        ("'a' < 'b'", "true"),
        ("'b' < 'a'", "false"),
        ("duration('60s') == duration('1m')", "true"),
        ("duration('60s') == duration('2m')", "false"),
        ("duration('1h') - duration('30m') == duration('30m')", "true"),
        ("duration('1h') + duration('30m') == duration('90m')", "true"),
        ("p.at - duration('1h') < p.at", "true"),
    ] {
        assert_eq!(said(&format!("{{p.ok && {rule}}}")), expected, "{rule}");
    }
}

#[test]
fn the_parts_of_a_rule_are_as_deep_as_they_stand() {
    let env = Env { variables: [("p".to_owned(), Cow::Owned(Fact::record([("n", Fact::Int(7))])))].into() };
    let steps = Expr::parse("p.n % 4 == 3 && !(p.n < 1)").expect("parses").explain(&env);
    let seen: Vec<_> = steps.iter().map(|step| (step.depth, step.text.as_str(), step.value.as_str())).collect();
    assert_eq!(
        seen,
        [
            (0, "((p.n % 4) == 3) && !(p.n < 1)", "true"),
            (1, "(p.n % 4) == 3", "true"),
            (2, "p.n % 4", "3"),
            (3, "p.n", "7"),
            (1, "!(p.n < 1)", "true"),
            (2, "p.n < 1", "false"),
            (3, "p.n", "7"),
        ]
    );
}

/// Every part that has a value is shown as it would be written, a loop with its range below it.
#[test]
fn loops_are_explained_as_they_are_written() {
    let env = env();
    for (rule, value) in [
        ("p.names.all(x, x != \"\")", "true"),
        ("p.names.exists(x, x == \"b\")", "true"),
        ("p.names.exists_one(x, x == \"b\")", "true"),
        ("p.names.filter(x, x == \"b\")", "b"),
        ("p.names.map(x, size(x))", "1, 1"),
        ("p.names.map(x, x == \"b\", size(x))", "1"),
    ] {
        let steps = Expr::parse(rule).expect("parses").explain(&env);
        let seen: Vec<_> = steps.iter().map(|step| (step.depth, step.text.as_str(), step.value.as_str())).collect();
        assert_eq!(seen, [(0, rule, value), (1, "p.names", "a, b")]);
    }
}

/// A person is shown the name of a loop and of a field, with whatever stands between it and the dot.
#[test]
fn a_name_is_pointed_at_wherever_it_stands() {
    for (rule, name) in [
        ("p.ok && p.names.map(x, x)", "map"),
        ("p.ok && p.names.filter(x, x == 'a')", "filter"),
        ("p.ok && p.  nme == 'a'", "nme"),
        ("p.ok && p.\n\tnme == 'a'", "nme"),
    ] {
        let problems = Expr::parse(rule).expect("parses").check(&scope()).expect_err(rule);
        assert_eq!(&rule[problems[0].start..problems[0].end], name, "{rule}: {problems:?}");
    }
}

/// What an expression gives as a fact; a length of time is none, and what is unknown has none.
#[test]
fn an_expression_gives_a_fact() {
    let fact = |rule: &str| Expr::parse(rule).expect("parses").fact(&env());
    assert_eq!(fact("p.n + 1"), Some(Fact::Int(8)));
    assert_eq!(fact("-p.n"), Some(Fact::Int(-7)));
    assert_eq!(fact("p.names.filter(x, x != 'a')"), Some(Fact::texts(["b"])));
    assert_eq!(fact("duration('1h')"), None);
    assert_eq!(fact("p.n / 0"), None);
    let text = Text::parse("{p.n} of {{all}}").expect("parses");
    assert_eq!((text.source(), text.render(&env()).as_str()), ("{p.n} of {{all}}", "7 of {all}"));
}

/// An element that is not there makes the rule unknown, in a list that was written out too, whether one or more too far.
#[test]
fn an_element_past_the_end_is_unknown() {
    for rule in ["[3, 4][2] == 4", "[3, 4][3] == 4", "[3, 4][-1] == 4", "[3, 4][2] != 4", "p.names[2] == 'a'"] {
        let expr = Expr::parse(rule).expect("parses");
        assert_eq!(expr.check(&scope()), Ok(ExprType::Bool), "{rule}");
        let Outcome::Unknown(why) = expr.judge(&env()) else { panic!("{rule} was decided") };
        assert!(why[0].to_string().contains("there is no element "), "{rule}: {why:?}");
    }
    assert_eq!(Expr::parse("[3, 4][1] == 4").expect("parses").judge(&env()), Outcome::Holds);
}

#[test]
fn what_cannot_work_is_refused_when_it_is_loaded() {
    let refused = |rule: &str| -> String {
        let expr = Expr::parse(rule).unwrap_or_else(|problems| panic!("{rule}: {problems:?}"));
        let problems = expr.check(&scope()).expect_err(rule);
        problems.into_iter().map(|problem| format!("{}; {}", problem.message, problem.help)).collect()
    };
    for rule in ["p.at < timestamp('tomorrow')", "p.name.matches('(')", "p.at + duration('soon') > p.at"] {
        assert!(refused(rule).contains("write "), "{rule}: {}", refused(rule));
    }
    assert!(refused("p.ok && p.n").contains("compare it: p.n == …"), "{}", refused("p.ok && p.n"));
    assert!(refused("[1, 2].join('+') == '1+2'").contains("`join` does not take (list(int), string)"));
    for rule in ["p.ok < p.ok", "[1] < [2]", "p.n * p.name == 1", "p.name % p.n == 1", "p.at * 2 == 2"] {
        assert!(!refused(rule).is_empty(), "{rule}");
    }
    // Two problems in one rule, though the types of the rest fit.
    assert!(refused("p.nam == 'a' && p.ok").contains("did you mean `name`?"));
    assert!(!refused("p.entirely_else == 'a'").contains("did you mean"));
    assert_eq!(Expr::parse("p.ok").expect("parses").source(), "p.ok");
}

/// What must change, as `part of element: actual → demanded`, and whether other ways are left.
fn changes(rules: &[&str]) -> (Vec<String>, usize) {
    let record = |path: &str, ok: bool| Fact::record([("path", Fact::from(path)), ("ok", Fact::Bool(ok))]);
    let denied = crate::evidence::Missing {
        state: crate::evidence::MissingState::Denied,
        tried: "read it".to_owned(),
        by: "nobody".to_owned(),
        said: "no".to_owned(),
        next: "chmod it".to_owned(),
    };
    let probe = Fact::record([
        ("n", Fact::Int(7)),
        ("there", Fact::Bool(true)),
        ("names", Fact::texts(["a", "b"])),
        ("files", Fact::list([record("/x", true), record("/y", false), record("/z", false)])),
        ("none", Fact::list([])),
        ("secret", denied.into()),
    ]);
    let params = Fact::record([("limit", Fact::Int(3)), ("wanted", Fact::texts(["a", "c"]))]);
    let variables = [("p".to_owned(), Cow::Owned(probe)), ("params".to_owned(), Cow::Owned(params))];
    let env = Env { variables: variables.into() };
    let rules: Vec<_> = rules.iter().map(|rule| Expr::parse(rule).unwrap_or_else(|_| panic!("{rule}"))).collect();
    let mut needed = Needed::new();
    rules.iter().for_each(|rule| rule.needs(&mut needed));
    let closing = rules[0].closing(&env, &needed);
    assert_eq!(closing.changes.is_empty(), rules[0].judge(&env) == Outcome::Holds, "{rules:?}");
    let said = closing.changes.iter().map(|change| {
        let of = if change.of.is_empty() { String::new() } else { format!(" of {}", change.of) };
        let package = if change.in_package { " (package)" } else { "" };
        format!("{}{of}: {} → {}{package}", change.part, change.actual, change.demanded)
    });
    (said.collect(), closing.others)
}

/// All that fail of a conjunction, the cheapest of a disjunction, every element of `all`, another element for `exists`.
#[test]
fn the_fewest_changes_close_a_rule() {
    for (rule, expected, others) in [
        ("p.n == 7", &[][..], 0),
        ("p.n > 8", &["p.n: 7 → > 8"], 0),
        ("!(p.n > 6)", &["p.n: 7 → <= 6"], 0),
        ("p.n <= params.limit", &["p.n: 7 → <= 3"], 0),
        ("params.limit >= p.n", &["p.n: 7 → <= 3"], 0),
        ("params.limit > 3", &["params.limit: 3 → > 3 (package)"], 0),
        ("p.n == size(p.names)", &["p.n: 7 → == size(p.names) (2)"], 0),
        ("p.n == 7 && p.n != 7 && \"c\" in p.names", &["p.n: 7 → != 7", "p.names: a, b → a list with \"c\""], 0),
        ("(p.n > 8 && p.n > 9) || p.n == 1", &["p.n: 7 → == 1"], 1),
        ("p.n == 1 || p.n == 2", &["p.n: 7 → == 1"], 1),
        ("!(p.there && p.n == 7)", &["p.there: true → false"], 1),
        ("p.there ? p.n == 1 : p.n == 7", &["p.n: 7 → == 1"], 1),
        ("p.files.all(f, f.ok)", &["f.ok of /y: false → true", "f.ok of /z: false → true"], 0),
        ("!p.files.exists(f, f.ok)", &["f.ok of /x: true → false"], 0),
        ("p.none.all(f, f == 1)", &["p.none: none → at least one element, and only such for which f == 1"], 0),
        ("p.files.exists(f, f.path == \"/q\")", &["p.files: 0 of 3 fit → one for which f.path == \"/q\""], 0),
        ("p.names.exists_one(x, x != \"\")", &["p.names: 2 of 2 fit → exactly one for which x != \"\""], 0),
        ("params.wanted.all(w, w in p.names)", &["p.names of c: a, b → a list with \"c\""], 0),
        ("p.secret == 1", &["p.secret: (denied) → readable: chmod it"], 0),
        ("p.secret == 1 || p.n == 1", &["p.secret: (denied) → readable: chmod it"], 1),
    ] {
        let expected: Vec<String> = expected.iter().map(|said| (*said).to_owned()).collect();
        assert_eq!(changes(&[rule]), (expected, others), "{rule}");
    }
}

/// A way that another rule of the gate forbids is none.
#[test]
fn what_another_rule_asks_for_is_not_undone() {
    let guarded = "!p.there || p.n > 8";
    assert_eq!(changes(&[guarded]), (vec!["p.there: true → false".to_owned()], 1));
    assert_eq!(changes(&[guarded, "p.there && p.n == 7"]), (vec!["p.n: 7 → > 8".to_owned()], 0));
}

/// Each part that is not as demanded says what is demanded of it, and the elements that fail are taken apart.
#[test]
fn what_is_demanded_stands_beside_what_is() {
    let record = |path: &str, ok: bool| Fact::record([("path", Fact::from(path)), ("ok", Fact::Bool(ok))]);
    let files = Fact::list([record("/x", true), record("/y", false)]);
    let p = Fact::record([("n", Fact::Int(7)), ("files", files)]);
    let env = Env { variables: [("p".to_owned(), Cow::Owned(p))].into() };
    let steps = Expr::parse("!(p.n > 1) || p.files.all(f, f.ok)").expect("parses").explain(&env);
    let seen: Vec<_> =
        steps.iter().map(|step| (step.text.as_str(), step.value.as_str(), step.wanted.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("!(p.n > 1) || p.files.all(f, f.ok)", "false", "must be true"),
            ("!(p.n > 1)", "false", "must be true"),
            ("p.n > 1", "true", "must be false"),
            ("p.n", "7", "must be <= 1"),
            ("p.files.all(f, f.ok)", "false", "must be true"),
            ("p.files", "2 records", ""),
            ("where f is", "/y", ""),
            ("f.ok", "false", "must be true"),
        ]
    );
}
