//! AWS on the wire: signatures, JSON and CBOR protocols, routing, faults; and a signing client.
//! Knows no service.
//!
//! Bytes → route → verify signature → decode → [`Operation::access`] → [`Operation::call`] →
//! encode. A handler runs on when its client hangs up.

pub mod answer;
pub mod client;
mod codec;
pub mod event_stream;
mod events;
mod face;
mod fault;
pub mod form;
mod operation;
mod policy;
pub mod sigv4;
mod value;

pub use codec::Codec;
pub use events::{Emission, Emissions, EventOperation, Hold, held};
pub use face::{
    Access, Answer, AnswerBody, Authority, Context, Face, OperationRow, Outcome, RawBody, Secret, Trailers,
    VerifiedRequest,
};
pub use fault::Fault;
pub use operation::{Operation, OperationSet};
pub use policy::{BucketPolicyTraits, Petition, RequestKeys};
pub use value::{Blob, EpochTime};
