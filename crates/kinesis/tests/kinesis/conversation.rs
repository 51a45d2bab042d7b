//! A conversation with the face, as a golden file tells it:
//!
//! ```text
//! # A line of comment.
//! > CreateStream {"StreamName":"orders","ShardCount":1}
//! < 200 {}
//! ! advance 300001          the clock moves on, in milliseconds
//! ! account 222222222222    the next requests are another account's
//! ! retry                   the next request repeats the last one's invocation id
//! ! events                  what every open subscription said since
//! ! hang up                 the newest subscription is dropped by its client
//! ```
//!
//! An answer with events is written a line per event, with the number of the subscription:
//!
//! ```text
//! < 200 application/vnd.amazon.eventstream
//! < 1: event initial-response {}
//! < 1: end
//! ```
//!
//! Clock and chance are simulated, so answers are the same in every run; sealed tokens, which are
//! long and mean nothing to a reader, are written as `{{ShardIterator}}` and the like, and a request
//! that says so gets the newest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use headwater_base::{AccountId, Caller, Clock, Seams, Timestamp};
use headwater_kinesis::Kinesis;
use headwater_store::memory;
use headwater_streams::Streams;
use headwater_wire::event_stream::{self, Message};
use headwater_wire::{
    Access, AnswerBody, Authority, Context, Face, Fault, OperationRow, RawBody, Secret, VerifiedRequest,
};
use headwater_work::Work;
use http_body_util::BodyExt;

const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);
/// How long a subscription that has nothing to say is listened to.
const SILENCE: Duration = Duration::from_millis(20);
const TOKENS: [&str; 3] = ["NextShardIterator", "ShardIterator", "NextToken"];

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
    face: Kinesis,
    seams: Seams,
    account: AccountId,
    invocation: u32,
    tokens: BTreeMap<&'static str, String>,
    answered: String,
    subscriptions: Vec<Option<Listening>>,
}

/// A subscription's open answer.
struct Listening {
    body: AnswerBody,
    buffer: BytesMut,
}

impl Conversation {
    /// Over an empty store.
    pub fn new() -> Self {
        let seams = Seams::simulated(START, 1);
        let store = memory::open(seams.clone());
        let streams = Streams::new(store, seams.clone(), &Work::new(seams.clone()));
        Self {
            face: Kinesis::new(streams),
            seams,
            account: "000000000001".parse().unwrap(),
            invocation: 0,
            tokens: BTreeMap::new(),
            answered: String::new(),
            subscriptions: Vec::new(),
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
                out.push_str(&std::mem::take(&mut self.answered));
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
            ("advance", ms) => self.seams.clock.advance(Duration::from_millis(ms.parse().unwrap())),
            ("account", account) => self.account = account.parse().unwrap(),
            ("retry", "") => self.invocation -= 1,
            ("events", "") => self.listen().await,
            ("hang", "up") => *self.subscriptions.last_mut().unwrap() = None,
            other => panic!("unknown directive {other:?}"),
        }
    }

    async fn ask(&mut self, operation: &str, body: &str) {
        let mut body = body.to_owned();
        for (name, token) in &self.tokens {
            body = body.replace(&format!("{{{{{name}}}}}"), token);
        }
        self.invocation += 1;
        let answer = self.face.handle(self.request(operation, body)).await;
        let status = answer.status().as_u16();
        if answer.headers()["content-type"] == event_stream::CONTENT_TYPE {
            self.answered = format!("< {status} {}\n", event_stream::CONTENT_TYPE);
            let listening = Listening { body: answer.into_body(), buffer: BytesMut::new() };
            self.subscriptions.push(Some(listening));
            return self.listen().await;
        }
        assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.1");
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let mut text = String::from_utf8(bytes.to_vec()).unwrap();
        for name in TOKENS {
            text = self.hide(name, text);
        }
        self.answered = format!("< {status} {text}\n");
    }

    /// Writes down what every open subscription says until all of them are silent.
    async fn listen(&mut self) {
        let real_time = Clock::system();
        for (at, subscription) in self.subscriptions.iter_mut().enumerate() {
            let Some(Listening { body, buffer }) = subscription else { continue };
            let mut has_ended = false;
            loop {
                let frame = tokio::select! {
                    biased;
                    frame = body.frame() => frame,
                    () = real_time.sleep(SILENCE) => break,
                };
                match frame {
                    Some(frame) => buffer.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                    None => {
                        has_ended = true;
                        break;
                    }
                }
            }
            while let Some(message) = Message::decode(buffer).unwrap() {
                let kind = message.header(":message-type").unwrap();
                let name = message.header(&format!(":{kind}-type")).unwrap();
                assert_eq!(message.header(":content-type"), Some("application/json"));
                let payload = std::str::from_utf8(&message.payload).unwrap();
                self.answered.push_str(&format!("< {}: {kind} {name} {payload}\n", at + 1));
            }
            if has_ended {
                self.answered.push_str(&format!("< {}: end\n", at + 1));
                *subscription = None;
            }
        }
    }

    /// Replaces the value of a token's member by a placeholder and remembers it.
    fn hide(&mut self, name: &'static str, text: String) -> String {
        let member = format!("\"{name}\":\"");
        let Some(start) = text.find(&member).map(|at| at + member.len()) else { return text };
        let end = start + text[start..].find('"').unwrap();
        let token = text[start..end].to_owned();
        let hidden = format!("{}{{{{{name}}}}}{}", &text[..start], &text[end..]);
        self.tokens.insert(name, token);
        hidden
    }

    fn request(&self, operation: &str, body: String) -> VerifiedRequest {
        let (head, ()) = http::Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
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
