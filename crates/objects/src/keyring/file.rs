//! The keyring as a file.
//!
//! **Layout.** TOML: `version = 1`, and for each key its `id`, `use` (`s3` or `kms`), `created_ms`,
//! `secret` (64 hex digits), and for a KMS key `account`, `region` and perhaps `alias`. Mode 0600.
//!
//! **Failure.** After a crash the file is the old one or the new one, whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_base::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Key, KeyringError, Purpose};

const VERSION: u32 = 1;

const HEAD: &str = "# The keys that objects of this node are sealed with. Keep a copy in a safe place:\n\
                    # without this file no sealed object can be read again, by anyone.\n";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRecord {
    version: u32,
    #[serde(default)]
    keys: Vec<KeyRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRecord {
    id: String,
    #[serde(rename = "use")]
    purpose: String,
    created_ms: i64,
    secret: String,
    account: Option<String>,
    region: Option<String>,
    alias: Option<String>,
}

/// Every key in the file; none when it is not there.
pub(super) fn read(path: &Path) -> Result<Vec<Key>, KeyringError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(path, &error)),
    };
    let damaged = |reason: String| KeyringError::Damaged { path: path.to_owned(), reason };
    // What the parser says may quote the line, and a line may hold a secret.
    let record: FileRecord = toml::from_str(&text).map_err(|error: toml::de::Error| {
        damaged(format!("not the TOML of a keyring: {}", error.message()))
    })?;
    if record.version != VERSION {
        return Err(damaged(format!("version {} is not known", record.version)));
    }
    let keys = record.keys.iter().enumerate();
    keys.map(|(n, key)| key_of(key).ok_or_else(|| damaged(format!("key {} does not read back", n + 1))))
        .collect()
}

/// Replaces the file.
pub(super) fn write(path: &Path, keys: &[Arc<Key>]) -> Result<(), KeyringError> {
    let record = FileRecord { version: VERSION, keys: keys.iter().map(|key| record_of(key)).collect() };
    let text =
        toml::to_string(&record).map_err(|error| failed(path, &io::Error::other(error.to_string())))?;
    replace(path, &format!("{HEAD}{text}")).map_err(|error| failed(path, &error))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut new: PathBuf = path.to_owned();
    new.set_extension("toml.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn failed(path: &Path, error: &io::Error) -> KeyringError {
    KeyringError::Io { path: path.to_owned(), reason: error.to_string() }
}

fn key_of(record: &KeyRecord) -> Option<Key> {
    let purpose = match (record.purpose.as_str(), &record.account, &record.region) {
        ("s3", None, None) => Purpose::S3,
        ("kms", Some(account), Some(region)) => Purpose::Kms {
            account: account.parse().ok()?,
            region: region.parse().ok()?,
            alias: record.alias.clone(),
        },
        _ => return None,
    };
    let id = Uuid::parse_str(&record.id).ok()?;
    let secret = hex::decode(&record.secret).ok()?.try_into().ok()?;
    Some(Key { id, purpose, created: Timestamp::from_ms(record.created_ms), secret })
}

fn record_of(key: &Key) -> KeyRecord {
    let (purpose, account, region, alias) = match &key.purpose {
        Purpose::S3 => ("s3", None, None, None),
        Purpose::Kms { account, region, alias } => {
            ("kms", Some(account.to_string()), Some(region.as_str().to_owned()), alias.clone())
        }
    };
    KeyRecord {
        id: key.id.to_string(),
        purpose: purpose.to_owned(),
        created_ms: key.created.ms(),
        secret: hex::encode(key.secret),
        account,
        region,
        alias,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_file_of_version_1() {
        let s3 = Key {
            id: Uuid::from_u128(1),
            purpose: Purpose::S3,
            created: Timestamp::from_ms(5),
            secret: [1; 32],
        };
        let purpose = Purpose::Kms {
            account: "000000000042".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            alias: Some("alias/lake".into()),
        };
        let kms = Key { id: Uuid::from_u128(2), purpose, created: Timestamp::from_ms(6), secret: [2; 32] };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.toml");
        write(&path, &[Arc::new(s3.clone()), Arc::new(kms.clone())]).unwrap();
        let expected = format!(
            "{HEAD}version = 1\n\n[[keys]]\nid = \"00000000-0000-0000-0000-000000000001\"\nuse = \"s3\"\ncreated_ms = 5\n\
             secret = \"{}\"\n\n[[keys]]\nid = \"00000000-0000-0000-0000-000000000002\"\nuse = \"kms\"\ncreated_ms = 6\n\
             secret = \"{}\"\naccount = \"000000000042\"\nregion = \"eu-west-1\"\nalias = \"alias/lake\"\n",
            "01".repeat(32),
            "02".repeat(32)
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(read(&path).unwrap(), [s3, kms]);
    }
}
