//! The verifier: one for every service.

use std::sync::Arc;

use headwater_base::{Clock, Timestamp};
use http::request::Parts;
use subtle::ConstantTimeEq;

use super::canonical::{self, PathStyle};
use super::error::SKEW_MAX;
use super::keys::{KeyCache, SigningKey};
use super::{AuthError, ChunkSigning, Claim, Payload, UNSIGNED_PAYLOAD};
use crate::form::Form;
use crate::{Authority, Secret};

/// Verifies signatures against the secrets that an [`Authority`] knows.
#[derive(Debug)]
pub struct Verifier {
    authority: Arc<dyn Authority>,
    clock: Clock,
    keys: KeyCache,
}

/// A claim whose key is known and whose circumstances are in order; its signature is yet unproven.
#[derive(Debug)]
pub struct Opened {
    /// What the request claims.
    pub claim: Claim,
    /// How its body is protected.
    pub payload: Payload,
    secret: Secret,
}

/// A signature that was proven.
#[derive(Debug)]
pub struct Verified {
    /// What the request claimed, now true.
    pub claim: Claim,
    /// Whose it is.
    pub secret: Secret,
    /// How its body is protected.
    pub payload: Payload,
    key: SigningKey,
}

impl Verifier {
    /// A verifier that has seen nothing yet.
    pub fn new(authority: Arc<dyn Authority>, clock: Clock) -> Self {
        Self { authority, clock, keys: KeyCache::default() }
    }

    /// Checks all that needs neither body nor signature, so that most refusals cost neither:
    /// form, service, clock, signed headers, and whether the key is known.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub async fn open(&self, head: &Parts, service: &str) -> Result<Opened, AuthError> {
        let claim = Claim::of(head)?;
        check_service(&claim, service)?;
        check_time(&claim, self.clock.now())?;
        // The AWS SDK for JavaScript signs HTTP/2's own name of the host, where there is no other.
        let has_host = head.headers.contains_key("host");
        let signs_host = |name: &String| name == "host" || (name == canonical::AUTHORITY && !has_host);
        if !claim.signed_headers.iter().any(signs_host) {
            return Err(AuthError::Unsigned("host".into()));
        }
        let unsigned = canonical::unsigned_headers(&head.headers, &claim.signed_headers);
        if !unsigned.is_empty() {
            return Err(AuthError::Unsigned(unsigned));
        }
        let payload = Payload::of(&head.headers)?;
        if service == "s3" {
            if payload == Payload::Implied && claim.presigned.is_none() {
                return Err(AuthError::BadPayloadHeader(
                    "Missing required header for this request: x-amz-content-sha256",
                ));
            }
        } else if !matches!(payload, Payload::Implied | Payload::Hashed(_)) {
            return Err(AuthError::BadPayloadHeader("this service takes signed bodies only"));
        }
        let secret = self.secret(&claim).await?;
        Ok(Opened { claim, payload, secret })
    }

    /// Proves the signature of a request whose body is still to come (S3): the body must then be
    /// read through [`super::verified_body`].
    ///
    /// # Errors
    /// [`AuthError::Mismatch`].
    pub fn seal_head(&self, head: &Parts, opened: Opened) -> Result<Verified, AuthError> {
        let stated = head.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
        let payload = stated.unwrap_or(UNSIGNED_PAYLOAD).to_owned();
        self.seal(head, opened, &payload)
    }

    /// Proves the signature of a request whose whole body has this SHA-256.
    ///
    /// # Errors
    /// [`AuthError::Mismatch`], or [`AuthError::PayloadMismatch`] if another hash was signed.
    pub fn seal_whole(
        &self,
        head: &Parts,
        opened: Opened,
        body_sha256: &[u8; 32],
    ) -> Result<Verified, AuthError> {
        let computed = hex::encode(body_sha256);
        if let Payload::Hashed(signed) = &opened.payload
            && *signed != computed
        {
            return Err(AuthError::PayloadMismatch { signed: signed.clone(), computed });
        }
        self.seal(head, opened, &computed)
    }

    /// Proves the signature of an HTML form: it covers the form's policy, which the service then
    /// holds against everything else in the form.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub async fn form(&self, form: &Form, service: &str) -> Result<Verified, AuthError> {
        let claim = Claim::of_form(form)?;
        check_service(&claim, service)?;
        check_time(&claim, self.clock.now())?;
        let secret = self.secret(&claim).await?;
        let policy = form.field("Policy").unwrap_or_default();
        let opened = Opened { claim, payload: Payload::Unsigned, secret };
        self.prove(opened, |key, _| key.sign(policy.as_bytes()))
    }

    async fn secret(&self, claim: &Claim) -> Result<Secret, AuthError> {
        let secret = self.authority.secret(&claim.access_key).await;
        secret.ok_or_else(|| AuthError::UnknownKey(claim.access_key.clone()))
    }

    fn seal(&self, head: &Parts, opened: Opened, payload: &str) -> Result<Verified, AuthError> {
        self.prove(opened, |key, claim| {
            let style = PathStyle::of(&claim.service);
            let canonical = canonical::request(head, style, &claim.signed_headers, payload);
            key.sign_request(&claim.amz_date, claim.scope(), &canonical)
        })
    }

    /// Holds the claimed signature against the one that the secret's key makes.
    fn prove(
        &self,
        opened: Opened,
        sign: impl FnOnce(&SigningKey, &Claim) -> [u8; 32],
    ) -> Result<Verified, AuthError> {
        let Opened { claim, payload: protection, secret } = opened;
        let remembered = self.keys.get(&claim.credential, &secret.secret);
        let key = remembered.clone().unwrap_or_else(|| {
            SigningKey::derive(
                &secret.secret,
                claim.amz_date.get(..8).unwrap_or_default(),
                claim.region.as_str(),
                &claim.service,
            )
        });
        let wanted = sign(&key, &claim);
        if !bool::from(wanted.ct_eq(&claim.signature)) {
            tracing::debug!(access_key = claim.access_key, "a signature does not match");
            return Err(AuthError::Mismatch);
        }
        if remembered.is_none() {
            self.keys.put(&claim.credential, &secret.secret, key.clone());
        }
        Ok(Verified { claim, secret, payload: protection, key })
    }
}

impl Verified {
    /// What it takes to verify the signatures of the chunks that follow.
    pub fn chunk_signing(&self) -> ChunkSigning {
        let prefix = format!("{}\n{}", self.claim.amz_date, self.claim.scope());
        ChunkSigning::new(self.key.clone(), prefix, &self.claim.signature)
    }
}

fn check_service(claim: &Claim, service: &str) -> Result<(), AuthError> {
    if claim.service == service {
        return Ok(());
    }
    Err(AuthError::WrongScope(format!("Credential should be scoped to correct service: '{service}'.")))
}

fn check_time(claim: &Claim, now: Timestamp) -> Result<(), AuthError> {
    let skewed = AuthError::Skewed { request: claim.time, server: now };
    if claim.time.since(now) > SKEW_MAX {
        return Err(skewed);
    }
    match claim.presigned {
        Some(life) => {
            let expired = claim.time.plus(life);
            if now > expired { Err(AuthError::Expired { expired, server: now }) } else { Ok(()) }
        }
        None if now.since(claim.time) > SKEW_MAX => Err(skewed),
        None => Ok(()),
    }
}
