//! The bytes of a segment file.
//!
//! **Layout** (little-endian). Header: magic `HWSEGMT1`, version u32, zero u32. Runs: per batch base
//! offset i64, append time i64, count u32, length u32, payload. Footer: runs × (log u64, base offset
//! i64, next offset i64, first time i64, last time i64, position u64, length u32, batches u32, CRC32C
//! u32 of the run, zero u32). Trailer: runs u64, position of the footer u64, CRC32C u32 of the footer
//! and the 16 bytes before, zero u32, magic `HWSEGEND`.

use headwater_base::Timestamp;

use crate::LogId;
use crate::embedded::disk::crc32c;

/// What a segment file begins with.
pub(crate) const HEADER: &[u8; 16] = b"HWSEGMT1\x01\0\0\0\0\0\0\0";
/// Bytes before a batch's payload.
pub(crate) const BATCH_HEADER_BYTES: usize = 24;
/// Bytes of a run in the footer.
pub(crate) const RUN_BYTES: usize = 64;
/// Bytes of the trailer.
pub(crate) const TRAILER_BYTES: usize = 32;

const TRAILER_MAGIC: &[u8; 8] = b"HWSEGEND";

/// A stretch of one log in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The log.
    pub log: LogId,
    /// The first batch's base offset.
    pub base_offset: i64,
    /// One past the last batch's last offset.
    pub next_offset: i64,
    /// When the first batch was appended.
    pub first_time: Timestamp,
    /// When the last batch was appended.
    pub last_time: Timestamp,
    /// Where the run begins in the file.
    pub position: u64,
    /// Its bytes.
    pub length: u32,
    /// Its batches.
    pub batches: u32,
    /// Its checksum.
    pub crc: u32,
}

/// A batch's frame in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// The offset of the first record.
    pub base_offset: i64,
    /// When it was appended.
    pub append_time: Timestamp,
    /// How many offsets it spans.
    pub count: u32,
    /// Bytes of the payload.
    pub length: u32,
}

impl BatchHeader {
    /// One past the last offset.
    pub fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.count)
    }

    /// The frame's bytes.
    pub fn encode(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        bytes[..8].copy_from_slice(&self.base_offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.append_time.ms().to_le_bytes());
        bytes[16..20].copy_from_slice(&self.count.to_le_bytes());
        bytes[20..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    /// Reads a frame back.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.get(..BATCH_HEADER_BYTES)?;
        Some(Self {
            base_offset: i64::from_le_bytes(take(&mut rest)?),
            append_time: Timestamp::from_ms(i64::from_le_bytes(take(&mut rest)?)),
            count: u32::from_le_bytes(take(&mut rest)?),
            length: u32::from_le_bytes(take(&mut rest)?),
        })
    }
}

/// The footer and trailer of a segment whose runs end at `position`.
pub(crate) fn encode_footer(runs: &[Run], position: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(runs.len() * RUN_BYTES + TRAILER_BYTES);
    for run in runs {
        bytes.extend_from_slice(&run.log.0.to_le_bytes());
        bytes.extend_from_slice(&run.base_offset.to_le_bytes());
        bytes.extend_from_slice(&run.next_offset.to_le_bytes());
        bytes.extend_from_slice(&run.first_time.ms().to_le_bytes());
        bytes.extend_from_slice(&run.last_time.ms().to_le_bytes());
        bytes.extend_from_slice(&run.position.to_le_bytes());
        for small in [run.length, run.batches, run.crc, 0] {
            bytes.extend_from_slice(&small.to_le_bytes());
        }
    }
    bytes.extend_from_slice(&(runs.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&position.to_le_bytes());
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(TRAILER_MAGIC);
    bytes
}

/// Where a file of `size` bytes with this trailer has its footer: position and length.
pub(crate) fn locate_footer(trailer: &[u8], size: u64) -> Option<(u64, usize)> {
    let mut rest = trailer.get(..TRAILER_BYTES)?;
    let runs = u64::from_le_bytes(take(&mut rest)?);
    let position = u64::from_le_bytes(take(&mut rest)?);
    let ours = &rest[8..] == TRAILER_MAGIC;
    let length = runs.checked_mul(RUN_BYTES as u64)?;
    let fits = position.checked_add(length)?.checked_add(TRAILER_BYTES as u64)? == size;
    (ours && fits).then(|| usize::try_from(length).ok().map(|length| (position, length)))?
}

/// Reads footer and trailer back. `None` when the checksum or a run does not hold.
pub(crate) fn decode_footer(bytes: &[u8]) -> Option<Vec<Run>> {
    let runs_bytes = bytes.len().checked_sub(TRAILER_BYTES)?;
    let mut crc_bytes = bytes.get(runs_bytes + 16..)?;
    if crc32c(&bytes[..runs_bytes + 16]) != u32::from_le_bytes(take(&mut crc_bytes)?) {
        return None;
    }
    let mut rest = &bytes[..runs_bytes];
    let mut runs = Vec::with_capacity(runs_bytes / RUN_BYTES);
    while !rest.is_empty() {
        runs.push(Run {
            log: LogId(u64::from_le_bytes(take(&mut rest)?)),
            base_offset: i64::from_le_bytes(take(&mut rest)?),
            next_offset: i64::from_le_bytes(take(&mut rest)?),
            first_time: Timestamp::from_ms(i64::from_le_bytes(take(&mut rest)?)),
            last_time: Timestamp::from_ms(i64::from_le_bytes(take(&mut rest)?)),
            position: u64::from_le_bytes(take(&mut rest)?),
            length: u32::from_le_bytes(take(&mut rest)?),
            batches: u32::from_le_bytes(take(&mut rest)?),
            crc: u32::from_le_bytes(take(&mut rest)?),
        });
        take::<4>(&mut rest)?;
    }
    Some(runs)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(n: u64) -> Run {
        Run {
            log: LogId(n),
            base_offset: 1,
            next_offset: 3,
            first_time: Timestamp::from_ms(4),
            last_time: Timestamp::from_ms(5),
            position: 16,
            length: 6,
            batches: 7,
            crc: 8,
        }
    }

    #[test]
    fn the_bytes_of_version_1() {
        let footer = encode_footer(&[run(2)], 0x1000);
        let mut golden = Vec::new();
        for n in [2_u64, 1, 3, 4, 5, 16] {
            golden.extend_from_slice(&n.to_le_bytes());
        }
        golden.extend_from_slice(b"\x06\0\0\0\x07\0\0\0\x08\0\0\0\0\0\0\0");
        golden.extend_from_slice(b"\x01\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0");
        golden.extend_from_slice(&crc32c(&golden).to_le_bytes());
        golden.extend_from_slice(b"\0\0\0\0HWSEGEND");
        assert_eq!(footer, golden);
        let batch = BatchHeader { base_offset: 1, append_time: Timestamp::from_ms(2), count: 3, length: 4 };
        assert_eq!(batch.encode(), *b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\x04\0\0\0");
    }

    proptest! {
        #[test]
        fn footers_read_back(logs in proptest::collection::vec(any::<u64>(), 0..20), flip: prop::sample::Index) {
            let runs: Vec<_> = logs.into_iter().map(run).collect();
            let mut footer = encode_footer(&runs, 100);
            let size = 100 + footer.len() as u64;
            let trailer = &footer[footer.len() - TRAILER_BYTES..];
            prop_assert_eq!(locate_footer(trailer, size), Some((100, footer.len() - TRAILER_BYTES)));
            prop_assert_eq!(decode_footer(&footer), Some(runs));
            let bit = flip.index((footer.len() - 16 + 4) * 8);
            footer[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(decode_footer(&footer), None);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, size: u64) {
            let _ = (locate_footer(&bytes, size), decode_footer(&bytes), BatchHeader::decode(&bytes));
        }
    }
}
