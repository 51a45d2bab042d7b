//! Keys: order-preserving encodings of typed tuples.
//!
//! A key begins with its [`Kind`], then its parts. Strings and bytes are escaped (0x00 becomes
//! 0x00 0xFF) and closed with 0x00 0x00, so that keys sort as their tuples do and no tuple is a
//! prefix of another by accident. Numbers are big-endian. Kinds are never reused; the table of all
//! kinds is `docs/formats/keys.md`.

use std::fmt;

use bytes::Bytes;

/// The ordinal of a kind of fact. Each engine owns a block: `0x00..` store, `0x01..` streams,
/// `0x02..` objects, `0x03..` catalog, `0x04..` delivery, `0x05..` identity, `0x06..` glue,
/// `0x07..` athena, `0x08..` blob references, `0x09..` query, `0x0a..` leases, `0x0b..`
/// events.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Kind(pub u16);

/// An encoded key. Compares as the tuple it encodes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Bytes);

impl Key {
    /// Begins a key of this kind.
    pub fn of(kind: Kind) -> KeyBuilder {
        KeyBuilder(kind.0.to_be_bytes().to_vec())
    }

    /// Takes encoded bytes as they are (read back from disk).
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The encoded bytes, shared.
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// The number of encoded bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the key is empty; no built key is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this key begins with `prefix`.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }

    /// The smallest key greater than this one.
    pub fn next(&self) -> Self {
        let mut bytes = self.0.to_vec();
        bytes.push(0);
        Self(bytes.into())
    }

    /// The first key past all keys that begin with this one; `None` if there is none.
    pub fn successor_of_prefix(&self) -> Option<Self> {
        let mut bytes = self.0.to_vec();
        while let Some(last) = bytes.pop() {
            if last < 0xFF {
                bytes.push(last + 1);
                return Some(Self(bytes.into()));
            }
        }
        None
    }

    /// Reads the key's parts back in the order they were written.
    pub fn reader(&self) -> KeyReader<'_> {
        KeyReader(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key:{}", self.0.escape_ascii())
    }
}

/// Builds a key part by part. Anything short of the full tuple is a prefix for scans.
#[derive(Clone, Debug)]
pub struct KeyBuilder(Vec<u8>);

impl KeyBuilder {
    /// Adds a string part.
    #[must_use]
    pub fn str(self, part: &str) -> Self {
        self.bytes(part.as_bytes())
    }

    /// Adds a part of arbitrary bytes.
    #[must_use]
    pub fn bytes(mut self, part: &[u8]) -> Self {
        self.escape(part);
        self.0.extend_from_slice(&[0, 0]);
        self
    }

    /// Adds the beginning of a string part, left open: a prefix of every key whose part here
    /// begins with `part`. Must be the last call.
    #[must_use]
    pub fn str_prefix(mut self, part: &str) -> Self {
        self.escape(part.as_bytes());
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn u64(mut self, part: u64) -> Self {
        self.0.extend_from_slice(&part.to_be_bytes());
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn u32(mut self, part: u32) -> Self {
        self.0.extend_from_slice(&part.to_be_bytes());
        self
    }

    /// Adds a number that sorts with negative values first.
    #[must_use]
    pub fn i64(self, part: i64) -> Self {
        self.u64((part as u64) ^ (1 << 63))
    }

    /// Adds a number that sorts greatest first (newest versions).
    #[must_use]
    pub fn u64_descending(self, part: u64) -> Self {
        self.u64(!part)
    }

    /// Adds sixteen bytes (a UUID, a token).
    #[must_use]
    pub fn fixed16(mut self, part: [u8; 16]) -> Self {
        self.0.extend_from_slice(&part);
        self
    }

    /// The finished key.
    pub fn build(self) -> Key {
        Key(self.0.into())
    }

    fn escape(&mut self, part: &[u8]) {
        for &byte in part {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xFF);
            }
        }
    }
}

/// Reads a key's parts back. Every method returns `None` when the bytes are not such a part.
#[derive(Clone, Debug)]
pub struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    /// The key's kind; call it first.
    pub fn kind(&mut self) -> Option<Kind> {
        Some(Kind(u16::from_be_bytes(self.take()?)))
    }

    /// A string part.
    pub fn str(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    /// A part of arbitrary bytes.
    pub fn bytes(&mut self) -> Option<Vec<u8>> {
        let mut part = Vec::new();
        let mut rest = self.0;
        loop {
            let (&byte, tail) = rest.split_first()?;
            rest = tail;
            if byte != 0 {
                part.push(byte);
                continue;
            }
            let (&mark, tail) = rest.split_first()?;
            rest = tail;
            match mark {
                0xFF => part.push(0),
                0 => break,
                _ => return None,
            }
        }
        self.0 = rest;
        Some(part)
    }

    /// A number.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take()?))
    }

    /// A number.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take()?))
    }

    /// A signed number.
    pub fn i64(&mut self) -> Option<i64> {
        Some((self.u64()? ^ (1 << 63)) as i64)
    }

    /// A number written with `u64_descending`.
    pub fn u64_descending(&mut self) -> Option<u64> {
        Some(!self.u64()?)
    }

    /// Sixteen bytes.
    pub fn fixed16(&mut self) -> Option<[u8; 16]> {
        self.take()
    }

    /// Whether every part was read.
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_sort_as_their_tuples(a: (Vec<u8>, i64), b: (Vec<u8>, i64)) {
            let key = |t: &(Vec<u8>, i64)| Key::of(Kind(1)).bytes(&t.0).i64(t.1).build();
            prop_assert_eq!(a.cmp(&b), key(&a).cmp(&key(&b)));
        }

        #[test]
        fn keys_read_back(s: String, b: Vec<u8>, n: u64, m: u32, i: i64) {
            let key = Key::of(Kind(7)).str(&s).bytes(&b).u64(n).u32(m).i64(i).u64_descending(n).build();
            let mut r = key.reader();
            prop_assert_eq!(r.kind(), Some(Kind(7)));
            prop_assert_eq!(r.str(), Some(s));
            prop_assert_eq!(r.bytes(), Some(b));
            prop_assert_eq!(r.u64(), Some(n));
            prop_assert_eq!(r.u32(), Some(m));
            prop_assert_eq!(r.i64(), Some(i));
            prop_assert_eq!(r.u64_descending(), Some(n));
            prop_assert!(r.is_done());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let key = Key::from_bytes(bytes.into());
            let mut r = key.reader();
            let _ = (r.kind(), r.str(), r.u64(), r.bytes(), r.fixed16());
        }

        #[test]
        fn a_prefix_range_holds_exactly_its_keys(p: String, rest: String, other: String) {
            let range = crate::KeyRange::prefix(&Key::of(Kind(3)).str_prefix(&p).build());
            let inside = Key::of(Kind(3)).str(&format!("{p}{rest}")).build();
            prop_assert!(range.contains(&inside));
            let outside = Key::of(Kind(3)).str(&other).build();
            prop_assert_eq!(range.contains(&outside), other.starts_with(&p));
        }
    }
}
