//! Reads blocks again from the device, so that what is cached in memory does not hide what the device
//! has lost, and does not drive out what is being read.

use std::fs::File;
use std::io;
use std::path::Path;

use super::block::open_direct;
use super::failed;
use super::reader::DiskReader;
use crate::{BlobError, BlobId, Checked};

/// Checks up to `blocks` blocks from number `first` on. Blocking.
pub(super) fn check(id: BlobId, path: &Path, first: u64, blocks: u64) -> Result<Checked, BlobError> {
    let reader = DiskReader::open(id, path)?;
    if let Some(direct) = open_direct(File::options().read(true), path) {
        match reader.check_through(&direct, first, blocks) {
            // A device that wants other alignment than any we know: the page cache takes it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            done => return done.map_err(|e| failed(&e)),
        }
    }
    let cached = File::open(path).map_err(|e| failed(&e))?;
    reader.check_through(&cached, first, blocks).map_err(|e| failed(&e))
}
