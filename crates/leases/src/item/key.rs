//! The attributes that name an item.

use bytes::Bytes;

use super::{Kind, Number, Value};

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Text,
    Number,
    Binary,
}

impl KeyKind {
    /// As a value's type.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Text => Kind::Text,
            Self::Number => Kind::Number,
            Self::Binary => Kind::Binary,
        }
    }

    /// The type of that short name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Text, Self::Number, Self::Binary].into_iter().find(|kind| kind.kind().name() == name)
    }
}

/// The value of a key attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyPart {
    Text(String),
    Number(Number),
    Binary(Bytes),
}

impl KeyPart {
    /// The key part a value is, if it is of that type.
    pub(crate) fn of(value: &Value, kind: KeyKind) -> Option<Self> {
        match (value, kind) {
            (Value::Text(text), KeyKind::Text) => Some(Self::Text(text.clone())),
            (Value::Number(number), KeyKind::Number) => Some(Self::Number(*number)),
            (Value::Binary(bytes), KeyKind::Binary) => Some(Self::Binary(bytes.clone())),
            _ => None,
        }
    }

    /// As a value.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Text(text) => Value::Text(text.clone()),
            Self::Number(number) => Value::Number(*number),
            Self::Binary(bytes) => Value::Binary(bytes.clone()),
        }
    }

    /// Bytes that sort as values of one type do.
    pub(crate) fn ordered_bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Number(number) => number.ordered_bytes(),
            Self::Binary(bytes) => bytes.to_vec(),
        }
    }

    /// How many bytes it counts for.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(number) => number.size(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// What names an item in its table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PrimaryKey {
    pub(crate) hash: KeyPart,
    pub(crate) range: Option<KeyPart>,
}
