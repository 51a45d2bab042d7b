//! Reads blobs back from a directory that no process uses.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::reader::DiskReader;
use super::{failed, list, path_in};
use crate::{BlobError, BlobId};

/// What reading blobs back found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Blobs that are there and sound.
    pub sound: u64,
    /// Bytes of blobs read.
    pub bytes: u64,
    /// What is wrong: a blob that is missing, has no valid trailer, or has a damaged block.
    pub problems: Vec<(PathBuf, BlobError)>,
    /// Files that nothing names: left by uploads that a crash cut short, or by deletes whose sweep has not
    /// come. The next node that runs on the directory removes them.
    pub orphans: Vec<BlobId>,
}

/// Reads every blob of `named` in `dir`, checking each block, and lists the files that are not named.
/// Blocking. The directory must not be in use; one that does not exist holds nothing.
///
/// # Errors
/// When the directory can't be listed; what is wrong with blobs is reported, not an error.
pub fn verify(dir: &Path, named: &BTreeSet<BlobId>) -> Result<Verified, BlobError> {
    let there = match list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|error| failed(&error))?,
    };
    let mut verified = Verified::default();
    for id in named {
        let path = path_in(dir, *id);
        match DiskReader::open(*id, &path) {
            Err(error) => verified.problems.push((path, error)),
            Ok(reader) => {
                let before = verified.problems.len();
                verified.problems.extend(reader.damage().map(|error| (path.clone(), error)));
                verified.bytes += reader.bytes();
                verified.sound += u64::from(verified.problems.len() == before);
            }
        }
    }
    let there: HashSet<BlobId> = there.into_iter().collect();
    verified.orphans = there.into_iter().filter(|id| !named.contains(id)).collect();
    verified.orphans.sort_unstable();
    Ok(verified)
}
