//! A verified request on its way into the codec: cleaned of what the codec must not act on, with
//! what our own code needs carried in an extension.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use headwater_objects::Origin;
use headwater_wire::{AnswerBody, Context, Fault, Outcome, RawBody, Trailers, VerifiedRequest};
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use s3s::dto::{Range, Timestamp, TimestampFormat};
use s3s::{Body, S3Error};

use crate::fault::Refusal;
use crate::keys;
use crate::post::{self, Reply};
use crate::standing::Standing;
use crate::vouched::Vouched;

/// What s3s would act on and `wire` has dealt with.
const DEALT_WITH: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("x-amz-decoded-content-length"),
];

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// The circumstances of a request, for the guard and the operations. Its presence in a request's
/// extensions is the proof that the request was verified.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) context: Arc<Context>,
    /// The path as it was asked for, for error documents.
    pub(crate) path: Arc<str>,
    /// What follows the body; ask once that has ended.
    pub(crate) trailers: Trailers,
    body_fault: Arc<Mutex<Option<Fault>>>,
    outcome: Arc<Mutex<Option<Outcome>>>,
    /// What the answer says besides, whatever it is.
    headers: Arc<Mutex<HeaderMap>>,
    /// The canonical id of the account that owns the bucket, once that is found.
    bucket_owner: Arc<OnceLock<String>>,
    standing: Arc<OnceLock<Arc<Standing>>>,
    /// A refusal with an element that the codec does not write.
    detailed: Arc<OnceLock<Fault>>,
    /// How a form wants to be answered.
    pub(crate) reply: Option<Arc<Reply>>,
}

impl Arrival {
    /// Splits a verified request into its circumstances and what the codec reads: for a form, the PUT
    /// that it amounts to.
    pub(crate) fn take(request: VerifiedRequest) -> (Self, Result<Request<Body>, Fault>) {
        let VerifiedRequest { head, body, context } = request;
        let trailers = match &body {
            RawBody::Streaming { trailers, .. } => trailers.clone(),
            RawBody::Whole(_) | RawBody::Form { .. } => Arc::default(),
        };
        let mut arrival = Self {
            context: Arc::new(context),
            path: head.uri.path().into(),
            trailers,
            body_fault: Arc::default(),
            outcome: Arc::default(),
            headers: Arc::default(),
            bucket_owner: Arc::default(),
            standing: Arc::default(),
            detailed: Arc::default(),
            reply: None,
        };
        let request = arrival.request(head, body);
        (arrival, request)
    }

    fn request(&mut self, head: Parts, body: RawBody) -> Result<Request<Body>, Fault> {
        let (head, body) = match body {
            RawBody::Form { form, file } => {
                self.note("PostObject", None);
                let put = post::put(head, &form, file, self.context.tls.is_some(), self.context.time)
                    .inspect_err(|fault| self.note_fault(&fault.code))?;
                self.reply = Some(Arc::new(put.reply));
                (put.head, RawBody::Streaming { len: None, stream: put.file, trailers: Arc::default() })
            }
            _ if head.method == Method::POST && is_form(&head.headers) => {
                let message = "Only one auth mechanism allowed; a form is signed by its own fields.";
                return Err(Fault::client("InvalidArgument", message));
            }
            body => (head, body),
        };
        let body = match (Vouched::read(&head)?, body) {
            (Some(vouched), RawBody::Whole(document)) => {
                vouched.check(&document, &self.trailers)?;
                RawBody::Whole(document)
            }
            (Some(vouched), RawBody::Streaming { len, stream, trailers }) => {
                let stream = vouched.hold(stream, trailers.clone(), crate::XML_BYTES_MAX);
                RawBody::Streaming { len, stream, trailers }
            }
            (_, body) => body,
        };
        let (len, body) = self.readable(body);
        let mut request = Request::from_parts(head, body);
        take_from_query(&mut request);
        clean(request.headers_mut(), len);
        request.extensions_mut().insert(self.clone());
        Ok(request)
    }

    fn readable(&self, body: RawBody) -> (Option<u64>, Body) {
        match body {
            RawBody::Whole(bytes) => (Some(bytes.len() as u64), Body::from(bytes)),
            RawBody::Form { file: stream, .. } => (None, self.streamed(stream)),
            RawBody::Streaming { len, stream, .. } => (len, self.streamed(stream)),
        }
    }

    fn streamed(&self, stream: BoxStream<'static, Result<Bytes, Fault>>) -> Body {
        let slot = self.body_fault.clone();
        let frames = stream.map(move |piece| {
            piece.map(Frame::data).map_err(|fault| {
                let error = std::io::Error::other(fault.to_string());
                *slot.lock().expect("no holder of this lock panics") = Some(fault);
                error
            })
        });
        Body::http_body_unsync(StreamBody::new(frames))
    }

    /// What was wrong with the body, if it was read so far.
    fn body_fault(&self) -> Option<Fault> {
        self.body_fault.lock().expect("no holder of this lock panics").clone()
    }

    /// What the answer to a refused request says in full, if the codec leaves part of it out.
    pub(crate) fn full_fault(&self) -> Option<Fault> {
        self.body_fault().or_else(|| self.detailed.get().cloned())
    }

    /// Remembers which operation this is and how it came out, for the access log. A form stays a
    /// PostObject.
    pub(crate) fn note(&self, operation: &'static str, fault: Option<Cow<'static, str>>) {
        let operation = if self.reply.is_some() { "PostObject" } else { operation };
        *self.outcome.lock().expect("no holder of this lock panics") = Some(Outcome { operation, fault });
    }

    /// Remembers how the operation came out.
    pub(crate) fn note_fault(&self, code: &str) {
        if let Some(outcome) = &mut *self.outcome.lock().expect("no holder of this lock panics") {
            outcome.fault = Some(code.to_owned().into());
        }
    }

    /// Says this, too, on the answer, whether it is a refusal or not.
    pub(crate) fn add_header(&self, name: impl header::IntoHeaderName, value: HeaderValue) {
        self.headers.lock().expect("no holder of this lock panics").insert(name, value);
    }

    /// Remembers whose the request's bucket is.
    pub(crate) fn note_bucket_owner(&self, canonical_id: String) {
        // A request is about one bucket; the first is it.
        let _ = self.bucket_owner.set(canonical_id);
    }

    /// Remembers what the guard went by in the request's bucket.
    pub(crate) fn note_standing(&self, standing: Standing) {
        // The guard looks once.
        let _ = self.standing.set(Arc::new(standing));
    }

    /// What the guard went by in the request's bucket, to ask it again.
    pub(crate) fn standing(&self) -> Option<Arc<Standing>> {
        self.standing.get().cloned()
    }

    /// Whose the request's bucket is, once that is known.
    pub(crate) fn bucket_owner(&self) -> Option<String> {
        self.bucket_owner.get().cloned()
    }

    /// What events of this request's changes say of it.
    pub(crate) fn origin(&self) -> Origin {
        let (context, caller) = (&self.context, &self.context.caller);
        let account = caller.account.to_string();
        let is_root = caller.user == "root";
        let principal = match caller.is_anonymous() {
            true => "Anonymous".to_owned(),
            false if is_root => account.clone(),
            false => format!("AWS:{}", caller.access_key),
        };
        Origin {
            principal,
            requester: account,
            source_ip: context.source_ip.to_string(),
            request_id: context.request_id.to_string(),
            host_id: context.request_id.to_string(),
            is_form: self.reply.is_some(),
            is_lifecycle: false,
        }
    }

    /// A refusal as the codec writes it, with the request's id.
    pub(crate) fn refuse(&self, refusal: Refusal) -> S3Error {
        if refusal.detail.is_some() {
            // A request is refused once.
            let _ = self.detailed.set(refusal.clone().into());
        }
        let mut error = S3Error::from(refusal);
        error.set_request_id(&*self.context.request_id);
        error
    }

    /// Adds what every answer of S3's has.
    pub(crate) fn sign(&self, mut answer: Response<AnswerBody>) -> Response<AnswerBody> {
        if let Ok(id) = HeaderValue::from_str(&self.context.request_id) {
            answer.headers_mut().insert(HOST_ID, id.clone());
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        for (name, value) in &*self.headers.lock().expect("no holder of this lock panics") {
            answer.headers_mut().insert(name, value.clone());
        }
        if let Some(outcome) = self.outcome.lock().expect("no holder of this lock panics").take() {
            answer.extensions_mut().insert(outcome);
        }
        answer
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.to_ascii_lowercase().starts_with("multipart/form-data"))
}

/// Takes away what `wire` has dealt with, and what S3 ignores when it is malformed.
fn clean(headers: &mut HeaderMap, len: Option<u64>) {
    for name in DEALT_WITH {
        headers.remove(name);
    }
    match len {
        Some(len) => headers.insert(header::CONTENT_LENGTH, len.into()),
        None => headers.remove(header::CONTENT_LENGTH),
    };
    if let Some(encoding) = headers.remove(header::CONTENT_ENCODING)
        && let Some(rest) = without_aws_chunked(&encoding)
    {
        headers.insert(header::CONTENT_ENCODING, rest);
    }
    if let Some(source) = headers.get(COPY_SOURCE).map(spaced) {
        headers.insert(COPY_SOURCE, source);
    }
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let bad_range = |value: &HeaderValue| text(value).is_none_or(|range| Range::parse(&range).is_err());
    if headers.get(header::RANGE).is_some_and(bad_range) {
        headers.remove(header::RANGE);
    }
    for name in [header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE] {
        let bad_date = |value: &HeaderValue| {
            text(value).is_none_or(|date| Timestamp::parse(TimestampFormat::HttpDate, &date).is_err())
        };
        if headers.get(&name).is_some_and(bad_date) {
            headers.remove(&name);
        }
    }
}

/// Signers of URLs move headers into the query; S3 takes an object's metadata and its canned ACL from there as
/// if they had stayed.
fn take_from_query<B>(request: &mut Request<B>) {
    let mut taken = Vec::new();
    for (name, value) in keys::parameters(request.uri()) {
        let name = name.to_ascii_lowercase();
        if (name.starts_with("x-amz-meta-") || name == "x-amz-acl")
            && let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value))
        {
            taken.push((name, value));
        }
    }
    for (name, value) in taken {
        request.headers_mut().entry(name).or_insert(value);
    }
}

/// A copy's source is encoded as a query is: a plus stands for a space.
fn spaced(source: &HeaderValue) -> HeaderValue {
    let spaced = source.to_str().ok().and_then(|text| HeaderValue::from_str(&text.replace('+', "%20")).ok());
    spaced.unwrap_or_else(|| source.clone())
}

/// The content encodings that are left when `aws-chunked` is undone.
fn without_aws_chunked(encoding: &HeaderValue) -> Option<HeaderValue> {
    let Ok(text) = encoding.to_str() else {
        return Some(encoding.clone());
    };
    let rest: Vec<&str> =
        text.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "aws-chunked").collect();
    HeaderValue::from_str(&rest.join(",")).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_chunked_is_taken_out_of_the_encoding() {
        let rest = |text: &'static str| {
            let kept = without_aws_chunked(&HeaderValue::from_static(text));
            kept.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(rest("aws-chunked"), None);
        assert_eq!(rest("aws-chunked,gzip"), Some("gzip".into()));
        assert_eq!(rest("gzip, aws-chunked"), Some("gzip".into()));
        assert_eq!(rest("gzip"), Some("gzip".into()));
    }

    #[test]
    fn a_plus_in_a_copys_source_is_a_space() {
        let mut headers = HeaderMap::new();
        headers.insert(COPY_SOURCE, HeaderValue::from_static("b/a+b%2Bc%25"));
        clean(&mut headers, None);
        assert_eq!(headers[COPY_SOURCE], "b/a%20b%2Bc%25");
    }

    #[test]
    fn a_signed_url_brings_metadata_and_an_acl() {
        let url = "/b/k?X-Amz-Acl=public-read&x-amz-meta-place=a%20b&x-amz-meta-said=url&x-amz-tagging=a%3Db";
        let mut request = Request::put(url).header("x-amz-meta-said", "header").body(()).unwrap();
        take_from_query(&mut request);
        let headers = request.headers();
        assert_eq!(
            (&headers["x-amz-acl"], &headers["x-amz-meta-place"]),
            (&"public-read".parse().unwrap(), &"a b".parse().unwrap())
        );
        assert_eq!(headers["x-amz-meta-said"], "header");
        // S3 ignores these.
        assert!(!headers.contains_key("x-amz-tagging"));
    }

    #[test]
    fn malformed_ranges_and_dates_are_ignored_as_s3_does() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=5-1"));
        headers.insert(header::IF_MODIFIED_SINCE, HeaderValue::from_static("yesterday"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("AWS4-HMAC-SHA256 x"));
        clean(&mut headers, Some(7));
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[header::CONTENT_LENGTH], "7");
    }
}
