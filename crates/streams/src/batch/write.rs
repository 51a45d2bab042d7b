//! Writing batches.

use bytes::Bytes;

use super::{CHECKED_FROM, HEADER_BYTES, varint};

/// Builds one uncompressed batch, record by record, in one buffer.
#[derive(Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    count: u32,
}

impl BatchBuilder {
    /// An empty batch whose records' times are written relative to `base_timestamp_ms`.
    pub fn new(base_timestamp_ms: i64) -> Self {
        Self::with_capacity(base_timestamp_ms, 0)
    }

    /// The same with room for `bytes` of records.
    pub fn with_capacity(base_timestamp_ms: i64, bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEADER_BYTES + bytes);
        buffer.resize(HEADER_BYTES, 0);
        Self { bytes: buffer, base_timestamp_ms, max_timestamp_ms: i64::MIN, count: 0 }
    }

    /// Adds a record.
    pub fn push(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) {
        let time_delta = timestamp_ms.wrapping_sub(self.base_timestamp_ms);
        let offset_delta = i64::from(self.count);
        let headers_len: usize =
            headers.iter().map(|(name, value)| len_of(Some(name)) + len_of(*value)).sum();
        let len = 1
            + varint::len(time_delta)
            + varint::len(offset_delta)
            + len_of(key)
            + len_of(value)
            + varint::len(headers.len() as i64)
            + headers_len;
        let out = &mut self.bytes;
        varint::put(out, len as i64);
        out.push(0);
        varint::put(out, time_delta);
        varint::put(out, offset_delta);
        put_bytes(out, key);
        put_bytes(out, value);
        varint::put(out, headers.len() as i64);
        for (name, value) in headers {
            put_bytes(out, Some(name));
            put_bytes(out, *value);
        }
        self.count += 1;
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
    }

    /// How many records were added.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether no record was added; the store refuses an empty batch.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch as it stands.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The finished batch, with base offset 0 and no producer.
    pub fn finish(mut self) -> Bytes {
        let length = i32::try_from(self.bytes.len() - 12)
            .expect("a batch is smaller than a commit, of at most 11 MiB");
        let last_delta = self.count as i32 - 1;
        let max_timestamp = if self.count == 0 { self.base_timestamp_ms } else { self.max_timestamp_ms };
        let head = &mut self.bytes;
        head[8..12].copy_from_slice(&length.to_be_bytes());
        head[12..16].copy_from_slice(&(-1i32).to_be_bytes());
        head[16] = 2;
        head[23..27].copy_from_slice(&last_delta.to_be_bytes());
        head[27..35].copy_from_slice(&self.base_timestamp_ms.to_be_bytes());
        head[35..43].copy_from_slice(&max_timestamp.to_be_bytes());
        head[43..57].fill(0xFF);
        head[57..61].copy_from_slice(&self.count.to_be_bytes());
        let crc = checksum(&head[CHECKED_FROM..]);
        head[17..21].copy_from_slice(&crc.to_be_bytes());
        self.bytes.into()
    }
}

/// The CRC-32C of `bytes`.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

fn len_of(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |b| varint::len(b.len() as i64) + b.len())
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => varint::put(out, -1),
        Some(bytes) => {
            varint::put(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}
