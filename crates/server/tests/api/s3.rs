//! s3 over the wire.
