//! The Kinesis Data Streams face.
