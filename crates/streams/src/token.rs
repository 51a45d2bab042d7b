//! Sealed tokens: iterators and paging tokens that clients carry and cannot read or change.
//!
//! A token is AES-256-GCM over what the face puts in it, bound to a purpose and a scope, so it is
//! stateless, valid on every node and across restarts (the key is a fact), and of no use in
//! another account, region or operation.
//!
//! **Invariants.** No nonce is used twice under one key: it is 64 random bits drawn at start and
//! whenever the 32-bit counter that follows them wraps.
//!
//! **Layout.** base64(version 1, nonce 12 bytes, ciphertext, tag 16 bytes).

use std::sync::{Arc, Mutex, PoisonError};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwater_base::{Chance, Scope};
use headwater_store::{Commit, Store, Watch, WatchTarget};

use crate::records::SecretRow;
use crate::{StreamError, Streams};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// The most bytes a token has; longer texts are not decoded.
const TOKEN_BYTES_MAX: usize = 2048;

pub(crate) struct Sealer {
    chance: Chance,
    /// The key as last read, until the watch says that it is another (after a wipe).
    known: Mutex<Known>,
    nonces: Mutex<Nonces>,
}

struct Known {
    cipher: Option<Arc<Aes256Gcm>>,
    /// Rises with every change seen, so that nothing read before it is kept after it.
    epoch: u64,
    watch: Watch,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Streams {
    /// Seals `content` for `purpose` in a scope. The text is base64.
    ///
    /// # Errors
    /// The store's, when the key could not be read or made.
    pub async fn seal(&self, purpose: &str, scope: &Scope, content: &[u8]) -> Result<String, StreamError> {
        let cipher = self.cipher().await?;
        Ok(seal(&cipher, self.sealer.next_nonce(), &bound_to(purpose, scope), content))
    }

    /// What [`Streams::seal`] sealed for the same purpose and scope; `None` for any other text.
    ///
    /// # Errors
    /// The store's, when the key could not be read or made.
    pub async fn unseal(
        &self,
        purpose: &str,
        scope: &Scope,
        token: &str,
    ) -> Result<Option<Vec<u8>>, StreamError> {
        Ok(unseal(&*self.cipher().await?, &bound_to(purpose, scope), token))
    }

    async fn cipher(&self) -> Result<Arc<Aes256Gcm>, StreamError> {
        let epoch = match self.sealer.known() {
            Ok(cipher) => return Ok(cipher),
            Err(epoch) => epoch,
        };
        let cipher = Arc::new(load_or_make(self).await?);
        self.sealer.learn(&cipher, epoch);
        Ok(cipher)
    }
}

impl Sealer {
    pub(crate) fn new(store: &dyn Store, chance: Chance) -> Self {
        let nonces = Mutex::new(Nonces { salt: chance.u64(), count: 0 });
        let watch = store.watch(WatchTarget::Prefix(SecretRow::key()));
        Self { chance, known: Mutex::new(Known { cipher: None, epoch: 0, watch }), nonces }
    }

    /// The key, or the epoch in which it is not known.
    fn known(&self) -> Result<Arc<Aes256Gcm>, u64> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.watch.take_changed() {
            known.cipher = None;
            known.epoch += 1;
        }
        known.cipher.clone().ok_or(known.epoch)
    }

    fn learn(&self, cipher: &Arc<Aes256Gcm>, epoch: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.epoch == epoch {
            known.cipher = Some(Arc::clone(cipher));
        }
    }

    fn next_nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.count = nonces.count.checked_add(1).unwrap_or_else(|| {
            nonces.salt = self.chance.u64();
            0
        });
        let mut nonce = [0; NONCE_BYTES];
        nonce[..8].copy_from_slice(&nonces.salt.to_be_bytes());
        nonce[8..].copy_from_slice(&nonces.count.to_be_bytes());
        nonce
    }
}

struct Nonces {
    salt: u64,
    count: u32,
}

async fn load_or_make(streams: &Streams) -> Result<Aes256Gcm, StreamError> {
    let mut key = [0; 32];
    let row = match streams.store.get(&SecretRow::key()).await? {
        Some(fact) => SecretRow::decode(&fact.value)?,
        None => {
            streams.seams.chance.fill(&mut key);
            let fresh = SecretRow { key: key.into() };
            let commit = Commit::new().freeing().put_if_absent(SecretRow::key(), fresh.encode());
            streams.store.commit(commit).await.map_err(StreamError::Commit)?;
            let fact = streams.store.get(&SecretRow::key()).await?;
            fact.map_or(Ok(fresh), |fact| SecretRow::decode(&fact.value))?
        }
    };
    let key: &[u8; 32] = &row.key;
    Ok(Aes256Gcm::new(key.into()))
}

fn bound_to(purpose: &str, scope: &Scope) -> Vec<u8> {
    format!("{purpose}\0{}\0{}", scope.account, scope.region).into_bytes()
}

fn seal(cipher: &Aes256Gcm, nonce: [u8; NONCE_BYTES], bound: &[u8], content: &[u8]) -> String {
    let sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg: content, aad: bound });
    let sealed = sealed.expect("AES-GCM seals anything shorter than 64 GiB");
    let mut token = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
    token.push(VERSION);
    token.extend_from_slice(&nonce);
    token.extend_from_slice(&sealed);
    STANDARD.encode(token)
}

fn unseal(cipher: &Aes256Gcm, bound: &[u8], token: &str) -> Option<Vec<u8>> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let bytes = STANDARD.decode(token).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
    if *version != VERSION || sealed.len() < TAG_BYTES {
        return None;
    }
    cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: bound }).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cipher() -> Aes256Gcm {
        Aes256Gcm::new(&[3; 32].into())
    }

    proptest! {
        #[test]
        fn tokens_survive_a_round_trip(content: Vec<u8>, bound: Vec<u8>, nonce: [u8; 12]) {
            prop_assume!(content.len() < 1000);
            let token = seal(&cipher(), nonce, &bound, &content);
            prop_assert_eq!(unseal(&cipher(), &bound, &token), Some(content));
        }

        #[test]
        fn a_changed_token_opens_nothing(content: Vec<u8>, at: prop::sample::Index, bit in 0..8u8) {
            let token = seal(&cipher(), [1; 12], b"here", &content);
            let mut bytes = STANDARD.decode(token).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(unseal(&cipher(), b"here", &STANDARD.encode(bytes)), None);
        }

        #[test]
        fn foreign_text_never_panics(text: String) {
            let _ = unseal(&cipher(), b"", &text);
        }
    }

    #[test]
    fn a_token_opens_only_where_it_belongs() {
        let token = seal(&cipher(), [1; 12], b"here", b"x");
        assert_eq!(unseal(&cipher(), b"there", &token), None);
        assert_eq!(unseal(&Aes256Gcm::new(&[4; 32].into()), b"here", &token), None);
    }

    #[test]
    fn nonces_do_not_repeat() {
        let seams = headwater_base::Seams::simulated(headwater_base::Timestamp::EPOCH, 1);
        let store = headwater_store::memory::open(seams.clone());
        let sealer = Sealer::new(store.as_ref(), seams.chance);
        sealer.nonces.lock().unwrap().count = u32::MAX - 2;
        let nonces: std::collections::HashSet<_> = (0..10).map(|_| sealer.next_nonce()).collect();
        assert_eq!(nonces.len(), 10);
    }
}
