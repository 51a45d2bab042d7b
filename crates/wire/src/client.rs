//! A signing HTTP client, for those who call out: the command line, the load generator, tests,
//! and deliveries to other endpoints.
//!
//! It speaks HTTP/1.1, plain or over TLS, to one endpoint over pooled connections and signs every request with
//! SigV4. Like an SDK it sends one `amz-sdk-invocation-id` for all attempts of a call, so a retry of
//! a put is recognised by the node and stored once.
//!
//! **Failure.** [`ClientError::Unreachable`] after a put is ambiguous: it may or may not be stored.
//! [`Client::json`] repeats such calls, and those the service asked to repeat, a bounded number of
//! times.

mod events;
mod lane;
mod post;
mod sign;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwater_base::{Region, Seams};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

pub use events::Events;
pub use lane::Lane;
pub use post::Poster;
pub use sign::{Credentials, SigningKeys, sign};
pub use tls::Trust;

use crate::{Codec, Fault};

/// How often one call is sent at most.
const ATTEMPTS_MAX: u32 = 4;

/// The first pause between attempts; it doubles.
const PAUSE: Duration = Duration::from_millis(50);

/// How long one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(120);

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// Reads an answer to its end.
    async fn read(response: http::Response<Incoming>) -> Result<Self, hyper::Error> {
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Self { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// The body of an answer that is no refusal.
    fn accepted(self) -> Result<Bytes, ClientError> {
        if self.status < 300 { Ok(self.body) } else { Err(ClientError::Refused(fault_of(&self))) }
    }

    /// A header's value, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The request could not be built: fix the input.
    #[error("{0}")]
    Invalid(String),
    /// The service said no.
    #[error("{0}")]
    Refused(Fault),
    /// The other side's certificate is not believed. Nothing was sent.
    #[error(
        "the certificate of {endpoint} is not trusted ({reason}); if it is the right one, name a file with its \
         authority's certificate in AWS_CA_BUNDLE"
    )]
    Untrusted {
        /// Who was asked.
        endpoint: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// Nobody answered, or the connection broke: what was asked may or may not have happened.
    #[error("no answer from {endpoint}: {reason}")]
    Unreachable {
        /// Who was asked.
        endpoint: String,
        /// What went wrong.
        reason: String,
    },
    /// The answer is not what this service answers.
    #[error("{0}")]
    Garbled(String),
}

impl ClientError {
    /// The service's code, if it was the service that refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(fault) => Some(&fault.code),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(fault) => fault.status >= 500 || is_throttling(&fault.code),
            Self::Unreachable { .. } => true,
            Self::Invalid(_) | Self::Untrusted { .. } | Self::Garbled(_) => false,
        }
    }
}

fn is_throttling(code: &str) -> bool {
    ["Throttl", "TooManyRequests", "ProvisionedThroughputExceeded", "SlowDown", "LimitExceededException"]
        .iter()
        .any(|part| code.contains(part))
}

/// A signing client of one endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    host: String,
    region: Region,
    keys: SigningKeys,
    seams: Seams,
}

impl Client {
    /// A client of `endpoint` (`http://host:port` or `https://host:port`), with up to `connections`
    /// kept open, that believes the authorities this machine trusts.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when the endpoint is of another form.
    pub fn new(
        endpoint: &str,
        region: Region,
        credentials: Credentials,
        connections: usize,
        seams: Seams,
    ) -> Result<Self, ClientError> {
        Self::trusting(&Trust::Machine, endpoint, region, credentials, connections, seams)
    }

    /// The same, believing somebody else.
    ///
    /// # Errors
    /// As [`Client::new`], and when the certificates to believe cannot be read.
    pub fn trusting(
        trust: &Trust,
        endpoint: &str,
        region: Region,
        credentials: Credentials,
        connections: usize,
        seams: Seams,
    ) -> Result<Self, ClientError> {
        let base = endpoint.trim_end_matches('/').to_owned();
        let secure = base.strip_prefix("https://");
        let host = secure.or_else(|| base.strip_prefix("http://"));
        let host = host.filter(|host| !host.is_empty() && !host.contains('/'));
        let Some(host) = host.map(str::to_owned) else {
            return Err(ClientError::Invalid(format!(
                "endpoint {endpoint:?} is not of the form http://host:port or https://host:port"
            )));
        };
        let connector = tls::connector(secure.is_some(), trust)?;
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(connections)
            .pool_idle_timeout(None)
            .build(connector);
        Ok(Self(Arc::new(Inner { http, base, host, region, keys: SigningKeys::new(credentials), seams })))
    }

    /// The endpoint, as `http://host:port` or `https://host:port`.
    pub fn endpoint(&self) -> &str {
        &self.0.base
    }

    /// The region requests are signed for.
    pub fn region(&self) -> &Region {
        &self.0.region
    }

    /// Calls a JSON 1.1 operation (`target` such as `Kinesis_20131202.PutRecords`) and returns the
    /// answer's body. Repeats it, with the same invocation id, while that may help.
    pub async fn json(&self, service: &str, target: &str, body: Bytes) -> Result<Bytes, ClientError> {
        self.call(Codec::Json11, service, target, body).await
    }

    /// Calls an operation with a body in the spelling of `codec`, and returns the answer's body, in the
    /// same. Repeats it, with the same invocation id, while that may help.
    pub async fn call(
        &self,
        codec: Codec,
        service: &str,
        target: &str,
        body: Bytes,
    ) -> Result<Bytes, ClientError> {
        let invocation = self.0.seams.chance.uuid().to_string();
        let mut pause = PAUSE;
        for attempt in 1.. {
            match self.call_once(codec, service, target, body.clone(), &invocation).await {
                Err(error) if error.is_retryable() && attempt < ATTEMPTS_MAX => {
                    self.0.seams.clock.sleep(self.0.seams.chance.jitter(pause)).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
        unreachable!("the last attempt returns")
    }

    /// One attempt of a JSON 1.1 call under the given invocation id.
    pub async fn json_once(
        &self,
        service: &str,
        target: &str,
        body: Bytes,
        invocation: &str,
    ) -> Result<Bytes, ClientError> {
        self.call_once(Codec::Json11, service, target, body, invocation).await
    }

    async fn call_once(
        &self,
        codec: Codec,
        service: &str,
        target: &str,
        body: Bytes,
        invocation: &str,
    ) -> Result<Bytes, ClientError> {
        let headers = call_headers(codec, target, invocation);
        self.send(service, "POST", "/", &headers, body).await?.accepted()
    }

    /// Sends one signed request and returns whatever was answered. `path` is percent-encoded and
    /// may have a query.
    pub async fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let sent = self.0.http.request(self.signed(service, method, path, headers, body)?);
        let exchange = async {
            let response = sent.await.map_err(|e| self.unreachable(&e))?;
            Answer::read(response).await.map_err(|e| self.unreachable(&e))
        };
        self.0.seams.clock.timeout(ATTEMPT_MAX, exchange).await.unwrap_or_else(|| Err(self.late()))
    }

    fn signed(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<http::Request<Full<Bytes>>, ClientError> {
        let inner = &self.0;
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", inner.base))
            .header(http::header::HOST, &inner.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|e| ClientError::Invalid(e.to_string()))?;
        let signed = sign(request, &inner.keys, service, &inner.region, inner.seams.clock.now());
        Ok(signed.map(Full::new))
    }

    /// Asks without a signature: health, metrics, and tests of refusals.
    pub async fn get_unsigned(&self, path: &str) -> Result<Answer, ClientError> {
        self.send_unsigned("GET", path).await
    }

    /// Sends a request without signature and body.
    pub async fn send_unsigned(&self, method: &str, path: &str) -> Result<Answer, ClientError> {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.0.base))
            .body(Full::new(Bytes::new()))
            .map_err(|e| ClientError::Invalid(e.to_string()))?;
        let response = self.0.http.request(request).await.map_err(|e| self.unreachable(&e))?;
        Answer::read(response).await.map_err(|e| self.unreachable(&e))
    }

    fn late(&self) -> ClientError {
        self.unreachable(&std::io::Error::from(std::io::ErrorKind::TimedOut))
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> ClientError {
        let endpoint = self.0.base.clone();
        if let Some(reason) = tls::distrust(error) {
            return ClientError::Untrusted { endpoint, reason };
        }
        ClientError::Unreachable { endpoint, reason: chain(error) }
    }
}

/// What a call of a JSON or CBOR service says in its headers.
fn call_headers<'a>(codec: Codec, target: &'a str, invocation: &'a str) -> [(&'static str, &'a str); 3] {
    [("content-type", codec.content_type()), ("x-amz-target", target), ("amz-sdk-invocation-id", invocation)]
}

/// An error and what caused it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    reason
}

/// The fault in the answer of a JSON or CBOR service: the code from the body or the header, without
/// namespace and details.
fn fault_of(answer: &Answer) -> Fault {
    let codec = Codec::of_content_type(answer.header("content-type"));
    let body: serde_json::Value = codec.decode(&answer.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let code = text("__type")
        .or_else(|| text("code"))
        .or_else(|| answer.header("x-amzn-errortype").map(str::to_owned))
        .unwrap_or_else(|| format!("Http{}", answer.status));
    let code = code.rsplit('#').next().unwrap_or_default();
    let code = code.split(':').next().unwrap_or_default().to_owned();
    let message = text("message").or_else(|| text("Message")).unwrap_or_default();
    Fault::client(code, message).with_status(answer.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_in_each_spelling() {
        let mut answer = Answer { status: 400, headers: http::HeaderMap::new(), body: Bytes::new() };
        answer.body =
            Bytes::from_static(br#"{"__type":"com.amazon#ResourceNotFoundException:x","message":"no"}"#);
        let fault = fault_of(&answer);
        assert_eq!((&*fault.code, &*fault.message), ("ResourceNotFoundException", "no"));
        answer.body = Bytes::from_static(b"not json");
        assert_eq!(fault_of(&answer).code, "Http400");
        let cbor = http::HeaderValue::from_static(Codec::Cbor.content_type());
        answer.headers.insert("content-type", cbor);
        answer.body = Codec::Cbor.encode_fault(&Fault::client("LimitExceededException", "no more"));
        let fault = fault_of(&answer);
        assert_eq!((&*fault.code, &*fault.message), ("LimitExceededException", "no more"));
        answer.body = Bytes::new();
        answer.headers.insert("x-amzn-errortype", http::HeaderValue::from_static("SlowDown"));
        assert_eq!(fault_of(&answer).code, "SlowDown");
    }

    #[test]
    fn an_endpoint_is_checked_before_it_is_used() {
        let credentials = Credentials { access_key: "a".into(), secret: "b".into() };
        for bad in ["", "localhost:4566", "ftp://localhost", "http://", "https://", "http://host/path"] {
            let region = "eu-central-1".parse().unwrap();
            let made = Client::new(bad, region, credentials.clone(), 1, Seams::system());
            assert!(matches!(made, Err(ClientError::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn throttling_and_server_errors_are_worth_a_retry() {
        assert!(
            ClientError::Refused(Fault::client("ProvisionedThroughputExceededException", "")).is_retryable()
        );
        assert!(ClientError::Refused(Fault::server("InternalFailure", "")).is_retryable());
        assert!(!ClientError::Refused(Fault::client("ValidationException", "")).is_retryable());
    }
}
