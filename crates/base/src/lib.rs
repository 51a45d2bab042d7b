//! Names, identities, sizes and the seams for time and chance: the vocabulary every floor shares.
//!
//! This crate does no I/O and knows no service. It exists so that an account, a region, an ARN or
//! a moment means the same thing on every floor, and so that time and randomness enter the program
//! at one place that a simulation can replace.
//!
//! **Invariants.** A value that exists is valid: every name is checked on construction.

pub mod arn;
pub mod caller;
pub mod name;
pub mod once;
pub mod seam;
pub mod size;
pub mod time;

pub use arn::Arn;
pub use caller::Caller;
pub use name::{AccountId, InvalidName, Region, Scope};
pub use once::OnceToken;
pub use seam::{Chance, Clock, Seams};
pub use size::ByteSize;
pub use time::Timestamp;
