//! Kinds `0x0100` (guard) and `0x0101` (stream).
//!
//! ```text
//! guard   (0x0100, account u64, region str, name str, incarnation u64) -> version byte
//! stream  (0x0101, account u64, region str, name str)                  -> StreamRow
//! ```

use std::time::Duration;

use bytes::Bytes;
use headwater_base::{AccountId, Scope};
use headwater_store::{Key, Kind, StoreError};
use minicbor::{Decode, Encode};

use crate::{StreamKey, StreamName};

const GUARD: Kind = Kind(0x0100);
const STREAM: Kind = Kind(0x0101);

/// The guard of one incarnation of a stream.
pub(crate) fn guard_key(key: &StreamKey, incarnation: u64) -> Key {
    let scope = &key.scope;
    Key::of(GUARD)
        .u64(scope.account.number())
        .str(scope.region.as_str())
        .str(key.name.as_str())
        .u64(incarnation)
        .build()
}

/// A stream's description, without its shards.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct StreamRow {
    #[n(0)]
    pub(crate) incarnation: u64,
    #[n(1)]
    pub(crate) on_demand: bool,
    #[n(2)]
    pub(crate) created_ms: i64,
    #[n(3)]
    pub(crate) retention_hours: u32,
    #[n(4)]
    pub(crate) key_id: Option<String>,
}

impl StreamRow {
    /// The value of every guard fact.
    pub(crate) const GUARD_VALUE: Bytes = Bytes::from_static(&[super::VERSION]);

    pub(crate) fn key(key: &StreamKey) -> Key {
        Self::scoped(&key.scope).str(key.name.as_str()).build()
    }

    /// The keys of every stream of a scope.
    pub(crate) fn scope_prefix(scope: &Scope) -> Key {
        Self::scoped(scope).build()
    }

    /// The keys of every stream.
    pub(crate) fn prefix() -> Key {
        Key::of(STREAM).build()
    }

    /// Which stream a fact of this kind describes.
    pub(crate) fn parse_key(key: &Key) -> Result<StreamKey, StoreError> {
        let parse = || {
            let mut reader = key.reader();
            reader.kind().filter(|kind| *kind == STREAM)?;
            let account = AccountId::from_number(reader.u64()?).ok()?;
            let region = reader.str()?.parse().ok()?;
            let name = StreamName::new(&reader.str()?).ok()?;
            Some(StreamKey { scope: Scope::new(account, region), name })
        };
        parse().ok_or_else(|| StoreError::Corrupt("the key of a stream fact".to_owned()))
    }

    pub(crate) fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.retention_hours) * 3600)
    }

    pub(crate) fn encode(&self) -> Bytes {
        super::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        super::decode("stream", bytes)
    }

    fn scoped(scope: &Scope) -> headwater_store::key::KeyBuilder {
        Key::of(STREAM).u64(scope.account.number()).str(scope.region.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_survive_a_round_trip(
            incarnation: u64, on_demand: bool, created_ms: i64, retention_hours: u32, key_id: Option<String>,
        ) {
            let row = StreamRow { incarnation, on_demand, created_ms, retention_hours, key_id };
            prop_assert_eq!(StreamRow::decode(&row.encode()).unwrap(), row);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = StreamRow::decode(&bytes);
            let _ = StreamRow::parse_key(&Key::from_bytes(bytes.into()));
        }
    }

    #[test]
    fn version_1_reads_as_ever() {
        let row = StreamRow {
            incarnation: 300,
            on_demand: true,
            created_ms: 1_700_000_000_000,
            retention_hours: 24,
            key_id: None,
        };
        let golden = "018419012cf51b0000018bcfe568001818";
        assert_eq!(hex::encode(row.encode()), golden);
        assert_eq!(StreamRow::decode(&hex::decode(golden).unwrap()).unwrap(), row);
    }

    #[test]
    fn keys_read_back() {
        let scope = Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap());
        let key = StreamKey { scope, name: StreamName::new("orders").unwrap() };
        assert_eq!(StreamRow::parse_key(&StreamRow::key(&key)).unwrap(), key);
        assert!(StreamRow::key(&key).starts_with(&StreamRow::scope_prefix(&key.scope)));
        assert!(StreamRow::parse_key(&guard_key(&key, 1)).is_err());
    }
}
