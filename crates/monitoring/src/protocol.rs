//! The three protocols that SDKs publish metrics in, and compression under each.
//!
//! | protocol | operation | body | who |
//! |---|---|---|---|
//! | Query | `Action` of the form | form | older SDKs, the KPL |
//! | JSON 1.0 | `X-Amz-Target` | JSON | SDKs that prefer it |
//! | RPC v2 | `/service/…/operation/NAME` | CBOR | newer SDKs, the KCL |

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use headwater_wire::answer::{self, OK};
use headwater_wire::{Answer, Codec, Context, Fault, RawBody, VerifiedRequest};

use crate::shapes::PutMetricDataInput;
use crate::{BODY_BYTES_MAX, form};

const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

/// How a request is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    Form,
    Json,
    Cbor,
}

/// A request whose operation is known and whose body is still to be read.
pub(crate) struct Call {
    pub(crate) context: Context,
    pub(crate) operation: String,
    spoken: Spoken,
    body: Bytes,
}

impl Spoken {
    /// How the request is spoken.
    pub(crate) fn of(request: &VerifiedRequest) -> Self {
        let is = |name: &str| request.head.headers.get(name).and_then(|value| value.to_str().ok());
        if is("x-amz-target").is_some() {
            Self::Json
        } else if is(answer::RPC.0) == Some(answer::RPC.1) {
            Self::Cbor
        } else {
            Self::Form
        }
    }

    /// The code for an operation that isn't there.
    pub(crate) fn unknown(self) -> &'static str {
        match self {
            Self::Form => "InvalidAction",
            Self::Json | Self::Cbor => "UnknownOperationException",
        }
    }

    /// The answer that says only that it is done.
    pub(crate) fn done(self, operation: &str, request_id: &str) -> Answer {
        match self {
            Self::Form => answer::whole(
                OK,
                "text/xml",
                format!(
                    "<{operation}Response xmlns=\"{NAMESPACE}\"><ResponseMetadata><RequestId>{request_id}</RequestId>\
                     </ResponseMetadata></{operation}Response>"
                ),
            ),
            Self::Json => answer::whole(OK, Codec::Json10.content_type(), "{}"),
            // An empty map.
            Self::Cbor => answer::rpc(&b"\xa0"[..]),
        }
    }

    /// A fault.
    pub(crate) fn fault(self, fault: &Fault, request_id: &str) -> Answer {
        match self {
            Self::Form => answer::query_fault(fault, NAMESPACE, request_id),
            Self::Json => answer::coded(Codec::Json10, fault),
            Self::Cbor => answer::rpc_fault(fault),
        }
    }
}

impl Call {
    /// Finds the operation; undoes compression.
    pub(crate) fn of(spoken: Spoken, request: VerifiedRequest) -> Result<Self, Fault> {
        let VerifiedRequest { head, body, context } = request;
        let body = match body {
            RawBody::Whole(body) => body,
            RawBody::Streaming { .. } | RawBody::Form { .. } => {
                return Err(Fault::server("InternalFailure", "the body was not read"));
            }
        };
        let encoding = head.headers.get("content-encoding").map(|value| value.as_bytes());
        let body = match encoding {
            None | Some(b"" | b"identity") => body,
            Some(b"gzip") => inflated(&body)?,
            Some(_) => return Err(Fault::client("MalformedInput", "the body is encoded in an unknown way")),
        };
        let operation = match spoken {
            Spoken::Form => form::top(&body, "Action"),
            Spoken::Json => {
                let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
                target.and_then(|target| target.rsplit('.').next()).map(str::to_owned)
            }
            Spoken::Cbor => {
                let (_, name) = head.uri.path().rsplit_once("/operation/").unwrap_or_default();
                Some(name.to_owned())
            }
        };
        Ok(Self { context, operation: operation.unwrap_or_default(), spoken, body })
    }

    /// What PutMetricData was sent.
    pub(crate) fn input(&self) -> Result<PutMetricDataInput, Fault> {
        match self.spoken {
            Spoken::Form => form::read(&self.body),
            Spoken::Json => Codec::Json10.decode(&self.body),
            Spoken::Cbor => Codec::Cbor.decode(&self.body),
        }
    }
}

fn inflated(body: &[u8]) -> Result<Bytes, Fault> {
    let mut out = Vec::new();
    let mut reader = MultiGzDecoder::new(body).take(BODY_BYTES_MAX as u64 + 1);
    reader.read_to_end(&mut out).map_err(|_| Fault::client("MalformedInput", "the body is not in gzip"))?;
    if out.len() > BODY_BYTES_MAX {
        let message = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        return Err(Fault::client("RequestEntityTooLarge", message).with_status(413));
    }
    Ok(out.into())
}
