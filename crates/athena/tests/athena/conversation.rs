//! A conversation with the face, as a golden file tells it:
//!
//! ```text
//! # A line of comment.
//! > GetWorkGroup {"WorkGroup":"primary"}
//! < 200 {…}
//! ! account 222222222222    the next requests are another account's
//! ! bucket results          the bucket exists from here on
//! ! database shop           the database exists from here on
//! ! wait                    until the last execution has ended
//! ```
//!
//! The clock is simulated, so answers are the same in every run. `{{id}}` stands for the id of the
//! last execution, in requests and in answers.

use std::sync::Arc;

use async_trait::async_trait;
use headwater_athena::{Athena, Options};
use headwater_base::{AccountId, Caller, Scope, Seams, Timestamp};
use headwater_blob::memory::MemoryBlobs;
use headwater_catalog::{Catalog, Database};
use headwater_objects::{BucketName, Objects};
use headwater_store::memory;
use headwater_wire::{
    Access, Authority, Context, Face, Fault, OperationRow, RawBody, Secret, VerifiedRequest,
};
use headwater_work::Work;
use http_body_util::BodyExt;

use crate::engine::Scripted;

const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);
/// How often the end of an execution is looked for.
const LOOKS_MAX: usize = 10_000;

/// Everybody may do everything.
#[derive(Debug)]
struct AllowAll;

#[async_trait]
impl Authority for AllowAll {
    async fn secret(&self, _: &str) -> Option<Secret> {
        None
    }

    async fn check(&self, _: &Caller, _: &Access, _: Option<AccountId>) -> Result<(), Fault> {
        Ok(())
    }
}

/// A fresh face and what was said so far.
pub struct Conversation {
    face: Athena,
    objects: Objects,
    catalog: Catalog,
    id: String,
    seams: Seams,
    account: AccountId,
    invocation: u32,
    answered: String,
}

impl Conversation {
    /// Over an empty store.
    pub fn new() -> Self {
        let seams = Seams::simulated(START, 1);
        let store = memory::open(seams.clone());
        let work = Work::new(seams.clone());
        let blobs = Arc::new(MemoryBlobs::new(seams.clone()));
        let objects = Objects::without_sweep(store.clone(), blobs, seams.clone());
        let catalog = Catalog::new(store.clone(), seams.clone());
        let engine = Arc::new(Scripted);
        let face = Athena::new(
            &Options::default(),
            store,
            objects.clone(),
            catalog.clone(),
            engine,
            seams.clone(),
            &work,
        );
        Self {
            face,
            objects,
            catalog,
            id: String::new(),
            seams,
            account: "000000000001".parse().unwrap(),
            invocation: 0,
            answered: String::new(),
        }
    }

    /// The face's operations.
    pub fn operations() -> Vec<OperationRow> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { Self::new().face.operations() })
    }

    /// Plays the requests of `text` and returns it with the answers that came.
    pub async fn play(mut self, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines() {
            if line.starts_with("< ") {
                continue;
            }
            out.push_str(line);
            out.push('\n');
            if let Some(directive) = line.strip_prefix("! ") {
                self.obey(directive).await;
            }
            if let Some(request) = line.strip_prefix("> ") {
                let (operation, body) = request.split_once(' ').unwrap_or((request, ""));
                self.ask(operation, body).await;
                out.push_str(&std::mem::take(&mut self.answered));
            }
        }
        out
    }

    async fn obey(&mut self, directive: &str) {
        let scope = Scope::new(self.account, "eu-west-1".parse().unwrap());
        match directive.split_once(' ').unwrap_or((directive, "")) {
            ("account", account) => self.account = account.parse().unwrap(),
            ("bucket", name) => {
                let name = BucketName::new(name).unwrap();
                self.objects.create_bucket(&name, self.account, &scope.region).await.unwrap();
            }
            ("database", name) => {
                let database = Database {
                    name: name.to_owned(),
                    description: None,
                    location: None,
                    parameters: Default::default(),
                    created: START,
                };
                self.catalog.create_database(&scope, database).await.unwrap();
            }
            ("wait", "") => self.wait().await,
            other => panic!("unknown directive {other:?}"),
        }
    }

    async fn wait(&mut self) {
        for _ in 0..LOOKS_MAX {
            self.ask("GetQueryExecution", r#"{"QueryExecutionId":"{{id}}"}"#).await;
            let answer = std::mem::take(&mut self.answered);
            if !answer.contains("\"QUEUED\"") && !answer.contains("\"RUNNING\"") {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the execution does not end");
    }

    async fn ask(&mut self, operation: &str, body: &str) {
        let body = body.replace("{{id}}", &self.id);
        self.invocation += 1;
        let answer = self.face.handle(self.request(operation, body)).await;
        let status = answer.status().as_u16();
        assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.1");
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        if operation == "StartQueryExecution" && status == 200 {
            let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
            self.id = answer["QueryExecutionId"].as_str().unwrap().to_owned();
        }
        let text = if self.id.is_empty() { text } else { text.replace(&self.id, "{{id}}") };
        self.answered = format!("< {status} {text}\n");
    }

    fn request(&self, operation: &str, body: String) -> VerifiedRequest {
        let (head, ()) = http::Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AmazonAthena.{operation}"))
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
            invocation_id: Some(format!("invocation-{}", self.invocation).into()),
            body_sha256,
            source_ip: "127.0.0.1".into(),
            authority: Arc::new(AllowAll),
        };
        VerifiedRequest { head, body: RawBody::Whole(body.into()), context }
    }
}
