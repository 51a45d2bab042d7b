//! Answers: whole bodies, bodies that come piece by piece, and faults in the spelling of each
//! protocol.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use quick_xml::escape::escape;

use crate::{Answer, Codec, Fault};

/// The header that names the request in answers of the JSON and Query services.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The status of an answer that is no error.
pub const OK: StatusCode = StatusCode::OK;

/// An answer whose body is at hand.
pub fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer whose body comes piece by piece. The next piece is asked for only when the connection
/// takes it, and never again once the client is gone: then the stream is dropped.
pub fn streamed(content_type: &'static str, pieces: impl Stream<Item = Bytes> + Send + 'static) -> Answer {
    let frames = pieces.map(|piece| Ok::<_, std::io::Error>(Frame::data(piece)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A fault in JSON or CBOR.
pub fn coded(codec: Codec, fault: &Fault) -> Answer {
    let mut response = whole(status(fault), codec.content_type(), codec.encode_fault(fault));
    if let Ok(code) = HeaderValue::from_str(&fault.code) {
        response.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), code);
    }
    response
}

/// The header by which RPC v2 with CBOR is known, in requests and answers, and its value.
pub const RPC: (&str, &str) = ("smithy-protocol", "rpc-v2-cbor");

/// An answer in RPC v2, whose body is CBOR.
pub fn rpc(body: impl Into<Bytes>) -> Answer {
    let mut response = whole(StatusCode::OK, "application/cbor", body);
    response.headers_mut().insert(RPC.0, HeaderValue::from_static(RPC.1));
    response
}

/// A fault in RPC v2.
pub fn rpc_fault(fault: &Fault) -> Answer {
    let mut response = rpc(Codec::Cbor.encode_fault(fault));
    *response.status_mut() = status(fault);
    response
}

/// A fault as S3 writes it.
pub fn s3_fault(fault: &Fault, resource: &str, request_id: &str) -> Answer {
    let mut members = String::new();
    for (name, value) in &fault.members {
        members.push_str(&format!("<{name}>{}</{name}>", xml_text(value)));
    }
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>{members}<Resource>{}</Resource><RequestId>{}</RequestId></Error>",
        xml_text(&fault.code),
        xml_text(&fault.message),
        xml_text(resource),
        xml_text(request_id),
    );
    whole(status(fault), "application/xml", body)
}

/// A fault as the Query services (STS) write it.
pub fn query_fault(fault: &Fault, namespace: &str, request_id: &str) -> Answer {
    let blame = if fault.status >= 500 { "Receiver" } else { "Sender" };
    let body = format!(
        "<ErrorResponse xmlns=\"{}\"><Error><Type>{blame}</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
        xml_text(namespace),
        xml_text(&fault.code),
        xml_text(&fault.message),
        xml_text(request_id),
    );
    whole(status(fault), "text/xml", body)
}

/// The fault's status; a number that is none is a bug and answers 500.
fn status(fault: &Fault) -> StatusCode {
    StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Text for XML: escaped, without the control characters that XML cannot carry.
pub fn xml_text(text: &str) -> String {
    let legal: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    escape(legal.as_str()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn faults_in_xml_are_escaped() {
        let fault = Fault::client("NoSuchKey", "no <such> key & \u{1}more").with_status(404);
        let response = s3_fault(&fault, "/b/<k>", "id-1");
        assert_eq!(response.status(), 404);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = std::str::from_utf8(&body).unwrap();
        assert!(body.contains("<Message>no &lt;such&gt; key &amp; more</Message>"), "{body}");
        assert!(body.contains("<Resource>/b/&lt;k&gt;</Resource>"), "{body}");
    }

    #[tokio::test]
    async fn query_faults_say_whose_fault_it_is() {
        let response = query_fault(&Fault::server("InternalFailure", "oh"), "urn:x", "id-1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(std::str::from_utf8(&body).unwrap().contains("<Type>Receiver</Type>"));
    }
}
