//! Values and items.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::Number;

/// How deep lists and maps may nest.
pub(crate) const NESTING_MAX: usize = 32;

/// What a list or map counts for in an item's size, beside its content.
const COLLECTION_BYTES: usize = 3;

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Number(Number),
    Binary(Bytes),
    Bool(bool),
    Null,
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
    TextSet(BTreeSet<String>),
    NumberSet(BTreeSet<Number>),
    BinarySet(BTreeSet<Bytes>),
}

/// A value's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Binary,
    Bool,
    Null,
    List,
    Map,
    TextSet,
    NumberSet,
    BinarySet,
}

/// A row: attributes by name.
pub(crate) type Item = BTreeMap<String, Value>;

impl Kind {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Text, "S"),
        (Self::Number, "N"),
        (Self::Binary, "B"),
        (Self::Bool, "BOOL"),
        (Self::Null, "NULL"),
        (Self::List, "L"),
        (Self::Map, "M"),
        (Self::TextSet, "SS"),
        (Self::NumberSet, "NS"),
        (Self::BinarySet, "BS"),
    ];

    /// The type's short name, such as `S`.
    pub(crate) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.expect("every kind is in the list").1
    }

    /// The type of that short name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

impl Value {
    /// The value's type.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Number(_) => Kind::Number,
            Self::Binary(_) => Kind::Binary,
            Self::Bool(_) => Kind::Bool,
            Self::Null => Kind::Null,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::TextSet(_) => Kind::TextSet,
            Self::NumberSet(_) => Kind::NumberSet,
            Self::BinarySet(_) => Kind::BinarySet,
        }
    }

    /// The bytes the value counts for in an item's size.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(number) => number.size(),
            Self::Binary(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::List(values) => {
                COLLECTION_BYTES + values.iter().map(|value| value.size() + 1).sum::<usize>()
            }
            Self::Map(members) => COLLECTION_BYTES + size_of_item(members) + members.len(),
            Self::TextSet(set) => set.iter().map(String::len).sum(),
            Self::NumberSet(set) => set.iter().map(Number::size).sum(),
            Self::BinarySet(set) => set.iter().map(Bytes::len).sum(),
        }
    }

    /// What the function `size` answers, where it answers.
    pub(crate) fn count(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(text.len()),
            Self::Binary(bytes) => Some(bytes.len()),
            Self::List(values) => Some(values.len()),
            Self::Map(members) => Some(members.len()),
            Self::TextSet(set) => Some(set.len()),
            Self::NumberSet(set) => Some(set.len()),
            Self::BinarySet(set) => Some(set.len()),
            Self::Number(_) | Self::Bool(_) | Self::Null => None,
        }
    }

    /// Whether `other` is in this set or list, or a part of this text or binary.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(text), Self::Text(part)) => text.contains(part.as_str()),
            (Self::Binary(bytes), Self::Binary(part)) => {
                part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
            }
            (Self::TextSet(set), Self::Text(member)) => set.contains(member),
            (Self::NumberSet(set), Self::Number(member)) => set.contains(member),
            (Self::BinarySet(set), Self::Binary(member)) => set.contains(member),
            (Self::List(values), member) => values.contains(member),
            _ => false,
        }
    }

    /// Whether this text or binary begins with `other`.
    pub(crate) fn begins_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(text), Self::Text(prefix)) => text.starts_with(prefix.as_str()),
            (Self::Binary(bytes), Self::Binary(prefix)) => bytes.starts_with(prefix),
            _ => false,
        }
    }

    /// How two values of one ordered type compare.
    pub(crate) fn compare(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(b)),
            (Self::Binary(a), Self::Binary(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// Whether lists and maps in it nest more than `levels` deep.
    pub(crate) fn is_deeper_than(&self, levels: usize) -> bool {
        let Some(inner) = levels.checked_sub(1) else {
            return matches!(self, Self::List(_) | Self::Map(_));
        };
        match self {
            Self::List(values) => values.iter().any(|value| value.is_deeper_than(inner)),
            Self::Map(members) => members.values().any(|value| value.is_deeper_than(inner)),
            _ => false,
        }
    }
}

/// The bytes an item counts for: its names and values.
pub(crate) fn size_of_item(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}

#[cfg(test)]
pub(crate) mod arbitrary {
    use proptest::prelude::*;

    use super::*;

    /// Any number.
    pub(crate) fn number() -> impl Strategy<Value = Number> {
        (any::<i64>(), -80i32..80).prop_map(|(m, e)| Number::parse(&format!("{m}e{e}")).unwrap())
    }

    /// Any value, nested a few levels.
    pub(crate) fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::Text),
            number().prop_map(Value::Number),
            any::<Vec<u8>>().prop_map(|bytes| Value::Binary(bytes.into())),
            any::<bool>().prop_map(Value::Bool),
            Just(Value::Null),
            proptest::collection::btree_set(any::<String>(), 1..4).prop_map(Value::TextSet),
            proptest::collection::btree_set(number(), 1..4).prop_map(Value::NumberSet),
            proptest::collection::btree_set(any::<Vec<u8>>(), 1..4)
                .prop_map(|set| Value::BinarySet(set.into_iter().map(Bytes::from).collect())),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                proptest::collection::btree_map(any::<String>(), inner, 0..4).prop_map(Value::Map),
            ]
        })
    }

    /// Any item.
    pub(crate) fn item() -> impl Strategy<Value = Item> {
        proptest::collection::btree_map(any::<String>(), value(), 0..5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_names_and_values() {
        let item = Item::from([
            ("leaseKey".to_owned(), Value::Text("shard".to_owned())),
            ("leaseCounter".to_owned(), Value::Number(Number::parse("17").unwrap())),
            ("parents".to_owned(), Value::TextSet(["a".to_owned()].into())),
        ]);
        assert_eq!(size_of_item(&item), 8 + 5 + 12 + 2 + 7 + 1);
    }

    #[test]
    fn nesting_is_measured() {
        let mut value = Value::Null;
        for _ in 0..NESTING_MAX {
            value = Value::List(vec![value]);
        }
        assert!(!value.is_deeper_than(NESTING_MAX));
        assert!(Value::List(vec![value]).is_deeper_than(NESTING_MAX));
    }

    #[test]
    fn kinds_have_names() {
        for (kind, name) in Kind::ALL {
            assert_eq!((kind.name(), Kind::named(name)), (name, Some(kind)));
        }
        assert_eq!(Kind::named("X"), None);
    }
}
