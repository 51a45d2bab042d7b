//! The node's own credentials: created at first start, kept in the data directory, read by
//! `headwater env`.
//!
//! **Layout.** `credentials.toml` (mode 0600): `access_key`, `secret`, `account`. `endpoint`: the URL
//! the node last listened on.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use headwater_base::Chance;
use serde::{Deserialize, Serialize};

const CREDENTIALS: &str = "credentials.toml";
const ENDPOINT: &str = "endpoint";
/// The account of the root credentials.
const ROOT_ACCOUNT: &str = "000000000001";

/// The credentials of the node's owner.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootCredentials {
    /// The access key.
    pub access_key: String,
    /// The secret access key.
    pub secret: String,
    /// The twelve-digit account.
    pub account: String,
}

impl std::fmt::Debug for RootCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RootCredentials({})", self.access_key)
    }
}

impl RootCredentials {
    /// New ones.
    pub(crate) fn generate(chance: &Chance) -> Self {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut bytes = [0; 46];
        chance.fill(&mut bytes);
        let text =
            |bytes: &[u8]| bytes.iter().map(|b| LETTERS[usize::from(b % 32)] as char).collect::<String>();
        // 32 letters of five bits each: 160 bits of secret.
        Self {
            access_key: format!("HWROOT{}", text(&bytes[..14])),
            secret: text(&bytes[14..]),
            account: ROOT_ACCOUNT.to_owned(),
        }
    }

    /// Those of a data directory, if a node was started there before.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(data: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(data.join(CREDENTIALS)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        toml::from_str(&text)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }

    /// Where the node of a data directory last listened, as a URL.
    pub fn endpoint(data: &Path) -> Option<String> {
        fs::read_to_string(data.join(ENDPOINT)).ok().map(|text| text.trim().to_owned())
    }

    /// Those of a data directory, made and kept at the first start.
    pub(crate) fn read_or_create(data: &Path, chance: &Chance) -> io::Result<Self> {
        if let Some(known) = Self::read(data)? {
            return Ok(known);
        }
        let new = Self::generate(chance);
        let text = toml::to_string(&new).map_err(|error| io::Error::other(error.to_string()))?;
        write_private(data, CREDENTIALS, &text)?;
        Ok(new)
    }
}

/// Notes where the node listens.
pub(crate) fn note_endpoint(data: &Path, url: &str) -> io::Result<()> {
    write_private(data, ENDPOINT, url)
}

/// Replaces a file that only its owner may read; after a crash it is the old one or the new one.
pub(crate) fn write_private(data: &Path, name: &str, text: &str) -> io::Result<()> {
    let new = data.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, data.join(name))?;
    fs::File::open(data)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn root_credentials_are_made_once_and_private() {
        let data = tempfile::tempdir().unwrap();
        assert!(RootCredentials::read(data.path()).unwrap().is_none());
        let first = RootCredentials::read_or_create(data.path(), &Chance::system()).unwrap();
        let again = RootCredentials::read_or_create(data.path(), &Chance::system()).unwrap();
        assert_eq!(first, again);
        assert_eq!((first.access_key.len(), first.secret.len()), (20, 32));
        let mode = fs::metadata(data.path().join(CREDENTIALS)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
