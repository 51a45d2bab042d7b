//! A conversation with the face, as a golden file tells it:
//!
//! ```text
//! # A line of comment.
//! > GetDatabase {"Name":"lake"}
//! < 200 {…}
//! ! advance 300001                  the clock moves on, in milliseconds
//! ! account 222222222222            the next requests are another account's
//! ! put bucket key text             an object is put; '|' ends a line
//! ! await GetJob {"JobName":"j"} x  the request is repeated until its answer holds x
//! ```
//!
//! Clock and chance are simulated; tokens and ids, which say nothing to a reader, are written as
//! `{{NextToken}}` and the like, and a request that says so gets the newest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::{AccountId, Caller, Seams, Timestamp};
use headwater_catalog::{Catalog, QueryEngine};
use headwater_glue::{Glue, Ground};
use headwater_objects::{Attributes, BucketName, ObjectKey, Objects};
use headwater_store::{Store, memory};
use headwater_wire::{
    Access, Authority, Context, Face, Fault, OperationRow, RawBody, Secret, VerifiedRequest,
};
use headwater_work::Work;
use http_body_util::BodyExt;

use crate::engine::Engine;

const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const TOKENS: [&str; 3] = ["JobRunId", "Id", "NextToken"];
/// How often a request is repeated before a test gives up.
const REPEATS_MAX: usize = 200_000;

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
    face: Glue,
    pub engine: Arc<Engine>,
    store: Arc<dyn Store>,
    objects: Objects,
    seams: Seams,
    work: Work,
    account: AccountId,
    invocation: u32,
    tokens: BTreeMap<&'static str, String>,
    answered: String,
}

impl Conversation {
    /// Over an empty store.
    pub fn new() -> Self {
        let seams = Seams::simulated(START, 1);
        Self::over(memory::open(seams.clone()), Arc::default(), seams)
    }

    fn over(store: Arc<dyn Store>, engine: Arc<Engine>, seams: Seams) -> Self {
        let work = Work::new(seams.clone());
        let blobs = Arc::new(headwater_blob::memory::MemoryBlobs::new(seams.clone()));
        let objects = Objects::without_sweep(Arc::clone(&store), blobs, seams.clone());
        let ground = Ground {
            store: Arc::clone(&store),
            catalog: Catalog::new(Arc::clone(&store), seams.clone()),
            objects: objects.clone(),
            queries: Some(Arc::clone(&engine) as Arc<dyn QueryEngine>),
            seams: seams.clone(),
        };
        let face = Glue::new(ground, &work);
        Self {
            face,
            engine,
            store,
            objects,
            seams,
            work,
            account: "000000000001".parse().unwrap(),
            invocation: 0,
            tokens: BTreeMap::new(),
            answered: String::new(),
        }
    }

    /// The process ends and another begins over the same store.
    pub async fn again(self) -> Self {
        self.work.shutdown(Duration::ZERO).await;
        Self { tokens: self.tokens, ..Self::over(self.store, self.engine, self.seams) }
    }

    /// The face's operations.
    pub fn operations(&self) -> Vec<OperationRow> {
        self.face.operations()
    }

    /// Moves the clock on.
    pub fn advance(&self, ms: u64) {
        self.seams.clock.advance(Duration::from_millis(ms));
    }

    /// Repeats a request until its answer holds `text`.
    pub async fn wait_for(&mut self, operation: &str, body: &str, text: &str) {
        for _ in 0..REPEATS_MAX {
            self.ask(operation, body).await;
            if self.answered.contains(text) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{operation} never answered {text:?} but {}", self.answered);
    }

    async fn put(&self, bucket: &str, key: &str, text: &str) {
        let name = BucketName::new(bucket).unwrap();
        let region = "eu-west-1".parse().unwrap();
        // It exists already after the first put.
        let _ = self.objects.create_bucket(&name, self.account, &region).await;
        let bucket = self.objects.bucket(&name).await.unwrap();
        let body = format!("{}\n", text.replace('|', "\n"));
        self.objects
            .put_bytes(&bucket, &ObjectKey::new(key).unwrap(), body.into(), Attributes::default())
            .await
            .unwrap();
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
                self.answered.clear();
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
        match directive.split_once(' ').unwrap_or((directive, "")) {
            ("advance", ms) => self.advance(ms.parse().unwrap()),
            ("account", account) => self.account = account.parse().unwrap(),
            ("put", rest) => {
                let mut parts = rest.splitn(3, ' ');
                let mut next = || parts.next().unwrap();
                let (bucket, key, text) = (next(), next(), next());
                self.put(bucket, key, text).await;
            }
            ("await", rest) => {
                let (operation, rest) = rest.split_once(' ').unwrap();
                let (body, text) = rest.rsplit_once(' ').unwrap();
                self.wait_for(operation, body, text).await;
            }
            other => panic!("unknown directive {other:?}"),
        }
    }

    pub async fn ask(&mut self, operation: &str, body: &str) {
        let mut body = body.to_owned();
        for (name, token) in &self.tokens {
            body = body.replace(&format!("{{{{{name}}}}}"), token);
        }
        self.invocation += 1;
        let answer = self.face.handle(self.request(operation, body)).await;
        let status = answer.status().as_u16();
        assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.1");
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let mut text = String::from_utf8(bytes.to_vec()).unwrap();
        for name in TOKENS {
            text = self.hide(name, text);
        }
        self.answered = format!("< {status} {text}\n");
    }

    /// Replaces the values of a token's member by a placeholder and remembers the first.
    fn hide(&mut self, name: &'static str, text: String) -> String {
        let member = format!("\"{name}\":\"");
        let mut hidden = String::new();
        let mut rest = text.as_str();
        while let Some(start) = rest.find(&member).map(|at| at + member.len()) {
            let end = start + rest[start..].find('"').unwrap();
            if !hidden.contains(&member) {
                self.tokens.insert(name, rest[start..end].to_owned());
            }
            hidden.push_str(&format!("{}{{{{{name}}}}}", &rest[..start]));
            rest = &rest[end..];
        }
        hidden + rest
    }

    fn request(&self, operation: &str, body: String) -> VerifiedRequest {
        let (head, ()) = http::Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AWSGlue.{operation}"))
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
