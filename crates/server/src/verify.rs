//! A data directory read back while no node runs on it: the store, every body that its facts name, and
//! whether the keyring has the keys that bodies are sealed with.
//!
//! The floors know one half each: the store which keys there are, `objects` which of them name a blob,
//! `blob` whether that one is sound. Here they meet.

use std::collections::BTreeSet;
use std::path::Path;

use headwater_base::Seams;
use headwater_blob::{BlobId, disk};
use headwater_objects::{BodyPlace, KEYRING_FILE, Keyring};
use headwater_store::Key;
use headwater_store::embedded::{self, OpenError, Problem, VerifyReport};

use crate::cold;

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
    let store = embedded::verify_also(&data.join("store"), &listed, |keys| {
        let named = keys.iter().filter_map(headwater_objects::referenced_body);
        let (cold, hot): (Vec<_>, Vec<_>) = named.partition(|(place, _)| *place == BodyPlace::Cold);
        let mut problems = verify_bodies(&data.join("blobs"), hot, &mut report);
        problems.extend(verify_cold(data, cold, &mut report));
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

/// The bodies of the cold tier, wherever the data directory last had it.
fn verify_cold(data: &Path, named: Vec<(BodyPlace, BlobId)>, report: &mut DirectoryReport) -> Vec<Problem> {
    match cold::noted(data) {
        Ok(Some(tier)) => verify_bodies(&cold::bodies(&tier), named, report),
        Ok(None) if named.is_empty() => Vec::new(),
        Ok(None) => {
            vec![problem(data, format!("{} bodies lie in a cold tier that it does not know", named.len()))]
        }
        Err(error) => vec![problem(data, error.to_string())],
    }
}

fn verify_bodies(
    bodies: &Path,
    named: Vec<(BodyPlace, BlobId)>,
    report: &mut DirectoryReport,
) -> Vec<Problem> {
    let named: BTreeSet<BlobId> = named.into_iter().map(|(_, id)| id).collect();
    match disk::verify(bodies, &named) {
        Err(error) => vec![problem(bodies, error.to_string())],
        Ok(found) => {
            report.blobs += found.sound;
            report.blob_bytes += found.bytes;
            report.orphans.extend(found.orphans);
            found.problems.iter().map(|(file, error)| problem(file, error.to_string())).collect()
        }
    }
}

fn problem(file: &Path, what: String) -> Problem {
    Problem { file: file.to_path_buf(), position: 0, what }
}
