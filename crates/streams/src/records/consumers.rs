//! Kinds `0x0110` (consumers) and `0x0111` (a consumer's tags).
//!
//! ```text
//! consumers  (0x0110, incarnation u64)                   -> ConsumersRow
//! tags       (0x0111, incarnation u64, consumer id u64)  -> TagsRow
//! ```
//!
//! All consumers of a stream are one fact, so that there are never more than allowed and none is
//! left when the stream goes. Without consumers there is no fact.

use bytes::Bytes;
use headwater_base::Timestamp;
use headwater_store::{Key, Kind, StoreError};
use minicbor::{Decode, Encode};

use crate::{Consumer, ConsumerName};

const CONSUMERS: Kind = Kind(0x0110);
const CONSUMER_TAGS: Kind = Kind(0x0111);

/// The consumers of one incarnation of a stream, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct ConsumersRow {
    #[n(0)]
    consumers: Vec<Row>,
}

/// One consumer as it is stored.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
struct Row {
    #[n(0)]
    id: u64,
    #[n(1)]
    name: String,
    #[n(2)]
    created_ms: i64,
}

impl ConsumersRow {
    pub(crate) fn key(incarnation: u64) -> Key {
        Key::of(CONSUMERS).u64(incarnation).build()
    }

    /// Where a consumer's tags are.
    pub(crate) fn tags_key(incarnation: u64, consumer: &Consumer) -> Key {
        Key::of(CONSUMER_TAGS).u64(incarnation).u64(consumer.id).build()
    }

    pub(crate) fn encode(consumers: &[Consumer]) -> Bytes {
        let row = |consumer: &Consumer| Row {
            id: consumer.id,
            name: consumer.name.as_str().to_owned(),
            created_ms: consumer.created.ms(),
        };
        super::encode(&Self { consumers: consumers.iter().map(row).collect() })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Consumer>, StoreError> {
        let row: Self = super::decode("consumers", bytes)?;
        let consumer = |row: Row| {
            let name = ConsumerName::new(&row.name)
                .map_err(|error| StoreError::Corrupt(format!("consumers fact: {error}")))?;
            Ok(Consumer { id: row.id, name, created: Timestamp::from_ms(row.created_ms) })
        };
        row.consumers.into_iter().map(consumer).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn consumer(id: u64, name: &str, created_ms: i64) -> Consumer {
        Consumer { id, name: ConsumerName::new(name).unwrap(), created: Timestamp::from_ms(created_ms) }
    }

    proptest! {
        #[test]
        fn rows_survive_a_round_trip(
            all in proptest::collection::vec((any::<u64>(), "[a-zA-Z0-9_.-]{1,128}", any::<i64>()), 0..20),
        ) {
            let consumers: Vec<Consumer> =
                all.iter().map(|(id, name, created)| consumer(*id, name, *created)).collect();
            prop_assert_eq!(ConsumersRow::decode(&ConsumersRow::encode(&consumers)).unwrap(), consumers);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = ConsumersRow::decode(&bytes);
        }
    }

    #[test]
    fn version_1_reads_as_ever() {
        let consumers = vec![consumer(300, "risk", 1_700_000_000_000)];
        let golden = "0181818319012c647269736b1b0000018bcfe56800";
        assert_eq!(hex::encode(ConsumersRow::encode(&consumers)), golden);
        assert_eq!(ConsumersRow::decode(&hex::decode(golden).unwrap()).unwrap(), consumers);
    }
}
