//! Facts about versions: `VERSIONED` (how a bucket stands) and `HISTORY` (how a key stands). The
//! versions themselves are object records.

use minicbor::{Decode, Encode};

use super::lifecycle::LifecycleRecord;

/// Whether a bucket that got versions goes on with them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum StateRecord {
    #[n(0)]
    Enabled,
    #[n(1)]
    Suspended,
    /// It never had versions; other things of it are to be expected.
    #[n(2)]
    Never,
}

/// How strictly something is retained.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum ModeRecord {
    #[n(0)]
    Governance,
    #[n(1)]
    Compliance,
}

/// A bucket's object lock.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct LockRecord {
    /// What new versions get that say nothing themselves.
    #[n(0)]
    pub(crate) default: Option<DefaultRecord>,
}

/// A bucket's default retention: days or years, the other is 0.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct DefaultRecord {
    #[n(0)]
    pub(crate) mode: ModeRecord,
    #[n(1)]
    pub(crate) days: u32,
    #[n(2)]
    pub(crate) years: u32,
}

/// The value of a `VERSIONED` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct VersionedRecord {
    #[n(0)]
    pub(crate) state: StateRecord,
    #[n(1)]
    pub(crate) lock: Option<LockRecord>,
    /// Its lifecycle, if it has one: any change of the rules rewrites this fact.
    #[n(2)]
    pub(crate) lifecycle: Option<LifecycleRecord>,
}

/// The value of a `HISTORY` fact, there as long as the key has rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct HistoryRecord {
    /// The seq of the newest row.
    #[n(0)]
    pub(crate) newest: u64,
    /// The seq of the row that is the null version.
    #[n(1)]
    pub(crate) null: Option<u64>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    #[test]
    fn golden_bytes_of_version_1() {
        let lock =
            LockRecord { default: Some(DefaultRecord { mode: ModeRecord::Compliance, days: 0, years: 7 }) };
        let versioned = VersionedRecord { state: StateRecord::Suspended, lock: None, lifecycle: None };
        assert_eq!(hex::encode(encode(&versioned)), "018101");
        let locked = VersionedRecord { state: StateRecord::Enabled, lock: Some(lock), lifecycle: None };
        assert_eq!(hex::encode(encode(&locked)), "0182008183010007");
        let ruled = VersionedRecord {
            state: StateRecord::Never,
            lock: None,
            lifecycle: Some(LifecycleRecord { rules: 2, varies_by_class: false }),
        };
        assert_eq!(hex::encode(encode(&ruled)), "018302f68202f4");
        assert_eq!(hex::encode(encode(&HistoryRecord { newest: 7, null: Some(0) })), "01820700");
        assert_eq!(hex::encode(encode(&HistoryRecord { newest: 7, null: None })), "018107");
    }

    proptest! {
        #[test]
        fn histories_read_back(newest: u64, null: Option<u64>) {
            let record = HistoryRecord { newest, null };
            prop_assert_eq!(decode::<HistoryRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn standings_read_back(suspended: bool, days: Option<u32>) {
            let state = if suspended { StateRecord::Suspended } else { StateRecord::Enabled };
            let default = days.map(|days| DefaultRecord { mode: ModeRecord::Governance, days, years: 0 });
            let lifecycle = days.map(|rules| LifecycleRecord { rules, varies_by_class: suspended });
            let record = VersionedRecord { state, lock: days.map(|_| LockRecord { default }), lifecycle };
            prop_assert_eq!(decode::<VersionedRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<HistoryRecord>(&keys::guard(1), &bytes);
            let _ = decode::<VersionedRecord>(&keys::guard(1), &bytes);
        }
    }
}
