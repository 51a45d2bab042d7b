//! What a table is.

use std::collections::BTreeMap;

use headwater_base::{Arn, InvalidName, Scope, Timestamp};

use crate::item::{Item, KeyKind, KeyPart, Path, PrimaryKey, Value};

/// The name of a table or an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableName(String);

impl TableName {
    pub(crate) fn new(name: &str) -> Result<Self, InvalidName> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if !(3..=255).contains(&name.len()) || !name.bytes().all(legal) {
            return Err(InvalidName::new("table name", name, "3 to 255 of a-z, A-Z, 0-9, '_', '.' and '-'"));
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableKey {
    pub(crate) scope: Scope,
    pub(crate) name: TableName,
}

impl TableKey {
    pub(crate) fn arn(&self) -> Arn {
        Arn::new("dynamodb", &self.scope, format!("table/{}", self.name.as_str()))
    }
}

/// An attribute of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyAttribute {
    pub(crate) name: String,
    pub(crate) kind: KeyKind,
}

/// The attributes that name an item, or sort it in an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeySchema {
    pub(crate) hash: KeyAttribute,
    pub(crate) range: Option<KeyAttribute>,
}

/// What an index shows of an item, beside the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Projection {
    KeysOnly,
    Include(Vec<String>),
    All,
}

/// The one global secondary index a table may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: TableName,
    pub(crate) schema: KeySchema,
    pub(crate) projection: Projection,
    pub(crate) throughput: Option<Throughput>,
}

/// Capacity that somebody provisioned: told again, never enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Throughput {
    pub(crate) read: u64,
    pub(crate) write: u64,
}

/// What can be changed about a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) index: Option<Index>,
    /// `None` is billed by the request.
    pub(crate) throughput: Option<Throughput>,
    pub(crate) deletion_protected: bool,
    /// For how many days continuous backups were asked for. The journal is what recovers; see
    /// `docs/services/dynamodb.md`.
    pub(crate) recovery_days: Option<u32>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) key: TableKey,
    pub(crate) incarnation: u64,
    pub(crate) id: [u8; 16],
    pub(crate) created: Timestamp,
    pub(crate) schema: KeySchema,
    pub(crate) settings: Settings,
}

/// How much a table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) items: i64,
    pub(crate) bytes: i64,
}

/// Why attributes are no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("One or more parameter values were invalid: Missing the key {0} in the item")]
    Missing(String),
    #[error(
        "One or more parameter values were invalid: Type mismatch for key {name} expected: {expected} actual: {actual}"
    )]
    Type { name: String, expected: &'static str, actual: &'static str },
    #[error(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {name}"
    )]
    Empty { name: String, kind: &'static str },
    #[error(
        "One or more parameter values were invalid: Size of {which} has exceeded the maximum size limit of{limit} bytes"
    )]
    TooLong { which: &'static str, limit: usize },
    #[error("The provided key element does not match the schema")]
    OtherSchema,
}

const HASH_BYTES_MAX: usize = 2048;
const RANGE_BYTES_MAX: usize = 1024;

impl KeySchema {
    /// Its attributes, hash first.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.hash).chain(&self.range)
    }

    /// Whether an attribute belongs to the key.
    pub(crate) fn has(&self, attribute: &str) -> bool {
        self.attributes().any(|own| own.name == attribute)
    }

    /// The key of a whole item.
    pub(crate) fn key_of(&self, item: &Item) -> Result<PrimaryKey, KeyError> {
        let hash = self.hash.part_of(item)?;
        let range = self.range.as_ref().map(|range| range.part_of(item)).transpose()?;
        if hash.len() > HASH_BYTES_MAX {
            return Err(KeyError::TooLong { which: "hashkey", limit: HASH_BYTES_MAX });
        }
        if range.as_ref().is_some_and(|range| range.len() > RANGE_BYTES_MAX) {
            return Err(KeyError::TooLong { which: "rangekey", limit: RANGE_BYTES_MAX });
        }
        Ok(PrimaryKey { hash, range })
    }

    /// The key that exactly these attributes are.
    pub(crate) fn exactly(&self, attributes: &Item) -> Result<PrimaryKey, KeyError> {
        if attributes.len() != self.attributes().count() {
            return Err(KeyError::OtherSchema);
        }
        self.key_of(attributes).map_err(|error| match error {
            KeyError::Missing(_) | KeyError::Type { .. } => KeyError::OtherSchema,
            other @ (KeyError::Empty { .. } | KeyError::TooLong { .. } | KeyError::OtherSchema) => other,
        })
    }

    /// The key's attributes with their values.
    pub(crate) fn attributes_of(&self, key: &PrimaryKey) -> Item {
        let hash = (self.hash.name.clone(), key.hash.value());
        let range = self.range.as_ref().zip(key.range.as_ref());
        std::iter::once(hash).chain(range.map(|(own, part)| (own.name.clone(), part.value()))).collect()
    }
}

impl KeyAttribute {
    fn part_of(&self, item: &Item) -> Result<KeyPart, KeyError> {
        let value = item.get(&self.name).ok_or_else(|| KeyError::Missing(self.name.clone()))?;
        let part = KeyPart::of(value, self.kind).ok_or_else(|| KeyError::Type {
            name: self.name.clone(),
            expected: self.kind.kind().name(),
            actual: value.kind().name(),
        })?;
        match &part {
            KeyPart::Text(text) if text.is_empty() => {
                Err(KeyError::Empty { name: self.name.clone(), kind: "string" })
            }
            KeyPart::Binary(bytes) if bytes.is_empty() => {
                Err(KeyError::Empty { name: self.name.clone(), kind: "binary" })
            }
            _ => Ok(part),
        }
    }
}

impl Index {
    /// The index's key of an item; `None` when it has not all of the attributes.
    pub(crate) fn key_of(&self, item: &Item) -> Option<PrimaryKey> {
        self.schema.key_of(item).ok()
    }

    /// What an index key attribute of `item` has the wrong type for, in the service's words.
    pub(crate) fn mismatch(&self, item: &Item) -> Option<String> {
        self.schema.attributes().find_map(|own| {
            let value = item.get(&own.name)?;
            let (expected, actual) = (own.kind.kind().name(), value.kind().name());
            let name = &own.name;
            let index = self.name.as_str();
            match own.part_of(item) {
                Ok(_) | Err(KeyError::Missing(_)) => None,
                Err(KeyError::Empty { kind, .. }) => Some(format!(
                    "One or more parameter values are not valid. A value specified for a secondary index key is \
                     not supported. The AttributeValue for a key attribute cannot contain an empty {kind} value. \
                     IndexName: {index}, IndexKey: {name}"
                )),
                Err(_) => Some(format!(
                    "One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: \
                     {expected} Actual: {actual} IndexName: {index}"
                )),
            }
        })
    }

    /// What the index shows of an item of a table with these keys.
    pub(crate) fn project(&self, item: &Item, table: &KeySchema) -> Item {
        let shown = |name: &str| match &self.projection {
            Projection::All => true,
            Projection::KeysOnly => false,
            Projection::Include(names) => names.iter().any(|own| own == name),
        };
        let kept = item.iter().filter(|(name, _)| self.schema.has(name) || table.has(name) || shown(name));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Whether the index shows what is at `path`.
    pub(crate) fn shows(&self, path: &Path, table: &KeySchema) -> bool {
        let name = path.attribute.as_str();
        match &self.projection {
            Projection::All => true,
            Projection::KeysOnly => self.schema.has(name) || table.has(name),
            Projection::Include(names) => {
                self.schema.has(name) || table.has(name) || names.iter().any(|own| own == name)
            }
        }
    }
}

/// A condition on the range attribute of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyCondition {
    /// The hash attribute's value.
    pub(crate) hash: KeyPart,
    /// What the range attribute must meet.
    pub(crate) range: Option<crate::expression::Condition>,
}

impl KeyCondition {
    /// Whether an item with this key is asked for.
    pub(crate) fn matches(&self, item: &Item, schema: &KeySchema) -> bool {
        let hash = item.get(&schema.hash.name).map(|value: &Value| *value == self.hash.value());
        hash == Some(true) && self.range.as_ref().is_none_or(|range| range.holds(Some(item)))
    }
}
