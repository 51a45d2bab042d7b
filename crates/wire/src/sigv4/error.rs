//! Why a request is not let in, and how each protocol says so.

use std::time::Duration;

use headwater_base::Timestamp;

use super::date;
use crate::Fault;

/// How far a client's clock may be off.
pub(crate) const SKEW_MAX: Duration = Duration::from_secs(15 * 60);

/// Why a signature was not accepted. None of these says anything about the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The request is not signed at all.
    #[error("the request is not signed")]
    Missing,
    /// It is signed in a way that is not spoken here.
    #[error("{0} is not supported; use AWS4-HMAC-SHA256")]
    Unsupported(String),
    /// A part of the signature is missing or makes no sense.
    #[error("{0}")]
    Malformed(String),
    /// A presigned URL's parameters make no sense.
    #[error("{0}")]
    MalformedQuery(String),
    /// A form lacks a field that its signature needs.
    #[error("the form has no field {0}")]
    MissingField(&'static str),
    /// It is scoped to another service, or the scope's date is not the request's.
    #[error("{0}")]
    WrongScope(String),
    /// Nobody has that access key.
    #[error("unknown access key {0}")]
    UnknownKey(String),
    /// The signature is not the one that the secret gives.
    #[error("the signature does not match")]
    Mismatch,
    /// The client's clock and ours are too far apart.
    #[error("the request's time {request:?} is too far from {server:?}")]
    Skewed {
        /// When the client says it is.
        request: Timestamp,
        /// When we say it is.
        server: Timestamp,
    },
    /// A presigned URL's time is over.
    #[error("the presigned URL expired at {expired:?}")]
    Expired {
        /// When it ended.
        expired: Timestamp,
        /// When we say it is.
        server: Timestamp,
    },
    /// Headers that must be signed are not.
    #[error("headers are present that are not signed: {0}")]
    Unsigned(String),
    /// The body is not the one that was signed.
    #[error("the body does not match its signed hash")]
    PayloadMismatch {
        /// The hash that was signed.
        signed: String,
        /// The hash of what came.
        computed: String,
    },
    /// `x-amz-content-sha256` is missing or no value of it.
    #[error("{0}")]
    BadPayloadHeader(&'static str),
}

/// Whose codes an error is spelled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// JSON and CBOR services.
    Json,
    /// Query services (STS).
    Query,
    /// S3.
    S3,
}

impl AuthError {
    /// The fault as the service would say it.
    pub fn fault(&self, dialect: Dialect) -> Fault {
        match dialect {
            Dialect::Json => self.json(),
            Dialect::Query => self.query(),
            Dialect::S3 => self.s3(),
        }
    }

    fn json(&self) -> Fault {
        let (code, message) = match self {
            Self::Missing => ("MissingAuthenticationTokenException", "Missing Authentication Token".into()),
            Self::Unsupported(_) | Self::Malformed(_) | Self::MalformedQuery(_) | Self::MissingField(_) => {
                ("IncompleteSignatureException", self.to_string())
            }
            Self::UnknownKey(_) => (
                "UnrecognizedClientException",
                "The security token included in the request is invalid.".into(),
            ),
            Self::Mismatch
            | Self::WrongScope(_)
            | Self::Skewed { .. }
            | Self::Expired { .. }
            | Self::Unsigned(_)
            | Self::PayloadMismatch { .. }
            | Self::BadPayloadHeader(_) => ("InvalidSignatureException", self.signature_message()),
        };
        Fault::client(code, message)
    }

    fn query(&self) -> Fault {
        let (code, message) = match self {
            Self::Missing => ("MissingAuthenticationToken", "Request is missing Authentication Token".into()),
            Self::Unsupported(_) | Self::Malformed(_) | Self::MalformedQuery(_) | Self::MissingField(_) => {
                ("IncompleteSignature", self.to_string())
            }
            Self::UnknownKey(_) => {
                ("InvalidClientTokenId", "The security token included in the request is invalid.".into())
            }
            Self::Mismatch
            | Self::WrongScope(_)
            | Self::Skewed { .. }
            | Self::Expired { .. }
            | Self::Unsigned(_)
            | Self::PayloadMismatch { .. }
            | Self::BadPayloadHeader(_) => ("SignatureDoesNotMatch", self.signature_message()),
        };
        Fault::client(code, message).with_status(403)
    }

    /// What the JSON and Query services say of a signature that is there and wrong.
    fn signature_message(&self) -> String {
        match self {
            Self::Mismatch | Self::PayloadMismatch { .. } => {
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details."
                    .into()
            }
            Self::Skewed { request, server } if request < server => {
                let oldest = server.minus(SKEW_MAX);
                format!(
                    "Signature expired: {} is now earlier than {} ({} - 15 min.)",
                    date::format(*request),
                    date::format(oldest),
                    date::format(*server)
                )
            }
            Self::Skewed { request, server } => {
                let newest = server.plus(SKEW_MAX);
                format!(
                    "Signature not yet current: {} is still later than {} ({} + 15 min.)",
                    date::format(*request),
                    date::format(newest),
                    date::format(*server)
                )
            }
            other => other.to_string(),
        }
    }

    fn s3(&self) -> Fault {
        let fault =
            |code: &'static str, message: &str, status| Fault::client(code, message).with_status(status);
        match self {
            Self::Missing => fault("AccessDenied", "Access Denied", 403),
            Self::Unsupported(_) => {
                let message = "The authorization mechanism you have provided is not supported. Please use \
                               AWS4-HMAC-SHA256.";
                fault("InvalidRequest", message, 400)
            }
            Self::Malformed(_) | Self::WrongScope(_) => {
                fault("AuthorizationHeaderMalformed", &self.to_string(), 400)
            }
            Self::MalformedQuery(_) => fault("AuthorizationQueryParametersError", &self.to_string(), 400),
            Self::MissingField(name) => {
                let message = format!(
                    "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of \
                     the fields."
                );
                let members = [("ArgumentName", (*name).to_owned()), ("ArgumentValue", String::new())];
                with(fault("InvalidArgument", &message, 400), &members)
            }
            Self::UnknownKey(key) => {
                let message = "The AWS Access Key Id you provided does not exist in our records.";
                with(fault("InvalidAccessKeyId", message, 403), &[("AWSAccessKeyId", key.clone())])
            }
            Self::Mismatch => {
                let message = "The request signature we calculated does not match the signature you provided. Check \
                               your key and signing method.";
                fault("SignatureDoesNotMatch", message, 403)
            }
            Self::Skewed { request, server } => {
                let message = "The difference between the request time and the current time is too large.";
                let members = [
                    ("RequestTime", date::format(*request)),
                    ("ServerTime", server.iso()),
                    ("MaxAllowedSkewMilliseconds", SKEW_MAX.as_millis().to_string()),
                ];
                with(fault("RequestTimeTooSkewed", message, 403), &members)
            }
            Self::Expired { expired, server } => {
                let members = [("Expires", expired.iso()), ("ServerTime", server.iso())];
                with(fault("AccessDenied", "Request has expired", 403), &members)
            }
            Self::Unsigned(names) => {
                let message = "There were headers present in the request which were not signed";
                with(fault("AccessDenied", message, 403), &[("HeadersNotSigned", names.clone())])
            }
            Self::PayloadMismatch { signed, computed } => {
                let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
                let members = [
                    ("ClientComputedContentSHA256", signed.clone()),
                    ("S3ComputedContentSHA256", computed.clone()),
                ];
                with(fault("XAmzContentSHA256Mismatch", message, 400), &members)
            }
            Self::BadPayloadHeader(message) => fault("InvalidRequest", message, 400),
        }
    }
}

fn with(mut fault: Fault, members: &[(&'static str, String)]) -> Fault {
    fault.members.extend_from_slice(members);
    fault
}
