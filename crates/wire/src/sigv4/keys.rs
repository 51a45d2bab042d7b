//! Signing keys: derived from a secret for one day, region and service, and remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{ALGORITHM, TERMINATOR};

/// How many keys are remembered; past it the memory starts over.
const KEYS_MAX: usize = 1024;

/// An HMAC state that has taken in its key.
#[derive(Clone)]
pub(crate) struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// The key of a secret for `date/region/service`.
    pub(crate) fn derive(secret: &str, day: &str, region: &str, service: &str) -> Self {
        let mut key = hmac(&keyed(format!("AWS4{secret}").as_bytes()), day.as_bytes());
        for part in [region, service, TERMINATOR] {
            key = hmac(&keyed(&key), part.as_bytes());
        }
        Self(keyed(&key))
    }

    /// The signature of a canonical request.
    pub(crate) fn sign_request(&self, amz_date: &str, scope: &str, canonical: &[u8]) -> [u8; 32] {
        let digest = hex::encode(Sha256::digest(canonical));
        self.sign(format!("{ALGORITHM}\n{amz_date}\n{scope}\n{digest}").as_bytes())
    }

    /// The signature of any string to sign.
    pub(crate) fn sign(&self, text: &[u8]) -> [u8; 32] {
        hmac(&self.0, text)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

fn hmac(keyed: &Hmac<Sha256>, text: &[u8]) -> [u8; 32] {
    let mut mac = keyed.clone();
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Remembered keys by credential (`access key/date/region/service/aws4_request`).
#[derive(Debug, Default)]
pub(crate) struct KeyCache(Mutex<HashMap<String, (Arc<str>, SigningKey)>>);

impl KeyCache {
    /// The key, if this credential was verified with this secret before.
    pub(crate) fn get(&self, credential: &str, secret: &Arc<str>) -> Option<SigningKey> {
        let keys = self.0.lock().expect("no holder of this lock panics");
        keys.get(credential).filter(|(known, _)| known == secret).map(|(_, key)| key.clone())
    }

    /// Remembers a key that verified a signature.
    pub(crate) fn put(&self, credential: &str, secret: &Arc<str>, key: SigningKey) {
        let mut keys = self.0.lock().expect("no holder of this lock panics");
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(credential.to_owned(), (secret.clone(), key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivation_is_the_published_one() {
        // The example of the AWS documentation ("deriving the signing key").
        let key =
            SigningKey::derive("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam");
        let text = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
                    f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        let wanted = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        assert_eq!(hex::encode(key.sign(text.as_bytes())), wanted);
    }

    #[test]
    fn a_changed_secret_is_not_served_the_old_key() {
        let cache = KeyCache::default();
        let (old, new): (Arc<str>, Arc<str>) = ("old".into(), "new".into());
        cache.put("c", &old, SigningKey::derive(&old, "d", "r", "s"));
        assert!(cache.get("c", &old).is_some());
        assert!(cache.get("c", &new).is_none());
    }
}
