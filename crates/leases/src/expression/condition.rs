//! Conditions and whether an item meets them.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ExpressionError;
use crate::item::{Item, Kind, Number, Path, Value};

/// What an item may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare(Comparator, Operand, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    OfKind(Path, Kind),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

/// How two operands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Path(Path),
    Value(Value),
    /// The length of a text or binary, the number of members of the rest.
    Size(Path),
}

impl Condition {
    /// That there is nothing at `path`.
    pub(crate) fn absent(path: Path) -> Self {
        Self::Not(Box::new(Self::Exists(path)))
    }

    /// Whether `item` meets it; an item that isn't there has no attributes.
    pub(crate) fn holds(&self, item: Option<&Item>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|condition| condition.holds(item)),
            Self::Any(any) => any.iter().any(|condition| condition.holds(item)),
            Self::Not(inner) => !inner.holds(item),
            Self::Compare(comparator, a, b) => {
                comparator.holds(a.find(item).as_deref(), b.find(item).as_deref())
            }
            Self::Between(value, low, high) => {
                let (value, low, high) = (value.find(item), low.find(item), high.find(item));
                Comparator::GreaterOrEqual.holds(value.as_deref(), low.as_deref())
                    && Comparator::LessOrEqual.holds(value.as_deref(), high.as_deref())
            }
            Self::In(value, list) => {
                let value = value.find(item);
                list.iter().any(|one| Comparator::Equal.holds(value.as_deref(), one.find(item).as_deref()))
            }
            Self::Exists(path) => item.is_some_and(|item| path.find(item).is_some()),
            Self::OfKind(path, kind) => {
                item.and_then(|item| path.find(item)).is_some_and(|value| value.kind() == *kind)
            }
            Self::BeginsWith(value, prefix) => {
                let (value, prefix) = (value.find(item), prefix.find(item));
                value.zip(prefix).is_some_and(|(value, prefix)| value.begins_with(&prefix))
            }
            Self::Contains(value, part) => {
                let (value, part) = (value.find(item), part.find(item));
                value.zip(part).is_some_and(|(value, part)| value.contains(&part))
            }
        }
    }

    /// Every path it looks at.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::paths).collect(),
            Self::Not(inner) => inner.paths(),
            Self::Compare(_, a, b) | Self::BeginsWith(a, b) | Self::Contains(a, b) => {
                [a, b].into_iter().filter_map(Operand::path).collect()
            }
            Self::Between(a, b, c) => [a, b, c].into_iter().filter_map(Operand::path).collect(),
            Self::In(value, list) => std::iter::once(value).chain(list).filter_map(Operand::path).collect(),
            Self::Exists(path) | Self::OfKind(path, _) => vec![path],
        }
    }

    /// `value BETWEEN low AND high`.
    ///
    /// # Errors
    /// When both bounds are values and no value lies between them.
    pub(crate) fn between(value: Operand, low: Operand, high: Operand) -> Result<Self, ExpressionError> {
        if let (Operand::Value(a), Operand::Value(b)) = (&low, &high)
            && a.compare(b).is_none_or(Ordering::is_gt)
        {
            return Err(ExpressionError::BoundsCrossed(a.kind().name(), b.kind().name()));
        }
        Ok(Self::Between(value, low, high))
    }
}

impl Comparator {
    fn holds(self, a: Option<&Value>, b: Option<&Value>) -> bool {
        let (Some(a), Some(b)) = (a, b) else { return self == Self::NotEqual };
        let order = || a.compare(b);
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Less => order().is_some_and(Ordering::is_lt),
            Self::LessOrEqual => order().is_some_and(Ordering::is_le),
            Self::Greater => order().is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        }
    }
}

impl Operand {
    fn find<'a>(&'a self, item: Option<&'a Item>) -> Option<Cow<'a, Value>> {
        match self {
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Path(path) => path.find(item?).map(Cow::Borrowed),
            Self::Size(path) => {
                let count = path.find(item?)?.count()?;
                let number = Number::parse(&count.to_string()).expect("a count has at most twenty digits");
                Some(Cow::Owned(Value::Number(number)))
            }
        }
    }

    /// The path it looks at.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) | Self::Size(path) => Some(path),
            Self::Value(_) => None,
        }
    }
}
