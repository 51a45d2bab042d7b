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

use std::sync::{Mutex, PoisonError};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwater_base::{Chance, Scope};
use headwater_store::Commit;
use tokio::sync::OnceCell;

use crate::records::SecretRow;
use crate::{StreamError, Streams};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// The most bytes a token has; longer texts are not decoded.
const TOKEN_BYTES_MAX: usize = 2048;

pub(crate) struct Sealer {
    chance: Chance,
    cipher: OnceCell<Aes256Gcm>,
    nonces: Mutex<Nonces>,
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
        Ok(seal(cipher, self.sealer.next_nonce(), &bound_to(purpose, scope), content))
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
        Ok(unseal(self.cipher().await?, &bound_to(purpose, scope), token))
    }

    async fn cipher(&self) -> Result<&Aes256Gcm, StreamError> {
        self.sealer.cipher.get_or_try_init(|| load_or_make(self)).await
    }
}

impl Sealer {
    pub(crate) fn new(chance: Chance) -> Self {
        let nonces = Mutex::new(Nonces { salt: chance.u64(), count: 0 });
        Self { chance, cipher: OnceCell::new(), nonces }
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
        let sealer = Sealer::new(Chance::seeded(1));
        sealer.nonces.lock().unwrap().count = u32::MAX - 2;
        let nonces: std::collections::HashSet<_> = (0..10).map(|_| sealer.next_nonce()).collect();
        assert_eq!(nonces.len(), 10);
    }
}
