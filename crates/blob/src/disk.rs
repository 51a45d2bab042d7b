//! Blobs as files in a directory of the local disk.
//!
//! ```text
//! create ─ write ─ write ─ … ─ finish ─────────────────────────────► durable
//!            │ 1 MiB blocks: CRC32C, pwrite (blocking pool, one ahead) │ trailer, fsync file,
//!            │ every 32 MiB: fdatasync in the background               │ fsync directory
//! ```
//! A blob has its final name from the start: what a crash leaves unfinished has no valid trailer,
//! no fact names it, and the sweep removes it. Names are spread over 256 directories.
//!
//! **Invariants.** All file work happens on the blocking pool. A reader holds its file open, and
//! that is its pin: removing a blob takes its name away at once and its bytes when the last reader
//! is gone.
//!
//! **Failure.** A failed fsync fails the upload; the file is removed and nothing named it.

mod block;
mod check;
mod reader;
mod verify;
mod writer;

pub use verify::{Verified, verify};

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use headwater_base::{ByteSize, Seams};

use crate::hold::{Held, Hold};
use crate::live::LiveIds;
use crate::{BlobError, BlobId, BlobReader, BlobWriter, Blobs, Checked};

/// How many directories blobs are spread over.
const FAN_OUT: u32 = 256;

/// How the disk is used.
#[derive(Clone, Debug)]
pub struct BlobOptions {
    /// New data is refused with [`BlobError::Full`] when less than this would stay free.
    pub reserve: ByteSize,
}

impl Default for BlobOptions {
    fn default() -> Self {
        Self { reserve: ByteSize::mib(768) }
    }
}

/// Opens (or begins) a place for blobs in `dir`.
///
/// # Errors
/// [`BlobError::Io`] when the directory can't be made or read.
pub async fn open(
    dir: impl AsRef<Path>,
    options: BlobOptions,
    seams: Seams,
) -> Result<Arc<dyn Blobs>, BlobError> {
    let dir = dir.as_ref().to_owned();
    let disk = Disk { dir: dir.clone(), options, seams, live: LiveIds::default(), held: Held::default() };
    blocking(move || prepare(&dir)).await?;
    Ok(Arc::new(DiskBlobs(Arc::new(disk))))
}

#[derive(Debug)]
struct DiskBlobs(Arc<Disk>);

#[derive(Debug)]
struct Disk {
    dir: PathBuf,
    options: BlobOptions,
    seams: Seams,
    live: LiveIds,
    held: Held,
}

fn folder_in(dir: &Path, id: BlobId) -> PathBuf {
    dir.join(format!("{:02x}", id.0[0]))
}

fn path_in(dir: &Path, id: BlobId) -> PathBuf {
    folder_in(dir, id).join(format!("{id:?}"))
}

impl Disk {
    fn folder_of(&self, id: BlobId) -> PathBuf {
        folder_in(&self.dir, id)
    }

    fn path_of(&self, id: BlobId) -> PathBuf {
        path_in(&self.dir, id)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Refuses `bytes` more if they would eat into the reserve.
    fn claim(&self, bytes: u64) -> Result<(), BlobError> {
        let free = self.free_bytes().map_err(|e| failed(&e))?;
        if free < self.options.reserve.bytes().saturating_add(bytes) {
            return Err(BlobError::Full);
        }
        Ok(())
    }
}

#[async_trait]
impl Blobs for DiskBlobs {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        let mut id = [0; 16];
        self.0.seams.chance.fill(&mut id);
        Ok(Box::new(writer::DiskWriter::new(self.0.clone(), BlobId(id))))
    }

    async fn open(&self, id: BlobId) -> Result<Arc<dyn BlobReader>, BlobError> {
        let path = self.0.path_of(id);
        let reader = blocking(move || reader::DiskReader::open(id, &path)).await?;
        Ok(Arc::new(reader))
    }

    async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        if self.0.held.remembers(id) {
            return Ok(());
        }
        let path = self.0.path_of(id);
        blocking(move || remove(&path).map_err(|e| failed(&e))).await
    }

    async fn check(&self, id: BlobId, first: u64, blocks: u64) -> Result<Checked, BlobError> {
        let path = self.0.path_of(id);
        blocking(move || check::check(id, &path, first, blocks)).await
    }

    fn hold(&self) -> Hold {
        let dir = self.0.dir.clone();
        self.0.held.hold(move |id| {
            let path = path_in(&dir, id);
            if let Err(error) = remove(&path) {
                // Nothing names it: the next full sweep finds it.
                tracing::warn!(%error, path = %path.display(), "cannot delete a blob");
            }
        })
    }

    async fn list(&self) -> Result<Vec<BlobId>, BlobError> {
        let dir = self.0.dir.clone();
        let mut ids = blocking(move || list(&dir).map_err(|e| failed(&e))).await?;
        // After the directory was read: a blob that lost its mark since then has been named by a
        // commit that whoever decides now will see.
        self.0.live.remove_from(&mut ids);
        Ok(ids)
    }

    fn is_live(&self, id: BlobId) -> bool {
        self.0.live.contains(id)
    }

    fn free_bytes(&self) -> u64 {
        let free = self.0.free_bytes().unwrap_or(0);
        free.saturating_sub(self.0.options.reserve.bytes())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Makes the directories, durably.
fn prepare(dir: &Path) -> Result<(), BlobError> {
    let make = || -> io::Result<()> {
        fs::create_dir_all(dir)?;
        for n in 0..FAN_OUT {
            match fs::create_dir(dir.join(format!("{n:02x}"))) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ => {}
            }
        }
        File::open(dir)?.sync_all()?;
        match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    };
    make().map_err(|e| failed(&e))
}

fn list(dir: &Path) -> io::Result<Vec<BlobId>> {
    let mut ids = Vec::new();
    for n in 0..FAN_OUT {
        for entry in fs::read_dir(dir.join(format!("{n:02x}")))? {
            let name = entry?.file_name();
            // Files that are no blobs are somebody else's: left alone.
            if let Some(id) = name.to_str().and_then(parse_name) {
                ids.push(id);
            }
        }
    }
    Ok(ids)
}

fn parse_name(name: &str) -> Option<BlobId> {
    if name.len() != 32 || !name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return None;
    }
    u128::from_str_radix(name, 16).ok().map(|n| BlobId(n.to_be_bytes()))
}

fn failed(error: &io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::Full,
        _ => BlobError::Io(error.to_string()),
    }
}

/// Runs file work on the blocking pool.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    joined(tokio::task::spawn_blocking(work).await)
}

fn joined<T>(outcome: Result<Result<T, BlobError>, tokio::task::JoinError>) -> Result<T, BlobError> {
    outcome.unwrap_or_else(|e| Err(BlobError::Io(e.to_string())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use futures::StreamExt;

    use super::*;
    use crate::{BLOCK_BYTES, UploadHandle};

    async fn fresh(reserve: ByteSize) -> (tempfile::TempDir, Arc<dyn Blobs>) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = open(dir.path().join("blobs"), BlobOptions { reserve }, Seams::system()).await.unwrap();
        (dir, blobs)
    }

    async fn put(blobs: &dyn Blobs, data: &[u8]) -> UploadHandle {
        let mut writer = blobs.create().await.unwrap();
        writer.write(Bytes::copy_from_slice(data)).await.unwrap();
        writer.finish().await.unwrap()
    }

    fn file_of(dir: &tempfile::TempDir, id: BlobId) -> PathBuf {
        dir.path().join("blobs").join(format!("{:02x}", id.0[0])).join(format!("{id:?}"))
    }

    #[tokio::test]
    async fn conforms() {
        let (_dir, blobs) = fresh(ByteSize(0)).await;
        crate::conformance::run(blobs).await;
    }

    #[tokio::test]
    async fn survives_reopening() {
        let (dir, blobs) = fresh(ByteSize(0)).await;
        let id = put(&*blobs, b"still here").await.id;
        drop(blobs);
        let options = BlobOptions { reserve: ByteSize(0) };
        let blobs = open(dir.path().join("blobs"), options, Seams::system()).await.unwrap();
        assert_eq!(blobs.list().await.unwrap(), vec![id]);
        assert_eq!(blobs.open(id).await.unwrap().read(0..10).await.unwrap(), "still here");
    }

    #[tokio::test]
    async fn a_flipped_bit_is_reported_and_never_served() {
        let (dir, blobs) = fresh(ByteSize(0)).await;
        let data = vec![0x55; 2 * BLOCK_BYTES + 1000];
        let id = put(&*blobs, &data).await.id;
        let path = file_of(&dir, id);
        let mut bytes = fs::read(&path).unwrap();
        bytes[BLOCK_BYTES + 7] ^= 0x10;
        fs::write(&path, &bytes).unwrap();

        let reader = blobs.open(id).await.unwrap();
        assert_eq!(reader.read(0..5).await.unwrap().len(), 5, "other blocks are sound");
        let range = BLOCK_BYTES as u64..BLOCK_BYTES as u64 + 1;
        assert!(matches!(reader.read(range).await, Err(BlobError::Corrupt { block: 1, .. })));
        let pieces: Vec<_> = reader.stream(0..data.len() as u64).collect().await;
        assert!(matches!(pieces.last(), Some(Err(BlobError::Corrupt { block: 1, .. }))));
        assert_eq!(pieces.iter().flatten().map(Bytes::len).sum::<usize>(), BLOCK_BYTES);
    }

    #[tokio::test]
    async fn checking_goes_block_by_block_and_names_the_damaged() {
        let (dir, blobs) = fresh(ByteSize(0)).await;
        let id = put(&*blobs, &vec![0x77; 3 * BLOCK_BYTES + 1000]).await.id;
        let all = blobs.check(id, 0, u64::MAX).await.unwrap();
        assert_eq!(all, Checked { bytes: 3 * BLOCK_BYTES as u64 + 1000, damaged: vec![], next: None });
        for at in [BLOCK_BYTES + 7, 3 * BLOCK_BYTES + 999] {
            let mut bytes = fs::read(file_of(&dir, id)).unwrap();
            bytes[at] ^= 0x10;
            fs::write(file_of(&dir, id), &bytes).unwrap();
        }
        let some = blobs.check(id, 0, 2).await.unwrap();
        assert_eq!((some.damaged, some.next), (vec![1], Some(2)));
        let rest = blobs.check(id, 2, 2).await.unwrap();
        assert_eq!((rest.damaged, rest.next), (vec![3], None));
        assert_eq!(blobs.check(id, 9, 2).await.unwrap(), Checked::default());
        fs::write(file_of(&dir, id), b"torn").unwrap();
        assert!(matches!(blobs.check(id, 0, 1).await, Err(BlobError::Damaged(_))));
        fs::remove_file(file_of(&dir, id)).unwrap();
        assert!(matches!(blobs.check(id, 0, 1).await, Err(BlobError::NotFound(_))));
    }

    #[tokio::test]
    async fn reading_back_finds_what_is_missing_damaged_and_unnamed() {
        let (dir, blobs) = fresh(ByteSize(0)).await;
        let data = vec![0x33; 2 * BLOCK_BYTES + 9];
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(put(&*blobs, &data).await.id);
        }
        let [sound, damaged, torn, missing, orphan] = ids[..] else { panic!("five blobs were put") };
        let flip = |id, at: usize| {
            let mut bytes = fs::read(file_of(&dir, id)).unwrap();
            bytes[at] ^= 1;
            fs::write(file_of(&dir, id), bytes).unwrap();
        };
        flip(damaged, 5);
        flip(damaged, 2 * BLOCK_BYTES + 5);
        flip(torn, data.len() + 3);
        fs::remove_file(file_of(&dir, missing)).unwrap();
        let blobs_dir = dir.path().join("blobs");
        let verified = verify(&blobs_dir, &[sound, damaged, torn, missing].into()).unwrap();
        assert_eq!((verified.sound, verified.bytes), (1, 2 * data.len() as u64));
        assert_eq!(verified.orphans, [orphan]);
        let mut problems: Vec<_> = verified.problems.iter().map(|(_, error)| error.to_string()).collect();
        problems.sort();
        let mut expected = [
            BlobError::Corrupt { id: damaged, block: 0 }.to_string(),
            BlobError::Corrupt { id: damaged, block: 2 }.to_string(),
            BlobError::Damaged(torn).to_string(),
            BlobError::NotFound(missing).to_string(),
        ];
        expected.sort();
        assert_eq!(problems, expected);
        let nowhere = verify(&blobs_dir.join("nowhere"), &BTreeSet::new()).unwrap();
        assert!(nowhere.problems.is_empty() && nowhere.orphans.is_empty());
    }

    #[tokio::test]
    async fn torn_files_have_no_trailer() {
        let (dir, blobs) = fresh(ByteSize(0)).await;
        let id = put(&*blobs, &vec![1; BLOCK_BYTES * 2]).await.id;
        let path = file_of(&dir, id);
        let whole = fs::read(&path).unwrap();
        for keep in [0, 10, BLOCK_BYTES, whole.len() - 1] {
            fs::write(&path, &whole[..keep]).unwrap();
            assert!(matches!(blobs.open(id).await, Err(BlobError::Damaged(_))), "{keep}");
        }
    }

    #[tokio::test]
    async fn refuses_before_the_disk_is_full() {
        let (_dir, blobs) = fresh(ByteSize::gib(1 << 30)).await;
        let mut writer = blobs.create().await.unwrap();
        writer.write(Bytes::from_static(b"x")).await.unwrap();
        assert!(matches!(writer.finish().await, Err(BlobError::Full)));
        assert_eq!(blobs.free_bytes(), 0);
        assert!(blobs.list().await.unwrap().is_empty(), "nothing stays behind");
    }

    #[tokio::test]
    async fn foreign_files_are_left_alone() {
        let (dir, blobs) = fresh(ByteSize(0)).await;
        fs::write(dir.path().join("blobs/00/notes.txt"), "mine").unwrap();
        assert!(blobs.list().await.unwrap().is_empty());
    }
}
