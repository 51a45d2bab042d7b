//! What the face stores: one file per family of facts. Every value is a version byte and CBOR with
//! numbered fields; keys are listed in `docs/formats/keys.md`.

pub(crate) mod crawler;
pub(crate) mod job;
pub(crate) mod keys;
pub(crate) mod tags;

use bytes::Bytes;
use headwater_store::{Key, StoreError};
use minicbor::{Decode, Encode};

/// The version byte of every record so far.
const VERSION: u8 = 1;

/// A stored value's bytes.
pub(crate) fn encode<T: Encode<()>>(record: &T) -> Bytes {
    let mut out = vec![VERSION];
    minicbor::encode(record, &mut out).expect("writing to a vector cannot fail");
    out.into()
}

/// Reads a stored value; `key` names it in the error.
pub(crate) fn decode<'b, T: Decode<'b, ()>>(key: &Key, bytes: &'b [u8]) -> Result<T, StoreError> {
    let corrupt = |what: String| StoreError::Corrupt(format!("{key:?}: {what}"));
    match bytes.split_first() {
        Some((&VERSION, rest)) => minicbor::decode(rest).map_err(|e| corrupt(e.to_string())),
        Some((version, _)) => Err(corrupt(format!("unknown version {version}"))),
        None => Err(corrupt("empty value".to_owned())),
    }
}
