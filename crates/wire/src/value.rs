//! Values whose spelling depends on the protocol.

use bytes::Bytes;
use headwater_base::Timestamp;

/// Binary data: base64 text in JSON, a byte string in CBOR.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Blob(pub Bytes);

/// A moment: seconds with fraction in JSON, tagged epoch milliseconds in CBOR.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EpochTime(pub Timestamp);
