//! What the analysis knows of a value while it follows a path, and the heap cells behind references.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::model::{Function, Name};

/// A module of the tree, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub usize);

/// A class of the tree, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub usize);

/// A reference to a heap cell, or the identity of something unseen. Never used twice in one analysis.
pub type Address = u32;

/// A place in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The module.
    pub module: ModuleId,
    /// The byte offset in it.
    pub at: u32,
}

/// What is known of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The name is not bound on this path.
    Unbound,
    /// The null value.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(Name),
    /// A text that begins so.
    TextFrom(Name),
    /// A member of an enumeration of the tree, by its first name.
    Member(ClassId, Name),
    /// An immutable sequence.
    Tuple(Rc<Vec<Value>>),
    /// A heap cell.
    Object(Address),
    /// A function.
    Function(Rc<Closure>),
    /// A function with its receiver.
    Bound(Rc<(Value, Value)>),
    /// A class.
    Class(ClassId),
    /// A module.
    Module(ModuleId),
    /// The next classes after one, with the receiver.
    Super(ClassId, Rc<Value>),
    /// A call of an asynchronous function or generator that has not begun.
    Suspended(Rc<Suspended>),
    /// A callable with some arguments given.
    Partial(Rc<(Value, Arguments)>),
    /// Something that the tree does not show.
    Unseen(Rc<Unseen>),
    /// One of several.
    OneOf(Rc<Vec<Value>>),
}

/// A function with what it closes over.
#[derive(Clone, Debug)]
pub struct Closure {
    /// The function.
    pub function: Rc<Function>,
    /// The module that it was defined in.
    pub module: ModuleId,
    /// The scope around it; `None` is the module's.
    pub scope: Option<Address>,
    /// The class whose body defined it.
    pub class: Option<ClassId>,
    /// Dotted name.
    pub name: Name,
    /// The values of the defaults, in the order of the parameters.
    pub defaults: Vec<Option<Value>>,
    /// How it behaves as an attribute of a class.
    pub kind: ClosureKind,
    /// Why its calls cannot be followed.
    pub veiled: Option<Name>,
}

/// How a function behaves as an attribute of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosureKind {
    /// It is bound to the instance.
    Plain,
    /// It is not bound.
    Static,
    /// It is bound to the class.
    OfClass,
    /// It is called when it is read.
    Property,
    /// A generator that manages a context.
    Context,
    /// It is called when it is first read, and then remembered by the instance.
    Remembered,
    /// It may answer from a memory of earlier calls.
    Cached,
}

impl PartialEq for Closure {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.function, &other.function)
            && self.scope == other.scope
            && self.defaults == other.defaults
            && self.kind == other.kind
            && self.veiled == other.veiled
    }
}

impl Eq for Closure {}

/// Arguments of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// By position.
    pub positions: Vec<Value>,
    /// By name.
    pub names: Vec<(Name, Value)>,
    /// Whether there may be more of either that are not known.
    pub open: bool,
    /// Collections without known elements that are spread.
    pub spread: Vec<Value>,
}

impl Arguments {
    /// By position only.
    pub fn of(positions: Vec<Value>) -> Self {
        Self { positions, ..Self::default() }
    }

    /// Every value.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.positions.iter().chain(self.names.iter().map(|(_, value)| value)).chain(&self.spread)
    }

    /// The argument of a name.
    pub fn named(&self, name: &str) -> Option<&Value> {
        self.names.iter().find(|(each, _)| &**each == name).map(|(_, value)| value)
    }
}

/// A call that has not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspended {
    /// What was called.
    pub closure: Rc<Closure>,
    /// With what.
    pub arguments: Arguments,
    /// Where.
    pub spot: Spot,
    /// Where it comes to life.
    pub kind: SuspendedKind,
    /// Its identity: the cell that says how far it was driven.
    pub id: Address,
    /// Whether what it gives comes with its number, as `enumerate` gives it.
    pub counted: bool,
}

/// What brings a suspended call to life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspendedKind {
    /// Awaiting.
    Coroutine,
    /// Nothing more: it was handed to an event loop.
    Task,
    /// Iterating.
    Generator,
    /// Entering.
    Context,
}

/// Something that the tree does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// Its identity on this path.
    pub id: Address,
    /// Where it comes from.
    pub origin: Origin,
    /// How it was come by: `psycopg.connect.cursor`; calls leave no mark.
    pub chain: Name,
    /// The database connection that it belongs to, where that is another thing.
    pub connection: Option<Address>,
    /// For a method: the connection of the object that has it.
    pub owner: Option<Address>,
    /// What is known of its kind.
    pub kind: UnseenKind,
}

impl Unseen {
    /// The connection that it stands for: its own, or itself.
    pub fn root(&self) -> Address {
        self.connection.unwrap_or(self.id)
    }
}

/// Where something unseen comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A library outside the tree: code that cannot know the tree.
    Outside,
    /// An argument or a part of one: it may be an object of the tree.
    Data,
    /// The analysis lost it here, for this reason.
    Lost(Name, Spot),
}

/// What is known of the kind of something unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnseenKind {
    /// Nothing.
    Plain,
    /// A text or a number: neither callable nor null.
    Scalar,
    /// A truth value.
    Bool,
    /// A built-in collection that may be empty.
    Collection,
    /// The number of elements of something.
    Length(Address),
    /// A kill switch as it was when a module was loaded.
    Stale(Spot),
    /// A process of a sink that was started and is not yet known to have succeeded.
    Process,
    /// The exit status of a process.
    Status(Address),
}

/// A heap cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// An object of a class of the tree.
    Instance {
        /// Its class, exactly.
        class: ClassId,
        /// Its attributes.
        fields: BTreeMap<Name, Value>,
        /// Whether it was made on this path; otherwise others may have changed it.
        fresh: bool,
        /// Whether its initialiser was followed yet.
        filled: bool,
    },
    /// The variables of a call.
    Scope {
        /// The variables.
        names: BTreeMap<Name, Value>,
        /// The scope around it.
        outer: Option<Address>,
    },
    /// A list or set with known elements.
    List(Vec<Value>),
    /// A dictionary with known entries.
    Table(Vec<(Value, Value)>),
    /// What was learnt of something unseen: its attributes.
    Seen(BTreeMap<Name, Value>),
}

impl Value {
    /// One of `values`, flattened, without repetition; too many become `lost`.
    pub fn one_of(values: impl IntoIterator<Item = Value>, lost: impl FnOnce() -> Value) -> Value {
        const ALTERNATIVES: usize = 12;
        let mut all: Vec<Value> = Vec::new();
        for value in values {
            match value {
                Value::OneOf(inner) => inner.iter().for_each(|each| {
                    if !all.contains(each) {
                        all.push(each.clone());
                    }
                }),
                other => {
                    if !all.contains(&other) {
                        all.push(other);
                    }
                }
            }
        }
        match all.len() {
            0 => lost(),
            1 => all.remove(0),
            n if n > ALTERNATIVES => lost(),
            _ => Value::OneOf(Rc::new(all)),
        }
    }

    /// One of two values where paths are merged: of what may be anything at all, no more than a few stay apart.
    pub fn merged(ours: Value, theirs: Value, lost: &mut dyn FnMut() -> Value) -> Value {
        const APART: usize = 2;
        let both = Value::one_of([ours, theirs], &mut *lost);
        let Value::OneOf(all) = &both else { return both };
        if all.iter().filter(|each| each.is_anything()).count() <= APART {
            return both;
        }
        let rest = all.iter().filter(|each| !each.is_anything()).cloned();
        let anything = lost();
        Value::one_of(rest.chain([anything.clone()]).collect::<Vec<_>>(), || anything)
    }

    /// Whether nothing is known of the value but that it was given.
    fn is_anything(&self) -> bool {
        self.unseen().is_some_and(|unseen| {
            let alone = unseen.connection.is_none() && unseen.owner.is_none();
            alone && unseen.origin == Origin::Data && unseen.kind == UnseenKind::Plain
        })
    }

    /// The alternatives of a value.
    pub fn alternatives(&self) -> Vec<Value> {
        match self {
            Value::OneOf(all) => all.to_vec(),
            other => vec![other.clone()],
        }
    }

    /// Something unseen.
    pub fn unseen(&self) -> Option<&Rc<Unseen>> {
        if let Value::Unseen(unseen) = self { Some(unseen) } else { None }
    }

    /// A text that is known whole.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }
}
