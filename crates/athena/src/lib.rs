//! The Athena face.
