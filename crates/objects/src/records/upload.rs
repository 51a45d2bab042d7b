//! Facts about multipart uploads: `UPLOAD`, `PART` and `LAYOUT`.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::acl::AclRecord;
use super::encryption::{EncryptionRecord, SealRecord};
use super::object::PlaceRecord;
use super::version::ModeRecord;

/// The value of an `UPLOAD` fact: an upload under way, with what the object will be.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct UploadRecord {
    #[n(0)]
    pub(crate) initiated_ms: i64,
    #[n(1)]
    pub(crate) content_type: Option<String>,
    #[n(2)]
    pub(crate) headers: BTreeMap<String, String>,
    #[n(3)]
    pub(crate) metadata: BTreeMap<String, String>,
    #[n(4)]
    pub(crate) tags: BTreeMap<String, String>,
    /// The checksum algorithm its creator chose.
    #[n(5)]
    pub(crate) algorithm: Option<String>,
    #[n(6)]
    pub(crate) composite: bool,
    /// How its parts are sealed, without a data key: each part has its own.
    #[n(7)]
    pub(crate) encryption: Option<EncryptionRecord>,
    /// The storage class of the object; none is `STANDARD`.
    #[n(8)]
    pub(crate) class: Option<u8>,
    #[n(9)]
    pub(crate) retention_mode: Option<ModeRecord>,
    #[n(10)]
    pub(crate) retain_until_ms: Option<i64>,
    #[n(11)]
    pub(crate) hold: Option<bool>,
    /// The list the object will have.
    #[n(12)]
    pub(crate) acl: Option<AclRecord>,
    /// Who began it; not known of uploads that were begun by earlier programs.
    #[n(13)]
    pub(crate) initiator: Option<InitiatorRecord>,
}

/// Who began an upload.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct InitiatorRecord {
    /// Absent: nobody signed the request.
    #[n(0)]
    pub(crate) account: Option<u64>,
    #[n(1)]
    pub(crate) id: String,
}

/// The value of a `PART` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct PartRecord {
    #[n(0)]
    pub(crate) size: u64,
    /// MD5 in hex, or what stands for it.
    #[n(1)]
    pub(crate) etag: String,
    #[n(2)]
    pub(crate) modified_ms: i64,
    #[n(3)]
    pub(crate) place: PlaceRecord,
    #[n(4)]
    pub(crate) checksums: BTreeMap<String, String>,
    /// Its data key, when the upload is sealed.
    #[n(5)]
    pub(crate) seal: Option<SealRecord>,
}

/// The value of a `LAYOUT` fact: (part number, size) in the order of the body. 10,000 parts take
/// at most 127 KiB.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct LayoutRecord {
    #[n(0)]
    pub(crate) parts: Vec<(u32, u64)>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    #[test]
    fn golden_bytes_of_version_1() {
        let upload = UploadRecord {
            initiated_ms: 1000,
            content_type: Some("a/b".into()),
            headers: BTreeMap::new(),
            metadata: BTreeMap::new(),
            tags: BTreeMap::new(),
            algorithm: Some("SHA256".into()),
            composite: true,
            class: None,
            retention_mode: None,
            retain_until_ms: None,
            hold: None,
            acl: None,
            encryption: None,
            initiator: None,
        };
        assert_eq!(hex::encode(encode(&upload)), "01871903e863612f62a0a0a066534841323536f5");
        let locked = UploadRecord { hold: Some(true), ..upload.clone() };
        assert_eq!(hex::encode(encode(&locked)), "018c1903e863612f62a0a0a066534841323536f5f6f6f6f6f5");
        let initiator = InitiatorRecord { account: Some(42), id: "a".into() };
        let begun = UploadRecord { initiator: Some(initiator), ..upload };
        assert_eq!(
            hex::encode(encode(&begun)),
            "018e1903e863612f62a0a0a066534841323536f5f6f6f6f6f6f682182a6161"
        );
        let part = PartRecord {
            size: 5,
            etag: "ab".into(),
            modified_ms: 1000,
            place: PlaceRecord::Inline,
            checksums: BTreeMap::new(),
            seal: None,
        };
        assert_eq!(hex::encode(encode(&part)), "0185056261621903e8820080a0");
        let seal = SealRecord { salt: [1; 16].into(), prefix: [2; 4].into(), wrapped: [3; 48].into() };
        let sealed = format!("8350{}44{}5830{}", "01".repeat(16), "02".repeat(4), "03".repeat(48));
        let part = PartRecord { seal: Some(seal), ..part };
        assert_eq!(hex::encode(encode(&part)), format!("0186056261621903e8820080a0{sealed}"));
        let layout = LayoutRecord { parts: vec![(1, 5 << 20), (2, 9)] };
        assert_eq!(hex::encode(encode(&layout)), "01818282011a00500000820209");
    }

    #[test]
    fn the_largest_layout_fits_a_value() {
        let layout = LayoutRecord { parts: (1..=10_000).map(|n| (n, 5 << 30)).collect() };
        assert!(encode(&layout).len() <= 128 << 10);
    }

    proptest! {
        #[test]
        fn parts_read_back(size: u64, etag: String, modified_ms: i64, checksums: BTreeMap<String, String>) {
            let record = PartRecord { size, etag, modified_ms, place: PlaceRecord::Inline, checksums, seal: None };
            prop_assert_eq!(decode::<PartRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn layouts_read_back(parts: Vec<(u32, u64)>) {
            let record = LayoutRecord { parts };
            prop_assert_eq!(decode::<LayoutRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn uploads_read_back(initiated_ms: i64, algorithm: Option<String>, tags: BTreeMap<String, String>, composite: bool) {
            let record = UploadRecord {
                initiated_ms, content_type: algorithm.clone(), headers: tags.clone(), metadata: tags.clone(), tags,
                algorithm, composite, class: None, retention_mode: composite.then_some(ModeRecord::Compliance),
                retain_until_ms: composite.then_some(initiated_ms), hold: Some(composite), acl: None,
                encryption: None, initiator: None,
            };
            prop_assert_eq!(decode::<UploadRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }
    }
}
