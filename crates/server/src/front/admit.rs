//! From an untrusted request to a verified one, within bounds.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use headwater_base::{Caller, Region, Seams, Timestamp};
use headwater_wire::sigv4::{AuthError, Dialect, Verified, Verifier, unsigned_body, verified_body};
use headwater_wire::{Authority, Context, Face, Fault, RawBody, VerifiedRequest};
use http::request::Parts;
use http::{Method, Request, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::form::{self, Arriving};
use super::route;

/// How long a client may send nothing in the middle of a body.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How long a request waits for memory for its body.
const MEMORY_WAIT_MAX: Duration = Duration::from_secs(10);
/// How much of a refused request's body is read, so that its client reads the refusal.
const DRAIN_BYTES_MAX: usize = 64 * 1024;
/// How long that may take.
const DRAIN_MAX: Duration = Duration::from_millis(500);
/// The region of requests that name none.
const UNSIGNED_REGION: &str = "us-east-1";
/// A body longer than this is received and handled side by side.
const LONG_BYTES: u64 = 128 << 10;
/// The unit in which memory for bodies is given out.
const PERMIT_BYTES: usize = 1024;

/// Verifies requests and reads their bodies.
pub(super) struct Admission {
    authority: Arc<dyn Authority>,
    verifier: Verifier,
    seams: Seams,
    /// Memory for whole bodies, in [`PERMIT_BYTES`].
    memory: Arc<Semaphore>,
}

/// A request that is what it says, and the memory its body holds.
pub(super) struct Admitted {
    pub(super) request: VerifiedRequest,
    pub(super) memory: Option<OwnedSemaphorePermit>,
}

impl Admitted {
    /// Whether so much of its body is still to come that receiving it and handling it should go side by side.
    pub(super) fn is_long(&self) -> bool {
        match &self.request.body {
            RawBody::Whole(_) => false,
            RawBody::Form { .. } => true,
            RawBody::Streaming { len: Some(len), .. } => *len > LONG_BYTES,
            // Without a length what is put or posted comes in chunks of any length; the rest has no body.
            RawBody::Streaming { len: None, .. } => {
                matches!(self.request.head.method, Method::PUT | Method::POST)
            }
        }
    }
}

/// What is known of a request before anything is verified.
#[derive(Clone)]
pub(super) struct Arrival {
    pub(super) request_id: Arc<str>,
    pub(super) time: Timestamp,
    pub(super) source_ip: Arc<str>,
    /// The version of TLS it came over, if it did.
    pub(super) tls: Option<&'static str>,
}

impl Admission {
    /// With `memory_bytes` for bodies that are read whole.
    pub(super) fn new(authority: Arc<dyn Authority>, seams: Seams, memory_bytes: usize) -> Self {
        let verifier = Verifier::new(authority.clone(), seams.clock.clone());
        Self { authority, verifier, seams, memory: Arc::new(Semaphore::new(memory_bytes / PERMIT_BYTES)) }
    }

    /// Verifies a request for `face`. A refused one's body is drained a little.
    pub(super) async fn admit(
        &self,
        face: &dyn Face,
        request: Request<Incoming>,
        arrival: Arrival,
    ) -> Result<Admitted, Fault> {
        let (head, mut body) = request.into_parts();
        let dialect = route::dialect(face);
        if face.streams_bodies() && form::is_form(&head) {
            return self.form(face, head, body, arrival).await;
        }
        let opened = self.verifier.open(&head, face.signing_name()).await;
        let opened = match opened {
            Ok(opened) => opened,
            Err(AuthError::Missing) if face.takes_unsigned() => return self.unsigned(head, body, arrival),
            Err(error) => return Err(self.refuse(&head, body, &error, dialect).await),
        };
        if face.streams_bodies() {
            return match self.verifier.seal_head(&head, opened) {
                Ok(verified) => self.streaming(head, body, &verified, arrival),
                Err(error) => Err(self.refuse(&head, body, &error, dialect).await),
            };
        }
        let memory = match self.reserve(face, &head).await {
            Ok(memory) => memory,
            Err(fault) => {
                self.drain(&head, body).await;
                return Err(fault);
            }
        };
        let (bytes, digest) = self.read_whole(&mut body, face.body_bytes_max()).await?;
        let verified = self
            .verifier
            .seal_whole(&head, opened, &digest)
            .map_err(|error| self.note(&error).fault(dialect))?;
        let context = self.context(&head, &verified, arrival, digest);
        let request = VerifiedRequest { head, body: RawBody::Whole(bytes), context };
        Ok(Admitted { request, memory: Some(memory) })
    }

    /// Reads a little of what a refused client still sends, unless it waits to be asked.
    pub(super) async fn drain(&self, head: &Parts, mut body: Incoming) {
        if head.headers.contains_key(header::EXPECT) {
            return;
        }
        let read = async {
            let mut left = DRAIN_BYTES_MAX;
            while let Some(Ok(frame)) = body.frame().await {
                let got = frame.data_ref().map_or(0, Bytes::len);
                if got >= left {
                    break;
                }
                left -= got;
            }
        };
        // Whether it sent more or fell silent, the answer goes out and the connection closes.
        let _ = self.seams.clock.timeout(DRAIN_MAX, read).await;
    }

    async fn refuse(&self, head: &Parts, body: Incoming, error: &AuthError, dialect: Dialect) -> Fault {
        self.drain(head, body).await;
        self.note(error).fault(dialect)
    }

    fn note<'e>(&self, error: &'e AuthError) -> &'e AuthError {
        metrics::counter!("headwater_refused_signatures_total").increment(1);
        error
    }

    fn streaming(
        &self,
        mut head: Parts,
        body: Incoming,
        verified: &Verified,
        arrival: Arrival,
    ) -> Result<Admitted, Fault> {
        let context = self.context(&head, verified, arrival, [0; 32]);
        let body = verified_body(&mut head, body, verified, &self.seams.clock)?;
        Ok(Admitted { request: VerifiedRequest { head, body, context }, memory: None })
    }

    /// A request that nobody signed, for a face that asks whether everybody may.
    fn unsigned(&self, mut head: Parts, body: Incoming, arrival: Arrival) -> Result<Admitted, Fault> {
        let context = self.anonymous(&head, arrival);
        let body = unsigned_body(&mut head, body, &self.seams.clock)?;
        Ok(Admitted { request: VerifiedRequest { head, body, context }, memory: None })
    }

    fn anonymous(&self, head: &Parts, arrival: Arrival) -> Context {
        let region = UNSIGNED_REGION.parse().expect("the name of a region is one");
        self.context_of(head, Arc::new(Caller::anonymous()), region, arrival, [0; 32])
    }

    /// A form: its signature is among its fields.
    async fn form(
        &self,
        face: &dyn Face,
        head: Parts,
        body: Incoming,
        arrival: Arrival,
    ) -> Result<Admitted, Fault> {
        let mut arriving = match Arriving::new(&head, body, self.seams.clock.clone(), IDLE_MAX) {
            Ok(arriving) => arriving,
            Err((fault, body)) => {
                self.drain(&head, body).await;
                return Err(fault);
            }
        };
        let opened = match arriving.fields().await {
            Ok(form) => match self.verifier.form(&form, face.signing_name()).await {
                Ok(verified) => Ok((form, Some(verified))),
                Err(AuthError::Missing) if face.takes_unsigned() => Ok((form, None)),
                Err(error) => Err(self.note(&error).fault(route::dialect(face))),
            },
            Err(fault) => Err(fault),
        };
        match opened {
            Ok((form, verified)) => {
                let context = match verified {
                    Some(verified) => self.context(&head, &verified, arrival, [0; 32]),
                    None => self.anonymous(&head, arrival),
                };
                let body = RawBody::Form { form, file: arriving.file() };
                Ok(Admitted { request: VerifiedRequest { head, body, context }, memory: None })
            }
            Err(fault) => {
                self.drain(&head, arriving.into_body()).await;
                Err(fault)
            }
        }
    }

    /// Memory for the body, as much as the client says it is or may be.
    async fn reserve(&self, face: &dyn Face, head: &Parts) -> Result<OwnedSemaphorePermit, Fault> {
        let limit = face.body_bytes_max();
        let stated = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let len = stated.map_or(Some(limit), |text| text.parse::<usize>().ok()).unwrap_or(usize::MAX);
        if len > limit {
            return Err(too_large(limit));
        }
        let permits = u32::try_from(len / PERMIT_BYTES + 1).unwrap_or(u32::MAX);
        if let Ok(permit) = self.memory.clone().try_acquire_many_owned(permits) {
            return Ok(permit);
        }
        let waiting = self.memory.clone().acquire_many_owned(permits);
        match self.seams.clock.timeout(MEMORY_WAIT_MAX, waiting).await {
            Some(Ok(permit)) => Ok(permit),
            // The semaphore is never closed, so this is the time limit.
            _ => Err(Fault::server("ServiceUnavailable", "too many request bodies at once; slow down")
                .with_status(503)),
        }
    }

    async fn read_whole(&self, body: &mut Incoming, limit: usize) -> Result<(Bytes, [u8; 32]), Fault> {
        let mut hasher = Sha256::new();
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        loop {
            let frame = self.seams.clock.timeout(IDLE_MAX, body.frame()).await;
            let frame = frame.ok_or_else(|| {
                Fault::client("RequestTimeout", "the body did not arrive in time").with_status(408)
            })?;
            let data = match frame {
                None => break,
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Err(Fault::client("IncompleteBody", "the body broke off")),
            };
            if first.len() + all.len() + data.len() > limit {
                return Err(too_large(limit));
            }
            hasher.update(&data);
            // A body that came in one piece is not copied.
            if first.is_empty() && all.is_empty() {
                first = data;
            } else {
                if all.is_empty() {
                    all.reserve(first.len() + data.len().max(body.size_hint_bytes()));
                    all.extend_from_slice(&std::mem::take(&mut first));
                }
                all.extend_from_slice(&data);
            }
        }
        let bytes = if all.is_empty() { first } else { all.freeze() };
        Ok((bytes, hasher.finalize().into()))
    }

    fn context(&self, head: &Parts, verified: &Verified, arrival: Arrival, body_sha256: [u8; 32]) -> Context {
        let (caller, region) = (verified.secret.caller.clone(), verified.claim.region.clone());
        self.context_of(head, caller, region, arrival, body_sha256)
    }

    fn context_of(
        &self,
        head: &Parts,
        caller: Arc<Caller>,
        region: Region,
        arrival: Arrival,
        body_sha256: [u8; 32],
    ) -> Context {
        let invocation_id = head.headers.get("amz-sdk-invocation-id").and_then(|value| value.to_str().ok());
        Context {
            caller,
            region,
            request_id: arrival.request_id,
            time: arrival.time,
            // A longer one is no SDK's; as a retry token it would only cost.
            invocation_id: invocation_id.filter(|id| (1..=128).contains(&id.len())).map(Into::into),
            body_sha256,
            source_ip: arrival.source_ip,
            tls: arrival.tls,
            authority: self.authority.clone(),
        }
    }
}

/// How much is still to come, as far as known.
trait SizeHint {
    fn size_hint_bytes(&self) -> usize;
}

impl SizeHint for Incoming {
    fn size_hint_bytes(&self) -> usize {
        usize::try_from(http_body::Body::size_hint(self).lower()).unwrap_or(0)
    }
}

fn too_large(limit: usize) -> Fault {
    Fault::client("RequestEntityTooLargeException", format!("the body is larger than {limit} bytes"))
        .with_status(413)
}
