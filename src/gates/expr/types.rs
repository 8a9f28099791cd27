//! The types of expressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::evidence::Shape;

/// The type of an expression: the shapes of facts, lengths of time, and the element of an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprType {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// Text.
    Text,
    /// An instant.
    Time,
    /// A length of time.
    Duration,
    /// A list of one type.
    List(Box<ExprType>),
    /// A record with these fields; shared, for every expression that names one of them passes it on.
    Record(Arc<BTreeMap<String, ExprType>>),
    /// A dictionary from text.
    Dict(Box<ExprType>),
    /// The element of `[]`; fits everything.
    Nothing,
}

impl ExprType {
    /// The name that messages use.
    pub fn name(&self) -> String {
        match self {
            Self::Bool => "bool".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Text => "string".to_owned(),
            Self::Time => "timestamp".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::List(item) => format!("list({})", item.name()),
            Self::Record(_) => "record".to_owned(),
            Self::Dict(item) => format!("map(string, {})", item.name()),
            Self::Nothing => "nothing".to_owned(),
        }
    }

    /// The type that both fit, if there is one.
    pub(super) fn unify(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Nothing, _) => Some(other.clone()),
            (_, Self::Nothing) => Some(self.clone()),
            (Self::List(a), Self::List(b)) => a.unify(b).map(|item| Self::List(Box::new(item))),
            _ => (self == other).then(|| self.clone()),
        }
    }

    /// Whether `==` means something: scalars and lists of scalars.
    pub(super) fn is_comparable(&self) -> bool {
        match self {
            Self::Bool | Self::Int | Self::Text | Self::Time | Self::Duration | Self::Nothing => true,
            Self::List(item) => item.is_comparable(),
            Self::Record(_) | Self::Dict(_) => false,
        }
    }

    /// Whether `<` means something.
    pub(super) fn is_ordered(&self) -> bool {
        match self {
            Self::Int | Self::Text | Self::Time | Self::Duration => true,
            Self::Bool | Self::List(_) | Self::Record(_) | Self::Dict(_) | Self::Nothing => false,
        }
    }
}

impl From<&Shape> for ExprType {
    fn from(shape: &Shape) -> Self {
        match shape {
            Shape::Bool => Self::Bool,
            Shape::Int => Self::Int,
            Shape::Text => Self::Text,
            Shape::Time => Self::Time,
            Shape::List(item) => Self::List(Box::new(Self::from(&**item))),
            Shape::Record(fields) => {
                let fields = fields.iter().map(|(name, shape)| (name.clone(), Self::from(shape)));
                Self::Record(Arc::new(fields.collect()))
            }
            Shape::Dict(item) => Self::Dict(Box::new(Self::from(&**item))),
        }
    }
}

/// The names that an expression may use, with their types.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Variables: the probes of the gate by name, `params`, `paths`, `package`, `now`.
    pub variables: BTreeMap<String, ExprType>,
}

impl Scope {
    /// The type at a dotted path such as `keyring.certs`, for what is named outside of expressions.
    ///
    /// # Errors
    /// The first name that does not exist: what is wrong, and how to put it right.
    pub fn type_at(&self, path: &str) -> Result<ExprType, (String, String)> {
        super::check::type_at(&self.variables, path)
    }
}
