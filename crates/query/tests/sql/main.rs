//! Statements against a small lake in memory: what they answer, what they write, what they read.

mod corpus;
mod definitions;
mod lake;
mod pruning;
mod writes;
