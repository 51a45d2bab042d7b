//! The names of buckets, objects and uploads.

use std::fmt;
use std::sync::Arc;

use headwater_base::InvalidName;

/// A bucket's name, by S3's rules.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BucketName(Arc<str>);

impl BucketName {
    /// The name, if it is one.
    ///
    /// # Errors
    /// When it breaks one of S3's rules; the error says which.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        match broken_rule(text) {
            Some(rule) => Err(InvalidName::new("bucket name", text, rule)),
            None => Ok(Self(text.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    if !(3..=63).contains(&bytes.len()) || !bytes.iter().all(|b| legal(*b)) {
        return Some("3 to 63 of a-z 0-9 . -");
    }
    if !edge(bytes.first()) || !edge(bytes.last()) {
        return Some("it begins and ends with a letter or a digit");
    }
    if text.contains("..") {
        return Some("no two dots in a row");
    }
    if text.parse::<std::net::Ipv4Addr>().is_ok() {
        return Some("not an IP address");
    }
    let reserved_start = ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|p| text.starts_with(p));
    let reserved_end =
        ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|s| text.ends_with(s));
    (reserved_start || reserved_end).then_some("no reserved prefix or suffix")
}

/// An object's key: 1 to 1024 bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// The key, if it is one.
    ///
    /// # Errors
    /// When it is empty or longer than 1024 bytes.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() || text.len() > 1024 {
            return Err(InvalidName::new("object key", text, "1 to 1024 bytes"));
        }
        Ok(Self(text.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A multipart upload's identity: 8 bytes of time, 8 of chance, so ids sort by their beginning.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(pub(crate) [u8; 16]);

impl UploadId {
    /// Reads an id as clients send it back: 32 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).ok()?;
        Some(Self(id))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules() {
        for good in ["abc", "a.b-c", "0data0", &"x".repeat(63)] {
            assert!(BucketName::new(good).is_ok(), "{good}");
        }
        let long = "x".repeat(64);
        for bad in [
            "ab",
            &long,
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "a..b",
            "192.168.1.1",
            "xn--abc",
            "abc-s3alias",
        ] {
            assert!(BucketName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn object_keys_have_bounds() {
        assert!(ObjectKey::new("").is_err());
        assert!(ObjectKey::new(&"k".repeat(1024)).is_ok());
        assert!(ObjectKey::new(&"k".repeat(1025)).is_err());
        assert!(ObjectKey::new("../a//b\u{1}\u{10FFFF}").is_ok());
    }

    #[test]
    fn upload_ids_read_back() {
        let id = UploadId([0xAB; 16]);
        assert_eq!(UploadId::parse(&id.to_string()), Some(id));
        assert_eq!(UploadId::parse("nonsense"), None);
    }
}
