//! The header of a Kafka RecordBatch v2: all of a log's payload that the store ever looks at.
//!
//! **Layout** (big-endian): base offset i64 at 0, batch length i32 at 8, leader epoch i32 at 12,
//! magic i8 at 16, CRC u32 at 17, attributes i16 at 21, last offset delta i32 at 23, …, record count
//! i32 at 57, records from 61. The batch length counts the bytes after itself.
//!
//! **Invariants.** An accepted batch spans at least one offset and is exactly as long as it says.

/// Bytes of a batch before its first record.
const HEADER_BYTES: usize = 61;
/// Bytes before and including the batch length field.
const LENGTH_PREFIX_BYTES: usize = 12;
const MAGIC_AT: usize = 16;
const LAST_OFFSET_DELTA_AT: usize = 23;
const RECORD_COUNT_AT: usize = 57;

/// How many offsets the batch spans.
///
/// # Errors
/// What is wrong with the header, for `CommitError::Malformed`.
pub(crate) fn offsets_spanned(payload: &[u8]) -> Result<u32, &'static str> {
    if payload.len() < HEADER_BYTES {
        return Err("a record batch is shorter than its header");
    }
    if payload[MAGIC_AT] != 2 {
        return Err("a record batch is not of magic 2");
    }
    let length = usize::try_from(i32_at(payload, 8)).map_err(|_| "a record batch has a negative length")?;
    if length != payload.len() - LENGTH_PREFIX_BYTES {
        return Err("a record batch is not as long as its header says");
    }
    let delta = u32::try_from(i32_at(payload, LAST_OFFSET_DELTA_AT))
        .map_err(|_| "a record batch has a negative last offset delta")?;
    let records = u32::try_from(i32_at(payload, RECORD_COUNT_AT))
        .map_err(|_| "a record batch has a negative record count")?;
    let count = delta + 1;
    if records == 0 || records > count {
        return Err("a record batch's record count does not fit its offsets");
    }
    Ok(count)
}

fn i32_at(payload: &[u8], at: usize) -> i32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&payload[at..at + 4]);
    i32::from_be_bytes(bytes)
}

/// A well-formed header over `body`, claiming `count` records: what tests and benchmarks append.
pub fn batch_for_tests(count: u32, body: &[u8]) -> bytes::Bytes {
    let mut batch = vec![0; HEADER_BYTES];
    batch.extend_from_slice(body);
    let length = (batch.len() - LENGTH_PREFIX_BYTES) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[MAGIC_AT] = 2;
    let delta = (count as i32).wrapping_sub(1);
    batch[LAST_OFFSET_DELTA_AT..LAST_OFFSET_DELTA_AT + 4].copy_from_slice(&delta.to_be_bytes());
    batch[RECORD_COUNT_AT..RECORD_COUNT_AT + 4].copy_from_slice(&(count as i32).to_be_bytes());
    batch.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_that_lies_is_refused() {
        assert_eq!(offsets_spanned(&batch_for_tests(3, b"abc")), Ok(3));
        assert!(offsets_spanned(&batch_for_tests(0, b"abc")).is_err());
        let good = batch_for_tests(1, b"abc");
        for (at, value) in [(11, 0xFF), (16, 1), (23, 0x80), (60, 0), (60, 2), (57, 0x80)] {
            let mut bad = good.to_vec();
            bad[at] = value;
            assert!(offsets_spanned(&bad).is_err(), "byte {at}");
        }
        assert!(offsets_spanned(&good[..good.len() - 1]).is_err());
        assert!(offsets_spanned(&good[..40]).is_err());
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = offsets_spanned(&bytes);
        }
    }
}
