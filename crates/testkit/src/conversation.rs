//! A conversation with a JSON face, as a golden file tells it:
//!
//! ```text
//! # A line of comment.
//! > CreateStream {"StreamName":"orders","ShardCount":1}
//! < 200 {}
//! ! advance 300001                  the clock moves on, in milliseconds
//! ! account 222222222222            the next requests are another account's
//! ! retry                           the next request repeats the last one's invocation id
//! ! await GetJob {"JobName":"j"} x  the request is repeated until its answer holds x
//! ! events                          what every open subscription said since
//! ! hang up                         the newest subscription is dropped by its client
//! ```
//!
//! Event streams are written as `events` says. A face may know more directives: its [`Stage`]. Clock and chance are simulated, so answers are
//! the same in every run; tokens and ids, which are long and mean nothing to a reader, are written
//! as `{{NextToken}}` and the like ([`Hidden`]), and a request that says so gets the newest.
//!
//! **Failure.** A conversation that can't go on panics and says why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::{AccountId, Caller, Seams, Timestamp};
use headwater_wire::{Context, Face, RawBody, VerifiedRequest, event_stream};
use http_body_util::BodyExt;

use crate::events::Subscriptions;
use crate::{AllowAll, context_of};

/// When every conversation begins.
pub const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);
/// Who asks until a directive says otherwise.
pub const CALLER: &str = "000000000001";
/// Where everything is asked.
pub const REGION: &str = "eu-west-1";
const JSON: &str = "application/x-amz-json-1.1";
/// How often a request is repeated before a conversation gives up.
const REPEATS_MAX: usize = 200_000;

/// The clock and chance of a conversation.
pub fn seams() -> Seams {
    Seams::simulated(START, 1)
}

/// What is written as a placeholder instead of its value.
#[derive(Clone, Copy, Debug)]
pub enum Hidden {
    /// The values of this member, as `{{Member}}`; the first of an answer is remembered.
    Member(&'static str),
    /// What this operation answers in this member: from then on it is `{{id}}` wherever it stands.
    Id(&'static str, &'static str),
}

/// A face's own directives.
#[async_trait]
pub trait Stage: Send {
    /// Does what `verb` says; false if it is not a directive of this face.
    async fn obey(&mut self, conversation: &mut Conversation, verb: &str, rest: &str) -> bool;
}

/// No directives of one's own.
#[async_trait]
impl Stage for () {
    async fn obey(&mut self, _: &mut Conversation, _: &str, _: &str) -> bool {
        false
    }
}

/// A face and what was said so far.
pub struct Conversation {
    face: Arc<dyn Face>,
    seams: Seams,
    account: AccountId,
    invocation: u32,
    hidden: &'static [Hidden],
    known: BTreeMap<&'static str, String>,
    answered: String,
    subscriptions: Subscriptions,
}

impl Conversation {
    /// With `face`, which was made with these `seams`; `hidden` is written as placeholders.
    pub fn new(face: Arc<dyn Face>, seams: Seams, hidden: &'static [Hidden]) -> Self {
        Self {
            face,
            seams,
            account: CALLER.parse().expect("the constant is an account id"),
            invocation: 0,
            hidden,
            known: BTreeMap::new(),
            answered: String::new(),
            subscriptions: Subscriptions::default(),
        }
    }

    /// The same, where `{{name}}` in a request stands for `text`.
    #[must_use]
    pub fn knowing(mut self, name: &'static str, text: &str) -> Self {
        self.known.insert(name, text.to_owned());
        self
    }

    /// The same conversation with another face, as after a restart.
    #[must_use]
    pub fn with_face(self, face: Arc<dyn Face>) -> Self {
        Self { face, ..self }
    }

    /// The account that asks.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The last answer, as a golden file writes it.
    pub fn answered(&self) -> &str {
        &self.answered
    }

    /// Moves the clock on.
    pub fn advance(&self, ms: u64) {
        self.seams.clock.advance(Duration::from_millis(ms));
    }

    /// Plays the requests of `text` and returns it with the answers that came.
    pub async fn play(mut self, stage: &mut dyn Stage, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines() {
            if line.starts_with("< ") {
                continue;
            }
            out.push_str(line);
            out.push('\n');
            if let Some(directive) = line.strip_prefix("! ") {
                out.push_str(&self.obey(stage, directive).await);
            }
            if let Some(request) = line.strip_prefix("> ") {
                let (operation, body) = request.split_once(' ').unwrap_or((request, ""));
                self.ask(operation, body).await;
                out.push_str(&self.answered);
            }
        }
        out
    }

    /// Sends a request and keeps its answer.
    pub async fn ask(&mut self, operation: &str, body: &str) {
        let mut body = body.to_owned();
        for (name, text) in &self.known {
            body = body.replace(&format!("{{{{{name}}}}}"), text);
        }
        self.invocation += 1;
        let answer = self.face.handle(self.request(operation, body)).await;
        let status = answer.status().as_u16();
        if answer.headers()["content-type"] == event_stream::CONTENT_TYPE {
            self.subscriptions.open(answer.into_body());
            let heard = self.subscriptions.listen().await;
            self.answered = format!("< {status} {}\n{heard}", event_stream::CONTENT_TYPE);
            return;
        }
        assert_eq!(answer.headers()["content-type"], JSON);
        let bytes = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        let mut text = String::from_utf8(bytes.to_vec()).expect("JSON is text");
        for hidden in self.hidden {
            text = match hidden {
                Hidden::Member(name) => self.hide_member(name, &text),
                Hidden::Id(of, member) => self.hide_id(*of == operation, member, text),
            };
        }
        self.answered = format!("< {status} {text}\n");
    }

    /// Repeats a request until its answer is as wanted.
    pub async fn ask_until(&mut self, operation: &str, body: &str, wanted: impl Fn(&str) -> bool) {
        for _ in 0..REPEATS_MAX {
            self.ask(operation, body).await;
            if wanted(&self.answered) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{operation} {body} still answers {}", self.answered);
    }

    /// Does what a directive says; gives what was heard meanwhile.
    async fn obey(&mut self, stage: &mut dyn Stage, directive: &str) -> String {
        let (verb, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        match verb {
            "advance" => self.advance(rest.parse().expect("milliseconds")),
            "account" => self.account = rest.parse().expect("an account id"),
            "retry" => self.invocation -= 1,
            "events" => return self.subscriptions.listen().await,
            "hang" => self.subscriptions.hang_up(),
            "await" => {
                let (operation, rest) = rest.split_once(' ').expect("an operation and its request");
                let (body, text) = rest.rsplit_once(' ').expect("a request and what its answer holds");
                self.ask_until(operation, body, |answer| answer.contains(text)).await;
            }
            _ => assert!(stage.obey(self, verb, rest).await, "unknown directive {directive:?}"),
        }
        String::new()
    }

    fn hide_member(&mut self, name: &'static str, text: &str) -> String {
        let member = format!("\"{name}\":\"");
        let mut shown = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(&member) {
            let (value, after) = after.split_once('"').expect("a string ends");
            if !shown.contains(&member) {
                self.known.insert(name, value.to_owned());
            }
            shown.push_str(&format!("{before}{member}{{{{{name}}}}}\""));
            rest = after;
        }
        shown + rest
    }

    fn hide_id(&mut self, is_new: bool, member: &str, text: String) -> String {
        let member = format!("\"{member}\":\"");
        if let Some((_, after)) = text.split_once(&member).filter(|_| is_new) {
            let (id, _) = after.split_once('"').expect("a string ends");
            self.known.insert("id", id.to_owned());
        }
        match self.known.get("id") {
            Some(id) => text.replace(id, "{{id}}"),
            None => text,
        }
    }

    fn request(&self, operation: &str, body: String) -> VerifiedRequest {
        let prefix = self.face.target_prefix().expect("a JSON face has a target");
        let (head, ()) = http::Request::post("/")
            .header("content-type", JSON)
            .header("x-amz-target", format!("{prefix}.{operation}"))
            .body(())
            .expect("a valid request")
            .into_parts();
        let context = Context {
            caller: Arc::new(Caller {
                account: self.account,
                access_key: "AKIA".to_owned(),
                user: "root".to_owned(),
                canonical_id: String::new(),
            }),
            region: REGION.parse().expect("the constant is a region"),
            request_id: "request".into(),
            time: self.seams.clock.now(),
            invocation_id: Some(format!("invocation-{}", self.invocation).into()),
            body_sha256: stand_in_digest(body.as_bytes()),
            authority: Arc::new(AllowAll),
            ..context_of(self.account)
        };
        VerifiedRequest { head, body: RawBody::Whole(body.into()), context }
    }
}

/// Differs where bodies differ, and is no SHA-256: nothing here checks one.
fn stand_in_digest(body: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (at, byte) in body.iter().enumerate() {
        digest[at % 32] ^= byte.rotate_left(at as u32 / 32);
    }
    digest
}
