//! The S3 face: s3s is the codec, the front door is the guard.
