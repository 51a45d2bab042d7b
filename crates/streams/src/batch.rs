//! The codec of the Kafka RecordBatch v2: what a log's payload is.
//!
//! Every log of the store holds batches in this one format, whoever wrote them: a Kinesis put, a
//! Firehose put, later a Kafka producer, whose batches are kept byte for byte. Writers use
//! [`BatchBuilder`] (or [`encode`]), readers [`records`] (or [`decode`]). Keys, values and headers
//! come out as slices of the batch, without copies, unless the batch was compressed.
//!
//! **Invariants.** Nothing is allocated by a length that was not first compared with the bytes
//! that are there; a decompressed batch has at most [`DECOMPRESSED_BYTES_MAX`] bytes.
//!
//! **Failure.** Bytes that are not a batch give a [`BatchError`]; they never panic.
//!
//! **Layout.** `docs/formats/recordbatch.md`.

mod compression;
mod read;
mod varint;
mod write;

use bytes::Bytes;

pub use read::{Header, Headers, Record, Records, records};
pub use write::BatchBuilder;

/// The most bytes that one compressed batch may unfold to.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// The name of the header that carries a record's explicit hash key: sixteen bytes, big-endian.
pub const EXPLICIT_HASH_KEY: &[u8] = b"ehk";

/// Bytes of a batch before its first record.
pub(crate) const HEADER_BYTES: usize = 61;

/// Where the checked part of a batch begins: the CRC covers everything from the attributes on.
pub(crate) const CHECKED_FROM: usize = 21;

/// One record to encode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRecord {
    /// The record's key; Kinesis' partition key.
    pub key: Option<Bytes>,
    /// The record's data.
    pub value: Option<Bytes>,
    /// Header name and value.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// Milliseconds since the epoch, as the producer says.
    pub timestamp_ms: i64,
}

/// One decoded record, its offset relative to the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedRecord {
    /// Offset minus the batch's base offset.
    pub offset_delta: i32,
    /// The record; slices of the batch, no copies (unless the batch was compressed).
    pub record: BatchRecord,
}

/// Why bytes are not a RecordBatch v2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a record batch: {0}")]
pub struct BatchError(pub &'static str);

/// Encodes records into one uncompressed batch with base offset 0. At most 2^31-1 bytes.
pub fn encode(records: &[BatchRecord]) -> Bytes {
    let bytes: usize = records.iter().map(|r| r.value.as_ref().map_or(0, Bytes::len) + 64).sum();
    let mut builder = BatchBuilder::with_capacity(records.first().map_or(0, |r| r.timestamp_ms), bytes);
    for record in records {
        let headers: Vec<(&[u8], Option<&[u8]>)> =
            record.headers.iter().map(|(name, value)| (name.as_ref(), value.as_deref())).collect();
        builder.push(record.timestamp_ms, record.key.as_deref(), record.value.as_deref(), &headers);
    }
    builder.finish()
}

/// Decodes a batch; verifies its CRC; bounds every length before allocating. Bulk readers use
/// [`records`], which allocates nothing per record.
pub fn decode(batch: &Bytes) -> Result<Vec<DecodedRecord>, BatchError> {
    records(batch)?
        .map(|record| {
            let record = record?;
            Ok(DecodedRecord {
                offset_delta: record.offset_delta,
                record: BatchRecord {
                    headers: record.headers.iter().map(|h| (h.name, h.value)).collect(),
                    key: record.key,
                    value: record.value,
                    timestamp_ms: record.timestamp_ms,
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
