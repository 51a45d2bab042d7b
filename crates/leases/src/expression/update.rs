//! Updates and what they make of an item.

use std::collections::BTreeSet;

use super::ExpressionError;
use crate::item::{Item, Number, NumberError, Path, Value};

/// Changes of one item. Every operand is read from the item as it was before all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) set: Vec<(Path, SetValue)>,
    pub(crate) remove: Vec<Path>,
    pub(crate) add: Vec<(Path, Value)>,
    pub(crate) delete: Vec<(Path, Value)>,
}

/// What an attribute is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SetValue {
    Of(SetOperand),
    Sum(SetOperand, SetOperand),
    Difference(SetOperand, SetOperand),
}

/// A part of what an attribute is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SetOperand {
    Path(Path),
    Value(Value),
    IfNotExists(Path, Box<Self>),
    ListAppend(Box<Self>, Box<Self>),
}

/// Why an item can't be changed so. `Display` is the service's sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpdateError {
    #[error("The provided expression refers to an attribute that does not exist in the item")]
    Missing,
    #[error("An operand in the update expression has an incorrect data type")]
    WrongType,
    #[error("The document path provided in the update expression is invalid for update")]
    NoSuchPlace,
    #[error(transparent)]
    Number(#[from] NumberError),
}

impl Update {
    /// Every path that is changed.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let set = self.set.iter().map(|(path, _)| path);
        let add = self.add.iter().map(|(path, _)| path);
        let delete = self.delete.iter().map(|(path, _)| path);
        set.chain(&self.remove).chain(add).chain(delete)
    }

    /// Refuses paths that lie within one another.
    ///
    /// # Errors
    /// Names the first two.
    pub(crate) fn check_paths(&self) -> Result<(), ExpressionError> {
        check_apart(&self.paths().collect::<Vec<_>>())
    }

    /// Changes `item`. After an error the item is in no sensible state.
    ///
    /// # Errors
    /// When an operand is missing or of the wrong type.
    pub(crate) fn apply(&self, item: &mut Item) -> Result<(), UpdateError> {
        let mut places = Vec::new();
        let mut removed: Vec<&Path> = self.remove.iter().collect();
        for (path, value) in &self.set {
            places.push((path, value.of(item)?));
        }
        for (path, value) in &self.add {
            places.push((path, added(path.find(item), value)?));
        }
        for (path, value) in &self.delete {
            match taken(path.find(item), value)? {
                Some(rest) => places.push((path, rest)),
                None => removed.push(path),
            }
        }
        // Ascending, so that several positions past a list's end are appended in their order.
        places.sort_by_key(|(path, _)| *path);
        for (path, value) in places {
            if !path.set(item, value) {
                return Err(UpdateError::NoSuchPlace);
            }
        }
        // Descending, so that taking one list member away does not move the next.
        removed.sort();
        for path in removed.into_iter().rev() {
            if !path.remove(item) {
                return Err(UpdateError::NoSuchPlace);
            }
        }
        Ok(())
    }
}

/// Refuses paths that lie within one another.
pub(super) fn check_apart(paths: &[&Path]) -> Result<(), ExpressionError> {
    let mut sorted = paths.to_vec();
    sorted.sort();
    // Whatever lies within a path follows it at once.
    for pair in sorted.windows(2) {
        if pair[0].overlaps(pair[1]) {
            return Err(ExpressionError::PathsOverlap(pair[0].to_string(), pair[1].to_string()));
        }
        if pair[0].conflicts(pair[1]) {
            return Err(ExpressionError::PathsConflict(pair[0].to_string(), pair[1].to_string()));
        }
    }
    Ok(())
}

impl SetValue {
    fn of(&self, item: &Item) -> Result<Value, UpdateError> {
        let number = |operand: &SetOperand| match operand.of(item)? {
            Value::Number(number) => Ok(number),
            _ => Err(UpdateError::WrongType),
        };
        match self {
            Self::Of(operand) => operand.of(item),
            Self::Sum(a, b) => Ok(Value::Number(number(a)?.plus(&number(b)?)?)),
            Self::Difference(a, b) => Ok(Value::Number(number(a)?.minus(&number(b)?)?)),
        }
    }
}

impl SetOperand {
    fn of(&self, item: &Item) -> Result<Value, UpdateError> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Path(path) => path.find(item).cloned().ok_or(UpdateError::Missing),
            Self::IfNotExists(path, other) => match path.find(item) {
                Some(value) => Ok(value.clone()),
                None => other.of(item),
            },
            Self::ListAppend(a, b) => match (a.of(item)?, b.of(item)?) {
                (Value::List(mut list), Value::List(more)) => {
                    list.extend(more);
                    Ok(Value::List(list))
                }
                _ => Err(UpdateError::WrongType),
            },
        }
    }
}

/// `ADD`: numbers add up, sets unite, and nothing counts as zero or the empty set.
fn added(old: Option<&Value>, more: &Value) -> Result<Value, UpdateError> {
    match (old, more) {
        (None, Value::Number(_) | Value::TextSet(_) | Value::NumberSet(_) | Value::BinarySet(_)) => {
            Ok(more.clone())
        }
        (Some(Value::Number(old)), Value::Number(more)) => Ok(Value::Number(old.plus(more)?)),
        (Some(Value::TextSet(old)), Value::TextSet(more)) => Ok(Value::TextSet(old | more)),
        (Some(Value::NumberSet(old)), Value::NumberSet(more)) => Ok(Value::NumberSet(old | more)),
        (Some(Value::BinarySet(old)), Value::BinarySet(more)) => Ok(Value::BinarySet(old | more)),
        // The older dialect also adds lists.
        (Some(Value::List(old)), Value::List(more)) => {
            Ok(Value::List(old.iter().chain(more).cloned().collect()))
        }
        (None, Value::List(_)) => Ok(more.clone()),
        _ => Err(UpdateError::WrongType),
    }
}

/// `DELETE`: members leave a set; an empty set is nothing.
fn taken(old: Option<&Value>, less: &Value) -> Result<Option<Value>, UpdateError> {
    fn rest<T: Ord + Clone>(
        old: &BTreeSet<T>,
        less: &BTreeSet<T>,
        value: fn(BTreeSet<T>) -> Value,
    ) -> Option<Value> {
        let rest = old - less;
        (!rest.is_empty()).then(|| value(rest))
    }
    match (old, less) {
        (None, Value::TextSet(_) | Value::NumberSet(_) | Value::BinarySet(_)) => Ok(None),
        (Some(Value::TextSet(old)), Value::TextSet(less)) => Ok(rest(old, less, Value::TextSet)),
        (Some(Value::NumberSet(old)), Value::NumberSet(less)) => {
            Ok(rest::<Number>(old, less, Value::NumberSet))
        }
        (Some(Value::BinarySet(old)), Value::BinarySet(less)) => Ok(rest(old, less, Value::BinarySet)),
        _ => Err(UpdateError::WrongType),
    }
}
