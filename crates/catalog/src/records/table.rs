//! `TABLE` and `TABLE_VERSION` facts, and the storage descriptor they share with partitions.

use std::collections::BTreeMap;

use headwater_base::Timestamp;
use minicbor::{Decode, Encode};

use crate::{Column, StorageDescriptor, Table, TableKey};

/// A column.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct ColumnRecord {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) hive_type: String,
    #[n(2)]
    pub(crate) comment: Option<String>,
}

/// A storage descriptor.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct StorageRecord {
    #[n(0)]
    pub(crate) columns: Vec<ColumnRecord>,
    #[n(1)]
    pub(crate) location: String,
    #[n(2)]
    pub(crate) input_format: Option<String>,
    #[n(3)]
    pub(crate) output_format: Option<String>,
    #[n(4)]
    pub(crate) compressed: bool,
    #[n(5)]
    pub(crate) serde_library: Option<String>,
    #[n(6)]
    pub(crate) serde_parameters: BTreeMap<String, String>,
    #[n(7)]
    pub(crate) parameters: BTreeMap<String, String>,
    #[n(8)]
    pub(crate) extra_json: Option<String>,
}

/// The value of a `TABLE` or `TABLE_VERSION` fact; the table's key is known to the reader.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct TableRecord {
    #[n(0)]
    pub(crate) incarnation: u64,
    #[n(1)]
    pub(crate) schema_id: u64,
    #[n(2)]
    pub(crate) version: u64,
    #[n(3)]
    pub(crate) storage: StorageRecord,
    #[n(4)]
    pub(crate) partition_keys: Vec<ColumnRecord>,
    #[n(5)]
    pub(crate) table_type: Option<String>,
    #[n(6)]
    pub(crate) parameters: BTreeMap<String, String>,
    #[n(7)]
    pub(crate) description: Option<String>,
    #[n(8)]
    pub(crate) owner: Option<String>,
    #[n(9)]
    pub(crate) created_ms: i64,
    #[n(10)]
    pub(crate) updated_ms: i64,
    #[n(11)]
    pub(crate) extra_json: Option<String>,
}

fn column_records(columns: &[Column]) -> Vec<ColumnRecord> {
    let record = |c: &Column| ColumnRecord {
        name: c.name.clone(),
        hive_type: c.hive_type.clone(),
        comment: c.comment.clone(),
    };
    columns.iter().map(record).collect()
}

fn columns(records: Vec<ColumnRecord>) -> Vec<Column> {
    let column = |r: ColumnRecord| Column { name: r.name, hive_type: r.hive_type, comment: r.comment };
    records.into_iter().map(column).collect()
}

impl StorageRecord {
    pub(crate) fn of(storage: &StorageDescriptor) -> Self {
        Self {
            columns: column_records(&storage.columns),
            location: storage.location.clone(),
            input_format: storage.input_format.clone(),
            output_format: storage.output_format.clone(),
            compressed: storage.compressed,
            serde_library: storage.serde_library.clone(),
            serde_parameters: storage.serde_parameters.clone(),
            parameters: storage.parameters.clone(),
            extra_json: storage.extra_json.clone(),
        }
    }

    pub(crate) fn into_storage(self) -> StorageDescriptor {
        StorageDescriptor {
            columns: columns(self.columns),
            location: self.location,
            input_format: self.input_format,
            output_format: self.output_format,
            compressed: self.compressed,
            serde_library: self.serde_library,
            serde_parameters: self.serde_parameters,
            parameters: self.parameters,
            extra_json: self.extra_json,
        }
    }
}

impl TableRecord {
    pub(crate) fn of(table: &Table) -> Self {
        Self {
            incarnation: table.incarnation,
            schema_id: table.schema_id,
            version: table.version,
            storage: StorageRecord::of(&table.storage),
            partition_keys: column_records(&table.partition_keys),
            table_type: table.table_type.clone(),
            parameters: table.parameters.clone(),
            description: table.description.clone(),
            owner: table.owner.clone(),
            created_ms: table.created.ms(),
            updated_ms: table.updated.ms(),
            extra_json: table.extra_json.clone(),
        }
    }

    pub(crate) fn into_table(self, key: TableKey) -> Table {
        Table {
            key,
            incarnation: self.incarnation,
            schema_id: self.schema_id,
            version: self.version,
            storage: self.storage.into_storage(),
            partition_keys: columns(self.partition_keys),
            table_type: self.table_type,
            parameters: self.parameters,
            description: self.description,
            owner: self.owner,
            created: Timestamp::from_ms(self.created_ms),
            updated: Timestamp::from_ms(self.updated_ms),
            extra_json: self.extra_json,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    fn column(name: &str) -> ColumnRecord {
        ColumnRecord { name: name.into(), hive_type: "int".into(), comment: None }
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let storage = StorageRecord {
            columns: vec![column("a")],
            location: "s3://b/".into(),
            serde_parameters: BTreeMap::from([("k".into(), "v".into())]),
            ..StorageRecord::default()
        };
        let record = TableRecord {
            incarnation: 1,
            schema_id: 2,
            version: 3,
            storage,
            partition_keys: vec![column("p")],
            table_type: Some("T".into()),
            parameters: BTreeMap::new(),
            description: None,
            owner: None,
            created_ms: 4,
            updated_ms: 5,
            extra_json: None,
        };
        let hex: String = encode(&record).iter().map(|b| format!("{b:02x}")).collect();
        // CBOR leaves absent fields at an array's end out.
        assert_eq!(
            hex,
            "018b010203888182616163696e746773333a2f2f622ff6f6f4f6a1616b6176a08182617063696e746154a0f6f60405"
        );
    }

    proptest! {
        #[test]
        fn tables_read_back(numbers: (u64, u64, u64, i64, i64), texts: [Option<String>; 7], compressed: bool,
            names in proptest::collection::vec(".*", 0..4), location: String, maps: [BTreeMap<String, String>; 3]) {
            let [input_format, output_format, serde_library, extra_json, table_type, description, owner] = texts;
            let [serde_parameters, parameters, table_parameters] = maps;
            let columns: Vec<ColumnRecord> = names.iter().map(|n| column(n)).collect();
            let storage = StorageRecord {
                columns: columns.clone(), location, input_format, output_format, compressed, serde_library,
                serde_parameters, parameters, extra_json: extra_json.clone(),
            };
            let record = TableRecord {
                incarnation: numbers.0, schema_id: numbers.1, version: numbers.2, storage, partition_keys: columns,
                table_type, parameters: table_parameters, description, owner, created_ms: numbers.3,
                updated_ms: numbers.4, extra_json,
            };
            let key = keys::database_guard(1);
            prop_assert_eq!(decode::<TableRecord>(&key, &encode(&record)).unwrap(), record);
        }
    }
}
