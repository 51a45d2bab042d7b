//! The front door: one port for every service.
//!
//! ```text
//! listener ─► (tls) ─► door: request id ─► /_headwater/…                    internal
//!                                 │
//!                                 └─► route ─► verify ─► face (to its end) ─► log, count
//! ```
//!
//! **Invariants.** No face sees a request whose signature was not verified, but S3 those that have none,
//! as anonymous. A started handler runs to
//! its end even if the client hangs up. Connections, requests and the bytes of whole bodies are
//! bounded.
//!
//! **Failure.** A panic in a handler is a 500 with a request id, and nothing else dies.

mod admit;
mod books;
mod door;
mod form;
mod internal;
mod listener;
mod meters;
mod route;
mod storage;
mod tls;

pub(crate) use door::Door;
pub(crate) use listener::listen;
pub use tls::TlsError;
pub(crate) use tls::{LOOK_EVERY, Tls};
