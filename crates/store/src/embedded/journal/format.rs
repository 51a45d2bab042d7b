//! The frames of a journal file: its header and the groups in it.
//!
//! **Layout** (little-endian). File header, at 0, padded to [`BLOCK_BYTES`]: magic `HWJOURN1`,
//! version u32, zero u32, epoch u64, salt u64, size u64, CRC32C u32 of the bytes before. Groups
//! follow, each beginning at a multiple of [`BLOCK_BYTES`]: magic `HWG1`, version u16, flags u16 (1 =
//! end mark), epoch u64, previous group's CRC u32 (0 for a file's first), entries u32, first LSN
//! u64, length u32, zero u32, CRC u32, zero u32, then `length` bytes of entries (u32 length + entry
//! each). The CRC is CRC32C over the file's salt, the header before it, and the entries.
//!
//! **Invariants.** A group of a file's former life never passes for one of this life: the salt is
//! new. Entry bytes can't forge a group: the salt is random and never leaves the file's header.
//! Groups start on sector borders, so writing one never rewrites a sector of an acknowledged one.

use bytes::Bytes;

use crate::Lsn;
use crate::embedded::disk::crc32c;

/// Groups begin at multiples of this: the sector every disk writes whole.
pub(crate) const BLOCK_BYTES: u64 = 512;
/// The format of journal files this program writes.
pub(crate) const JOURNAL_VERSION: u32 = 1;
/// Bytes of a group before its entries.
pub(crate) const GROUP_HEADER_BYTES: usize = 48;

const FILE_MAGIC: &[u8; 8] = b"HWJOURN1";
const GROUP_MAGIC: &[u8; 4] = b"HWG1";
const GROUP_VERSION: u16 = 1;
const FLAG_END: u16 = 1;
const FILE_HEADER_BYTES: usize = 44;
const GROUP_CRC_AT: usize = 40;

/// What a journal file says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// The file's place in the order of files; never reused.
    pub epoch: u64,
    /// What this life's groups are salted with.
    pub salt: u64,
    /// The file's size.
    pub size: u64,
}

/// Why a file header can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// Not a header of ours, or damaged.
    Damaged,
    /// Ours, of another version.
    Version(u32),
}

impl FileHeader {
    /// The header's block.
    pub fn encode(&self) -> [u8; BLOCK_BYTES as usize] {
        let mut block = [0; BLOCK_BYTES as usize];
        block[..8].copy_from_slice(FILE_MAGIC);
        block[8..12].copy_from_slice(&JOURNAL_VERSION.to_le_bytes());
        block[16..24].copy_from_slice(&self.epoch.to_le_bytes());
        block[24..32].copy_from_slice(&self.salt.to_le_bytes());
        block[32..40].copy_from_slice(&self.size.to_le_bytes());
        let crc = crc32c(&block[..40]);
        block[40..FILE_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// Reads a header block back.
    pub fn decode(block: &[u8]) -> Result<Self, BadHeader> {
        let block: &[u8; FILE_HEADER_BYTES] = block.first_chunk().ok_or(BadHeader::Damaged)?;
        if &block[..8] != FILE_MAGIC || u32_at(block, 40) != crc32c(&block[..40]) {
            return Err(BadHeader::Damaged);
        }
        let version = u32_at(block, 8);
        if version != JOURNAL_VERSION {
            return Err(BadHeader::Version(version));
        }
        Ok(Self { epoch: u64_at(block, 16), salt: u64_at(block, 24), size: u64_at(block, 32) })
    }
}

/// What a group's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    /// Whether this is the mark of a clean shutdown (it has no entries).
    pub end: bool,
    /// The file's epoch.
    pub epoch: u64,
    /// The CRC of the group before it in the file; 0 for the first.
    pub previous: u32,
    /// How many entries it has.
    pub count: u32,
    /// The LSN of its first entry; the others follow one by one.
    pub first_lsn: Lsn,
    /// The bytes of its entries.
    pub length: u32,
    /// Its checksum.
    pub crc: u32,
}

impl GroupHeader {
    /// Reads the header's fields; `None` unless it looks like a group of this file.
    pub fn decode(bytes: &[u8], epoch: u64) -> Option<Self> {
        let bytes: &[u8; GROUP_HEADER_BYTES] = bytes.first_chunk()?;
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        let flags = u16::from_le_bytes([bytes[6], bytes[7]]);
        let header = Self {
            end: flags & FLAG_END != 0,
            epoch: u64_at(bytes, 8),
            previous: u32_at(bytes, 16),
            count: u32_at(bytes, 20),
            first_lsn: Lsn(u64_at(bytes, 24)),
            length: u32_at(bytes, 32),
            crc: u32_at(bytes, GROUP_CRC_AT),
        };
        let ours = &bytes[..4] == GROUP_MAGIC && version == GROUP_VERSION && header.epoch == epoch;
        ours.then_some(header)
    }

    /// The group's header in `bytes` with what its reader knows filled in: magic, version, epoch and the
    /// checksum before it. If the group's checksum holds then, nothing but these was wrong with it.
    pub fn restore(bytes: &[u8], epoch: u64, previous: u32) -> Option<[u8; GROUP_HEADER_BYTES]> {
        let mut bytes: [u8; GROUP_HEADER_BYTES] = *bytes.first_chunk()?;
        bytes[..4].copy_from_slice(GROUP_MAGIC);
        bytes[4..6].copy_from_slice(&GROUP_VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&epoch.to_le_bytes());
        bytes[16..20].copy_from_slice(&previous.to_le_bytes());
        Some(bytes)
    }

    /// The bytes the group takes in the file.
    pub fn span(&self) -> u64 {
        padded(GROUP_HEADER_BYTES as u64 + u64::from(self.length))
    }

    /// One past the LSN of the last entry.
    pub fn next_lsn(&self) -> Lsn {
        Lsn(self.first_lsn.0 + u64::from(self.count))
    }
}

/// Whether `group` (header and entries) carries the checksum it should under `salt`.
pub(crate) fn is_intact(group: &[u8], salt: u64) -> bool {
    group.len() >= GROUP_HEADER_BYTES && u32_at(group, GROUP_CRC_AT) == group_crc(group, salt)
}

/// Fills in the header of the group in `buffer`, whose entries already stand behind
/// [`GROUP_HEADER_BYTES`] of room, and pads it to whole blocks. Returns its CRC.
pub(crate) fn seal_group(buffer: &mut Vec<u8>, header: &GroupHeader, salt: u64) -> u32 {
    let flags = if header.end { FLAG_END } else { 0 };
    buffer[..4].copy_from_slice(GROUP_MAGIC);
    buffer[4..6].copy_from_slice(&GROUP_VERSION.to_le_bytes());
    buffer[6..8].copy_from_slice(&flags.to_le_bytes());
    buffer[8..16].copy_from_slice(&header.epoch.to_le_bytes());
    buffer[16..20].copy_from_slice(&header.previous.to_le_bytes());
    buffer[20..24].copy_from_slice(&header.count.to_le_bytes());
    buffer[24..32].copy_from_slice(&header.first_lsn.0.to_le_bytes());
    buffer[32..36].copy_from_slice(&header.length.to_le_bytes());
    buffer[36..GROUP_HEADER_BYTES].fill(0);
    let crc = group_crc(buffer, salt);
    buffer[GROUP_CRC_AT..GROUP_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    buffer.resize(padded(buffer.len() as u64) as usize, 0);
    crc
}

/// The entries of a group, in order. `None` when their lengths do not add up.
pub(crate) fn entries(payload: &Bytes, count: u32) -> Option<Vec<(usize, Bytes)>> {
    let mut at = 0;
    let mut entries = Vec::with_capacity(count.min(1 << 16) as usize);
    for _ in 0..count {
        let length = u32::from_le_bytes(*payload.get(at..)?.first_chunk()?) as usize;
        let start = at + 4;
        let end = start.checked_add(length).filter(|end| *end <= payload.len())?;
        entries.push((start, payload.slice(start..end)));
        at = end;
    }
    (at == payload.len()).then_some(entries)
}

/// Rounds up to whole blocks.
pub(crate) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK_BYTES)
}

fn group_crc(group: &[u8], salt: u64) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(&salt.to_le_bytes());
    digest.update(&group[..GROUP_CRC_AT]);
    digest.update(&group[GROUP_HEADER_BYTES..]);
    digest.finalize() as u32
}

/// A sealed group of `entries` behind a checksum of `previous`, padded, and its own checksum.
#[cfg(test)]
pub(crate) fn group_for_tests(
    (epoch, salt): (u64, u64),
    previous: u32,
    first_lsn: u64,
    entries: &[&[u8]],
) -> (Vec<u8>, u32) {
    let mut buffer = vec![0; GROUP_HEADER_BYTES];
    for entry in entries {
        buffer.extend_from_slice(&(entry.len() as u32).to_le_bytes());
        buffer.extend_from_slice(entry);
    }
    let (count, length) = (entries.len() as u32, (buffer.len() - GROUP_HEADER_BYTES) as u32);
    let first_lsn = Lsn(first_lsn);
    let header = GroupHeader { end: false, epoch, previous, count, first_lsn, length, crc: 0 };
    let crc = seal_group(&mut buffer, &header, salt);
    (buffer, crc)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(salt: u64, entry: &[u8]) -> Vec<u8> {
        group_for_tests((3, salt), 9, 17, &[entry]).0
    }

    #[test]
    fn the_bytes_of_version_1() {
        let header = FileHeader { epoch: 2, salt: 0x0807_0605_0403_0201, size: 1024 }.encode();
        let golden =
            b"HWJOURN1\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\0\x04\0\0\0\0\0\0";
        assert_eq!(&header[..40], golden);
        assert_eq!(header[40..44], crc32c(golden).to_le_bytes());
        assert!(header[44..].iter().all(|byte| *byte == 0));

        let group = group(5, b"entry");
        let golden =
            b"HWG1\x01\0\0\0\x03\0\0\0\0\0\0\0\x09\0\0\0\x01\0\0\0\x11\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0";
        assert_eq!(&group[..40], golden);
        assert_eq!(&group[44..57], b"\0\0\0\0\x05\0\0\0entry");
        let salted = [&5_u64.to_le_bytes()[..], golden, b"\x05\0\0\0entry"].concat();
        assert_eq!(group[40..44], crc32c(&salted).to_le_bytes());
        assert_eq!(group.len(), 512);
    }

    proptest! {
        #[test]
        fn headers_read_back(epoch: u64, salt: u64, size: u64, flip in 0_usize..44 * 8) {
            let header = FileHeader { epoch, salt, size };
            let mut block = header.encode();
            prop_assert_eq!(FileHeader::decode(&block), Ok(header));
            block[flip / 8] ^= 1 << (flip % 8);
            prop_assert_eq!(FileHeader::decode(&block), Err(BadHeader::Damaged));
        }

        #[test]
        fn one_flipped_bit_breaks_a_group(salt: u64, entry: Vec<u8>, flip: prop::sample::Index) {
            let mut group = group(salt, &entry);
            let used = GROUP_HEADER_BYTES + 4 + entry.len();
            prop_assert!(is_intact(&group[..used], salt));
            prop_assert!(!is_intact(&group[..used], salt ^ 1));
            let at = flip.index(44 * 8);
            group[at / 8] ^= 1 << (at % 8);
            let header = GroupHeader::decode(&group, 3);
            let broken = header.is_none_or(|header| {
                let end = (GROUP_HEADER_BYTES + header.length as usize).min(group.len());
                !is_intact(&group[..end], salt)
            });
            prop_assert!(broken);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, count: u32) {
            let _ = FileHeader::decode(&bytes);
            let _ = GroupHeader::decode(&bytes, 1);
            let _ = is_intact(&bytes, 1);
            let _ = entries(&Bytes::from(bytes), count);
        }
    }
}
