//! The store's tests that need a directory or a process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod backends;
mod crash;
mod harness;
mod reopen;
mod upkeep;
