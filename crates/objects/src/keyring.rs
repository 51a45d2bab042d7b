//! The keyring: the keys that data keys are wrapped with, in a file that only its owner may read.
//!
//! A key for SSE-S3, for each account and region that asks for it the key `alias/aws/s3`, and the
//! KMS keys that the node's configuration names. All but the last are made at their first use.
//!
//! **Invariants.** A key is durable before it is given out. Keys are added and never removed or
//! changed: an object is readable as long as the key it was sealed with is in the file.
//!
//! **Failure.** A file that is damaged is never written over: opening it fails. Without a key, what
//! was sealed with it cannot be read by anyone.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use headwater_base::{AccountId, Region, Seams, Timestamp};
use headwater_work::Work;
use uuid::Uuid;

/// The file of the keyring in a data directory.
pub const KEYRING_FILE: &str = "keyring.toml";

/// The alias of the KMS key that an account has without asking for it.
const DEFAULT_ALIAS: &str = "alias/aws/s3";

/// Why there is no keyring, or no key: see to the file.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read or written.
    #[error("cannot use the keyring {path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file is not what it should be. Restore it; it is never written over.
    #[error("the keyring {path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A configured key contradicts another.
    #[error("{0}")]
    Refused(String),
}

/// A KMS key that the node's configuration names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedKey {
    /// Its id; drawn at the first start when not given.
    pub id: Option<Uuid>,
    /// Its alias, with `alias/` in front.
    pub alias: Option<String>,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is said to be.
    pub region: Region,
}

/// The keys of a node. Share it as `Arc<Keyring>`.
pub struct Keyring {
    /// `None` keeps it in memory, for tests.
    file: Option<PathBuf>,
    seams: Seams,
    state: Mutex<State>,
    /// Held while a key is made and written down.
    adding: Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: BTreeMap<Uuid, Arc<Key>>,
    aliases: BTreeMap<(AccountId, Region, String), Uuid>,
    /// The keys whose use is noted in the store.
    noted: BTreeSet<Uuid>,
}

/// A key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: Uuid,
    pub(crate) purpose: Purpose,
    pub(crate) created: Timestamp,
    pub(crate) secret: [u8; 32],
}

/// What a key is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// SSE-S3.
    S3,
    /// SSE-KMS.
    Kms { account: AccountId, region: Region, alias: Option<String> },
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("file", &self.file).field("keys", &self.state().keys.len()).finish()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

impl Key {
    /// The ARN of a KMS key.
    pub(crate) fn arn(&self) -> Option<String> {
        match &self.purpose {
            Purpose::S3 => None,
            Purpose::Kms { account, region, .. } => {
                Some(format!("arn:aws:kms:{}:{account}:key/{}", region.as_str(), self.id))
            }
        }
    }
}

impl Keyring {
    /// A keyring that is gone with the process.
    pub fn in_memory(seams: Seams) -> Self {
        Self { file: None, seams, state: Mutex::default(), adding: Mutex::default() }
    }

    /// The keyring of a data directory; a file that is not there is an empty one. Blocking.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn open(data: &Path, seams: Seams) -> Result<Self, KeyringError> {
        let path = data.join(KEYRING_FILE);
        let mut state = State::default();
        for key in file::read(&path)? {
            state.insert(Arc::new(key));
        }
        Ok(Self { file: Some(path), seams, state: Mutex::new(state), adding: Mutex::default() })
    }

    /// Makes the keys that the configuration names and that are not there yet. Blocking.
    ///
    /// # Errors
    /// When the file cannot be written, or a name is given to two keys.
    pub fn ensure(&self, named: &[NamedKey]) -> Result<(), KeyringError> {
        for key in named {
            let NamedKey { id, alias, account, region } = key.clone();
            let name = |alias: &String| (account, region.clone(), alias.clone());
            let (by_id, by_alias) = {
                let state = self.state();
                let by_alias = alias.as_ref().and_then(|alias| state.aliases.get(&name(alias)).copied());
                (id.filter(|id| state.keys.contains_key(id)), by_alias)
            };
            match (by_id.or(by_alias), by_alias) {
                (None, _) => {
                    self.add(id, Purpose::Kms { account, region, alias }, |_| None)?;
                }
                (Some(_), Some(other)) if id.is_some_and(|id| id != other) => {
                    return Err(KeyringError::Refused(format!(
                        "the alias {:?} names the key {other} already; give {} another alias",
                        alias.unwrap_or_default(),
                        id.unwrap_or_default()
                    )));
                }
                (Some(id), _) => {
                    let mut state = self.state();
                    alias.iter().for_each(|alias| {
                        state.aliases.insert(name(alias), id);
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether there is a key of this id.
    pub fn holds(&self, id: Uuid) -> bool {
        self.state().keys.contains_key(&id)
    }

    /// The key of SSE-S3, made at its first use.
    pub(crate) async fn s3(self: &Arc<Self>) -> Result<Arc<Key>, KeyringError> {
        let find = |state: &State| state.keys.values().find(|key| key.purpose == Purpose::S3).cloned();
        if let Some(key) = find(&self.state()) {
            return Ok(key);
        }
        let keyring = Arc::clone(self);
        Work::blocking(move || keyring.add(None, Purpose::S3, find)).await
    }

    /// The KMS key of an account and region: the one that `asked` names (an id, an alias, or the ARN of
    /// either), or else the account's own, made at its first use. `None` when there is no such key.
    pub(crate) async fn kms(
        self: &Arc<Self>,
        account: AccountId,
        region: &Region,
        asked: Option<&str>,
    ) -> Result<Option<Arc<Key>>, KeyringError> {
        let Some(name) = local_name(account, region, asked.unwrap_or(DEFAULT_ALIAS)) else {
            return Ok(None);
        };
        let found = self.state().find(account, region, name);
        if found.is_some() || name != DEFAULT_ALIAS {
            return Ok(found);
        }
        let (keyring, region) = (Arc::clone(self), region.clone());
        let purpose = Purpose::Kms { account, region: region.clone(), alias: Some(DEFAULT_ALIAS.to_owned()) };
        let find = move |state: &State| state.find(account, &region, DEFAULT_ALIAS);
        Work::blocking(move || keyring.add(None, purpose, find)).await.map(Some)
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Key>> {
        self.state().keys.get(&id).cloned()
    }

    pub(crate) fn is_noted(&self, id: Uuid) -> bool {
        self.state().noted.contains(&id)
    }

    pub(crate) fn note(&self, id: Uuid) {
        self.state().noted.insert(id);
    }

    /// Adds a key, unless `find` finds it: somebody else may have added it meanwhile. Blocking.
    fn add(
        &self,
        id: Option<Uuid>,
        purpose: Purpose,
        find: impl FnOnce(&State) -> Option<Arc<Key>>,
    ) -> Result<Arc<Key>, KeyringError> {
        let _adding = self.adding.lock().expect("no holder of this lock panics");
        if let Some(found) = find(&self.state()) {
            return Ok(found);
        }
        let mut secret = [0; 32];
        self.seams.chance.fill(&mut secret);
        let id = id.unwrap_or_else(|| self.seams.chance.uuid());
        let key = Arc::new(Key { id, purpose, created: self.seams.clock.now(), secret });
        let mut all: Vec<Arc<Key>> = self.state().keys.values().cloned().collect();
        all.push(Arc::clone(&key));
        if let Some(path) = &self.file {
            file::write(path, &all)?;
        }
        self.state().insert(Arc::clone(&key));
        Ok(key)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn insert(&mut self, key: Arc<Key>) {
        if let Purpose::Kms { account, region, alias: Some(alias) } = &key.purpose {
            self.aliases.insert((*account, region.clone(), alias.clone()), key.id);
        }
        self.keys.insert(key.id, key);
    }

    /// A KMS key by its id or alias.
    fn find(&self, account: AccountId, region: &Region, name: &str) -> Option<Arc<Key>> {
        let id = match Uuid::parse_str(name) {
            Ok(id) => id,
            Err(_) => *self.aliases.get(&(account, region.clone(), name.to_owned()))?,
        };
        let is_theirs = |key: &&Arc<Key>| match &key.purpose {
            Purpose::S3 => false,
            Purpose::Kms { account: owner, region: place, .. } => (*owner, place) == (account, region),
        };
        self.keys.get(&id).filter(is_theirs).cloned()
    }
}

/// The id or alias that `asked` names within an account and region.
fn local_name<'a>(account: AccountId, region: &Region, asked: &'a str) -> Option<&'a str> {
    let Some(rest) = asked.strip_prefix("arn:aws:kms:") else {
        return Some(asked);
    };
    let rest = rest.strip_prefix(region.as_str())?.strip_prefix(':')?;
    let rest = rest.strip_prefix(account.to_string().as_str())?.strip_prefix(':')?;
    rest.strip_prefix("key/").or_else(|| rest.starts_with("alias/").then_some(rest))
}

/// The id in the ARN of a KMS key.
pub(crate) fn id_of_arn(arn: &str) -> Option<Uuid> {
    Uuid::parse_str(arn.rsplit_once('/')?.1).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn account() -> AccountId {
        "000000000042".parse().expect("twelve digits")
    }

    fn region() -> Region {
        "eu-west-1".parse().expect("a region")
    }

    fn named(id: Option<Uuid>, alias: &str) -> NamedKey {
        NamedKey { id, alias: Some(alias.to_owned()), account: account(), region: region() }
    }

    fn seams(seed: u64) -> Seams {
        Seams::simulated(Timestamp::from_ms(1), seed)
    }

    #[tokio::test]
    async fn keys_are_made_once_and_kept_in_a_private_file() {
        let data = tempfile::tempdir().unwrap();
        let ring = Arc::new(Keyring::open(data.path(), seams(1)).unwrap());
        let s3 = ring.s3().await.unwrap();
        let kms = ring.kms(account(), &region(), None).await.unwrap().unwrap();
        ring.ensure(&[named(None, "alias/lake")]).unwrap();
        let lake = ring.kms(account(), &region(), Some("alias/lake")).await.unwrap().unwrap();
        let mode = std::fs::metadata(data.path().join(KEYRING_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Arc::new(Keyring::open(data.path(), seams(2)).unwrap());
        assert_eq!(again.s3().await.unwrap(), s3);
        assert_eq!(again.kms(account(), &region(), Some("alias/aws/s3")).await.unwrap(), Some(kms));
        again.ensure(&[named(None, "alias/lake")]).unwrap();
        let arn = lake.arn().unwrap();
        assert_eq!(arn, format!("arn:aws:kms:eu-west-1:000000000042:key/{}", lake.id));
        for name in [arn.as_str(), &lake.id.to_string(), "arn:aws:kms:eu-west-1:000000000042:alias/lake"] {
            assert_eq!(
                again.kms(account(), &region(), Some(name)).await.unwrap().as_ref(),
                Some(&lake),
                "{name}"
            );
        }
        assert!(!format!("{again:?} {lake:?}").contains(&hex::encode(lake.secret)));
    }

    #[tokio::test]
    async fn a_key_belongs_to_its_account_and_region() {
        let ring = Arc::new(Keyring::in_memory(seams(1)));
        ring.ensure(&[named(None, "alias/lake")]).unwrap();
        let lake = ring.kms(account(), &region(), Some("alias/lake")).await.unwrap().unwrap();
        let (other, elsewhere) = ("000000000043".parse().unwrap(), "us-east-1".parse().unwrap());
        let id = lake.id.to_string();
        assert!(ring.kms(other, &region(), Some(&id)).await.unwrap().is_none());
        assert!(ring.kms(account(), &elsewhere, Some(&id)).await.unwrap().is_none());
        assert!(ring.kms(other, &region(), lake.arn().as_deref()).await.unwrap().is_none());
        assert!(ring.kms(account(), &region(), Some("alias/other")).await.unwrap().is_none());
        // The key of SSE-S3 is nobody's to name.
        let s3 = ring.s3().await.unwrap().id.to_string();
        assert!(ring.kms(account(), &region(), Some(&s3)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_alias_names_one_key() {
        let ring = Arc::new(Keyring::in_memory(seams(1)));
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        ring.ensure(&[named(Some(one), "alias/a"), named(Some(two), "alias/b")]).unwrap();
        assert!(ring.ensure(&[named(Some(two), "alias/a")]).is_err());
        ring.ensure(&[named(Some(two), "alias/c")]).unwrap();
        assert_eq!(ring.kms(account(), &region(), Some("alias/c")).await.unwrap().unwrap().id, two);
    }

    #[test]
    fn a_damaged_file_is_not_written_over() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join(KEYRING_FILE), "version = 1\n[[keys]]\nid = \"x\"\n").unwrap();
        assert!(matches!(Keyring::open(data.path(), seams(1)), Err(KeyringError::Damaged { .. })));
        std::fs::write(data.path().join(KEYRING_FILE), "version = 2\n").unwrap();
        assert!(matches!(Keyring::open(data.path(), seams(1)), Err(KeyringError::Damaged { .. })));
    }
}
