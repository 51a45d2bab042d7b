//! A copy of the whole data directory while the node runs: store, bodies (those of the cold tier, too), root
//! credentials, keyring.
//!
//! Who may write to the data directory may ask: the request is a file there that names where the copy
//! goes, and a call to the node's own page that says it is there. So nothing secret travels, and
//! nobody else can make the node write anywhere.
//!
//! While a copy is made no body is deleted ([`Blobs::hold`]), and bodies are copied after the store is. So
//! the copy has every body that its store names: one that a fact of the copied commit names was durable
//! before that commit, and is still there. Bodies that it does not name come along and are swept when the
//! copy is opened.
//!
//! The keyring is copied last: keys are only added, each before anything is sealed with it, so the copy
//! holds every key that its objects need.
//!
//! **Failure.** A copy that was cut short does not open as a store with data in it; remove it and ask
//! again. Deletes free no room until the copy is made.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_blob::Blobs;
use headwater_objects::KEYRING_FILE;
use headwater_store::StoreError;
use headwater_store::embedded::{Backup, BackupReport};
use headwater_work::Work;

use crate::cold;

/// The file in a data directory that asks for a backup; it holds the path of the copy.
pub const BACKUP_REQUEST: &str = "backup-request";

/// Makes copies of one node's data directory.
#[derive(Clone, Debug)]
pub(crate) struct Backups {
    data: PathBuf,
    store: Backup,
    blobs: Arc<dyn Blobs>,
    cold: Option<Arc<dyn Blobs>>,
}

/// What a copy holds.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    /// Where it is.
    pub to: PathBuf,
    /// Facts and logs.
    pub store: BackupReport,
    /// Bodies.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// Nobody who may write to the data directory asked.
    #[error("nobody asked for a backup: headwater backup does")]
    NotAsked,
    /// The place of the copy cannot be used.
    #[error("the copy cannot be made")]
    Io(#[from] io::Error),
    /// The store could not be copied.
    #[error("the store could not be copied")]
    Store(#[from] StoreError),
}

impl Backups {
    pub(crate) fn new(
        data: PathBuf,
        store: Backup,
        blobs: Arc<dyn Blobs>,
        cold: Option<Arc<dyn Blobs>>,
    ) -> Self {
        Self { data, store, blobs, cold }
    }

    /// Takes the request that lies in the data directory and makes the copy.
    pub(crate) async fn run(&self) -> Result<Copied, BackupError> {
        let backups = self.clone();
        Work::blocking(move || backups.copy()).await
    }

    fn copy(&self) -> Result<Copied, BackupError> {
        let to = self.take_request()?;
        fs::create_dir_all(&to)?;
        if fs::read_dir(&to)?.next().is_some() {
            return Err(io::Error::other(format!("{} is not empty", to.display())).into());
        }
        let to_blobs = to.join("blobs");
        let holds = (self.blobs.hold(), self.cold.as_ref().map(|cold| cold.hold()));
        let store = self.store.copy_to(&to.join("store"))?;
        copy_all(&self.data.join("blobs"), &to_blobs)?;
        let to_cold = cold::copy_into(&self.data, &to, copy_all)?;
        drop(holds);
        fs::copy(self.data.join("credentials.toml"), to.join("credentials.toml"))?;
        copy_keyring(&self.data, &to)?;
        File::open(&to)?.sync_all()?;
        let (mut blobs, mut blob_bytes) = count(&to_blobs)?;
        if let Some(to_cold) = to_cold {
            let (more, more_bytes) = count(&to_cold)?;
            (blobs, blob_bytes) = (blobs + more, blob_bytes + more_bytes);
        }
        Ok(Copied { to, store, blobs, blob_bytes })
    }

    /// Reads and removes the request, so that it is answered once.
    fn take_request(&self) -> Result<PathBuf, BackupError> {
        let path = self.data.join(BACKUP_REQUEST);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BackupError::NotAsked),
            Err(error) => return Err(error.into()),
        };
        fs::remove_file(path)?;
        let to = PathBuf::from(text.trim_end_matches('\n'));
        if !to.is_absolute() {
            return Err(io::Error::other(format!("{} is not an absolute path", to.display())).into());
        }
        Ok(to)
    }
}

/// Copies the keyring, if there is one: none is made before something is sealed.
fn copy_keyring(from: &Path, to: &Path) -> io::Result<()> {
    let to = to.join(KEYRING_FILE);
    match fs::copy(from.join(KEYRING_FILE), &to) {
        Ok(_) => File::open(&to)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Copies every file, durably. One that vanishes meanwhile was an upload that was given up.
fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() {
            copy_all(&entry.path(), &target)?;
            continue;
        }
        match fs::copy(entry.path(), &target) {
            Ok(_) => File::open(&target)?.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    File::open(to)?.sync_all()
}

/// Files and their bytes.
fn count(folder: &Path) -> io::Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_dir() {
            let (more, more_bytes) = count(&entry.path())?;
            (files, bytes) = (files + more, bytes + more_bytes);
        } else {
            (files, bytes) = (files + 1, bytes + about.len());
        }
    }
    Ok((files, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyring_is_copied_and_stays_private() {
        use std::os::unix::fs::PermissionsExt;
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        copy_keyring(from.path(), to.path()).unwrap();
        assert!(!to.path().join(KEYRING_FILE).exists());
        fs::write(from.path().join(KEYRING_FILE), "keys").unwrap();
        fs::set_permissions(from.path().join(KEYRING_FILE), fs::Permissions::from_mode(0o600)).unwrap();
        copy_keyring(from.path(), to.path()).unwrap();
        let copy = to.path().join(KEYRING_FILE);
        assert_eq!(fs::read_to_string(&copy).unwrap(), "keys");
        assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn everything_is_copied() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let to = to.path().join("copy");
        fs::create_dir(from.path().join("ab")).unwrap();
        fs::write(from.path().join("ab/one"), "one").unwrap();
        fs::write(from.path().join("ab/two"), "two!").unwrap();
        copy_all(from.path(), &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("ab/two")).unwrap(), "two!");
        assert_eq!(count(&to).unwrap(), (2, 7));
    }
}
