//! Signing what is sent: headers, presigned URLs, chunked bodies.

use std::sync::Mutex;
use std::time::Duration;

use headwater_base::Timestamp;
use http::request::Parts;
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};

use super::canonical::{self, PathStyle};
use super::chunked::ChunkSigning;
use super::keys::SigningKey;
use super::{ALGORITHM, TERMINATOR, UNSIGNED_PAYLOAD, date};

/// Headers that are left unsigned, because what carries the request may change them.
const NEVER_SIGNED: [&str; 5] = ["authorization", "expect", "transfer-encoding", "user-agent", "connection"];

/// An access key and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key.
    pub access_key: String,
    /// The secret.
    pub secret: String,
}

impl Credentials {
    /// The pair.
    pub fn new(access_key: &str, secret: &str) -> Self {
        Self { access_key: access_key.into(), secret: secret.into() }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.access_key)
    }
}

/// The value of `x-amz-content-sha256` to sign with.
#[derive(Clone, Copy, Debug)]
pub enum SignedPayload<'a> {
    /// The hash of this body.
    Whole(&'a [u8]),
    /// Any of the fixed values (`UNSIGNED-PAYLOAD`, `STREAMING-…`), or the hash in hex of a body that is
    /// known already.
    Stated(&'a str),
}

/// Signs requests to one service in one region. Derives its key once a day.
#[derive(Debug)]
pub struct Signer {
    credentials: Credentials,
    region: String,
    service: String,
    key: Mutex<Option<(String, SigningKey)>>,
}

impl Signer {
    /// A signer for requests to `service` (its signing name) in `region`.
    pub fn new(credentials: Credentials, region: &str, service: &str) -> Self {
        Self { credentials, region: region.to_owned(), service: service.to_owned(), key: Mutex::new(None) }
    }

    /// Whether it signs requests to this service in this region.
    pub fn is_for(&self, service: &str, region: &str) -> bool {
        self.service == service && self.region == region
    }

    /// Adds `x-amz-date`, `x-amz-content-sha256` (S3) and `Authorization`. `Host` must be there.
    /// Gives the chain that signs the chunks of a chunked body.
    pub fn sign(&self, head: &mut Parts, payload: SignedPayload<'_>, time: Timestamp) -> ChunkSigning {
        let amz_date = date::format(time);
        let payload = match payload {
            SignedPayload::Whole(body) => hex::encode(Sha256::digest(body)),
            SignedPayload::Stated(value) => value.to_owned(),
        };
        let value =
            |text: &str| HeaderValue::from_str(text).expect("dates and hashes are legal header values");
        head.headers.insert("x-amz-date", value(&amz_date));
        if self.service == "s3" {
            head.headers.insert("x-amz-content-sha256", value(&payload));
        }
        let mut signed: Vec<String> = head.headers.keys().map(|name| name.as_str().to_owned()).collect();
        signed.retain(|name| !NEVER_SIGNED.contains(&name.as_str()));
        signed.sort_unstable();
        let (key, scope) = self.key(&amz_date);
        let canonical = canonical::request(head, PathStyle::of(&self.service), &signed, &payload);
        let signature = key.sign_request(&amz_date, &scope, &canonical);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={}",
            self.credentials.access_key,
            signed.join(";"),
            hex::encode(signature)
        );
        // An access key from a configuration file may hold anything; an illegal one is refused there.
        if let Ok(authorization) = HeaderValue::from_str(&authorization) {
            head.headers.insert(header::AUTHORIZATION, authorization);
        }
        ChunkSigning::new(key, format!("{amz_date}\n{scope}"), &signature)
    }

    /// The path and query of a URL that is good for `life` from `time` on. `target` is the path and
    /// query to reach at `host`.
    pub fn presign(
        &self,
        method: &http::Method,
        host: &str,
        target: &str,
        life: Duration,
        time: Timestamp,
    ) -> String {
        let amz_date = date::format(time);
        let (key, scope) = self.key(&amz_date);
        let credential =
            canonical::encode(format!("{}/{scope}", self.credentials.access_key).as_bytes(), false);
        let joint = if target.contains('?') { '&' } else { '?' };
        let target = format!(
            "{target}{joint}X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={amz_date}\
             &X-Amz-Expires={}&X-Amz-SignedHeaders=host",
            life.as_secs()
        );
        let request = http::Request::builder().method(method).uri(&target).header("host", host).body(());
        let Ok(request) = request else {
            return target;
        };
        let head = request.into_parts().0;
        let canonical =
            canonical::request(&head, PathStyle::of(&self.service), &["host".to_owned()], UNSIGNED_PAYLOAD);
        let signature = key.sign_request(&amz_date, &scope, &canonical);
        format!("{target}&X-Amz-Signature={}", hex::encode(signature))
    }

    fn key(&self, amz_date: &str) -> (SigningKey, String) {
        let day = amz_date.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/{}/{TERMINATOR}", self.region, self.service);
        let mut known = self.key.lock().expect("no holder of this lock panics");
        match &*known {
            Some((of, key)) if of == day => (key.clone(), scope),
            _ => {
                let key = SigningKey::derive(&self.credentials.secret, day, &self.region, &self.service);
                *known = Some((day.to_owned(), key.clone()));
                (key, scope)
            }
        }
    }
}

/// An aws-chunked body of `data` in chunks of `chunk_bytes`, signed if there is a chain, with
/// trailers.
pub fn encode_chunked(
    mut signing: Option<ChunkSigning>,
    data: &[u8],
    chunk_bytes: usize,
    trailers: &[(&str, &str)],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + data.len() / chunk_bytes.max(1) * 100 + 400);
    for chunk in data.chunks(chunk_bytes.max(1)).chain([&[][..]]) {
        let extension = signing
            .as_mut()
            .map_or(String::new(), |chain| format!(";chunk-signature={}", chain.sign_chunk(chunk)));
        out.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        if !chunk.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
    }
    for (name, value) in trailers {
        out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
    }
    if let (Some(chain), false) = (&mut signing, trailers.is_empty()) {
        out.extend_from_slice(
            format!("x-amz-trailer-signature:{}\r\n", chain.sign_trailers(trailers)).as_bytes(),
        );
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigv4::{AuthError, Payload, Verifier, verified_body};
    use crate::{Access, Authority, Fault, RawBody, Secret};
    use bytes::Bytes;
    use futures::TryStreamExt;
    use headwater_base::{AccountId, Caller, Clock};
    use http_body_util::Full;
    use proptest::prelude::*;
    use std::sync::Arc;

    #[derive(Debug)]
    struct OneUser;

    #[async_trait::async_trait]
    impl Authority for OneUser {
        async fn secret(&self, access_key: &str) -> Option<Secret> {
            let caller = Caller {
                account: "000000000001".parse().unwrap(),
                access_key: "AKIAIOSFODNN7EXAMPLE".into(),
                user: "ada".into(),
                canonical_id: String::new(),
            };
            (access_key == "AKIAIOSFODNN7EXAMPLE")
                .then(|| Secret { secret: SECRET.into(), caller: Arc::new(caller) })
        }
        async fn check(&self, _: &Caller, _: &Access, _: Option<AccountId>) -> Result<(), Fault> {
            Ok(())
        }
    }

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn at(text: &str) -> Timestamp {
        date::parse(text).unwrap()
    }

    fn signer(service: &str) -> Signer {
        Signer::new(Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET), "us-east-1", service)
    }

    fn verifier(now: Timestamp) -> Verifier {
        Verifier::new(Arc::new(OneUser), Clock::manual(now))
    }

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn signature(head: &Parts) -> String {
        head.headers["authorization"].to_str().unwrap().rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn the_published_s3_examples_are_signed_as_published() {
        let day = at("20130524T000000Z");
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let mut get = head("GET", "/test.txt", &[host, ("range", "bytes=0-9")]);
        signer("s3").sign(&mut get, SignedPayload::Whole(b""), day);
        assert_eq!(signature(&get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
        let mut put = head(
            "PUT",
            "/test$file.text",
            &[host, ("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
        );
        signer("s3").sign(&mut put, SignedPayload::Whole(b"Welcome to Amazon S3."), day);
        assert_eq!(signature(&put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
        for (query, wanted) in [
            ("lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            ("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            let mut get = head("GET", &format!("/?{query}"), &[host]);
            signer("s3").sign(&mut get, SignedPayload::Whole(b""), day);
            assert_eq!(signature(&get), wanted, "{query}");
        }
    }

    #[tokio::test]
    async fn the_published_presigned_url_verifies() {
        let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        let head = head("GET", target, &[("host", "examplebucket.s3.amazonaws.com")]);
        let check = async |now: &str| {
            let verifier = verifier(at(now));
            let opened = verifier.open(&head, "s3").await?;
            verifier.seal_head(&head, opened).map(|verified| verified.claim.access_key)
        };
        assert_eq!(check("20130524T120000Z").await.unwrap(), "AKIAIOSFODNN7EXAMPLE");
        assert!(matches!(check("20130525T000001Z").await, Err(AuthError::Expired { .. })));
        assert!(matches!(check("20130523T230000Z").await, Err(AuthError::Skewed { .. })));
    }

    async fn verify(head: &Parts, service: &str, body: &[u8], now: Timestamp) -> Result<(), AuthError> {
        let verifier = verifier(now);
        let opened = verifier.open(head, service).await?;
        verifier.seal_whole(head, opened, &Sha256::digest(body).into()).map(|_| ())
    }

    #[tokio::test]
    async fn what_was_changed_after_signing_is_noticed() {
        let now = at("20260102T030405Z");
        let mut good = head(
            "POST",
            "/?a=b",
            &[("host", "localhost:4566"), ("x-amz-target", "Kinesis_20131202.PutRecord")],
        );
        signer("kinesis").sign(&mut good, SignedPayload::Whole(b"{}"), now);
        assert_eq!(verify(&good, "kinesis", b"{}", now).await, Ok(()));
        assert_eq!(verify(&good, "kinesis", b"{ }", now).await, Err(AuthError::Mismatch));
        assert!(matches!(verify(&good, "firehose", b"{}", now).await, Err(AuthError::WrongScope(_))));
        let late = now.plus(Duration::from_secs(15 * 60 + 1));
        assert!(matches!(verify(&good, "kinesis", b"{}", late).await, Err(AuthError::Skewed { .. })));
        let early = now.minus(Duration::from_secs(15 * 60 + 1));
        assert!(matches!(verify(&good, "kinesis", b"{}", early).await, Err(AuthError::Skewed { .. })));
        let change = async |change: &dyn Fn(&mut Parts)| {
            let mut head = good.clone();
            change(&mut head);
            verify(&head, "kinesis", b"{}", now).await
        };
        let target = |head: &mut Parts| {
            drop(
                head.headers
                    .insert("x-amz-target", HeaderValue::from_static("Kinesis_20131202.DeleteStream")),
            )
        };
        assert_eq!(change(&target).await, Err(AuthError::Mismatch));
        assert_eq!(change(&|head| head.method = http::Method::PUT).await, Err(AuthError::Mismatch));
        assert_eq!(change(&|head| head.uri = "/?a=c".parse().unwrap()).await, Err(AuthError::Mismatch));
        let extra = |head: &mut Parts| {
            drop(head.headers.insert("x-amz-acl", HeaderValue::from_static("public-read")))
        };
        assert_eq!(change(&extra).await, Err(AuthError::Unsigned("x-amz-acl".into())));
        assert_eq!(change(&|head| drop(head.headers.remove("authorization"))).await, Err(AuthError::Missing));
        // The key of an unknown user, and one user's key with another's secret.
        let mut foreign = head("POST", "/", &[("host", "h")]);
        Signer::new(Credentials::new("AKIDOTHER", SECRET), "us-east-1", "kinesis").sign(
            &mut foreign,
            SignedPayload::Whole(b""),
            now,
        );
        assert_eq!(
            verify(&foreign, "kinesis", b"", now).await,
            Err(AuthError::UnknownKey("AKIDOTHER".into()))
        );
        let mut forged = head("POST", "/", &[("host", "h")]);
        Signer::new(Credentials::new("AKIAIOSFODNN7EXAMPLE", "guess"), "us-east-1", "kinesis").sign(
            &mut forged,
            SignedPayload::Whole(b""),
            now,
        );
        assert_eq!(verify(&forged, "kinesis", b"", now).await, Err(AuthError::Mismatch));
    }

    /// As `@smithy/signature-v4` signs for HTTP/2.
    #[tokio::test]
    async fn the_javascript_sdk_signs_the_authority_instead_of_the_host() {
        const SIGNATURE: &str = "a0a95e74d654d799041454b929a366d52e7a2c8c5a869cd1cf743185825cef80";
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260102/us-east-1/kinesis/aws4_request, \
             SignedHeaders=:authority;content-type;x-amz-content-sha256;x-amz-date;x-amz-target, \
             Signature={SIGNATURE}"
        );
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "Kinesis_20131202.ListStreams"),
            ("x-amz-date", "20260102T030405Z"),
            ("x-amz-content-sha256", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
            ("authorization", &authorization),
        ];
        let now = at("20260102T030405Z");
        let sent = head("POST", "http://127.0.0.1:4566/", &headers);
        assert!(verify(&sent, "kinesis", b"{}", now).await.is_ok());
        let elsewhere = head("POST", "http://127.0.0.1:4567/", &headers);
        assert_eq!(verify(&elsewhere, "kinesis", b"{}", now).await, Err(AuthError::Mismatch));
        // A host beside it, which nobody signed.
        let mut added = head("POST", "http://127.0.0.1:4566/", &headers);
        added.headers.insert("host", HeaderValue::from_static("elsewhere"));
        assert_eq!(verify(&added, "kinesis", b"{}", now).await, Err(AuthError::Unsigned("host".into())));
    }

    async fn upload(
        stated: &'static str,
        change: impl Fn(&mut Vec<u8>),
    ) -> Result<(Vec<u8>, Vec<(String, String)>), Fault> {
        let (now, data) = (at("20260102T030405Z"), vec![7u8; 200_000]);
        let trailers: &[(&str, &str)] =
            if stated.ends_with("TRAILER") { &[("x-amz-checksum-crc32", "AAAAAA==")] } else { &[] };
        let mut parts = head(
            "PUT",
            "/b/k",
            &[("host", "h"), ("x-amz-decoded-content-length", "200000"), ("content-encoding", "aws-chunked")],
        );
        if !trailers.is_empty() {
            parts.headers.insert("x-amz-trailer", HeaderValue::from_static("x-amz-checksum-crc32"));
        }
        let chain = signer("s3").sign(&mut parts, SignedPayload::Stated(stated), now);
        let chain = stated.contains("HMAC").then_some(chain);
        let mut body = encode_chunked(chain, &data, 65_536, trailers);
        change(&mut body);
        let verifier = verifier(now);
        let opened = verifier.open(&parts, "s3").await.unwrap();
        let verified = verifier.seal_head(&parts, opened).unwrap();
        assert!(matches!(verified.payload, Payload::Chunked { .. }));
        let body = verified_body(&mut parts, Full::new(Bytes::from(body)), &verified, &Clock::system())?;
        let RawBody::Streaming { len, stream, trailers } = body else { panic!("streams") };
        assert_eq!(len, Some(200_000));
        let pieces: Vec<Bytes> = stream.try_collect().await?;
        let trailers = trailers.lock().unwrap().clone();
        Ok((pieces.concat(), trailers))
    }

    #[tokio::test]
    async fn chunked_bodies_of_every_kind_are_decoded_and_proven() {
        for stated in [
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        ] {
            let (data, trailers) = upload(stated, |_| ()).await.unwrap();
            assert_eq!(data, vec![7u8; 200_000]);
            assert_eq!(trailers.len(), usize::from(stated.ends_with("TRAILER")), "{stated}");
            let cut = upload(stated, |body| body.truncate(150_000)).await.unwrap_err();
            assert_eq!(cut.code, "IncompleteBody");
        }
        let flip = |body: &mut Vec<u8>| body[100_000] ^= 1;
        assert_eq!(
            upload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", flip).await.unwrap_err().code,
            "SignatureDoesNotMatch"
        );
        let trailer = |body: &mut Vec<u8>| {
            let at = body.windows(6).rposition(|w| w == b"AAAAAA").unwrap();
            body[at] = b'B';
        };
        assert_eq!(
            upload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", trailer).await.unwrap_err().code,
            "SignatureDoesNotMatch"
        );
    }

    #[tokio::test]
    async fn a_streamed_body_that_was_changed_ends_in_an_error() {
        let now = at("20260102T030405Z");
        let mut parts = head("PUT", "/b/k", &[("host", "h"), ("content-length", "5")]);
        signer("s3").sign(&mut parts, SignedPayload::Whole(b"hello"), now);
        let verifier = verifier(now);
        for (body, code) in [("hello", None), ("hellO", Some("XAmzContentSHA256Mismatch"))] {
            let mut parts = parts.clone();
            let opened = verifier.open(&parts, "s3").await.unwrap();
            let verified = verifier.seal_head(&parts, opened).unwrap();
            let body =
                verified_body(&mut parts, Full::new(Bytes::from(body)), &verified, &Clock::system()).unwrap();
            let RawBody::Streaming { stream, .. } = body else { panic!("streams") };
            let result: Result<Vec<Bytes>, Fault> = stream.try_collect().await;
            assert_eq!(result.err().map(|fault| fault.code.into_owned()).as_deref(), code);
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies(key in "[ -~&&[^?#]]{0,40}", query in "[a-z=&%+/ ]{0,30}", body: Vec<u8>, s3: bool) {
            let service = if s3 { "s3" } else { "kinesis" };
            let path = canonical::encode(key.as_bytes(), true);
            let uri = format!("/{path}?{}", query.replace(' ', "%20"));
            let now = at("20260102T030405Z");
            let mut parts = head("POST", &uri, &[("host", "localhost"), ("x-amz-meta-a", "  b   c ")]);
            signer(service).sign(&mut parts, SignedPayload::Whole(&body), now);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            prop_assert_eq!(runtime.block_on(verify(&parts, service, &body, now)), Ok(()));
        }

        #[test]
        fn what_is_presigned_verifies(key in "[ -~&&[^?#]]{1,40}") {
            let now = at("20260102T030405Z");
            let target = format!("/{}", canonical::encode(key.as_bytes(), true));
            let target = signer("s3").presign(&http::Method::GET, "h", &target, Duration::from_secs(60), now);
            let parts = head("GET", &target, &[("host", "h")]);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let verifier = verifier(now);
            let opened = runtime.block_on(verifier.open(&parts, "s3")).unwrap();
            prop_assert!(verifier.seal_head(&parts, opened).is_ok());
        }
    }
}
