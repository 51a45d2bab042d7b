//! firehose over the wire.
