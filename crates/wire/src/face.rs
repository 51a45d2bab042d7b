//! What a protocol face gives the front door, and what it gets from it.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use headwater_base::{AccountId, Arn, Caller, OnceToken, Region, Scope, Timestamp};

use crate::form::Form;
use crate::{BucketPolicyTraits, Fault, Petition};

/// What an operation wants to do, for the guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Such as `kinesis:PutRecord`.
    pub action: &'static str,
    /// What it is done to; `None` for actions on no resource in particular (`List…`).
    pub resource: Option<Arn>,
}

/// A user's secret and who it makes the caller.
#[derive(Clone)]
pub struct Secret {
    /// The secret access key.
    pub secret: Arc<str>,
    /// Whom a request signed with it comes from.
    pub caller: Arc<Caller>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// The port through which the front door asks who and whether. `identity` implements it.
#[async_trait]
pub trait Authority: Send + Sync + std::fmt::Debug {
    /// The secret of an access key, if there is one.
    async fn secret(&self, access_key: &str) -> Option<Secret>;
    /// Whether the caller may; `Err` is the service's own refusal. `owner` is the account that
    /// owns the resource, where it is not the caller's by construction (S3).
    async fn check(&self, caller: &Caller, access: &Access, owner: Option<AccountId>) -> Result<(), Fault>;
    /// Whether a resource policy is one that `check` can go by; `Err` says what is wrong with it.
    ///
    /// # Errors
    /// One sentence for whoever wrote the policy.
    fn check_policy(&self, _policy: &str) -> Result<(), String> {
        Ok(())
    }
    /// Whether the caller may, where the face's engine keeps policy and grants (S3). An authority
    /// that knows no policies goes by the bucket's owner and the grants.
    async fn decide(&self, petition: &Petition<'_>) -> Result<(), Fault> {
        if petition.is_granted {
            return Ok(());
        }
        self.check(petition.caller, petition.access, Some(petition.owner)).await
    }
    /// What a policy for this bucket is like; `Err` says what is wrong with it.
    ///
    /// # Errors
    /// One sentence for whoever wrote the policy.
    fn read_bucket_policy(&self, _policy: &str, _bucket: &str) -> Result<BucketPolicyTraits, String> {
        Ok(BucketPolicyTraits::default())
    }
    /// S3's canonical id of an account.
    fn canonical_id(&self, account: AccountId) -> String {
        format!("{account:0>64}")
    }
}

/// The circumstances of one request.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who asks.
    pub caller: Arc<Caller>,
    /// The region the request was signed for.
    pub region: Region,
    /// The id that answers and logs carry.
    pub request_id: Arc<str>,
    /// When the request arrived.
    pub time: Timestamp,
    /// The SDK's `amz-sdk-invocation-id`: the same on every retry of one call.
    pub invocation_id: Option<Arc<str>>,
    /// SHA-256 of the body as it was sent; zeros while a streamed body is still arriving.
    pub body_sha256: [u8; 32],
    /// The client's address, without port.
    pub source_ip: Arc<str>,
    /// The version of TLS it came over (`s3:TlsVersion`), if it did (`aws:SecureTransport`): `1.2`, `1.3`.
    pub tls: Option<&'static str>,
    /// Asks whether the caller may.
    pub authority: Arc<dyn Authority>,
}

impl Context {
    /// The caller's account in the request's region.
    pub fn scope(&self) -> Scope {
        Scope::new(self.caller.account, self.region.clone())
    }

    /// The token that recognises a retry of this call: access key, invocation id, `target` and a
    /// digest of the request body. `None` when the client sent no invocation id.
    pub fn once(&self, target: &str, body_digest: &[u8]) -> Option<OnceToken> {
        let id = self.invocation_id.as_ref()?;
        let parts = [self.caller.access_key.as_bytes(), id.as_bytes(), target.as_bytes(), body_digest];
        Some(OnceToken::derive(&parts))
    }

    /// [`Context::once`] with the digest of the whole body: the same token for each retry an SDK
    /// sends of one call, another one for everything else.
    pub fn retry_token(&self, target: &str) -> Option<OnceToken> {
        self.once(target, &self.body_sha256)
    }
}

/// A line of `docs/services/<service>.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// The operation's name.
    pub name: &'static str,
    /// Whether it works; refused operations answer with the service's own error.
    pub works: bool,
}

/// A request whose signature (headers at least) was verified, aws-chunked already decoded. For a face
/// that takes them also one without a signature, whose caller is anonymous.
#[derive(Debug)]
pub struct VerifiedRequest {
    /// Method, URI, headers. No Authorization, no presign parameters.
    pub head: http::request::Parts,
    /// The body.
    pub body: RawBody,
    /// The circumstances.
    pub context: Context,
}

/// What follows a body, by name; complete once the body has ended.
pub type Trailers = Arc<std::sync::Mutex<Vec<(String, String)>>>;

/// A verified request's body.
pub enum RawBody {
    /// Read and verified whole.
    Whole(Bytes),
    /// Still arriving; an error at its end (hash, chunk signature, trailer, length) means that
    /// nothing may be stored.
    Streaming {
        /// The decoded length, if the client said it.
        len: Option<u64>,
        /// Pieces as they arrive.
        stream: BoxStream<'static, Result<Bytes, Fault>>,
        /// What follows it.
        trailers: Trailers,
    },
    /// An HTML form whose policy's signature was verified, or one without a policy and signature of
    /// an anonymous caller. That a form keeps to its policy is for the face to check.
    Form {
        /// The fields before the file.
        form: Form,
        /// The file as it arrives; an error at its end means that nothing may be stored.
        file: BoxStream<'static, Result<Bytes, Fault>>,
    },
}

impl std::fmt::Debug for RawBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Streaming { len, .. } => write!(f, "Streaming({len:?})"),
            Self::Form { form, .. } => write!(f, "Form({} fields)", form.fields.len()),
        }
    }
}

/// What became of a request, for the access log and the metrics. Faces leave it in the extensions of
/// their answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The operation's name, such as `PutRecord`.
    pub operation: &'static str,
    /// The error's code, if it failed.
    pub fault: Option<Cow<'static, str>>,
}

/// The body of an answer.
pub type AnswerBody = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

/// An answer: what [`Face::handle`] gives; named here so that faces need not name the HTTP library.
pub type Answer = http::Response<AnswerBody>;

/// A protocol face: one service.
#[async_trait]
pub trait Face: Send + Sync + 'static {
    /// The name in the credential scope (`kinesis`, `s3`, …).
    fn signing_name(&self) -> &'static str;
    /// The part of `X-Amz-Target` before the dot, for JSON services.
    fn target_prefix(&self) -> Option<&'static str>;
    /// Whether every request names its operation in `X-Amz-Target`: not of a service that speaks
    /// other protocols, too.
    fn needs_target(&self) -> bool {
        self.target_prefix().is_some()
    }
    /// Whether bodies are handed over while they arrive (S3) or whole.
    fn streams_bodies(&self) -> bool {
        false
    }
    /// Whether requests that nobody signed come here, too, as those of [`Caller::anonymous`] (S3). Such
    /// a face asks of every one of them whether everybody may.
    fn takes_unsigned(&self) -> bool {
        false
    }
    /// The largest whole body accepted.
    fn body_bytes_max(&self) -> usize;
    /// Every operation, working and refused.
    fn operations(&self) -> Vec<OperationRow>;
    /// Answers one request. Never fails: faults are answers.
    async fn handle(&self, request: VerifiedRequest) -> Answer;
}
