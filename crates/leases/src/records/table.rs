//! `TABLE` facts.

use std::collections::BTreeMap;

use headwater_base::Timestamp;
use minicbor::{Decode, Encode};

use crate::item::KeyKind;
use crate::tables::{
    Index, KeyAttribute, KeySchema, Projection, Settings, Table, TableKey, TableName, Throughput,
};

/// The value of a `TABLE` fact; its name stands in the key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct TableRecord {
    #[n(0)]
    pub(crate) incarnation: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    id: [u8; 16],
    #[n(2)]
    created_ms: i64,
    #[n(3)]
    schema: SchemaRecord,
    #[n(4)]
    index: Option<IndexRecord>,
    #[n(5)]
    throughput: Option<ThroughputRecord>,
    #[n(6)]
    deletion_protected: bool,
    #[n(7)]
    recovery_days: Option<u32>,
    #[n(8)]
    tags: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
struct AttributeRecord {
    #[n(0)]
    name: String,
    #[n(1)]
    kind: KindRecord,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
enum KindRecord {
    #[n(0)]
    Text,
    #[n(1)]
    Number,
    #[n(2)]
    Binary,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
struct SchemaRecord {
    #[n(0)]
    hash: AttributeRecord,
    #[n(1)]
    range: Option<AttributeRecord>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
struct IndexRecord {
    #[n(0)]
    name: String,
    #[n(1)]
    schema: SchemaRecord,
    /// Everything when absent; otherwise these beside the keys.
    #[n(2)]
    shown: Option<Vec<String>>,
    #[n(3)]
    throughput: Option<ThroughputRecord>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
struct ThroughputRecord {
    #[n(0)]
    read: u64,
    #[n(1)]
    write: u64,
}

impl TableRecord {
    pub(crate) fn of(table: &Table) -> Self {
        let settings = &table.settings;
        Self {
            incarnation: table.incarnation,
            id: table.id,
            created_ms: table.created.ms(),
            schema: SchemaRecord::of(&table.schema),
            index: settings.index.as_ref().map(IndexRecord::of),
            throughput: settings.throughput.map(ThroughputRecord::of),
            deletion_protected: settings.deletion_protected,
            recovery_days: settings.recovery_days,
            tags: settings.tags.clone(),
        }
    }

    /// The table, or `None` when a stored name is none.
    pub(crate) fn into_table(self, key: TableKey) -> Option<Table> {
        let index = match self.index {
            Some(index) => Some(index.into_index()?),
            None => None,
        };
        Some(Table {
            key,
            incarnation: self.incarnation,
            id: self.id,
            created: Timestamp::from_ms(self.created_ms),
            schema: self.schema.into_schema(),
            settings: Settings {
                index,
                throughput: self.throughput.map(ThroughputRecord::into_throughput),
                deletion_protected: self.deletion_protected,
                recovery_days: self.recovery_days,
                tags: self.tags,
            },
        })
    }
}

impl SchemaRecord {
    fn of(schema: &KeySchema) -> Self {
        let attribute = |own: &KeyAttribute| AttributeRecord {
            name: own.name.clone(),
            kind: match own.kind {
                KeyKind::Text => KindRecord::Text,
                KeyKind::Number => KindRecord::Number,
                KeyKind::Binary => KindRecord::Binary,
            },
        };
        Self { hash: attribute(&schema.hash), range: schema.range.as_ref().map(attribute) }
    }

    fn into_schema(self) -> KeySchema {
        let attribute = |own: AttributeRecord| KeyAttribute {
            name: own.name,
            kind: match own.kind {
                KindRecord::Text => KeyKind::Text,
                KindRecord::Number => KeyKind::Number,
                KindRecord::Binary => KeyKind::Binary,
            },
        };
        KeySchema { hash: attribute(self.hash), range: self.range.map(attribute) }
    }
}

impl IndexRecord {
    fn of(index: &Index) -> Self {
        Self {
            name: index.name.as_str().to_owned(),
            schema: SchemaRecord::of(&index.schema),
            shown: match &index.projection {
                Projection::All => None,
                Projection::KeysOnly => Some(Vec::new()),
                Projection::Include(names) => Some(names.clone()),
            },
            throughput: index.throughput.map(ThroughputRecord::of),
        }
    }

    fn into_index(self) -> Option<Index> {
        let projection = match self.shown {
            None => Projection::All,
            Some(names) if names.is_empty() => Projection::KeysOnly,
            Some(names) => Projection::Include(names),
        };
        Some(Index {
            name: TableName::new(&self.name).ok()?,
            schema: self.schema.into_schema(),
            projection,
            throughput: self.throughput.map(ThroughputRecord::into_throughput),
        })
    }
}

impl ThroughputRecord {
    fn of(throughput: Throughput) -> Self {
        Self { read: throughput.read, write: throughput.write }
    }

    fn into_throughput(self) -> Throughput {
        Throughput { read: self.read, write: self.write }
    }
}

#[cfg(test)]
mod tests {
    use headwater_base::Scope;
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    fn key() -> TableKey {
        let scope = Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap());
        TableKey { scope, name: TableName::new("leases").unwrap() }
    }

    fn attribute(name: &str, kind: KeyKind) -> KeyAttribute {
        KeyAttribute { name: name.to_owned(), kind }
    }

    fn table(index: Option<Index>, range: Option<KeyAttribute>) -> Table {
        Table {
            key: key(),
            incarnation: 5,
            id: [9; 16],
            created: Timestamp::from_ms(1000),
            schema: KeySchema { hash: attribute("k", KeyKind::Text), range },
            settings: Settings {
                index,
                throughput: Some(Throughput { read: 1, write: 2 }),
                deletion_protected: true,
                recovery_days: Some(35),
                tags: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            },
        }
    }

    fn index(projection: Projection) -> Index {
        let schema =
            KeySchema { hash: attribute("o", KeyKind::Text), range: Some(attribute("k", KeyKind::Text)) };
        Index { name: TableName::new("byOwner").unwrap(), schema, projection, throughput: None }
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let record = TableRecord::of(&table(Some(index(Projection::KeysOnly)), None));
        let hex: String = encode(&record).iter().map(|b| format!("{b:02x}")).collect();
        let id = "09".repeat(16);
        assert_eq!(
            hex,
            format!(
                "01890550{id}1903e88182616b00836762794f776e65728282616f0082616b0080820102f51823a161616162"
            )
        );
    }

    proptest! {
        #[test]
        fn tables_read_back(projection in 0..4, range in 0..3) {
            let index = match projection {
                0 => None,
                1 => Some(index(Projection::All)),
                2 => Some(index(Projection::KeysOnly)),
                _ => Some(index(Projection::Include(vec!["x".into()]))),
            };
            let range = match range {
                0 => None,
                1 => Some(attribute("r", KeyKind::Number)),
                _ => Some(attribute("r", KeyKind::Binary)),
            };
            let table = table(index, range);
            let bytes = encode(&TableRecord::of(&table));
            let record: TableRecord = decode(&keys::guard(1), &bytes).unwrap();
            prop_assert_eq!(record.into_table(key()), Some(table));
        }
    }
}
