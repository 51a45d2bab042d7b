//! What versions are called, and whether a bucket has them.

use std::fmt;

/// Whether a bucket keeps what is put over and deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Versioning {
    /// It never did.
    #[default]
    Never,
    /// It does.
    Enabled,
    /// It did; what is put now replaces the null version and nothing else.
    Suspended,
}

/// A version's id: `null`, or 26 letters that are its place in its key's history (8 bytes) and
/// chance (8 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId(pub(crate) Option<Named>);

/// The parts of an id that is not null.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Named {
    pub(crate) seq: u64,
    pub(crate) nonce: u64,
}

/// The digits, five bits each: no letter that is taken for a digit.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// How many digits an id has: 130 bits, of which the first two are 0.
const LENGTH: usize = 26;

impl VersionId {
    /// The version that has no id of its own: put while its bucket had no versions, or while
    /// versioning was suspended.
    pub const NULL: Self = Self(None);

    /// Reads an id as clients send it back.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::NULL);
        }
        if text.len() != LENGTH {
            return None;
        }
        let mut number: u128 = 0;
        for digit in text.bytes() {
            let value = DIGITS.iter().position(|d| *d == digit)?;
            if number >> 123 != 0 {
                return None;
            }
            number = number << 5 | value as u128;
        }
        Some(Self(Some(Named { seq: (number >> 64) as u64, nonce: number as u64 })))
    }

    /// Whether this is the null version.
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Named { seq, nonce }) = self.0 else {
            return f.write_str("null");
        };
        let number = u128::from(seq) << 64 | u128::from(nonce);
        for place in (0..LENGTH).rev() {
            let digit = DIGITS[(number >> (5 * place)) as usize & 31];
            fmt::Write::write_char(f, char::from(digit))?;
        }
        Ok(())
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for (seq, nonce) in [(0, 0), (1, 2), (u64::MAX, u64::MAX), (7, 1 << 63)] {
            let id = VersionId(Some(Named { seq, nonce }));
            assert_eq!(id.to_string().len(), LENGTH);
            assert_eq!(VersionId::parse(&id.to_string()), Some(id));
        }
        assert_eq!(VersionId::parse("null"), Some(VersionId::NULL));
        assert_eq!(VersionId::NULL.to_string(), "null");
    }

    #[test]
    fn ids_sort_as_their_history() {
        let text = |seq, nonce| VersionId(Some(Named { seq, nonce })).to_string();
        assert!(text(1, u64::MAX) < text(2, 0));
        assert!(text(31, 5) < text(32, 4));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let largest = VersionId(Some(Named { seq: u64::MAX, nonce: u64::MAX })).to_string();
        let too_large = format!("8{}", &largest[1..]);
        for bad in ["", "Null", "0", "0000000000000000000000000l", "00000000000000000000000000 ", &too_large]
        {
            assert_eq!(VersionId::parse(bad), None, "{bad}");
        }
    }
}
