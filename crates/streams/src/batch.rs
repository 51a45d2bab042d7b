//! The codec of the Kafka RecordBatch v2: what a log's payload is.

use bytes::Bytes;

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
#[derive(Debug, Clone, thiserror::Error)]
#[error("not a record batch: {0}")]
pub struct BatchError(pub &'static str);

/// Encodes records into one uncompressed batch with base offset 0. At most 2^31-1 bytes.
pub fn encode(records: &[BatchRecord]) -> Bytes {
    let _ = records;
    todo!("streams owner")
}

/// Decodes a batch; verifies its CRC; bounds every length before allocating.
pub fn decode(batch: &Bytes) -> Result<Vec<DecodedRecord>, BatchError> {
    let _ = batch;
    todo!("streams owner")
}
