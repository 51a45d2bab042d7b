//! Signing a request with SigV4 in its headers, payload hash included.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use headwater_base::{Region, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, Request};
use sha2::{Digest, Sha256};

/// How many derived signing keys are kept: one per service in use.
const KEYS_MAX: usize = 16;

/// An access key and its secret.
#[derive(Clone)]
pub struct Credentials {
    /// The access key.
    pub access_key: String,
    /// The secret.
    pub secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Credentials with the signing keys derived from them, which hold for a day, region and service.
#[derive(Debug)]
pub struct SigningKeys {
    credentials: Credentials,
    derived: Mutex<Vec<Derived>>,
}

#[derive(Clone)]
struct Derived {
    scope: Arc<str>,
    key: [u8; 32],
}

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Derived").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// Nothing derived yet.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, derived: Mutex::new(Vec::new()) }
    }

    fn derive(&self, date: &str, region: &str, service: &str) -> Derived {
        let scope = format!("{date}/{region}/{service}/aws4_request");
        let mut derived = self.derived.lock().expect("no holder of this lock panics");
        if let Some(known) = derived.iter().find(|d| *d.scope == *scope) {
            return known.clone();
        }
        let mut key = mac(format!("AWS4{}", self.credentials.secret).as_bytes(), date.as_bytes());
        for part in [region, service, "aws4_request"] {
            key = mac(&key, part.as_bytes());
        }
        if derived.len() == KEYS_MAX {
            derived.remove(0);
        }
        let made = Derived { scope: scope.into(), key };
        derived.push(made.clone());
        made
    }
}

/// Adds `x-amz-date`, `x-amz-content-sha256` and `authorization` to a request. Signs `host` and
/// every header whose name begins with `x-amz-`, and the content type.
pub fn sign(
    mut request: Request<Bytes>,
    keys: &SigningKeys,
    service: &str,
    region: &Region,
    now: Timestamp,
) -> Request<Bytes> {
    let stamp = amz_date(now);
    let payload = hex::encode(Sha256::digest(request.body()));
    let headers = request.headers_mut();
    headers.insert(HeaderName::from_static("x-amz-date"), header(&stamp));
    headers.insert(HeaderName::from_static("x-amz-content-sha256"), header(&payload));
    let (canonical, signed) = canonical_request(&request, &payload);
    let derived = keys.derive(&stamp[..8], region.as_str(), service);
    let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{}\n{digest}", derived.scope);
    let signature = hex::encode(mac(&derived.key, to_sign.as_bytes()));
    let access_key = &keys.credentials.access_key;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/{}, SignedHeaders={signed}, Signature={signature}",
        derived.scope
    );
    request.headers_mut().insert(http::header::AUTHORIZATION, header(&authorization));
    request
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}

/// The canonical request and the list of signed headers.
fn canonical_request(request: &Request<Bytes>, payload: &str) -> (String, String) {
    let mut headers: Vec<(&str, &str)> = Vec::new();
    for (name, value) in request.headers() {
        let name = name.as_str();
        if name == "host" || name == "content-type" || name.starts_with("x-amz-") {
            headers.push((name, value.to_str().unwrap_or_default().trim()));
        }
    }
    headers.sort_unstable();
    let signed = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let mut text = format!("{}\n{}\n{}\n", request.method(), request.uri().path(), canonical_query(request));
    for (name, value) in headers {
        text.push_str(name);
        text.push(':');
        text.push_str(value);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signed);
    text.push('\n');
    text.push_str(payload);
    (text, signed)
}

/// The query with its (already encoded) parameters sorted; a bare name gets its `=`.
fn canonical_query(request: &Request<Bytes>) -> String {
    let query = request.uri().query().unwrap_or_default();
    let mut pairs: Vec<(&str, &str)> =
        query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&")
}

fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// `20150830T123600Z`.
fn amz_date(now: Timestamp) -> String {
    now.utc().format("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first case of the published SigV4 examples (`iam` `ListUsers`), by hand.
    #[test]
    fn a_signing_key_is_derived_as_published() {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned();
        let keys = SigningKeys::new(Credentials { access_key: "AKIDEXAMPLE".into(), secret });
        let derived = keys.derive("20150830", "us-east-1", "iam");
        assert_eq!(
            hex::encode(derived.key),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
        assert_eq!(keys.derive("20150830", "us-east-1", "iam").key, derived.key);
    }

    #[test]
    fn dates_are_written_as_aws_writes_them() {
        assert_eq!(amz_date(Timestamp::from_ms(1_440_938_160_000)), "20150830T123600Z");
        assert_eq!(amz_date(Timestamp::from_ms(0)), "19700101T000000Z");
    }

    #[test]
    fn queries_are_sorted_and_completed() {
        let uri = "http://h/b?uploads&prefix=a&delimiter=%2F";
        let request = Request::get(uri).body(Bytes::new()).unwrap();
        assert_eq!(canonical_query(&request), "delimiter=%2F&prefix=a&uploads=");
    }

    #[test]
    fn what_matters_is_signed() {
        let region = "us-east-1".parse::<Region>().unwrap();
        let keys = SigningKeys::new(Credentials { access_key: "A".into(), secret: "s".into() });
        let request = Request::post("http://h/")
            .header("host", "h")
            .header("x-amz-target", "T.O")
            .body(Bytes::new())
            .unwrap();
        let signed = sign(request, &keys, "kinesis", &region, Timestamp::from_ms(0));
        let authorization = signed.headers()["authorization"].to_str().unwrap();
        assert!(authorization.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-target"));
        assert!(authorization.contains("Credential=A/19700101/us-east-1/kinesis/aws4_request"));
    }
}
