//! The store's tests that need a directory or a process.

mod backends;
mod harness;
mod reopen;
