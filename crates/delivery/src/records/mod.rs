//! What deliveries store: one file per kind of fact, private to this crate.
//!
//! A value is one version byte, then CBOR with numbered fields. A reader knows every version ever
//! released; a writer writes the newest.

pub(crate) mod definition;
pub(crate) mod keys;
pub(crate) mod plan;
pub(crate) mod position;
pub(crate) mod write;

use bytes::Bytes;
use minicbor::{Decode, Encode};

/// Why a stored value can't be read: it was not written by this program, or by a newer one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored {kind} is unreadable: {why}")]
pub(crate) struct BadRecord {
    pub(crate) kind: &'static str,
    pub(crate) why: String,
}

/// A stored record: its name in messages, and the version written today.
pub(crate) trait Record: Encode<()> + for<'b> Decode<'b, ()> {
    /// What it is, for messages.
    const KIND: &'static str;

    /// The version byte, then the record.
    fn to_value(&self) -> Bytes {
        let mut value = vec![VERSION];
        minicbor::encode(self, &mut value).expect("writing to memory cannot fail");
        value.into()
    }

    /// Reads a value back.
    fn from_value(value: &[u8]) -> Result<Self, BadRecord> {
        let refuse = |why: String| BadRecord { kind: Self::KIND, why };
        match value.split_first() {
            Some((&VERSION, body)) => minicbor::decode(body).map_err(|error| refuse(error.to_string())),
            Some((version, _)) => Err(refuse(format!("version {version} is unknown"))),
            None => Err(refuse("it is empty".to_owned())),
        }
    }
}

/// All records are in their first version.
const VERSION: u8 = 1;
