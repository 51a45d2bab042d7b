//! Kind `0x0705`: a workgroup.

use headwater_base::Scope;
use headwater_store::{Key, Kind};
use minicbor::{Decode, Encode};

const WORKGROUP: Kind = Kind(0x0705);

/// A workgroup and its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct WorkGroupRow {
    /// A remark.
    #[n(0)]
    pub description: Option<String>,
    /// Whether it takes queries.
    #[n(1)]
    pub enabled: bool,
    /// When it was created, in milliseconds.
    #[n(2)]
    pub created_ms: i64,
    /// `s3://…` where results go.
    #[n(3)]
    pub output_location: Option<String>,
    /// Whether a query's own settings are ignored.
    #[n(4)]
    pub enforce: bool,
    /// Whether metrics are published, as told.
    #[n(5)]
    pub publish_metrics: bool,
    /// The most bytes a query may scan, as told.
    #[n(6)]
    pub bytes_scanned_max: Option<i64>,
    /// Whether requester-pays buckets may be read, as told.
    #[n(7)]
    pub requester_pays: bool,
    /// The encryption option, as told.
    #[n(8)]
    pub encryption: Option<String>,
    /// The key of the encryption, as told.
    #[n(9)]
    pub encryption_key: Option<String>,
}

/// Where a workgroup is kept.
pub fn key(scope: &Scope, name: &str) -> Key {
    Key::of(WORKGROUP).u64(scope.account.number()).str(scope.region.as_str()).str(name).build()
}

/// All workgroups of a scope, in name order.
pub fn prefix(scope: &Scope) -> Key {
    Key::of(WORKGROUP).u64(scope.account.number()).str(scope.region.as_str()).build()
}

/// The name in a workgroup's key.
pub fn name(key: &Key) -> Option<String> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()?;
    reader.str()?;
    reader.str()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{decode, encode};
    use super::*;

    proptest! {
        #[test]
        fn rows_survive_a_round_trip(
            description: Option<String>, enabled: bool, created_ms: i64, output_location: Option<String>,
        ) {
            let row = WorkGroupRow { description, enabled, created_ms, output_location, ..WorkGroupRow::default() };
            prop_assert_eq!(decode::<WorkGroupRow>("workgroup", &encode(&row)).unwrap(), row);
        }
    }

    #[test]
    fn version_1_reads_as_ever() {
        let row = WorkGroupRow { enabled: true, created_ms: 7, ..WorkGroupRow::default() };
        let golden = [1, 0x88, 0xf6, 0xf5, 7, 0xf6, 0xf4, 0xf4, 0xf6, 0xf4];
        assert_eq!(&encode(&row)[..], golden);
        assert_eq!(decode::<WorkGroupRow>("workgroup", &golden).unwrap(), row);
    }
}
