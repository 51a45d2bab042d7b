//! MD5 and the checksums S3 knows, over bodies and over lists of parts.
//!
//! Every body gets an MD5 (its ETag) and at least CRC64NVME, as S3 does since 2024; more when the
//! client declares or asks for them.

mod md5;
mod pool;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use md5::Md5;
pub(crate) use pool::HashPool;

/// An algorithm of S3's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl ChecksumAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// S3's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The algorithm of that name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    fn crc(self) -> Option<(CrcAlgorithm, usize)> {
        match self {
            Self::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
            Self::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
            Self::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// Whether checksums of pieces combine to the checksum of the whole.
    pub fn combines(self) -> bool {
        self.crc().is_some()
    }

    /// The checksum of `bytes`, in base64.
    pub fn of(self, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(&BTreeSet::from([self]));
        hasher.update(bytes);
        BASE64.encode(&hasher.finish().values[&self])
    }

    /// Whether `value` has the form of this algorithm's checksums: base64 of the right length.
    pub fn fits(self, value: &str) -> bool {
        let bytes = match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        };
        BASE64.decode(value).is_ok_and(|raw| raw.len() == bytes)
    }
}

/// Takes a body's digests as it passes by.
pub(crate) struct Hasher {
    md5: Md5,
    crcs: Vec<(ChecksumAlgorithm, usize, crc_fast::Digest)>,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

/// What a hasher found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    pub(crate) values: BTreeMap<ChecksumAlgorithm, Vec<u8>>,
}

impl Hasher {
    /// A hasher for MD5, CRC64NVME and `wanted`.
    pub(crate) fn new(wanted: &BTreeSet<ChecksumAlgorithm>) -> Self {
        let crcs = ChecksumAlgorithm::ALL
            .into_iter()
            .filter(|a| *a == ChecksumAlgorithm::Crc64Nvme || wanted.contains(a))
            .filter_map(|a| a.crc().map(|(crc, bytes)| (a, bytes, crc_fast::Digest::new(crc))))
            .collect();
        Self {
            md5: Md5::new(),
            crcs,
            sha1: wanted.contains(&ChecksumAlgorithm::Sha1).then(Sha1::new),
            sha256: wanted.contains(&ChecksumAlgorithm::Sha256).then(Sha256::new),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.update_beside_md5(bytes);
    }

    fn update_beside_md5(&mut self, bytes: &[u8]) {
        for (_, _, digest) in &mut self.crcs {
            digest.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> Digests {
        let mut values = BTreeMap::new();
        for (algorithm, bytes, digest) in self.crcs {
            values.insert(algorithm, digest.finalize().to_be_bytes()[8 - bytes..].to_vec());
        }
        if let Some(sha1) = self.sha1 {
            values.insert(ChecksumAlgorithm::Sha1, sha1.finalize().to_vec());
        }
        if let Some(sha256) = self.sha256 {
            values.insert(ChecksumAlgorithm::Sha256, sha256.finalize().to_vec());
        }
        Digests { md5: self.md5.finish(), values }
    }
}

/// Base64, as S3 writes checksums.
pub(crate) fn text(raw: &[u8]) -> String {
    BASE64.encode(raw)
}

/// The checksum of the parts' checksums, with S3's `-N`. `None` when one of them is no base64.
pub(crate) fn composite(algorithm: ChecksumAlgorithm, parts: &[&str]) -> Option<String> {
    let mut hasher = Hasher::new(&BTreeSet::from([algorithm]));
    for part in parts {
        hasher.update(&BASE64.decode(part).ok()?);
    }
    let digests = hasher.finish();
    Some(format!("{}-{}", text(digests.values.get(&algorithm)?), parts.len()))
}

/// The checksum of the whole from those of its consecutive parts and their sizes.
pub(crate) fn combined(algorithm: ChecksumAlgorithm, parts: &[(&str, u64)]) -> Option<String> {
    let (crc, bytes) = algorithm.crc()?;
    let mut whole: Option<u64> = None;
    for (part, size) in parts {
        let raw = BASE64.decode(part).ok()?;
        let value = raw.iter().fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
        whole = Some(whole.map_or(value, |so_far| crc_fast::checksum_combine(crc, so_far, value, *size)));
    }
    Some(text(&whole?.to_be_bytes()[8 - bytes..]))
}

/// The ETag of a multipart object: the MD5 of its parts' MD5s, and their number.
pub(crate) fn multipart_etag(parts: &[&str]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(&hex::decode(part).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(md5.finish()), parts.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digests(data: &[u8]) -> Digests {
        let mut hasher = Hasher::new(&ChecksumAlgorithm::ALL.into());
        hasher.update(data);
        hasher.finish()
    }

    #[test]
    fn known_answers() {
        let found = digests(b"123456789");
        let hex = |a| hex::encode(&found.values[&a]);
        assert_eq!(hex::encode(found.md5), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(hex(ChecksumAlgorithm::Crc32), "cbf43926");
        assert_eq!(hex(ChecksumAlgorithm::Crc32c), "e3069283");
        assert_eq!(hex(ChecksumAlgorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(hex(ChecksumAlgorithm::Sha1), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        assert!(hex(ChecksumAlgorithm::Sha256).starts_with("15e2b0d3c33891ebb0f1ef609ec41942"));
    }

    #[test]
    fn forms_are_checked() {
        assert!(ChecksumAlgorithm::Crc32.fits("AAAAAA=="));
        assert!(!ChecksumAlgorithm::Crc32.fits("AAAA"));
        assert!(!ChecksumAlgorithm::Sha256.fits("AAAAAA=="));
        assert!(!ChecksumAlgorithm::Crc32c.fits("nonsense!"));
    }

    #[test]
    fn an_etag_of_parts_is_s3s() {
        // Two parts: the empty body twice.
        let empty = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(
            multipart_etag(&[empty, empty]),
            "a52eea6fcd2c98c1c5d0c3f2aa7e8a49-2".replace("a52eea6fcd2c98c1c5d0c3f2aa7e8a49", &{
                let raw = hex::decode(empty).unwrap();
                hex::encode(::md5::Md5::digest([raw.clone(), raw].concat()))
            })
        );
    }

    proptest! {
        #[test]
        fn parts_combine_to_the_whole(parts in proptest::collection::vec(any::<Vec<u8>>(), 1..6)) {
            let whole = digests(&parts.concat());
            for algorithm in ChecksumAlgorithm::ALL.into_iter().filter(|a| a.combines()) {
                let sums: Vec<(String, u64)> = parts
                    .iter()
                    .map(|p| (text(&digests(p).values[&algorithm]), p.len() as u64))
                    .collect();
                let sums: Vec<(&str, u64)> = sums.iter().map(|(s, n)| (s.as_str(), *n)).collect();
                prop_assert_eq!(combined(algorithm, &sums), Some(text(&whole.values[&algorithm])));
            }
        }
    }
}
