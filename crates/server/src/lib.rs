//! The node as a library: configuration, stores, engines, faces, workers, listeners.
//!
//! ```text
//! Config ─► store ─► blobs ─► engines ─► faces ─► front door ─► listener
//!                      └──────── their loops ──► work
//! ```
//!
//! `serve`, `demo` and every test start a node the same way: [`Node::start`].
//!
//! **Failure.** A node that cannot trust its store ends with a message; the accept loop never ends by
//! an error. [`Node::stop`] lets started requests finish, then closes the store.

mod backup;
mod cold;
mod config;
mod front;
mod node;
mod policies;
mod queries;
mod root;
mod signals;
mod telemetry;
mod verify;
mod wiring;

pub use backup::BACKUP_REQUEST;
pub use config::{Config, ConfigError, QueriesConfig, TlsConfig, UserConfig};
pub use front::TlsError;
pub use node::{Node, StartError};
pub use root::RootCredentials;
pub use signals::StopSignals;
pub use verify::{DirectoryReport, verify};
pub use wiring::{Engines, FaceList, face_operations};
