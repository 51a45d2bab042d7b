//! A data directory read back while no node runs on it: the store, and every body that its facts name.
//!
//! The floors know one half each: the store which keys there are, `objects` which of them name a blob,
//! `blob` whether that one is sound. Here they meet.

use std::collections::BTreeSet;
use std::path::Path;

use headwater_blob::{BlobId, disk};
use headwater_store::Key;
use headwater_store::embedded::{self, OpenError, Problem, VerifyReport};

/// What reading a data directory back found.
#[derive(Clone, Debug, Default)]
pub struct DirectoryReport {
    /// The store's report; its problems are all there are, those of bodies too.
    pub store: VerifyReport,
    /// Bodies in files of their own that are named, there, and sound.
    pub blobs: u64,
    /// Bytes of bodies read.
    pub blob_bytes: u64,
    /// Files of bodies that nothing names: no damage; the next node on the directory removes them.
    pub orphans: Vec<BlobId>,
}

/// Reads everything back. Changes nothing. Blocking.
///
/// # Errors
/// When the directory is in use or can't be read at all; what is wrong with it is reported, not an error.
pub fn verify(data: &Path) -> Result<DirectoryReport, OpenError> {
    let mut report = DirectoryReport::default();
    let references = headwater_objects::blob_references();
    let bodies = data.join("blobs");
    let store = embedded::verify_also(&data.join("store"), &references, |keys| {
        verify_bodies(&bodies, keys, &mut report)
    })?;
    Ok(DirectoryReport { store, ..report })
}

fn verify_bodies(bodies: &Path, references: &BTreeSet<Key>, report: &mut DirectoryReport) -> Vec<Problem> {
    let named = references.iter().filter_map(headwater_objects::referenced_blob).collect();
    let problem = |file: &Path, what: String| Problem { file: file.to_path_buf(), position: 0, what };
    match disk::verify(bodies, &named) {
        Err(error) => vec![problem(bodies, error.to_string())],
        Ok(found) => {
            (report.blobs, report.blob_bytes, report.orphans) = (found.sound, found.bytes, found.orphans);
            found.problems.iter().map(|(file, error)| problem(file, error.to_string())).collect()
        }
    }
}
