//! AWS Signature Version 4: verifying what arrives, signing what is sent.
//!
//! ```text
//! head ─► Claim (who says what) ─► Verifier::open (key known, clock, required headers signed)
//!                                        │
//!        S3: payload as the header says ─┤   other services: SHA-256 of the body, read whole
//!                                        ▼
//!                              Opened::seal (canonical request, signature compared)
//!                                        │
//!                 S3: verified_body (payload hash, chunk signatures, trailers as they arrive)
//! ```
//!
//! **Invariants.** Signatures are compared in constant time. A signing key enters the cache only
//! after a signature made with it was verified. Every `x-amz-*` header that is there was signed.
//! A streamed body ends without an error only if everything it promised held.
//!
//! **Failure.** Every refusal is an [`AuthError`], which each protocol spells with its own codes.
//! The decision to write this rather than to take a crate is `docs/decisions/0002-signatures.md`.

mod body;
mod canonical;
mod chunked;
mod claim;
mod date;
mod error;
mod keys;
mod payload;
mod sign;
mod verify;

pub use body::{announced_trailers, unsigned_body, verified_body};
pub use chunked::{ChunkDecoder, ChunkError, ChunkSigning};
pub use claim::Claim;
pub use error::{AuthError, Dialect};
pub use payload::Payload;
pub use sign::{Credentials, SignedPayload, Signer, encode_chunked};
pub use verify::{Opened, Verified, Verifier};

/// The only algorithm spoken here.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last part of every credential scope.
pub(crate) const TERMINATOR: &str = "aws4_request";
/// SHA-256 of nothing, in hex.
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Payload hash of requests whose body is not signed.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
