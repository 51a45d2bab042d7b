//! A data directory read back while no node runs on it: the store, every body that its facts name, and
//! whether the keyring has the keys that bodies are sealed with.
//!
//! The floors know one half each: the store which keys there are, `objects` which of them name a blob,
//! `blob` whether that one is sound. Here they meet.

use std::collections::BTreeSet;
use std::path::Path;

use headwater_base::Seams;
use headwater_blob::{BlobId, disk};
use headwater_objects::{KEYRING_FILE, Keyring};
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
    let listed = [headwater_objects::blob_references(), headwater_objects::sealing_keys()];
    let bodies = data.join("blobs");
    let store = embedded::verify_also(&data.join("store"), &listed, |keys| {
        let mut problems = verify_bodies(&bodies, keys, &mut report);
        problems.extend(verify_keyring(data, keys));
        problems
    })?;
    Ok(DirectoryReport { store, ..report })
}

/// Every key that bodies are sealed with must be in the keyring: without it they are noise.
fn verify_keyring(data: &Path, facts: &BTreeSet<Key>) -> Vec<Problem> {
    let file = data.join(KEYRING_FILE);
    let problem = |what: String| Problem { file: file.clone(), position: 0, what };
    let keyring = match Keyring::open(data, Seams::system()) {
        Ok(keyring) => keyring,
        Err(error) => return vec![problem(error.to_string())],
    };
    let used = facts.iter().filter_map(headwater_objects::sealing_key);
    let missing = used.filter(|id| !keyring.holds(*id));
    missing.map(|id| problem(format!("the key {id} is not there, which objects are sealed with"))).collect()
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
