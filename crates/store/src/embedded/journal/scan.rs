//! Reads a journal file back, group by group, and tells a torn end from damage.
//!
//! A group is written only after the one before it is durable. So the first bad group is the end of
//! the journal (a torn or missing write nobody was told of) unless a good group of the same life
//! follows it: then what was acknowledged has been damaged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;

use crate::embedded::journal::format::{
    BLOCK_BYTES, BadHeader, FileHeader, GROUP_HEADER_BYTES, GroupHeader, entries, is_intact,
};

/// Bytes read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// A good group.
#[derive(Debug)]
pub(crate) struct Group {
    /// Its header.
    pub header: GroupHeader,
    /// Where it begins in the file.
    pub position: u64,
    /// Its entries and where each begins in the file.
    pub entries: Vec<(u64, Bytes)>,
}

/// What stands at a position.
#[derive(Debug)]
pub(crate) enum Step {
    /// A good group.
    Group(Group),
    /// The end of what was written; if a write was torn, about how many bytes of it.
    End {
        /// Bytes of a torn write, 0 if there is no sign of one.
        torn_bytes: u64,
    },
    /// A bad group with good ones after it.
    Damaged {
        /// Where the bad group is.
        position: u64,
        /// Where the next good one is.
        next_good: u64,
    },
}

/// Reads one journal file from the front.
#[derive(Debug)]
pub(crate) struct Scanner {
    file: File,
    /// The file's header.
    pub header: FileHeader,
    size: u64,
    at: u64,
    previous: u32,
    window: Bytes,
    window_at: u64,
}

impl Scanner {
    /// Opens the file and reads its header.
    pub fn open(path: &Path) -> io::Result<Result<Self, BadHeader>> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut scanner = Self {
            file,
            header: FileHeader { epoch: 0, salt: 0, size: 0 },
            size,
            at: BLOCK_BYTES,
            previous: 0,
            window: Bytes::new(),
            window_at: 0,
        };
        let block = scanner.bytes(0, BLOCK_BYTES as usize)?;
        Ok(FileHeader::decode(&block).map(|header| Self { header, ..scanner }))
    }

    /// The next group, or why there is none.
    pub fn next(&mut self) -> io::Result<Step> {
        let at = self.at;
        if let Some(group) = self.group_at(at)?.filter(|group| group.header.previous == self.previous) {
            self.at += group.header.span();
            self.previous = group.header.crc;
            return Ok(Step::Group(group));
        }
        match self.next_good(at + BLOCK_BYTES)? {
            Some(next_good) => Ok(Step::Damaged { position: at, next_good }),
            None => Ok(Step::End { torn_bytes: self.torn_at(at)? }),
        }
    }

    /// Goes on at a group found behind damage.
    pub fn skip_to(&mut self, position: u64) -> io::Result<()> {
        self.at = position;
        if let Some(group) = self.group_at(position)? {
            self.previous = group.header.previous;
        }
        Ok(())
    }

    fn group_at(&mut self, at: u64) -> io::Result<Option<Group>> {
        let head = self.bytes(at, GROUP_HEADER_BYTES)?;
        let Some(header) = GroupHeader::decode(&head, self.header.epoch) else { return Ok(None) };
        if at + header.span() > self.size {
            return Ok(None);
        }
        let group = self.bytes(at, GROUP_HEADER_BYTES + header.length as usize)?;
        if !is_intact(&group, self.header.salt) {
            return Ok(None);
        }
        let payload = group.slice(GROUP_HEADER_BYTES..);
        let first = at + GROUP_HEADER_BYTES as u64;
        let placed = entries(&payload, header.count)
            .map(|entries| entries.into_iter().map(|(start, entry)| (first + start as u64, entry)).collect());
        Ok(placed.map(|entries| Group { header, position: at, entries }))
    }

    /// The first good group of this life at or after `from`.
    fn next_good(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at + BLOCK_BYTES <= self.size {
            if self.group_at(at)?.is_some() {
                return Ok(Some(at));
            }
            at += BLOCK_BYTES;
        }
        Ok(None)
    }

    /// The length a torn group at `at` claims; 0 if nothing there looks like one of this life.
    ///
    /// A write torn before its first block leaves no trace, and need not: nobody was told of it. But a
    /// header that rotted was acknowledged, and this is told by the checksum.
    fn torn_at(&mut self, at: u64) -> io::Result<u64> {
        let head = self.bytes(at, GROUP_HEADER_BYTES)?;
        let left = self.size.saturating_sub(at);
        let epoch = self.header.epoch;
        if let Some(header) = GroupHeader::decode(&head, epoch) {
            return Ok(header.span().min(left));
        }
        let Some(restored) = GroupHeader::restore(&head, epoch, self.previous) else { return Ok(0) };
        let Some(header) = GroupHeader::decode(&restored, epoch) else { return Ok(0) };
        // Other bytes, of a former life's entries, must not be taken for a length.
        let known = head[..4] == restored[..4] || head[8..16] == restored[8..16];
        if !known || header.span() > left {
            return Ok(0);
        }
        let group = self.bytes(at, GROUP_HEADER_BYTES + header.length as usize)?;
        let whole = [&restored[..], &group[GROUP_HEADER_BYTES..]].concat();
        Ok(if is_intact(&whole, self.header.salt) { header.span() } else { 0 })
    }

    /// Bytes of the file; fewer at its end.
    fn bytes(&mut self, at: u64, length: usize) -> io::Result<Bytes> {
        let end = self.size.min(at + length as u64);
        if at >= end {
            return Ok(Bytes::new());
        }
        let inside = at >= self.window_at && end <= self.window_at + self.window.len() as u64;
        if !inside {
            let wanted = (self.size - at).min(length.max(WINDOW_BYTES) as u64) as usize;
            let mut window = vec![0; wanted];
            self.file.read_exact_at(&mut window, at)?;
            self.window = window.into();
            self.window_at = at;
        }
        let start = (at - self.window_at) as usize;
        Ok(self.window.slice(start..start + (end - at) as usize))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::embedded::journal::format::group_for_tests;

    /// A file's bytes: `groups` groups of this life over what a former one left.
    fn file(groups: u64) -> Vec<u8> {
        let life = |epoch, salt, first: u64, groups| {
            let mut bytes = FileHeader { epoch, salt, size: 8192 }.encode().to_vec();
            let mut previous = 0;
            for lsn in first..first + groups {
                let (group, crc) = group_for_tests((epoch, salt), previous, lsn, &[&[lsn as u8; 700]]);
                bytes.extend(group);
                previous = crc;
            }
            bytes
        };
        let (mut bytes, former) = (life(4, 7, 20, groups), life(2, 8, 1, 7));
        bytes.extend(&former[bytes.len()..]);
        bytes.resize(8192, 0);
        bytes
    }

    /// The groups in `bytes`, and how long the torn end is.
    fn scan(bytes: &[u8]) -> (usize, u64) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut scanner = Scanner::open(file.path()).unwrap().unwrap();
        let mut groups = 0;
        loop {
            match scanner.next().unwrap() {
                Step::Group(_) => groups += 1,
                Step::End { torn_bytes } => return (groups, torn_bytes),
                Step::Damaged { .. } => panic!("the last group has nothing after it"),
            }
        }
    }

    #[test]
    fn what_a_former_life_left_is_no_torn_end() {
        for groups in 0..4 {
            assert_eq!(scan(&file(groups)), (groups as usize, 0));
        }
    }

    proptest! {
        /// Wherever in the last group a bit flips, that group is given up and this is told.
        #[test]
        fn a_flipped_bit_in_the_last_group_is_told(
            groups in 1_u64..4,
            flip in 0..44 + 4 + 700_usize,
            bit in 0..8_u8,
        ) {
            let mut bytes = file(groups);
            let last = BLOCK_BYTES as usize + (groups as usize - 1) * 1024;
            // Four bytes behind the checksum are for later versions: nothing rests on them.
            let at = last + if flip < 44 { flip } else { flip + 4 };
            bytes[at] ^= 1 << bit;
            let (found, torn) = scan(&bytes);
            prop_assert_eq!(found as u64, groups - 1);
            prop_assert!(torn > 0);
        }
    }
}
