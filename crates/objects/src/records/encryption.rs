//! How a body is sealed: a field of `CURRENT`, `UPLOAD` and `PART` facts. And what a bucket seals by
//! itself: a field of `BUCKET`.

use std::collections::BTreeMap;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

/// Whose key a body is sealed with.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum SealedWithRecord {
    /// A key of the keyring, by its id (SSE-S3).
    #[n(0)]
    S3(#[n(0)] ByteArray<16>),
    /// A KMS key of the keyring, by its ARN (SSE-KMS).
    #[n(1)]
    Kms {
        #[n(0)]
        arn: String,
        /// The encryption context, bound to the data key.
        #[n(1)]
        context: BTreeMap<String, String>,
        #[n(2)]
        bucket_key: bool,
    },
    /// A key that its owner keeps (SSE-C), recognised by a salted digest.
    #[n(2)]
    Customer {
        #[n(0)]
        salt: ByteArray<16>,
        #[n(1)]
        digest: ByteArray<32>,
    },
}

/// The data key of one body, wrapped.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct SealRecord {
    /// What the wrapping key was derived with.
    #[n(0)]
    pub(crate) salt: ByteArray<16>,
    /// The first bytes of every nonce of the body.
    #[n(1)]
    pub(crate) prefix: ByteArray<4>,
    /// The data key and its tag.
    #[n(2)]
    pub(crate) wrapped: ByteArray<48>,
}

/// How a body is sealed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct EncryptionRecord {
    #[n(0)]
    pub(crate) with: SealedWithRecord,
    /// The body's data key; none where each part has its own.
    #[n(1)]
    pub(crate) seal: Option<SealRecord>,
}

/// What a bucket's bodies are sealed with when a writer says nothing.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct DefaultEncryptionRecord {
    /// SSE-KMS (else SSE-S3).
    #[n(0)]
    pub(crate) kms: bool,
    /// The KMS key as it was given; none is the account's own.
    #[n(1)]
    pub(crate) kms_key: Option<String>,
    #[n(2)]
    pub(crate) bucket_key: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    fn seal() -> SealRecord {
        SealRecord { salt: [1; 16].into(), prefix: [2; 4].into(), wrapped: [3; 48].into() }
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let s3 = EncryptionRecord { with: SealedWithRecord::S3([9; 16].into()), seal: Some(seal()) };
        let sealed = format!("8350{}44{}5830{}", "01".repeat(16), "02".repeat(4), "03".repeat(48));
        assert_eq!(hex::encode(encode(&s3)), format!("018282008150{}{sealed}", "09".repeat(16)));
        let kms = SealedWithRecord::Kms {
            arn: "arn".into(),
            context: BTreeMap::from([("a".into(), "b".into())]),
            bucket_key: true,
        };
        let kms = EncryptionRecord { with: kms, seal: None };
        assert_eq!(hex::encode(encode(&kms)), "0181820183636172 6ea161616162f5".replace(' ', ""));
        let customer = SealedWithRecord::Customer { salt: [1; 16].into(), digest: [4; 32].into() };
        let customer = EncryptionRecord { with: customer, seal: None };
        let expected = format!("018182028250{}5820{}", "01".repeat(16), "04".repeat(32));
        assert_eq!(hex::encode(encode(&customer)), expected);
        let default = DefaultEncryptionRecord { kms: true, kms_key: Some("k".into()), bucket_key: false };
        assert_eq!(hex::encode(encode(&default)), "0183f5616bf4");
    }

    proptest! {
        #[test]
        fn encryption_reads_back(
            arn: String, context: BTreeMap<String, String>, bucket_key: bool, salt: [u8; 16], prefix: [u8; 4],
            kms_key: Option<String>,
        ) {
            let seal = SealRecord { salt: salt.into(), prefix: prefix.into(), wrapped: [7; 48].into() };
            let with = SealedWithRecord::Kms { arn, context, bucket_key };
            let record = EncryptionRecord { with, seal: Some(seal) };
            prop_assert_eq!(decode::<EncryptionRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
            let record = DefaultEncryptionRecord { kms: bucket_key, kms_key, bucket_key };
            prop_assert_eq!(decode::<DefaultEncryptionRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<EncryptionRecord>(&keys::guard(1), &bytes);
        }
    }
}
