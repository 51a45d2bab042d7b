//! AWS on the wire: signatures, JSON and CBOR protocols, routing, faults; and a signing client.
//! Knows no service.
//!
//! Bytes → route → verify signature → decode → [`Operation::access`] → [`Operation::call`] →
//! encode. A handler runs on when its client hangs up.

pub mod client;
mod face;
mod fault;
mod value;

pub use face::{
    Access, AnswerBody, Authority, Context, Face, Operation, OperationRow, OperationSet, RawBody, Secret, VerifiedRequest,
};
pub use fault::Fault;
pub use value::{Blob, EpochTime};
