//! Data keys: made, wrapped and unwrapped by a key of the keyring or of a customer.
//!
//! The wrapping key is derived from the master with a random salt for each data key, so however many
//! bodies a master seals, no wrapping key meets a nonce twice. What is bound to a data key (whose key
//! it is, the KMS encryption context) must be the same again, or it does not unwrap.

use std::collections::BTreeMap;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use headwater_base::Chance;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{BodyCipher, TAG_BYTES};
use crate::records::encryption::{SealRecord, SealedWithRecord};

const WRAP_LABEL: &[u8] = b"headwater data key 1";
const CUSTOMER_LABEL: &[u8] = b"headwater customer key 1";

/// The nonce of every wrapped key: its wrapping key is used once.
const WRAP_NONCE: [u8; 12] = [0; 12];

/// A key that wraps data keys, and what they are bound to.
#[derive(Clone)]
pub(crate) struct Master {
    key: [u8; 32],
    bound: Vec<u8>,
}

impl std::fmt::Debug for Master {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Master").finish_non_exhaustive()
    }
}

/// A data key does not unwrap: another master, another context, or damage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unwrappable;

impl Master {
    pub(crate) fn new(key: [u8; 32], with: &SealedWithRecord) -> Self {
        Self { key, bound: bound(with) }
    }

    /// The key itself, to compare a customer's with.
    pub(crate) fn key(&self) -> [u8; 32] {
        self.key
    }

    /// A new data key: the cipher of a body, and what to keep beside it.
    pub(crate) fn data_key(&self, chance: &Chance) -> (BodyCipher, SealRecord) {
        let (mut data_key, mut salt, mut prefix) = ([0; 32], [0; 16], [0; 4]);
        chance.fill(&mut data_key);
        chance.fill(&mut salt);
        chance.fill(&mut prefix);
        let mut wrapped = [0; 32 + TAG_BYTES];
        let (key, tag) = wrapped.split_at_mut(32);
        key.copy_from_slice(&data_key);
        let sealed =
            self.wrapping(&salt).encrypt_inout_detached(&WRAP_NONCE.into(), &self.bound, InOutBuf::from(key));
        tag.copy_from_slice(&sealed.expect("a key is far shorter than what the cipher takes"));
        let record = SealRecord { salt: salt.into(), prefix: prefix.into(), wrapped: wrapped.into() };
        (BodyCipher::new(&data_key, prefix), record)
    }

    /// The cipher of a body.
    pub(crate) fn unwrap(&self, record: &SealRecord) -> Result<BodyCipher, Unwrappable> {
        let (wrapped, tag) = record.wrapped.split_at(32);
        let mut data_key: [u8; 32] = wrapped.try_into().map_err(|_| Unwrappable)?;
        let tag: [u8; TAG_BYTES] = tag.try_into().map_err(|_| Unwrappable)?;
        let cipher = self.wrapping(&record.salt);
        let buffer = InOutBuf::from(&mut data_key[..]);
        cipher
            .decrypt_inout_detached(&WRAP_NONCE.into(), &self.bound, buffer, &tag.into())
            .map_err(|_| Unwrappable)?;
        Ok(BodyCipher::new(&data_key, *record.prefix))
    }

    fn wrapping(&self, salt: &[u8; 16]) -> Aes256Gcm {
        let key: [u8; 32] = keyed(&self.key, WRAP_LABEL, salt).finalize().into_bytes().into();
        Aes256Gcm::new(&key.into())
    }
}

/// The digest that recognises a customer's key and tells nothing of it.
pub(crate) fn digest_of(key: &[u8; 32], salt: &[u8; 16]) -> [u8; 32] {
    keyed(key, CUSTOMER_LABEL, salt).finalize().into_bytes().into()
}

/// Whether a customer's key has this digest. Takes as long for every wrong key.
pub(crate) fn has_digest(key: &[u8; 32], salt: &[u8; 16], digest: &[u8; 32]) -> bool {
    keyed(key, CUSTOMER_LABEL, salt).verify_slice(digest).is_ok()
}

fn keyed(key: &[u8; 32], label: &[u8], salt: &[u8; 16]) -> Hmac<Sha256> {
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(label);
    mac.update(salt);
    mac
}

/// What a data key is bound to. Every text is preceded by its length, so no two contexts are the same
/// bytes.
fn bound(with: &SealedWithRecord) -> Vec<u8> {
    let mut bound = WRAP_LABEL.to_vec();
    let mut text = |text: &[u8]| {
        bound.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bound.extend_from_slice(text);
    };
    match with {
        SealedWithRecord::S3(id) => {
            text(b"s3");
            text(&id[..]);
        }
        SealedWithRecord::Kms { arn, context, .. } => {
            text(b"kms");
            text(arn.as_bytes());
            bind_context(context, &mut text);
        }
        SealedWithRecord::Customer { digest, .. } => {
            text(b"customer");
            text(&digest[..]);
        }
    }
    bound
}

fn bind_context(context: &BTreeMap<String, String>, text: &mut impl FnMut(&[u8])) {
    for (name, value) in context {
        text(name.as_bytes());
        text(value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kms(context: &[(&str, &str)]) -> SealedWithRecord {
        let context = context.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        SealedWithRecord::Kms { arn: "arn".into(), context, bucket_key: false }
    }

    #[test]
    fn data_keys_unwrap_only_under_the_same_master_and_context() {
        let master = Master::new([1; 32], &kms(&[("a", "b")]));
        let (_, record) = master.data_key(&Chance::seeded(1));
        assert!(master.unwrap(&record).is_ok());
        for other in [
            Master::new([2; 32], &kms(&[("a", "b")])),
            Master::new([1; 32], &kms(&[("a", "c")])),
            Master::new([1; 32], &kms(&[])),
            Master::new([1; 32], &SealedWithRecord::S3([1; 16].into())),
        ] {
            assert!(other.unwrap(&record).is_err());
        }
        for at in 0..48 {
            let mut damaged = record.clone();
            damaged.wrapped[at] ^= 1;
            assert!(master.unwrap(&damaged).is_err(), "{at}");
        }
    }

    #[test]
    fn contexts_are_bound_without_ambiguity() {
        assert_ne!(bound(&kms(&[("a", "bc")])), bound(&kms(&[("ab", "c")])));
        assert_ne!(bound(&kms(&[("a", "")])), bound(&kms(&[])));
    }

    #[test]
    fn customer_keys_are_recognised_by_a_salted_digest() {
        let digest = digest_of(&[1; 32], &[5; 16]);
        assert!(has_digest(&[1; 32], &[5; 16], &digest));
        assert!(!has_digest(&[2; 32], &[5; 16], &digest));
        assert_ne!(digest, digest_of(&[1; 32], &[6; 16]));
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let master = Master::new([1; 32], &SealedWithRecord::S3([9; 16].into()));
        let wrapped = "e62d0fcb134be0eebb1a28308ba48122b9613701a2c079a202171dda8ee4da29e0adfc2fcc8a5b2cf44555de6aba316e";
        let wrapped: [u8; 48] = hex::decode(wrapped).unwrap().try_into().unwrap();
        let record = SealRecord { salt: [2; 16].into(), prefix: [3; 4].into(), wrapped: wrapped.into() };
        let mut sealer = super::super::Sealer::new(master.unwrap(&record).expect("the golden key unwraps"));
        let mut out = Vec::new();
        sealer.update(b"headwater", &mut out);
        sealer.finish(&mut out);
        assert_eq!(hex::encode(out), "4ad176a3b83aa006cc8b77e02a7796faf31fca6d6159e784fc");
    }
}
