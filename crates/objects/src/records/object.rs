//! The facts that are an object: `CURRENT`, and `VERSION` where there are versions.

use std::collections::BTreeMap;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::acl::AclRecord;
use super::encryption::EncryptionRecord;
use super::version::ModeRecord;

/// Where a body lies.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum PlaceRecord {
    /// In a `BODY` (or `PART_BODY`) fact of the same commit.
    #[n(0)]
    Inline,
    /// In a blob.
    #[n(1)]
    Blob(#[n(0)] ByteArray<16>),
    /// In the parts that the `LAYOUT` fact of this upload lists. Objects only.
    #[n(2)]
    Parts(#[n(0)] ByteArray<16>),
    /// In a blob of the cold tier.
    #[n(3)]
    Cold(#[n(0)] ByteArray<16>),
}

/// That an archived version is being restored, or was.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct RestoredRecord {
    /// For how many days the copy is to be there.
    #[n(0)]
    pub(crate) days: u32,
    /// Until when it is; none while it is being brought back.
    #[n(1)]
    pub(crate) until_ms: Option<i64>,
    /// Where it lies, when it is not the body itself.
    #[n(2)]
    pub(crate) place: Option<PlaceRecord>,
}

/// The value of a `CURRENT` or `VERSION` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct ObjectRecord {
    #[n(0)]
    pub(crate) size: u64,
    #[n(1)]
    pub(crate) etag: String,
    #[n(2)]
    pub(crate) modified_ms: i64,
    #[n(3)]
    pub(crate) place: PlaceRecord,
    #[n(4)]
    pub(crate) content_type: Option<String>,
    #[n(5)]
    pub(crate) headers: BTreeMap<String, String>,
    #[n(6)]
    pub(crate) metadata: BTreeMap<String, String>,
    #[n(7)]
    pub(crate) tags: BTreeMap<String, String>,
    #[n(8)]
    pub(crate) system: BTreeMap<String, String>,
    #[n(9)]
    pub(crate) checksums: BTreeMap<String, String>,
    #[n(10)]
    pub(crate) composite: bool,
    /// The commit that put the body, when a later commit (of tags, or because a version became the
    /// current one again) wrote the fact; else the fact's own version is it.
    #[n(11)]
    pub(crate) lsn: Option<u64>,
    /// Which row of its key it is; none of a plain key.
    #[n(12)]
    pub(crate) seq: Option<u64>,
    /// The chance in its version id; none of the null version.
    #[n(13)]
    pub(crate) nonce: Option<u64>,
    /// `true` for a delete marker, which has no body.
    #[n(14)]
    pub(crate) marker: Option<bool>,
    #[n(15)]
    pub(crate) retention_mode: Option<ModeRecord>,
    #[n(16)]
    pub(crate) retain_until_ms: Option<i64>,
    /// Whether a legal hold is on; none if nobody ever said.
    #[n(17)]
    pub(crate) hold: Option<bool>,
    /// How the body is sealed; in parts each part has a data key of its own.
    #[n(18)]
    pub(crate) encryption: Option<EncryptionRecord>,
    /// The storage class; none is `STANDARD`.
    #[n(19)]
    pub(crate) class: Option<u8>,
    #[n(20)]
    pub(crate) restored: Option<RestoredRecord>,
    /// Who owns it and whom that one grants what, if that is not the bucket's owner and nobody.
    #[n(21)]
    pub(crate) acl: Option<AclRecord>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    fn plain(place: PlaceRecord) -> ObjectRecord {
        ObjectRecord {
            size: 3,
            etag: "ab".into(),
            modified_ms: 1000,
            place,
            content_type: None,
            headers: BTreeMap::new(),
            metadata: BTreeMap::from([("k".into(), "v".into())]),
            tags: BTreeMap::new(),
            system: BTreeMap::new(),
            checksums: BTreeMap::from([("CRC32".into(), "AA==".into())]),
            composite: false,
            lsn: None,
            seq: None,
            nonce: None,
            marker: None,
            retention_mode: None,
            retain_until_ms: None,
            hold: None,
            class: None,
            restored: None,
            acl: None,
            encryption: None,
        }
    }

    #[test]
    fn golden_bytes_of_version_1() {
        assert_eq!(
            hex::encode(encode(&plain(PlaceRecord::Inline))),
            "018b036261621903e8820080f6a0a1616b6176a0a0a165435243333264 41413d3df4".replace(' ', "")
        );
        let hex = hex::encode(encode(&plain(PlaceRecord::Blob([7; 16].into()))));
        assert!(hex.contains(&format!("82018150{}", "07".repeat(16))), "{hex}");
        let hex = hex::encode(encode(&plain(PlaceRecord::Parts([7; 16].into()))));
        assert!(hex.contains(&format!("82028150{}", "07".repeat(16))), "{hex}");
    }

    #[test]
    fn golden_bytes_of_a_version() {
        let version = ObjectRecord {
            seq: Some(3),
            nonce: Some(9),
            retention_mode: Some(ModeRecord::Compliance),
            retain_until_ms: Some(2000),
            hold: Some(false),
            ..plain(PlaceRecord::Inline)
        };
        assert_eq!(
            hex::encode(encode(&version)),
            "0192036261621903e8820080f6a0a1616b6176a0a0a16543524333326441413d3df4f60309f6011907d0f4"
        );
        let marker = ObjectRecord { seq: Some(4), marker: Some(true), ..plain(PlaceRecord::Inline) };
        assert_eq!(
            hex::encode(encode(&marker)),
            "018f036261621903e8820080f6a0a1616b6176a0a0a16543524333326441413d3df4f604f6f5"
        );
    }

    #[test]
    fn golden_bytes_of_an_archived_object() {
        let archived = ObjectRecord {
            class: Some(6),
            restored: Some(RestoredRecord { days: 3, until_ms: Some(9), place: None }),
            ..plain(PlaceRecord::Cold([7; 16].into()))
        };
        let hex = hex::encode(encode(&archived));
        assert!(hex.starts_with("0195036261621903e8820381 50".replace(' ', "").as_str()), "{hex}");
        assert!(hex.ends_with("f4f6f6f6f6f6f6f6f606820309"), "{hex}");
    }

    type Map = BTreeMap<String, String>;

    proptest! {
        #[test]
        fn objects_read_back(
            size: u64, etag: String, modified_ms: i64, blob: Option<[u8; 16]>, content_type: Option<String>,
            headers: Map, metadata: Map, tags: Map, checksums: Map, composite: bool,
            numbers: (Option<u64>, Option<u64>, Option<u64>), hold: Option<bool>,
        ) {
            let place = blob.map_or(PlaceRecord::Inline, |id| PlaceRecord::Blob(id.into()));
            let system = metadata.clone();
            let record = ObjectRecord {
                size, etag, modified_ms, place, content_type, headers, metadata, tags, system, checksums,
                composite, lsn: numbers.0, seq: numbers.1, nonce: numbers.2, marker: hold,
                retention_mode: hold.map(|_| ModeRecord::Governance), retain_until_ms: hold.map(|_| modified_ms),
                hold, acl: None, class: hold.map(u8::from), restored: hold.map(|_| RestoredRecord { days: 1, until_ms: None, place: None }),
                encryption: None,
            };
            prop_assert_eq!(decode::<ObjectRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<ObjectRecord>(&keys::guard(1), &bytes);
        }
    }
}
