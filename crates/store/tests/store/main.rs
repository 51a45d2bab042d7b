//! The store's tests that need a directory or a process.

mod backends;
mod crash;
mod harness;
mod reopen;
mod upkeep;
