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

use crate::{Distribution, Monitoring, RECORD_BYTES, Stream, StreamKey, StreamMode, StreamName};

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

/// A stream's description, without its shards. What was never set is not written.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
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
    /// Bits of [`Monitoring`].
    #[n(5)]
    pub(crate) monitoring: Option<u8>,
    #[n(6)]
    pub(crate) record_bytes_max: Option<u32>,
    #[n(7)]
    pub(crate) warm_mib: Option<u32>,
    /// Whether records are distributed evenly.
    #[n(8)]
    pub(crate) auto: Option<bool>,
    /// When the shard count was changed within the last day.
    #[n(9)]
    pub(crate) scaled_ms: Option<Vec<i64>>,
}

impl StreamRow {
    /// The row that says what `stream` says.
    pub(crate) fn of(stream: &Stream) -> Self {
        let scaled: Vec<i64> = stream.scaled.iter().map(|time| time.ms()).collect();
        Self {
            incarnation: stream.incarnation,
            on_demand: stream.mode == StreamMode::OnDemand,
            created_ms: stream.created.ms(),
            retention_hours: u32::try_from(stream.retention.as_secs() / 3600).unwrap_or(u32::MAX),
            key_id: stream.encryption.as_ref().map(|encryption| encryption.key_id.clone()),
            monitoring: Some(stream.monitoring.0).filter(|bits| *bits != 0),
            record_bytes_max: record_size(stream.record_bytes_max),
            warm_mib: stream.warm_mib,
            auto: Some(stream.distribution == Distribution::Auto).filter(|auto| *auto),
            scaled_ms: Some(scaled).filter(|times| !times.is_empty()),
        }
    }

    pub(crate) fn distribution(&self) -> Distribution {
        if self.auto == Some(true) { Distribution::Auto } else { Distribution::PartitionKey }
    }

    pub(crate) fn monitoring(&self) -> Monitoring {
        Monitoring(self.monitoring.unwrap_or_default())
    }

    pub(crate) fn record_bytes_max(&self) -> usize {
        self.record_bytes_max.map_or(RECORD_BYTES, |bytes| bytes as usize)
    }

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

/// How a largest record size is written; nothing for the usual one.
pub(crate) fn record_size(bytes: usize) -> Option<u32> {
    u32::try_from(bytes).ok().filter(|bytes| *bytes as usize != RECORD_BYTES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_survive_a_round_trip(
            incarnation: u64, on_demand: bool, created_ms: i64, retention_hours: u32, key_id: Option<String>,
            sizes: (Option<u32>, Option<u32>), flags: (Option<u8>, Option<bool>), scaled_ms: Option<Vec<i64>>,
        ) {
            let row = StreamRow {
                incarnation, on_demand, created_ms, retention_hours, key_id, scaled_ms,
                monitoring: flags.0, record_bytes_max: sizes.0, warm_mib: sizes.1, auto: flags.1,
            };
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
            ..StreamRow::default()
        };
        let golden = "018419012cf51b0000018bcfe568001818";
        assert_eq!(hex::encode(row.encode()), golden);
        assert_eq!(StreamRow::decode(&hex::decode(golden).unwrap()).unwrap(), row);
    }

    #[test]
    fn version_1_with_settings_reads_as_ever() {
        let row = StreamRow {
            incarnation: 300,
            retention_hours: 24,
            monitoring: Some(3),
            record_bytes_max: Some(10 << 20),
            warm_mib: Some(5),
            auto: Some(true),
            scaled_ms: Some(vec![7]),
            ..StreamRow::default()
        };
        let golden = "018a19012cf4001818f6031a00a0000005f58107";
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
