//! Load with a purpose: card transactions at full speed, measured nodes, and the table that puts
//! each figure beside its target and beside what the machine itself can do.
//!
//! `headwater demo` and `headwater bench` are built from these parts. They talk to the node as any
//! client does (signed requests over loopback HTTP) and look at its process from outside.

pub mod cards;
pub mod child;
pub mod ids;
pub mod latency;
pub mod machine;
pub mod produce;
