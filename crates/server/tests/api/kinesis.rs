//! kinesis over the wire.
