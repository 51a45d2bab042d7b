//! Signing keys of a client: one signer per service and region in use.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use headwater_base::{Region, Timestamp};
use http::Request;

pub use crate::sigv4::Credentials;
use crate::sigv4::{SignedPayload, Signer};

/// How many signers are kept.
const SIGNERS_MAX: usize = 16;

/// Credentials, with the signers that were made of them.
#[derive(Debug)]
pub struct SigningKeys {
    credentials: Credentials,
    signers: Mutex<Vec<Arc<Signer>>>,
}

impl SigningKeys {
    /// No signers yet.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, signers: Mutex::new(Vec::new()) }
    }

    fn signer(&self, service: &str, region: &Region) -> Arc<Signer> {
        let mut signers = self.signers.lock().expect("no holder of this lock panics");
        if let Some(known) = signers.iter().find(|signer| signer.is_for(service, region.as_str())) {
            return known.clone();
        }
        if signers.len() == SIGNERS_MAX {
            signers.remove(0);
        }
        let made = Arc::new(Signer::new(self.credentials.clone(), region.as_str(), service));
        signers.push(made.clone());
        made
    }
}

/// Signs a request with its body in hand. `Host` must be set. A request that states its payload's hash
/// itself (`x-amz-content-sha256`) is signed with that.
pub fn sign(
    request: Request<Bytes>,
    keys: &SigningKeys,
    service: &str,
    region: &Region,
    now: Timestamp,
) -> Request<Bytes> {
    let (mut head, body) = request.into_parts();
    let stated =
        head.headers.get("x-amz-content-sha256").and_then(|hash| hash.to_str().ok()).map(str::to_owned);
    let payload = stated.as_deref().map_or(SignedPayload::Whole(&body), SignedPayload::Stated);
    keys.signer(service, region).sign(&mut head, payload, now);
    Request::from_parts(head, body)
}
