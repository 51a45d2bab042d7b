//! Every service over the wire: real requests, signed, to a node in this process on a free port.
//!
//! One module per service. Tests share a node through [`fixture::Fixture::shared`] where names keep
//! them apart, or start one of their own.

mod athena;
mod firehose;
mod fixture;
mod front;
mod glue;
mod kinesis;
mod s3;
