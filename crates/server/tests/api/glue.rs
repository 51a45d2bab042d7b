//! glue over the wire.
