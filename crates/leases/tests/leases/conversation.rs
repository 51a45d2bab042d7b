//! A conversation with the face, as a golden file tells it:
//!
//! ```text
//! # A line of comment.
//! > ListTables {}
//! < 200 {"TableNames":[]}
//! ! advance 600001          the clock moves on, in milliseconds
//! ! account 222222222222    the next requests are another account's
//! ```
//!
//! Clock and chance are simulated, so answers are the same in every run.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::{AccountId, Caller, Seams, Timestamp};
use headwater_leases::Leases;
use headwater_store::memory;
use headwater_wire::{
    Access, Authority, Context, Face, Fault, OperationRow, RawBody, Secret, VerifiedRequest,
};
use headwater_work::Work;
use http_body_util::BodyExt;

const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);

/// Everybody may do everything with their own.
#[derive(Debug)]
struct Own;

#[async_trait]
impl Authority for Own {
    async fn secret(&self, _: &str) -> Option<Secret> {
        None
    }

    async fn check(&self, caller: &Caller, access: &Access, _: Option<AccountId>) -> Result<(), Fault> {
        let owner = access.resource.as_ref().and_then(|arn| arn.account);
        if owner.is_some_and(|owner| owner != caller.account) {
            return Err(Fault::client("AccessDeniedException", access.action));
        }
        Ok(())
    }
}

/// A fresh face.
pub struct Conversation {
    face: Leases,
    seams: Seams,
    account: AccountId,
}

impl Conversation {
    /// Over an empty store.
    pub fn new() -> Self {
        let seams = Seams::simulated(START, 1);
        let store = memory::open(seams.clone());
        let face = Leases::new(store, seams.clone(), &Work::new(seams.clone()));
        Self { face, seams, account: "000000000001".parse().unwrap() }
    }

    /// The face's operations.
    pub fn operations() -> Vec<OperationRow> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { Self::new().face.operations() })
    }

    /// Plays the requests of `text` and returns it with the answers that came.
    pub async fn play(mut self, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines().filter(|line| !line.starts_with("< ")) {
            out.push_str(line);
            out.push('\n');
            if let Some(directive) = line.strip_prefix("! ") {
                self.obey(directive);
            }
            if let Some(request) = line.strip_prefix("> ") {
                let (operation, body) = request.split_once(' ').unwrap_or((request, ""));
                let (status, body) = self.ask(operation, body).await;
                out.push_str(&format!("< {status} {body}\n"));
            }
        }
        out
    }

    /// The status and body of the answer to a request.
    pub async fn ask(&self, operation: &str, body: &str) -> (u16, String) {
        let answer = self.face.handle(self.request(operation, body)).await;
        let status = answer.status().as_u16();
        assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.0");
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn obey(&mut self, directive: &str) {
        match directive.split_once(' ').unwrap_or((directive, "")) {
            ("advance", ms) => self.seams.clock.advance(Duration::from_millis(ms.parse().unwrap())),
            ("account", account) => self.account = account.parse().unwrap(),
            other => panic!("unknown directive {other:?}"),
        }
    }

    fn request(&self, operation: &str, body: &str) -> VerifiedRequest {
        let (head, ()) = http::Request::post("/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .body(())
            .unwrap()
            .into_parts();
        let mut body_sha256 = [0; 32];
        for (at, byte) in body.bytes().enumerate() {
            body_sha256[at % 32] ^= byte.rotate_left(at as u32 / 32);
        }
        let context = Context {
            caller: Arc::new(Caller {
                account: self.account,
                access_key: "AKIA".to_owned(),
                user: "root".to_owned(),
                canonical_id: String::new(),
            }),
            region: "eu-west-1".parse().unwrap(),
            request_id: "request".into(),
            time: self.seams.clock.now(),
            invocation_id: None,
            body_sha256,
            source_ip: "127.0.0.1".into(),
            tls: None,
            authority: Arc::new(Own),
        };
        VerifiedRequest { head, body: RawBody::Whole(body.to_owned().into()), context }
    }
}
