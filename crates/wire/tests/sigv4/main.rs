//! The verifier against botocore: every request of `vectors/botocore.json` was signed and sent by
//! boto3 (see `vectors/generate.py`) and must verify; with anything about it changed it must not.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use headwater_base::{AccountId, Caller, Clock};
use headwater_wire::form::Form;
use headwater_wire::sigv4::{AuthError, Claim, Payload, Verifier};
use headwater_wire::{Access, Authority, Fault, Secret};
use http::HeaderValue;
use http::request::Parts;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Vector {
    service: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

#[derive(Debug)]
struct OneUser;

#[async_trait]
impl Authority for OneUser {
    async fn secret(&self, access_key: &str) -> Option<Secret> {
        let caller = Caller {
            account: "000000000001".parse().unwrap(),
            access_key: access_key.into(),
            user: "ada".into(),
            canonical_id: String::new(),
        };
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into();
        (access_key == "AKIAIOSFODNN7EXAMPLE").then(|| Secret { secret, caller: Arc::new(caller) })
    }

    async fn check(&self, _: &Caller, _: &Access, _: Option<AccountId>) -> Result<(), Fault> {
        Ok(())
    }
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors/botocore.json")).unwrap();
    assert!(vectors.len() > 50);
    vectors
}

impl Vector {
    fn head(&self) -> Parts {
        let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        request.body(()).unwrap().into_parts().0
    }

    fn body(&self) -> Vec<u8> {
        base64::engine::general_purpose::STANDARD.decode(&self.body).unwrap()
    }
}

async fn verify(vector: &Vector, head: &Parts, body: &[u8]) -> Result<(), AuthError> {
    let signed_at = Claim::of(&vector.head()).unwrap().time;
    let verifier = Verifier::new(Arc::new(OneUser), Clock::manual(signed_at));
    let opened = verifier.open(head, &vector.service).await?;
    if vector.service == "s3" {
        let verified = verifier.seal_head(head, opened)?;
        if let Payload::Hashed(hash) = verified.payload {
            assert_eq!(hash, hex::encode(Sha256::digest(body)), "{}", vector.url);
        }
        return Ok(());
    }
    verifier.seal_whole(head, opened, &Sha256::digest(body).into()).map(|_| ())
}

#[tokio::test]
async fn what_boto3_signs_verifies() {
    for vector in vectors() {
        let verified = verify(&vector, &vector.head(), &vector.body()).await;
        assert_eq!(verified, Ok(()), "{} {} {}", vector.service, vector.method, vector.url);
    }
}

#[tokio::test]
async fn what_was_changed_on_the_way_does_not() {
    for vector in vectors() {
        let what = format!("{} {} {}", vector.service, vector.method, vector.url);
        let mut head = vector.head();
        head.method = http::Method::PATCH;
        assert_eq!(verify(&vector, &head, &vector.body()).await, Err(AuthError::Mismatch), "{what}");
        let mut head = vector.head();
        let joint = if vector.url.contains('?') { "&" } else { "?" };
        head.uri = format!("{}{joint}extra=1", vector.url).parse().unwrap();
        assert_eq!(verify(&vector, &head, &vector.body()).await, Err(AuthError::Mismatch), "{what}");
        let signed = Claim::of(&vector.head()).unwrap().signed_headers;
        for name in signed.iter().filter(|name| *name != "x-amz-date" && *name != "x-amz-content-sha256") {
            let mut head = vector.head();
            let name: http::HeaderName = name.parse().unwrap();
            let mut value = head.headers[&name].as_bytes().to_vec();
            value.push(b'x');
            head.headers.insert(name, HeaderValue::from_bytes(&value).unwrap());
            assert_eq!(verify(&vector, &head, &vector.body()).await, Err(AuthError::Mismatch), "{what}");
        }
        if vector.service != "s3" {
            assert_eq!(verify(&vector, &vector.head(), b"other").await, Err(AuthError::Mismatch), "{what}");
        }
    }
}

/// The fields of a form that boto3's `generate_presigned_post` signed.
fn form() -> Form {
    let fields = serde_json::from_str(include_str!("vectors/form.json")).unwrap();
    Form { fields, file_name: "a.txt".into() }
}

async fn verify_form(form: &Form, seconds_later: u64) -> Result<(), AuthError> {
    let signed_at = Claim::of_form(&self::form()).unwrap().time;
    let now = signed_at.plus(std::time::Duration::from_secs(seconds_later));
    Verifier::new(Arc::new(OneUser), Clock::manual(now)).form(form, "s3").await.map(|_| ())
}

#[tokio::test]
async fn a_form_that_boto3_signs_verifies_and_a_changed_one_does_not() {
    assert_eq!(verify_form(&form(), 600).await, Ok(()));
    assert!(matches!(verify_form(&form(), 8 * 24 * 3600).await, Err(AuthError::Expired { .. })));
    for (name, value) in [
        ("policy", "e30="),
        ("x-amz-signature", "0000000000000000000000000000000000000000000000000000000000000000"),
    ] {
        let mut changed = form();
        let field = changed.fields.iter_mut().find(|(have, _)| have == name).unwrap();
        field.1 = value.to_owned();
        assert_eq!(verify_form(&changed, 0).await, Err(AuthError::Mismatch), "{name}");
    }
    for name in ["policy", "x-amz-signature", "x-amz-credential", "x-amz-date", "x-amz-algorithm"] {
        let mut without = form();
        without.fields.retain(|(have, _)| have != name);
        assert!(matches!(verify_form(&without, 0).await, Err(AuthError::MissingField(_))), "{name}");
    }
    assert_eq!(verify_form(&Form::default(), 0).await, Err(AuthError::Missing));
    let old = Form { fields: vec![("AWSAccessKeyId".into(), "AKID".into())], file_name: String::new() };
    assert!(matches!(verify_form(&old, 0).await, Err(AuthError::Unsupported(_))));
}
