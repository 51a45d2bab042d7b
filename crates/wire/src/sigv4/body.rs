//! A body that proves itself while it streams, and the head that goes with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use headwater_base::Clock;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri, header};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use super::canonical::{decode_text, raw_pairs};
use super::chunked::{ChunkDecoder, ChunkError, ChunkSigning};
use super::{AuthError, Dialect, Payload, Verified};
use crate::{Fault, RawBody, Trailers};

/// How long a client may send nothing in the middle of a body.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// The query parameters of presigned URLs.
const PRESIGN_PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

/// The body of a request whose head was verified: decoded, and ending in an error unless its hash,
/// its chunk signatures, its length and its trailers are what was promised. Removes from `head` what
/// was only there for the signature or the encoding.
///
/// # Errors
/// When the head lacks what the encoding needs (S3's codes).
pub fn verified_body<B>(
    head: &mut Parts,
    body: B,
    verified: &Verified,
    clock: &Clock,
) -> Result<RawBody, Fault>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let signs = matches!(verified.payload, Payload::Chunked { signed: true, .. });
    proven_body(head, body, &verified.payload, signs.then(|| verified.chunk_signing()), clock)
}

/// The body of a request without a signature: decoded, and ending in an error unless its hash, its
/// length and its trailers are what was promised.
///
/// # Errors
/// When the head lacks what the encoding needs, or promises signatures.
pub fn unsigned_body<B>(head: &mut Parts, body: B, clock: &Clock) -> Result<RawBody, Fault>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let payload = match Payload::of(&head.headers) {
        Ok(Payload::Chunked { signed: true, .. }) => Err(AuthError::Missing),
        other => other,
    };
    let payload = payload.map_err(|error| error.fault(Dialect::S3))?;
    proven_body(head, body, &payload, None, clock)
}

fn proven_body<B>(
    head: &mut Parts,
    body: B,
    payload: &Payload,
    signing: Option<ChunkSigning>,
    clock: &Clock,
) -> Result<RawBody, Fault>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let stated = number(&head.headers, header::CONTENT_LENGTH.as_str())?;
    let trailers = Arc::new(Mutex::new(Vec::new()));
    let (len, proof) = match payload {
        Payload::Implied | Payload::Unsigned => (stated, Proof::Nothing),
        Payload::Hashed(hash) => (stated, Proof::Hash { hasher: Sha256::new(), signed: hash.clone() }),
        Payload::Chunked { signed: _, trailers: allowed } => {
            let decoded = number(&head.headers, "x-amz-decoded-content-length")?.ok_or_else(|| {
                Fault::client("MissingContentLength", "You must provide the Content-Length HTTP header.")
                    .with_status(411)
            })?;
            let announced = if *allowed { announced_trailers(&head.headers) } else { Vec::new() };
            let decoder = Box::new(ChunkDecoder::new(signing, decoded, announced));
            (Some(decoded), Proof::Chunks { decoder: Some(decoder), trailers: trailers.clone() })
        }
    };
    clean(head, len);
    let source = Source { body, proof, pending: Bytes::new(), clock: clock.clone(), ended: false };
    Ok(RawBody::Streaming { len, stream: stream_of(source), trailers })
}

/// Removes the signature and the transfer encoding from a head, so that who reads it next sees the
/// request as it was meant.
pub(crate) fn clean(head: &mut Parts, len: Option<u64>) {
    for name in [
        "authorization",
        "x-amz-content-sha256",
        "x-amz-decoded-content-length",
        "transfer-encoding",
        "expect",
    ] {
        head.headers.remove(name);
    }
    if let Some(len) = len {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    }
    if let Some(encoding) = head.headers.remove(header::CONTENT_ENCODING) {
        let rest: Vec<&str> = encoding.to_str().unwrap_or_default().split(',').map(str::trim).collect();
        let rest: Vec<&str> =
            rest.into_iter().filter(|token| !token.eq_ignore_ascii_case("aws-chunked")).collect();
        if let (false, Ok(value)) = (rest.is_empty(), HeaderValue::from_str(&rest.join(","))) {
            head.headers.insert(header::CONTENT_ENCODING, value);
        }
    }
    if let Some(query) = head.uri.query() {
        let is_presign = |name: &str| PRESIGN_PARAMETERS.contains(&decode_text(name).as_str());
        if raw_pairs(query).any(|(name, _)| is_presign(name)) {
            let kept: Vec<&str> =
                query.split('&').filter(|pair| !is_presign(pair.split('=').next().unwrap_or(pair))).collect();
            replace_query(head, &kept.join("&"));
        }
    }
}

fn replace_query(head: &mut Parts, query: &str) {
    let path = head.uri.path();
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let mut parts = head.uri.clone().into_parts();
    if let Ok(target) = target.parse() {
        parts.path_and_query = Some(target);
        if let Ok(uri) = Uri::from_parts(parts) {
            head.uri = uri;
        }
    }
}

/// What a body must turn out to be.
enum Proof {
    Nothing,
    Hash { hasher: Sha256, signed: String },
    Chunks { decoder: Option<Box<ChunkDecoder>>, trailers: Trailers },
}

struct Source<B> {
    body: B,
    proof: Proof,
    /// Bytes that arrived and are not decoded yet.
    pending: Bytes,
    clock: Clock,
    ended: bool,
}

fn stream_of<B>(source: Source<B>) -> BoxStream<'static, Result<Bytes, Fault>>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    stream::unfold(source, |mut source| async move {
        if source.ended {
            return None;
        }
        let next = source.next().await;
        // After an error or the end nothing more is asked.
        source.ended = !matches!(next, Ok(Some(_)));
        next.transpose().map(|item| (item, source))
    })
    .boxed()
}

impl<B> Source<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: std::fmt::Display,
{
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            if let Some(data) = self.decoded()? {
                return Ok(Some(data));
            }
            let frame = self.clock.timeout(IDLE_MAX, self.body.frame()).await.ok_or_else(too_slow)?;
            match frame {
                None => return self.finish().map(|()| None),
                Some(Err(error)) => {
                    tracing::debug!(%error, "a client's body broke off");
                    return Err(incomplete());
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.pending = data;
                    }
                }
            }
        }
    }

    /// A piece of data from what arrived already.
    fn decoded(&mut self) -> Result<Option<Bytes>, Fault> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        match &mut self.proof {
            Proof::Nothing => Ok(Some(std::mem::take(&mut self.pending))),
            Proof::Hash { hasher, .. } => {
                hasher.update(&self.pending);
                Ok(Some(std::mem::take(&mut self.pending)))
            }
            Proof::Chunks { decoder, .. } => match decoder {
                Some(decoder) => decoder.decode(&mut self.pending).map_err(|error| chunk_fault(&error)),
                None => Ok(None),
            },
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        match &mut self.proof {
            Proof::Nothing => Ok(()),
            Proof::Hash { hasher, signed } => {
                let computed = hex::encode(std::mem::take(hasher).finalize());
                if computed == *signed {
                    return Ok(());
                }
                Err(AuthError::PayloadMismatch { signed: signed.clone(), computed }.fault(Dialect::S3))
            }
            Proof::Chunks { decoder, trailers } => {
                let Some(decoder) = decoder.take() else {
                    return Ok(());
                };
                let got = decoder.finish().map_err(|error| chunk_fault(&error))?;
                *trailers.lock().expect("no holder of this lock panics") = got;
                Ok(())
            }
        }
    }
}

fn chunk_fault(error: &ChunkError) -> Fault {
    match error {
        ChunkError::Signature => AuthError::Mismatch.fault(Dialect::S3),
        ChunkError::Length { .. } => incomplete(),
        ChunkError::TooLarge(_) => Fault::client("InvalidChunkSizeError", error.to_string()),
        ChunkError::Trailers => Fault::client("MalformedTrailerError", error.to_string()),
        ChunkError::Malformed(_) => Fault::client("InvalidRequest", error.to_string()),
    }
}

fn incomplete() -> Fault {
    Fault::client("IncompleteBody", "The request body terminated unexpectedly")
}

fn too_slow() -> Fault {
    Fault::client(
        "RequestTimeout",
        "Your socket connection to the server was not read from or written to within the timeout period. Idle \
         connections will be closed.",
    )
}

/// The names of trailers that `x-amz-trailer` announces, in lower case.
pub fn announced_trailers(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("x-amz-trailer").iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase());
    names.filter(|name| !name.is_empty()).collect()
}

fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Fault::client("InvalidArgument", format!("{name} is not a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::put(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut head = request.body(()).unwrap().into_parts().0;
        clean(&mut head, Some(5));
        head
    }

    #[test]
    fn a_head_loses_what_belongs_to_signature_and_encoding() {
        let head = cleaned(
            "/b/k?X-Amz-Signature=ff&partNumber=1&X-Amz-Date=d&uploadId=u%2B",
            &[
                ("authorization", "x"),
                ("content-encoding", "aws-chunked, gzip"),
                ("content-length", "900"),
                ("x-amz-content-sha256", "y"),
                ("x-amz-meta-a", "b"),
            ],
        );
        assert_eq!(head.uri, "/b/k?partNumber=1&uploadId=u%2B");
        assert_eq!(head.headers["content-encoding"], "gzip");
        assert_eq!(head.headers["content-length"], "5");
        assert_eq!(head.headers["x-amz-meta-a"], "b");
        assert!(
            !head.headers.contains_key("authorization") && !head.headers.contains_key("x-amz-content-sha256")
        );
    }

    #[test]
    fn a_query_of_nothing_but_the_signature_goes_away() {
        assert_eq!(cleaned("/b/k?X-Amz-Signature=ff", &[("content-encoding", "aws-chunked")]).uri, "/b/k");
    }
}
