//! athena over the wire.
