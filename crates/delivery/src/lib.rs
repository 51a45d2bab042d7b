//! Plans, positions, the ledger and its audit: exactly once, shared by Firehose, jobs, CTAS,
//! INSERT and every later sink.
//!
//! A delivery plans exact input ranges, produces output that is a pure function of the plan,
//! makes the bodies durable, and then, in **one** commit, names the objects, adds the partitions
//! and moves its position. A crash before that commit leaves garbage that is swept; after it there
//! is nothing left to do.

mod table_write;

pub use table_write::{Bookmark, TableTarget, TableWrite, TableWriteError, Written};
