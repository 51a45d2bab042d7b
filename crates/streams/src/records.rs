//! What the engine stores: one file per kind of key, each with its layout, golden bytes and a
//! round trip. A value is a version byte and a CBOR array of numbered fields.

mod account;
mod consumers;
mod ended;
mod policy;
mod secret;
mod shard;
mod stream;
mod tags;

use bytes::Bytes;
use headwater_store::StoreError;
use minicbor::{Decode, Encode};

pub(crate) use account::AccountRow;
pub(crate) use consumers::ConsumersRow;
pub(crate) use ended::EndedRow;
pub(crate) use policy::PolicyRow;
pub(crate) use secret::SecretRow;
pub(crate) use shard::ShardRow;
pub(crate) use stream::{StreamRow, guard_key, record_size};
pub(crate) use tags::TagsRow;

/// The version written today.
const VERSION: u8 = 1;

fn encode<T: Encode<()>>(row: &T) -> Bytes {
    let mut out = vec![VERSION];
    minicbor::encode(row, &mut out).expect("writing to memory does not fail");
    out.into()
}

fn decode<'b, T: Decode<'b, ()>>(kind: &str, bytes: &'b [u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => {
            minicbor::decode(body).map_err(|error| StoreError::Corrupt(format!("{kind} fact: {error}")))
        }
        Some((version, _)) => Err(StoreError::Corrupt(format!("{kind} fact of unknown version {version}"))),
        None => Err(StoreError::Corrupt(format!("{kind} fact without a version"))),
    }
}
