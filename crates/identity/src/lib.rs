//! Users, credentials and the guard; and STS, the face that tells a caller who it is.
//!
//! Users come from the configuration, the node's own root credentials, and, on a development node,
//! the test credentials. The guard isolates accounts: a caller acts on what its own account owns, and
//! on what another's resource policy lets it. Policies of users within an account will be decided in
//! `Users::check`; every operation asks it already.
//!
//! **Invariants.** Secrets are never logged and never leave this crate but towards the verifier.

mod guard;
mod policy;
mod sts;
mod users;

pub use guard::{Guard, ResourcePolicies};
pub use policy::{Decision, Policy};
pub use sts::Sts;
pub use users::{User, Users, UsersError, canonical_id};
