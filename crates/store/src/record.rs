//! Stored records as engines write them: a version byte, then CBOR with numbered fields.
//!
//! The store itself reads no value. Engines whose records are all in their first version share
//! this; one that has a second version of a record reads both in that record's own file.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::{Key, StoreError};

/// The version byte of a record's first version.
const VERSION: u8 = 1;

/// A stored value's bytes.
pub fn encode<T: Encode<()>>(record: &T) -> Bytes {
    let mut out = vec![VERSION];
    minicbor::encode(record, &mut out).expect("writing to a vector cannot fail");
    out.into()
}

/// Reads a stored value; `key` names it in the error.
///
/// # Errors
/// [`StoreError::Corrupt`] when the value is not a record of the first version.
pub fn decode<'b, T: Decode<'b, ()>>(key: &Key, bytes: &'b [u8]) -> Result<T, StoreError> {
    let corrupt = |what: String| StoreError::Corrupt(format!("{key:?}: {what}"));
    match bytes.split_first() {
        Some((&VERSION, rest)) => minicbor::decode(rest).map_err(|e| corrupt(e.to_string())),
        Some((version, _)) => Err(corrupt(format!("unknown version {version}"))),
        None => Err(corrupt("empty value".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn unknown_versions_are_refused() {
        let key = Key::of(Kind(0x0f00)).build();
        assert!(decode::<u8>(&key, &[2, 0]).is_err());
        assert!(decode::<u8>(&key, &[]).is_err());
        assert_eq!(decode::<u8>(&key, &encode(&7u8)).unwrap(), 7);
        assert_eq!(encode(&7u8)[..], [1, 7]);
    }
}
