//! A program as the analysis sees it, in no particular language: modules, functions, classes,
//! statements and expressions with their places. A front end fills it; it holds no judgement.

use std::collections::BTreeSet;
use std::rc::Rc;

/// A name.
pub type Name = Rc<str>;

/// A byte offset in the module's text, where a construct begins.
pub type Offset = u32;

/// A module's body, or that it could not be understood.
#[derive(Debug)]
pub struct Module {
    /// Its statements.
    pub body: Vec<Stmt>,
    /// Its documentation text.
    pub doc: Option<String>,
}

/// Why a module's text could not be understood, and where.
#[derive(Clone, Debug)]
pub struct ParseFailure {
    /// Where.
    pub at: Offset,
    /// Why.
    pub reason: String,
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Const {
    /// No value.
    None,
    /// A truth value.
    Bool(bool),
    /// A small whole number.
    Int(i64),
    /// A text.
    Text(Name),
    /// Any other literal, which is never null and whose value does not matter.
    Other,
}

/// An expression.
#[derive(Debug)]
pub struct Expr {
    /// Where it begins.
    pub at: Offset,
    /// What it is.
    pub kind: ExprKind,
}

/// The kinds of expressions.
#[derive(Debug)]
pub enum ExprKind {
    /// A literal.
    Const(Const),
    /// A text with interpolated parts, of which the beginning is known; and what stands behind each part, where
    /// all of them are shown as they are.
    Text(Name, Vec<Expr>, Option<Vec<Name>>),
    /// A variable.
    Name(Name),
    /// `object.name`
    Attribute(Box<Expr>, Name),
    /// `callee(arguments)`
    Call(Box<Expr>, Vec<Argument>),
    /// `object[index]`
    Item(Box<Expr>, Box<Expr>),
    /// A conjunction with short circuit.
    All(Vec<Expr>),
    /// A disjunction with short circuit.
    Any(Vec<Expr>),
    /// A negation.
    Not(Box<Expr>),
    /// A chain of comparisons.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// `then if test else otherwise`
    Choice {
        /// What decides.
        test: Box<Expr>,
        /// When true.
        then: Box<Expr>,
        /// When false.
        otherwise: Box<Expr>,
    },
    /// A tuple, list or set.
    Sequence(SequenceKind, Vec<Element>),
    /// A dictionary; an entry without a key spreads another dictionary.
    Table(Vec<(Option<Expr>, Expr)>),
    /// A function without a name.
    Function(Rc<Function>),
    /// Waits for a coroutine.
    Await(Box<Expr>),
    /// Gives a value to whoever drives this generator.
    Yield(Option<Box<Expr>>),
    /// Drives another generator.
    YieldFrom(Box<Expr>),
    /// A sequence built by loops.
    Comprehension(Rc<Comprehension>),
    /// Binds a name and is the value.
    Bind(Name, Box<Expr>),
    /// `a | b`, which as an annotation means either.
    Either(Vec<Expr>),
    /// An operation that may change its first operand in place; the flag says that it adds.
    Update(Box<Expr>, Box<Expr>, bool),
    /// A sum.
    Sum(Vec<Expr>),
    /// Any other operation on these operands.
    Operation(Vec<Expr>),
    /// A construct that is not understood.
    Opaque(&'static str),
}

/// The kinds of sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceKind {
    /// Immutable.
    Tuple,
    /// Mutable.
    List,
    /// Mutable, without order.
    Set,
}

/// An element of a sequence display.
#[derive(Debug)]
pub struct Element {
    /// Whether it spreads another sequence.
    pub spread: bool,
    /// The value.
    pub value: Expr,
}

/// An argument of a call.
#[derive(Debug)]
pub struct Argument {
    /// How it is passed.
    pub way: Way,
    /// The value.
    pub value: Expr,
}

/// The ways of passing an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By position.
    Position,
    /// By name.
    Name(Name),
    /// A sequence spread over positions.
    Spread,
    /// A dictionary spread over names.
    SpreadNames,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Same object.
    Is,
    /// Not the same object.
    IsNot,
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Contained.
    In,
    /// Not contained.
    NotIn,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessEqual,
}

/// A comprehension.
#[derive(Debug)]
pub struct Comprehension {
    /// Whether it runs only when it is iterated.
    pub lazy: bool,
    /// Whether it keeps its elements in order, all of them.
    pub ordered: bool,
    /// Its loops, outermost first.
    pub loops: Vec<ComprehensionLoop>,
    /// What is computed for each element.
    pub element: Vec<Expr>,
    /// For a lazy one: the generator that it is, which takes what the outermost loop goes through; where it binds no
    /// name outside itself and waits for nothing.
    pub generator: Option<Rc<Function>>,
}

/// A loop of a comprehension.
#[derive(Debug)]
pub struct ComprehensionLoop {
    /// What each element is bound to.
    pub target: Target,
    /// What is iterated.
    pub iterable: Expr,
    /// Conditions.
    pub conditions: Vec<Expr>,
    /// Whether the iteration itself is awaited.
    pub awaited: bool,
}

/// What can be assigned to.
#[derive(Debug)]
pub enum Target {
    /// A variable.
    Name(Name),
    /// An attribute.
    Attribute(Expr, Name, Offset),
    /// An element.
    Item(Expr, Expr),
    /// Several, unpacked.
    Sequence(Vec<Target>),
    /// The rest of an unpacking.
    Rest(Box<Target>),
}

/// A statement.
#[derive(Debug)]
pub struct Stmt {
    /// Where it begins.
    pub at: Offset,
    /// What it is.
    pub kind: StmtKind,
}

/// The kinds of statements.
#[derive(Debug)]
pub enum StmtKind {
    /// An expression for its effect.
    Expr(Expr),
    /// An assignment to one or more targets.
    Assign(Vec<Target>, Expr),
    /// A declaration with a type and perhaps a value.
    Declare(Target, Expr, Option<Expr>),
    /// Branches in order; the last may have no test.
    If(Vec<(Option<Expr>, Vec<Stmt>)>),
    /// A loop on a condition.
    While {
        /// The condition.
        test: Expr,
        /// The body.
        body: Vec<Stmt>,
        /// Runs when the condition ended the loop.
        otherwise: Vec<Stmt>,
    },
    /// A loop over elements.
    For {
        /// What each element is bound to.
        target: Rc<Target>,
        /// What is iterated.
        iterable: Expr,
        /// The body.
        body: Rc<Vec<Stmt>>,
        /// Runs when the elements ended the loop.
        otherwise: Vec<Stmt>,
        /// Whether the iteration itself is awaited.
        awaited: bool,
    },
    /// Exceptions caught.
    Try {
        /// The body.
        body: Vec<Stmt>,
        /// The handlers in order.
        handlers: Vec<Handler>,
        /// Runs when the body ended normally.
        otherwise: Vec<Stmt>,
        /// Runs always.
        finally: Vec<Stmt>,
        /// Handlers of exception groups, which are not understood.
        grouped: bool,
    },
    /// Resources managed.
    With {
        /// The managers and what they are bound to.
        items: Rc<Vec<(Expr, Option<Target>)>>,
        /// The body.
        body: Rc<Vec<Stmt>>,
        /// The body as managed contexts inside each other, for a stack of contexts that is used by its name alone.
        stacked: Option<Rc<Vec<Stmt>>>,
        /// Whether entering and leaving are awaited.
        awaited: bool,
    },
    /// Branches by pattern.
    Match(Expr, Vec<MatchCase>),
    /// Leaves the function.
    Return(Option<Expr>),
    /// Raises; without a value, again what is being handled.
    Raise(Option<Expr>),
    /// A check that an optimising interpreter removes.
    Assert(Expr, Option<Expr>),
    /// `import a.b as c`
    Import(Vec<(Name, Option<Name>)>),
    /// `from a import b as c`; level counts the leading dots. A name `*` takes everything.
    ImportFrom {
        /// The dotted module, perhaps empty.
        module: Name,
        /// Leading dots.
        level: u32,
        /// Names and what they are bound to.
        names: Vec<(Name, Name)>,
    },
    /// Defines a function.
    Function(Rc<Function>),
    /// Defines a class.
    Class(Rc<Class>),
    /// These names are the module's.
    Global(Vec<Name>),
    /// These names belong to an enclosing function.
    Nonlocal(Vec<Name>),
    /// Leaves a loop.
    Break,
    /// Goes on with a loop.
    Continue,
    /// Nothing.
    Pass,
    /// Unbinds.
    Delete(Vec<Target>),
    /// A construct that is not understood.
    Opaque(&'static str),
}

/// A handler of exceptions.
#[derive(Debug)]
pub struct Handler {
    /// The classes; `None` catches everything.
    pub classes: Option<Expr>,
    /// What the exception is bound to.
    pub name: Option<Name>,
    /// The body.
    pub body: Vec<Stmt>,
}

/// A branch by pattern.
#[derive(Debug)]
pub struct MatchCase {
    /// The pattern.
    pub pattern: Pattern,
    /// A further condition.
    pub guard: Option<Expr>,
    /// The body.
    pub body: Vec<Stmt>,
}

/// A pattern.
#[derive(Debug)]
pub enum Pattern {
    /// Equal to a value.
    Value(Expr),
    /// The same as a literal.
    Same(Const),
    /// Anything, perhaps bound.
    Anything(Option<Name>),
    /// A pattern whose match is bound.
    As(Box<Pattern>, Name),
    /// One of these.
    Or(Vec<Pattern>),
    /// An instance of a class, with these attributes; the names that are bound in them.
    Instance(Expr, Vec<(Name, Pattern)>, Vec<Name>),
    /// A sequence of so many; the names that are bound in it.
    Items(Vec<Pattern>, Vec<Name>),
    /// A dictionary with at least these entries; the names that are bound in it.
    Entries(Vec<(Expr, Pattern)>, Vec<Name>),
    /// A structure whose match cannot be told; these names are bound.
    Structure(Vec<Name>),
}

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its name; `<lambda>` without one.
    pub name: Name,
    /// Where it begins.
    pub at: Offset,
    /// Its parameters in order.
    pub parameters: Vec<Parameter>,
    /// Its body.
    pub body: Vec<Stmt>,
    /// Decorators, outermost first.
    pub decorators: Vec<Expr>,
    /// Whether a call makes a coroutine.
    pub is_async: bool,
    /// Whether a call makes a generator.
    pub is_generator: bool,
    /// Names that are bound in the body, and so are local.
    pub locals: BTreeSet<Name>,
    /// What it is declared to return.
    pub returns: Option<Expr>,
    /// Its documentation text.
    pub doc: Option<String>,
    /// Attributes that the body assigns to its first parameter.
    pub self_assigned: BTreeSet<Name>,
}

/// A parameter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// Its kind.
    pub kind: ParameterKind,
    /// Its declared type.
    pub annotation: Option<Expr>,
    /// Its default.
    pub default: Option<Expr>,
}

/// The kinds of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// By position only.
    Position,
    /// By position or name.
    Either,
    /// By name only.
    Name,
    /// All other positions.
    Rest,
    /// All other names.
    RestNames,
}

/// A class.
#[derive(Debug)]
pub struct Class {
    /// Its name.
    pub name: Name,
    /// Where it begins.
    pub at: Offset,
    /// Its bases, and by name its metaclass and the like.
    pub arguments: Vec<Argument>,
    /// Its body.
    pub body: Vec<Stmt>,
    /// Decorators, outermost first.
    pub decorators: Vec<Expr>,
    /// Its documentation text.
    pub doc: Option<String>,
}
