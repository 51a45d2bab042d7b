//! The headers of server-side encryption: what a request asks for, and what answers say.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use headwater_objects::{Asked, Bucket, CustomerKey, DefaultAlgorithm, Encryption, ObjectError, SealedWith};
use http::{HeaderMap, HeaderName, HeaderValue};
use md5::{Digest, Md5};

use crate::arrival::Arrival;
use crate::fault::Refusal;

const SSE: &str = "x-amz-server-side-encryption";
const KMS_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";
const CUSTOMER: &str = "x-amz-server-side-encryption-customer-";
const SOURCE_CUSTOMER: &str = "x-amz-copy-source-server-side-encryption-customer-";

/// The most bytes of an encryption context, as JSON.
const CONTEXT_BYTES_MAX: usize = 8192;

/// The algorithms of `x-amz-server-side-encryption` and of bucket defaults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Algorithm {
    S3,
    Kms,
}

impl Algorithm {
    /// The algorithm of that name.
    pub(crate) fn named(name: &str) -> Result<Self, Refusal> {
        match name {
            "AES256" => Ok(Self::S3),
            "aws:kms" => Ok(Self::Kms),
            "aws:kms:dsse" => {
                Err(Refusal::not_implemented("Dual-layer server-side encryption (aws:kms:dsse)"))
            }
            _ => Err(Refusal::invalid_argument("The encryption method specified is not supported")),
        }
    }
}

/// What a request that writes to `bucket` asks for.
pub(crate) fn asked(headers: &HeaderMap, arrival: &Arrival, bucket: &Bucket) -> Result<Asked, Refusal> {
    let algorithm = text(headers, SSE)?.map(Algorithm::named).transpose()?;
    let customer = customer_key(headers, arrival)?;
    let (key, context) = (text(headers, KMS_KEY)?, text(headers, CONTEXT)?);
    let bucket_key = match text(headers, BUCKET_KEY)? {
        None => None,
        Some(flag) if flag.eq_ignore_ascii_case("true") => Some(true),
        Some(flag) if flag.eq_ignore_ascii_case("false") => Some(false),
        Some(_) => {
            return Err(Refusal::invalid_argument(format!("The header {BUCKET_KEY} must be true or false")));
        }
    };
    match (algorithm, customer) {
        (Some(_), Some(_)) => Err(Refusal::invalid_argument(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
        )),
        (Some(Algorithm::Kms), None) => {
            let context = context.map(context_of).transpose()?.unwrap_or_default();
            Ok(Asked::Kms { key: key.map(str::to_owned), context, bucket_key })
        }
        _ if key.is_some() || context.is_some() => Err(Refusal::invalid_argument(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : \
             aws:kms",
        )),
        (Some(Algorithm::S3), None) => Ok(Asked::S3),
        (None, Some(key)) => Ok(Asked::Customer(key)),
        (None, None) => Ok(match bucket.encryption.as_ref().map(|default| &default.algorithm) {
            // The flag alone changes only the flag of the bucket's default.
            Some(DefaultAlgorithm::Kms(key)) if bucket_key.is_some() => {
                Asked::Kms { key: key.clone(), context: BTreeMap::new(), bucket_key }
            }
            _ => Asked::Default,
        }),
    }
}

/// The customer's key of a request, if it has one.
pub(crate) fn customer_key(headers: &HeaderMap, arrival: &Arrival) -> Result<Option<CustomerKey>, Refusal> {
    key_of(headers, arrival, CUSTOMER)
}

/// The customer's key of a copy's source, if it has one.
pub(crate) fn source_key(headers: &HeaderMap, arrival: &Arrival) -> Result<Option<CustomerKey>, Refusal> {
    key_of(headers, arrival, SOURCE_CUSTOMER)
}

fn key_of(headers: &HeaderMap, arrival: &Arrival, prefix: &str) -> Result<Option<CustomerKey>, Refusal> {
    let said = |name: &str| text(headers, &format!("{prefix}{name}"));
    let (algorithm, key, digest) = (said("algorithm")?, said("key")?, said("key-md5")?);
    let must_provide = |what: &str| {
        Refusal::invalid_argument(format!(
            "Requests specifying Server Side Encryption with Customer provided keys must provide {what}."
        ))
    };
    match (algorithm, key, digest) {
        (None, None, None) => return Ok(None),
        (Some("AES256"), ..) => {}
        (Some(_), ..) => {
            let message =
                "The encryption request that you specified is not valid. The valid value is AES256.";
            return Err(Refusal::new(400, "InvalidEncryptionAlgorithmError", message));
        }
        (None, ..) => return Err(must_provide("a valid encryption algorithm")),
    }
    if arrival.context.tls.is_none() && !is_private(&arrival.context.source_ip) {
        return Err(Refusal::invalid_request(
            "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure \
             connection.",
        ));
    }
    let key = key.ok_or_else(|| must_provide("an appropriate secret key"))?;
    let digest = digest.ok_or_else(|| must_provide("the client calculated MD5 of the secret key"))?;
    let raw: [u8; 32] = BASE64.decode(key).ok().and_then(|raw| raw.try_into().ok()).ok_or_else(|| {
        Refusal::invalid_argument("The secret key was invalid for the specified algorithm.")
    })?;
    if BASE64.decode(digest).ok().as_deref() != Some(&Md5::digest(raw)[..]) {
        return Err(Refusal::invalid_argument(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
        ));
    }
    Ok(Some(CustomerKey(raw)))
}

/// Whether nobody on the way can read a request from there, also without TLS: it came over loopback,
/// from a client here or from whoever ends TLS here.
fn is_private(source_ip: &str) -> bool {
    source_ip.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// What an answer to a write says about encryption.
pub(crate) fn written(encryption: Option<&Encryption>, customer: Option<&CustomerKey>) -> HeaderMap {
    let mut headers = read(encryption, customer);
    if let Some(SealedWith::Kms { context, .. }) = encryption.map(Encryption::with)
        && !context.is_empty()
        && let Ok(json) = serde_json::to_vec(context)
    {
        set(&mut headers, CONTEXT, &BASE64.encode(json));
    }
    headers
}

/// What an answer to a read says about encryption.
pub(crate) fn read(encryption: Option<&Encryption>, customer: Option<&CustomerKey>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    match encryption.map(Encryption::with) {
        None => {}
        Some(SealedWith::S3) => set(&mut headers, SSE, "AES256"),
        Some(SealedWith::Kms { arn, bucket_key, .. }) => {
            set(&mut headers, SSE, "aws:kms");
            set(&mut headers, KMS_KEY, arn);
            if bucket_key {
                set(&mut headers, BUCKET_KEY, "true");
            }
        }
        Some(SealedWith::Customer) => {
            if let Some(key) = customer {
                set(&mut headers, "x-amz-server-side-encryption-customer-algorithm", "AES256");
                let digest = BASE64.encode(Md5::digest(key.0));
                set(&mut headers, "x-amz-server-side-encryption-customer-key-md5", &digest);
            }
        }
    }
    headers
}

/// What is wrong with the key of a part, in S3's words.
pub(crate) fn of_part(error: ObjectError) -> Refusal {
    match error {
        ObjectError::CustomerKeyNeeded => Refusal::invalid_request(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate \
             encryption parameters.",
        ),
        ObjectError::CustomerKeyWrong => Refusal::invalid_request(
            "The provided encryption parameters did not match the ones used originally.",
        ),
        ObjectError::CustomerKeyUnneeded => Refusal::invalid_request(
            "The multipart upload initiate did not request encryption. Please resend the request without sending \
             encryption parameters.",
        ),
        other => other.into(),
    }
}

/// An encryption context: base64 of a JSON object of texts.
fn context_of(header: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let bad = || {
        Refusal::invalid_argument(
            "The header x-amz-server-side-encryption-context shall be Base64-encoded UTF-8 string holding JSON which \
             represents a string-string map",
        )
    };
    let json = BASE64.decode(header).map_err(|_| bad())?;
    if json.len() > CONTEXT_BYTES_MAX {
        return Err(Refusal::invalid_argument(format!(
            "The encryption context is longer than {CONTEXT_BYTES_MAX} bytes"
        )));
    }
    serde_json::from_slice(&json).map_err(|_| bad())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let text = headers.get(name).map(HeaderValue::to_str).transpose();
    text.map_err(|_| Refusal::invalid_argument(format!("The header {name} is not ASCII")))
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_maps_of_texts() {
        let read = |json: &str| context_of(&BASE64.encode(json));
        assert_eq!(read("{\"a\":\"b\"}").unwrap(), BTreeMap::from([("a".into(), "b".into())]));
        for bad in ["{\"a\":1}", "[]", "{"] {
            assert_eq!(read(bad).unwrap_err().code, "InvalidArgument", "{bad}");
        }
        assert!(context_of("not base64!").is_err());
        assert!(read(&format!("{{\"a\":\"{}\"}}", "x".repeat(CONTEXT_BYTES_MAX))).is_err());
    }

    #[test]
    fn only_this_machine_is_private() {
        for (ip, private) in
            [("127.0.0.1", true), ("::1", true), ("::ffff:127.0.0.1", true), ("10.0.0.1", false), ("", false)]
        {
            assert_eq!(is_private(ip), private, "{ip}");
        }
    }

    #[test]
    fn algorithms_have_names() {
        assert_eq!(Algorithm::named("AES256").unwrap(), Algorithm::S3);
        assert_eq!(Algorithm::named("aws:kms").unwrap(), Algorithm::Kms);
        assert_eq!(Algorithm::named("aws:kms:dsse").unwrap_err().code, "NotImplemented");
        assert_eq!(Algorithm::named("aes256").unwrap_err().code, "InvalidArgument");
    }
}
