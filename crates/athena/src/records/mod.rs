//! What Athena stores: one file per kind of fact. Values are a version byte and CBOR.
//!
//! ```text
//! execution   (0x0701, account, region, id)                       -> ExecutionRow
//! by time     (0x0702, account, region, workgroup, !submitted, id) -> empty
//! open        (0x0703, submitted, account, region, id)            -> empty
//! token       (0x0704, account, region, client token)             -> TokenRow
//! workgroup   (0x0705, account, region, name)                     -> WorkGroupRow
//! text        (0x0706, account, region, id, part)                 -> the statement's text
//! columns     (0x0707, account, region, id, part)                 -> ColumnsRow
//! expiry      (0x0708, submitted, account, region, id)            -> ExpiryRow
//! ```
//!
//! Layout of the keys that only order things is in [`index`].

pub mod execution;
pub mod index;
pub mod token;
pub mod workgroup;

use bytes::Bytes;
use headwater_store::StoreError;
use minicbor::{Decode, Encode};

const VERSION: u8 = 1;

/// The stored form of a row.
pub fn encode<T: Encode<()>>(row: &T) -> Bytes {
    let mut bytes = vec![VERSION];
    minicbor::encode(row, &mut bytes).expect("writing to memory does not fail");
    bytes.into()
}

/// A row from its stored form.
pub fn decode<T: for<'b> Decode<'b, ()>>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => {
            minicbor::decode(body).map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))
        }
        Some((version, _)) => Err(StoreError::Corrupt(format!("{what}: unknown version {version}"))),
        None => Err(StoreError::Corrupt(format!("{what}: empty"))),
    }
}
