//! Small changes of a rule, one at a time: a test of gates that passes with any of them does not hold the rule fast.

use super::Expr;
use super::node::{Kind, Literal, Loop, LoopForm, Node, Operator, Span};

/// A rule with one part changed.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The whole rule, changed.
    pub expr: Expr,
    /// The change among what stands around it: `a.n >[>= → <] 3`; a line.
    pub change: String,
    /// Where the part stands in the source: bytes.
    pub span: std::ops::Range<usize>,
}

impl Expr {
    /// The rule with each operator and constant changed, one at a time, in the order of the source's parts. What they
    /// mean is not looked at: a change may be one that no facts can tell from the rule.
    pub fn mutants(&self) -> Vec<Mutant> {
        let each = |(part, other, whole): (Node, Node, Node)| Mutant {
            change: self.shown(part.span, &token(&part), &changed_token(&part, &other)),
            span: part.span.start..part.span.end,
            expr: Expr { source: whole.to_string(), root: whole },
        };
        below(&self.root).into_iter().map(each).collect()
    }

    /// A change with a few characters around it.
    fn shown(&self, span: Span, was: &str, is: &str) -> String {
        const AROUND: usize = 32;
        let (before, after) = (self.source.get(..span.start), self.source.get(span.end..));
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let skipped = before.chars().count().saturating_sub(AROUND);
        let head: String = before.chars().skip(skipped).collect();
        let tail: String = after.chars().take(AROUND).collect();
        let dots = |cut: bool| if cut { "…" } else { "" };
        let line = format!(
            "{}{head}[{was} → {is}]{tail}{}",
            dots(skipped > 0),
            dots(tail.chars().count() < after.chars().count())
        );
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A node's own word: its operator or constant.
fn token(node: &Node) -> String {
    match &node.kind {
        Kind::And(..) => "&&".to_owned(),
        Kind::Or(..) => "||".to_owned(),
        Kind::Not(_) => "!".to_owned(),
        Kind::Choose(..) => "?:".to_owned(),
        Kind::Binary(operator, ..) => operator.word().to_owned(),
        Kind::Loop(looped) => looped.form.word().to_owned(),
        Kind::Literal(_)
        | Kind::Name(_)
        | Kind::Select(..)
        | Kind::Has(..)
        | Kind::Index(..)
        | Kind::Negate(_)
        | Kind::List(_)
        | Kind::Call(..) => node.to_string(),
    }
}

fn changed_token(part: &Node, other: &Node) -> String {
    match &part.kind {
        Kind::Not(_) => "nothing".to_owned(),
        Kind::Choose(..) => "the other way round".to_owned(),
        Kind::Binary(Operator::In, ..) => "not in".to_owned(),
        Kind::Binary(..)
        | Kind::And(..)
        | Kind::Or(..)
        | Kind::Loop(_)
        | Kind::Literal(_)
        | Kind::Name(_)
        | Kind::Select(..)
        | Kind::Has(..)
        | Kind::Index(..)
        | Kind::Negate(_)
        | Kind::List(_)
        | Kind::Call(..) => token(other),
    }
}

/// Every change of a node or of a part of it: the part, what it became, and the node with it.
fn below(node: &Node) -> Vec<(Node, Node, Node)> {
    let own = changes(node).into_iter().map(|other| (node.clone(), other.clone(), other));
    let mut all: Vec<_> = own.collect();
    for (index, child) in node.children().into_iter().enumerate() {
        for (part, other, changed) in below(child) {
            all.push((part, other, with_child(node, index, changed)));
        }
    }
    all
}

/// What a node may be taken for.
fn changes(node: &Node) -> Vec<Node> {
    let at = |kind: Kind| Node { span: node.span, kind };
    let binary =
        |operator: Operator, a: &Node, b: &Node| at(Kind::Binary(operator, a.clone().into(), b.clone().into()));
    match &node.kind {
        Kind::Literal(Literal::Bool(value)) => vec![at(Kind::Literal(Literal::Bool(!value)))],
        Kind::Literal(Literal::Int(value)) => {
            let other = value.checked_add(1).unwrap_or(value - 1);
            vec![at(Kind::Literal(Literal::Int(other)))]
        }
        Kind::Literal(Literal::Text(value)) => vec![at(Kind::Literal(Literal::Text(format!("{value}~"))))],
        Kind::Not(operand) => vec![(**operand).clone()],
        Kind::And(a, b) => vec![at(Kind::Or(a.clone(), b.clone()))],
        Kind::Or(a, b) => vec![at(Kind::And(a.clone(), b.clone()))],
        Kind::Choose(condition, then, otherwise) => {
            vec![at(Kind::Choose(condition.clone(), otherwise.clone(), then.clone()))]
        }
        Kind::Binary(operator, a, b) => match operator {
            Operator::In => vec![at(Kind::Not(Box::new(node.clone())))],
            Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessEqual
            | Operator::Greater
            | Operator::GreaterEqual
            | Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo => others(*operator).iter().map(|other| binary(*other, a, b)).collect(),
        },
        Kind::Loop(looped) => {
            let form = |form: LoopForm| at(Kind::Loop(Box::new(Loop { form, ..(**looped).clone() })));
            match looped.form {
                LoopForm::All => vec![form(LoopForm::Exists)],
                LoopForm::Exists => vec![form(LoopForm::All)],
                LoopForm::ExistsOne => vec![form(LoopForm::Exists)],
                LoopForm::Filter | LoopForm::Map => Vec::new(),
            }
        }
        Kind::Name(_)
        | Kind::Select(..)
        | Kind::Has(..)
        | Kind::Index(..)
        | Kind::Negate(_)
        | Kind::List(_)
        | Kind::Call(..) => Vec::new(),
    }
}

/// The operators that are easily taken for one: its border moved, and its opposite.
fn others(operator: Operator) -> &'static [Operator] {
    match operator {
        Operator::Equal => &[Operator::NotEqual],
        Operator::NotEqual => &[Operator::Equal],
        Operator::Less => &[Operator::LessEqual, Operator::GreaterEqual],
        Operator::LessEqual => &[Operator::Less, Operator::Greater],
        Operator::Greater => &[Operator::GreaterEqual, Operator::LessEqual],
        Operator::GreaterEqual => &[Operator::Greater, Operator::Less],
        Operator::Add => &[Operator::Subtract],
        Operator::Subtract => &[Operator::Add],
        Operator::Multiply => &[Operator::Divide],
        Operator::Divide => &[Operator::Multiply],
        Operator::Modulo => &[Operator::Multiply],
        // Its opposite is no operator.
        Operator::In => &[],
    }
}

/// The node with one of its [children](Node::children) replaced.
fn with_child(node: &Node, index: usize, new: Node) -> Node {
    let pick = |at: usize, old: &Node| Box::new(if at == index { new.clone() } else { old.clone() });
    let each = |items: &[Node]| items.iter().enumerate().map(|(at, item)| *pick(at, item)).collect();
    let kind = match &node.kind {
        Kind::Literal(_) | Kind::Name(_) => node.kind.clone(),
        Kind::Select(a, field) => Kind::Select(pick(0, a), field.clone()),
        Kind::Has(a, field) => Kind::Has(pick(0, a), field.clone()),
        Kind::Not(a) => Kind::Not(pick(0, a)),
        Kind::Negate(a) => Kind::Negate(pick(0, a)),
        Kind::Index(a, b) => Kind::Index(pick(0, a), pick(1, b)),
        Kind::And(a, b) => Kind::And(pick(0, a), pick(1, b)),
        Kind::Or(a, b) => Kind::Or(pick(0, a), pick(1, b)),
        Kind::Binary(operator, a, b) => Kind::Binary(*operator, pick(0, a), pick(1, b)),
        Kind::Choose(a, b, c) => Kind::Choose(pick(0, a), pick(1, b), pick(2, c)),
        Kind::List(items) => Kind::List(each(items)),
        Kind::Call(name, items) => Kind::Call(name.clone(), each(items)),
        Kind::Loop(looped) => {
            let filter = looped.filter.as_ref().map(|filter| *pick(1, filter));
            let last = 1 + usize::from(filter.is_some());
            Kind::Loop(Box::new(Loop {
                range: *pick(0, &looped.range),
                filter,
                body: *pick(last, &looped.body),
                form: looped.form,
                variable: looped.variable.clone(),
            }))
        }
    };
    Node { span: node.span, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_changed_once_and_the_rest_stays() {
        let source = "has(a.b) && !(a.n >= 3 || a.t in [\"x\"]) && a.l.all(e, e.ok == true)";
        let rule = Expr::parse(source).expect("a rule");
        let mutants = rule.mutants();
        let said: Vec<&str> = mutants.iter().map(|mutant| mutant.change.as_str()).collect();
        for expected in [
            "has(a.b) [&& → ||] !(a.n",
            "has(a.b) && [! → nothing](a.n",
            "(a.n >= 3 [|| → &&] a.t",
            "(a.n [>= → >] 3 ||",
            "(a.n [>= → <] 3 ||",
            "(a.n >= [3 → 4] ||",
            "a.t [in → not in] [\"x\"])",
            "a.t in [[\"x\" → \"x~\"]])",
            "a.l.[all → exists](e,",
            "e.ok [== → !=] true)",
            "e.ok == [true → false])",
        ] {
            let found = said.iter().filter(|change| change.contains(expected)).count();
            assert_eq!(found, 1, "{expected} in {said:#?}");
        }
        assert_eq!(mutants.len(), said.iter().collect::<std::collections::BTreeSet<_>>().len());
        for mutant in &mutants {
            let again = Expr::parse(mutant.expr.source()).expect("what is shown can be read");
            assert_eq!(again.root.to_string(), mutant.expr.root.to_string());
            assert_ne!(mutant.expr.root.to_string(), rule.root.to_string());
        }
    }
}
