//! Every service over the wire: real requests, signed, to a node in this process on a free port.
//!
//! One module per service. Each test starts a node of its own ([`fixture::Fixture`]).

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod athena;
mod backup;
mod dynamodb;
mod fanout;
mod firehose;
mod fixture;
mod front;
mod glue;
mod kinesis;
mod s3;
