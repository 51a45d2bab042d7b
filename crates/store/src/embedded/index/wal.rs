//! The end of the engine's own journal, cut off where a crash left a torn batch.
//!
//! Between two persists the engine's journal is in the page cache only, so that after losing power any
//! of its pages may be missing. The engine copes with an end that was never written, but takes a batch
//! that lacks a piece in its middle for damage, and refuses to open. Such a batch and what follows it
//! were never persisted: our journal holds all of it and replays it. So it is cut off before the
//! engine looks.
//!
//! If it was damage after all, of something persisted, then what our journal no longer reaches back to
//! is missed at recovery: facts and rows of state each say how far they are.
//!
//! **Layout** of the engine's journal (fjall 3, `<number>.jnl`, little-endian): batches of a start
//! (1 u8, items u32, sequence number u64), items (2 u8, value type u8, compression u8, keyspace u64,
//! key length u16, value length u32, stored length u32, key, stored value; or 4 u8, keyspace u64) and
//! an end (3 u8, XXH3 u64 of the items, magic `FJL\x03`). Zeroes follow the last one. Every file but
//! the newest was persisted before the next was begun.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use crate::embedded::disk;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: &[u8; 4] = b"FJL\x03";
const START_BYTES: usize = 13;
const END_BYTES: usize = 13;
/// Bytes of an item between its tag and its key.
const ITEM_HEADER_BYTES: usize = 20;
/// Bytes of a key or a value hashed at a time.
const PIECE_BYTES: usize = 8 << 10;

/// Cuts a torn batch, and what follows it, off the newest journal in the engine's directory.
pub(super) fn cut_torn_end(dir: &Path) -> io::Result<()> {
    let Some((_, path)) = disk::list(dir, journal_number)?.pop() else { return Ok(()) };
    let mut journal = BufReader::new(File::options().read(true).write(true).open(&path)?);
    let mut end = 0;
    while let Some(bytes) = whole_batch(&mut journal)? {
        end += bytes;
    }
    let mut next = [0];
    journal.seek(SeekFrom::Start(end))?;
    if journal.read(&mut next)? == 0 || next == [0] {
        return Ok(());
    }
    tracing::info!(path = %path.display(), end, "the index's last writes were torn by a crash; they are replayed");
    let journal = journal.into_inner();
    journal.set_len(end)?;
    journal.sync_all()
}

pub(super) fn journal_number(name: &str) -> Option<u64> {
    name.strip_suffix(".jnl")?.parse().ok()
}

/// The bytes of the batch that begins here; `None` when there is no whole one.
fn whole_batch(journal: &mut impl Read) -> io::Result<Option<u64>> {
    match read_batch(journal) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read,
    }
}

fn read_batch(journal: &mut impl Read) -> io::Result<Option<u64>> {
    let start: [u8; START_BYTES] = take(journal)?;
    let [START, a, b, c, d, ..] = start else { return Ok(None) };
    let mut bytes = (START_BYTES + END_BYTES) as u64;
    let mut hash = Xxh3::new();
    for _ in 0..u32::from_le_bytes([a, b, c, d]) {
        match read_item(journal, &mut hash)? {
            Some(item) => bytes += item,
            None => return Ok(None),
        }
    }
    let end: [u8; END_BYTES] = take(journal)?;
    let whole = end[0] == END && end[1..9] == hash.digest().to_le_bytes() && &end[9..] == MAGIC;
    Ok(whole.then_some(bytes))
}

fn read_item(journal: &mut impl Read, hash: &mut Xxh3) -> io::Result<Option<u64>> {
    let tag: [u8; 1] = take(journal)?;
    hash.update(&tag);
    match tag {
        [ITEM] => {
            let header: [u8; ITEM_HEADER_BYTES] = take(journal)?;
            hash.update(&header);
            let [.., k0, k1, _, _, _, _, v0, v1, v2, v3] = header;
            let key = u64::from(u16::from_le_bytes([k0, k1]));
            let value = u64::from(u32::from_le_bytes([v0, v1, v2, v3]));
            hash_through(journal, key + value, hash)?;
            Ok(Some(1 + ITEM_HEADER_BYTES as u64 + key + value))
        }
        [CLEAR] => {
            let keyspace: [u8; 8] = take(journal)?;
            hash.update(&keyspace);
            Ok(Some(9))
        }
        _ => Ok(None),
    }
}

fn hash_through(journal: &mut impl Read, bytes: u64, hash: &mut Xxh3) -> io::Result<()> {
    let mut piece = [0; PIECE_BYTES];
    let mut left = bytes;
    while left > 0 {
        let step = left.min(PIECE_BYTES as u64) as usize;
        journal.read_exact(&mut piece[..step])?;
        hash.update(&piece[..step]);
        left -= step as u64;
    }
    Ok(())
}

fn take<const N: usize>(journal: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    journal.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::embedded::StoreOptions;
    use crate::embedded::index::{Applied, INDEX_DIR, Index};
    use crate::sequencer::Stored;
    use crate::{Key, Kind, Lsn};

    fn key(n: u64) -> Key {
        Key::of(Kind(0x0f00)).u64(n).build()
    }

    /// An index with three batches of one large value each. Returns its journal and where batches end.
    fn three_batches(dir: &Path) -> (PathBuf, Vec<u64>) {
        let index = Index::open(dir, &StoreOptions::small()).unwrap();
        for n in 1..=3 {
            // The engine compresses values from 4 KiB on, and notices torn ones of those.
            let value = vec![n as u8; 4_000];
            let row = (key(n), Lsn(n), Stored { value: value.into(), counter: false });
            index.load(Applied { lsn: Lsn(n), generation: 0 }, &[row]).unwrap();
        }
        index.persist().unwrap();
        drop(index);
        let (_, path) = disk::list(dir, journal_number).unwrap().pop().unwrap();
        let mut journal = BufReader::new(File::open(&path).unwrap());
        let mut ends = vec![0];
        while let Some(bytes) = whole_batch(&mut journal).unwrap() {
            ends.push(ends.last().unwrap() + bytes);
        }
        (path, ends)
    }

    #[test]
    fn a_torn_batch_is_cut_off_and_the_ones_before_it_stay() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join(INDEX_DIR);
        let (path, ends) = three_batches(&dir);
        assert_eq!(ends.len(), 4, "the engine's journal has another layout now: {ends:?}");
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = ((ends[1] + ends[2]) / 2) as usize;
        bytes[middle..middle + 512].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        // If the engine once copes with this by itself, this module can go.
        assert!(Index::open_engine(&dir, &StoreOptions::small()).is_err());
        std::fs::write(&path, &bytes).unwrap();

        let index = Index::open(&dir, &StoreOptions::small()).unwrap();
        let applied = index.applied().unwrap();
        assert_eq!(applied.lsn, Lsn(1));
        let view = index.view(applied);
        assert!(view.get(&key(1)).unwrap().is_some());
        assert!(view.get(&key(2)).unwrap().is_none() && view.get(&key(3)).unwrap().is_none());
    }

    #[test]
    fn what_is_whole_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join(INDEX_DIR);
        let (path, ends) = three_batches(&dir);
        let length = std::fs::metadata(&path).unwrap().len();
        cut_torn_end(&dir).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), length);
        let cut = File::options().write(true).open(&path).unwrap();
        cut.set_len(ends[2] + 5).unwrap();
        cut_torn_end(&dir).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), ends[2]);
        assert_eq!(Index::open(&dir, &StoreOptions::small()).unwrap().applied().unwrap().lsn, Lsn(2));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(mut bytes: Vec<u8>) {
            let _ = whole_batch(&mut bytes.as_slice());
            bytes.splice(0..0, [START, 2, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, ITEM]);
            prop_assert!(whole_batch(&mut bytes.as_slice()).unwrap().is_none());
        }
    }
}
