//! How a blob lies in its file: blocks, then a trailer that says what each block must be.
//!
//! **Layout** (numbers are little-endian; `docs/formats/blob.md`):
//! ```text
//! 0          data, in blocks of 1 MiB, the last one shorter
//! len        u32 × blocks: CRC32C of each block
//! len + 4n   footer, 48 bytes: magic "HWBLOB\0\x01" | id (16) | len u64 | block bytes u32 |
//!            blocks u32 | CRC32C of checksums and footer so far u32 | "BEND"
//! ```
//! Data begins at 0, so every block is aligned in the file.

use crate::{BLOCK_BYTES, BlobId};

/// The size of the footer.
pub(crate) const FOOTER_BYTES: usize = 48;

const MAGIC: &[u8; 8] = b"HWBLOB\0\x01";
const END: &[u8; 4] = b"BEND";

/// What the trailer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trailer {
    /// Bytes of data.
    pub(crate) len: u64,
    /// One CRC32C per block.
    pub(crate) checksums: Vec<u32>,
}

/// The CRC32C of one block.
pub(crate) fn checksum(block: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, block) as u32
}

/// How many blocks `len` bytes take.
pub(crate) fn block_count(len: u64) -> u64 {
    len.div_ceil(BLOCK_BYTES as u64)
}

/// How many bytes the trailer of a blob of `blocks` blocks takes.
pub(crate) fn trailer_bytes(blocks: u64) -> u64 {
    blocks * 4 + FOOTER_BYTES as u64
}

impl Trailer {
    /// The trailer's bytes.
    pub(crate) fn encode(&self, id: BlobId) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.checksums.len() * 4 + FOOTER_BYTES);
        for sum in &self.checksums {
            out.extend_from_slice(&sum.to_le_bytes());
        }
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&id.0);
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&(BLOCK_BYTES as u32).to_le_bytes());
        out.extend_from_slice(&(self.checksums.len() as u32).to_le_bytes());
        let sum = checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(END);
        out
    }

    /// How many blocks the footer claims, from the last [`FOOTER_BYTES`] of a file; not verified.
    pub(crate) fn claimed_blocks(footer: &[u8]) -> Option<u64> {
        let blocks = footer.get(36..40)?;
        Some(u64::from(u32::from_le_bytes(blocks.try_into().ok()?)))
    }

    /// Reads a whole trailer (checksums and footer) of a file of `file_len` bytes. `None` when
    /// anything about it is wrong.
    pub(crate) fn decode(id: BlobId, file_len: u64, bytes: &[u8]) -> Option<Self> {
        let sums_len = bytes.len().checked_sub(FOOTER_BYTES)?;
        let (sums, footer) = bytes.split_at(sums_len);
        let number = |range: std::ops::Range<usize>| {
            footer[range].iter().rev().fold(0u64, |n, byte| (n << 8) | u64::from(*byte))
        };
        let (len, blocks) = (number(24..32), number(36..40));
        let whole = &bytes[..bytes.len() - 8];
        let fits = footer.starts_with(MAGIC)
            && footer[8..24] == id.0
            && number(32..36) == BLOCK_BYTES as u64
            && footer.ends_with(END)
            && number(40..44) == u64::from(checksum(whole))
            && block_count(len) == blocks
            && sums_len as u64 == blocks * 4
            && len.checked_add(bytes.len() as u64) == Some(file_len);
        let checksums = sums.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect();
        fits.then_some(Self { len, checksums })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: BlobId = BlobId([0xAB; 16]);

    #[test]
    fn golden_bytes_of_version_1() {
        let trailer = Trailer { len: 9, checksums: vec![checksum(b"123456789")] };
        let hex: String = trailer.encode(ID).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "839206e34857424c4f420001abababababababababababababababab09000000000000\
             000000100001000000a56fd10442454e44"
        );
    }

    proptest! {
        #[test]
        fn trailers_read_back(len in 0u64..(5 << 20), seed: u32) {
            let checksums: Vec<u32> = (0..block_count(len) as u32).map(|n| seed.wrapping_mul(n + 1)).collect();
            let trailer = Trailer { len, checksums };
            let bytes = trailer.encode(ID);
            let file_len = len + bytes.len() as u64;
            prop_assert_eq!(Trailer::claimed_blocks(&bytes[bytes.len() - FOOTER_BYTES..]), Some(block_count(len)));
            prop_assert_eq!(Trailer::decode(ID, file_len, &bytes), Some(trailer));
            prop_assert_eq!(Trailer::decode(BlobId([1; 16]), file_len, &bytes), None);
            prop_assert_eq!(Trailer::decode(ID, file_len + 1, &bytes), None);
        }

        #[test]
        fn a_flipped_bit_is_noticed(len in 0u64..(3 << 20), at: usize, bit in 0u8..8) {
            let trailer = Trailer { len, checksums: vec![7; block_count(len) as usize] };
            let mut bytes = trailer.encode(ID);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Trailer::decode(ID, len + bytes.len() as u64, &bytes), None);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, file_len: u64) {
            let _ = (Trailer::decode(ID, file_len, &bytes), Trailer::claimed_blocks(&bytes));
        }
    }
}
