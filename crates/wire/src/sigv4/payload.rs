//! What a request says about its body: the values of `x-amz-content-sha256`.

use http::HeaderMap;

use super::{AuthError, UNSIGNED_PAYLOAD};

/// How a body is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The header is absent: the hash of the whole body is in the signature.
    Implied,
    /// The hash of the whole body, in hex.
    Hashed(String),
    /// Not signed.
    Unsigned,
    /// aws-chunked.
    Chunked {
        /// Whether each chunk carries a signature.
        signed: bool,
        /// Whether trailers may follow.
        trailers: bool,
    },
}

impl Payload {
    /// Reads the header.
    ///
    /// # Errors
    /// For values that are none, or of a scheme that is not spoken here.
    pub fn of(headers: &HeaderMap) -> Result<Self, AuthError> {
        let Some(value) = headers.get("x-amz-content-sha256") else {
            return Ok(Self::Implied);
        };
        let value = value.to_str().unwrap_or_default();
        Ok(match value {
            UNSIGNED_PAYLOAD => Self::Unsigned,
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Self::Chunked { signed: false, trailers: true },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Self::Chunked { signed: true, trailers: false },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Self::Chunked { signed: true, trailers: true },
            hash if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Self::Hashed(hash.to_ascii_lowercase())
            }
            _ => {
                return Err(AuthError::BadPayloadHeader(
                    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                     STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
                ));
            }
        })
    }
}
