//! Kinds `0x0701`, `0x0706` and `0x0707`: a query execution, its statement and its columns.

use headwater_base::Scope;
use headwater_store::{Key, Kind};
use minicbor::{Decode, Encode};

const EXECUTION: Kind = Kind(0x0701);
const TEXT: Kind = Kind(0x0706);
const COLUMNS: Kind = Kind(0x0707);

/// A query execution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ExecutionRow {
    /// The workgroup's name.
    #[n(0)]
    pub workgroup: String,
    /// The default database.
    #[n(1)]
    pub database: String,
    /// The data catalog as given.
    #[n(2)]
    pub catalog: Option<String>,
    /// `s3://bucket/prefix/` of the results.
    #[n(3)]
    pub output_location: String,
    /// 0 queued, 1 running, 2 succeeded, 3 failed, 4 cancelled.
    #[n(4)]
    pub state: u8,
    /// Why it is in this state.
    #[n(5)]
    pub reason: Option<String>,
    /// When it was submitted, in milliseconds.
    #[n(6)]
    pub submitted_ms: i64,
    /// When it began to run.
    #[n(7)]
    pub started_ms: Option<i64>,
    /// When it ended.
    #[n(8)]
    pub completed_ms: Option<i64>,
    /// 0 DDL, 1 DML, 2 UTILITY.
    #[n(9)]
    pub kind: u8,
    /// Athena's substatement type.
    #[n(10)]
    pub substatement: Option<String>,
    /// Bytes of table data read.
    #[n(11)]
    pub bytes_scanned: u64,
    /// Rows of the result, or written.
    #[n(12)]
    pub rows: u64,
    /// The manifest of written files.
    #[n(13)]
    pub manifest: Option<String>,
    /// The result's object.
    #[n(14)]
    pub output: Option<String>,
    /// How many parts the statement's text has.
    #[n(15)]
    pub text_parts: u32,
    /// The access key of who asked.
    #[n(16)]
    pub access_key: String,
    /// The user who asked.
    #[n(17)]
    pub user: String,
    /// The canonical id of who asked.
    #[n(18)]
    pub canonical_id: String,
    /// How many parts the list of columns has.
    #[n(19)]
    pub column_parts: u32,
    /// How often it was begun.
    #[n(20)]
    pub attempts: u32,
    /// 1 system, 2 user, 3 other, where it failed.
    #[n(21)]
    pub error_category: Option<u8>,
    /// EXECUTE's parameters.
    #[n(22)]
    pub parameters: Vec<String>,
    /// Time spent planning and running, in milliseconds.
    #[n(23)]
    pub engine_ms: Option<i64>,
}

/// Some of a result's columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ColumnsRow {
    /// In order.
    #[n(0)]
    pub columns: Vec<ColumnRow>,
}

/// A column of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ColumnRow {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Athena's name of its type.
    #[n(1)]
    pub kind: String,
    /// The type's precision.
    #[n(2)]
    pub precision: u32,
    /// The type's scale.
    #[n(3)]
    pub scale: u32,
}

/// Where an execution is kept.
pub fn key(scope: &Scope, id: &str) -> Key {
    Key::of(EXECUTION).u64(scope.account.number()).str(scope.region.as_str()).str(id).build()
}

/// Where a part of its text is kept.
pub fn text_key(scope: &Scope, id: &str, part: u32) -> Key {
    Key::of(TEXT).u64(scope.account.number()).str(scope.region.as_str()).str(id).u32(part).build()
}

/// Where a part of its columns is kept.
pub fn columns_key(scope: &Scope, id: &str, part: u32) -> Key {
    Key::of(COLUMNS).u64(scope.account.number()).str(scope.region.as_str()).str(id).u32(part).build()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{decode, encode};
    use super::*;

    proptest! {
        #[test]
        fn rows_survive_a_round_trip(
            workgroup: String, reason: Option<String>, submitted_ms: i64, state: u8, bytes_scanned: u64,
            parameters: Vec<String>, completed_ms: Option<i64>,
        ) {
            let row = ExecutionRow {
                workgroup, reason, submitted_ms, state, bytes_scanned, parameters, completed_ms,
                ..ExecutionRow::default()
            };
            prop_assert_eq!(decode::<ExecutionRow>("execution", &encode(&row)).unwrap(), row);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<ExecutionRow>("execution", &bytes);
            let _ = decode::<ColumnsRow>("columns", &bytes);
        }
    }

    #[test]
    fn version_1_reads_as_ever() {
        let row = ColumnsRow {
            columns: vec![ColumnRow { name: "a".into(), kind: "bigint".into(), precision: 19, scale: 0 }],
        };
        let golden = [&[1, 0x81, 0x81, 0x84, 0x61, b'a', 0x66][..], b"bigint", &[19, 0]].concat();
        assert_eq!(encode(&row), golden);
        let row = ExecutionRow { workgroup: "w".into(), submitted_ms: 5, ..ExecutionRow::default() };
        let golden = "0197617760f66000f605f6f600f60000f6f6006060600000f680";
        assert_eq!(hex(&encode(&row)), golden);
        assert_eq!(decode::<ExecutionRow>("execution", &encode(&row)).unwrap(), row);
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
