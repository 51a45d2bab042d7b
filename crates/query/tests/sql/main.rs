//! Statements against a small lake in memory: what they answer, what they write, what they read.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod corpus;
mod definitions;
mod lake;
mod pruning;
mod writes;
