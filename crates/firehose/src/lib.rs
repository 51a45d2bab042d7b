//! The Firehose face.
