//! Raw requests and answers of every operation, good and bad: one folder per operation.
//!
//! A case is a file of exchanges against a fresh engine in memory that holds the bucket `bucket` of
//! account 000000000042 and the object `hello.txt`: a request, a line `---`, the answer. Exchanges
//! are parted by a line `===`. Time and chance are simulated, so answers are the same each time.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use futures::StreamExt;
use headwater_base::{AccountId, Caller, Seams, Timestamp};
use headwater_blob::memory::MemoryBlobs;
use headwater_events::{Carrier, Events, Message, Options, Target, Undelivered};
use headwater_objects::{Attributes, BucketName, ObjectKey, Objects};
use headwater_s3::S3Face;
use headwater_testkit::golden;
use headwater_wire::form::{Form, FormDecoder, FormPiece};
use headwater_wire::{Access, Authority, Context, Face, Fault, RawBody, Secret, VerifiedRequest};
use http_body_util::BodyExt;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// Lets owners do everything and others nothing.
#[derive(Debug)]
struct OwnersOnly;

#[async_trait]
impl Authority for OwnersOnly {
    async fn secret(&self, _access_key: &str) -> Option<Secret> {
        None
    }

    async fn check(&self, caller: &Caller, _access: &Access, owner: Option<AccountId>) -> Result<(), Fault> {
        match owner {
            Some(owner) if owner != caller.account => {
                Err(Fault::client("AccessDenied", "Access Denied").with_status(403))
            }
            _ => Ok(()),
        }
    }

    fn canonical_id(&self, account: AccountId) -> String {
        if account.number() == 42 { "c".repeat(64) } else { "d".repeat(64) }
    }
}

/// Takes every message, except for the queue that is said to be down.
#[derive(Debug)]
struct Obliging;

#[async_trait]
impl Carrier for Obliging {
    async fn carry(&self, target: &Target, _message: &Message) -> Result<(), Undelivered> {
        match target.arn.ends_with(":down") {
            true => Err(Undelivered::Unavailable("down".into())),
            false => Ok(()),
        }
    }
}

fn options() -> Options {
    let names = ["sqs:eu-west-1:000000000042:queue", "sqs:eu-west-1:000000000042:down"];
    let more = ["sns:eu-west-1:000000000042:topic", "lambda:eu-west-1:000000000042:function:f"];
    let target = |name| Target { arn: format!("arn:aws:{name}"), url: "http://127.0.0.1:1/".into() };
    Options { targets: names.into_iter().chain(more).map(target).collect(), ..Options::default() }
}

async fn face() -> S3Face {
    let seams = Seams::simulated(Timestamp::from_ms(1_767_225_600_000), 7);
    let store = headwater_store::memory::open(seams.clone());
    let objects = Objects::without_sweep(store, Arc::new(MemoryBlobs::new(seams.clone())), seams);
    let owner = "000000000042".parse().unwrap();
    let name = BucketName::new("bucket").unwrap();
    let bucket = objects.create_bucket(&name, owner, &"eu-west-1".parse().unwrap()).await.unwrap();
    let attributes = Attributes { content_type: Some("text/plain".into()), ..Attributes::default() };
    objects
        .put_bytes(&bucket, &ObjectKey::new("hello.txt").unwrap(), "hello".into(), attributes)
        .await
        .unwrap();
    let events = Events::without_tasks(objects.clone(), options(), Arc::new(Obliging));
    S3Face::new(objects, events)
}

/// Reads a request: method and path, headers, an empty line, the body. `account:` says who asks.
fn request(text: &str) -> VerifiedRequest {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let mut lines = head.lines();
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut account = "000000000042";
    let mut builder = http::Request::builder().method(method).uri(path).header("host", "localhost:4566");
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        match name {
            "account" => account = value,
            _ => builder = builder.header(name, value),
        }
    }
    let (head, ()) = builder.body(()).unwrap().into_parts();
    let account: AccountId = account.parse().unwrap();
    let caller = Caller {
        account,
        access_key: "AKID".into(),
        user: "root".into(),
        canonical_id: OwnersOnly.canonical_id(account),
    };
    let context = Context {
        caller: Arc::new(caller),
        region: "eu-west-1".parse().unwrap(),
        request_id: "REQUEST".into(),
        time: Timestamp::from_ms(0),
        invocation_id: None,
        body_sha256: [0; 32],
        source_ip: "127.0.0.1".into(),
        tls: None,
        authority: Arc::new(OwnersOnly),
    };
    let body = body.strip_suffix('\n').unwrap_or(body);
    let content_type = head.headers.get("content-type").map(|value| value.to_str().unwrap());
    let body = match content_type.filter(|text| text.starts_with("multipart/form-data")) {
        Some(content_type) => form(content_type, body),
        None => RawBody::Whole(Bytes::copy_from_slice(body.as_bytes())),
    };
    VerifiedRequest { head, body, context }
}

/// Reads a form as the front door does. Its policy stands there as JSON and is sent in base64.
fn form(content_type: &str, body: &str) -> RawBody {
    let mut decoder = FormDecoder::new(content_type).unwrap();
    decoder.push(format!("{body}\n").replace('\n', "\r\n").as_bytes());
    let (mut form, mut file) = (Form::default(), Vec::new());
    loop {
        match decoder.piece().unwrap() {
            FormPiece::Fields(fields) => form = fields,
            FormPiece::Data(data) => file.push(Ok(data)),
            FormPiece::More | FormPiece::FileEnd => break,
        }
    }
    for (_, value) in
        form.fields.iter_mut().filter(|(name, value)| name == "policy" && value.starts_with('{'))
    {
        *value = base64::engine::general_purpose::STANDARD.encode(&*value);
    }
    RawBody::Form { form, file: futures::stream::iter(file).boxed() }
}

async fn answer(face: &S3Face, text: &str) -> String {
    let answer = face.handle(request(text)).await;
    let mut shown = format!("{}\n", answer.status().as_u16());
    let mut headers: Vec<String> = answer
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect();
    headers.sort();
    shown.extend(headers);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    // One element a line, so that differences can be read.
    let body = String::from_utf8(body.to_vec()).unwrap().replace("><", ">\n<");
    if body.is_empty() { shown } else { format!("{shown}\n{body}\n") }
}

fn upload_id(answer: &str) -> Option<String> {
    let (_, rest) = answer.split_once("<UploadId>")?;
    Some(rest.split_once("</UploadId>")?.0.to_owned())
}

/// The version that an answer names.
fn version_id(answer: &str) -> Option<String> {
    answer.lines().find_map(|line| line.strip_prefix("x-amz-version-id: ")).map(str::to_owned)
}

/// Plays one case, whose exchanges share a face, the id of the last upload (`@@`) and that of the
/// last version (`##`).
async fn play(text: &str) -> String {
    let face = face().await;
    let mut renewed = Vec::new();
    let (mut upload, mut version) = (String::new(), String::new());
    for exchange in text.split("===\n") {
        let (request, _) = exchange.split_once("---\n").unwrap_or((exchange, ""));
        let got = answer(&face, &request.replace("@@", &upload).replace("##", &version)).await;
        upload = upload_id(&got).unwrap_or(upload);
        version = version_id(&got).unwrap_or(version);
        renewed.push(format!("{}\n---\n{got}", request.trim_end_matches('\n')));
    }
    renewed.join("===\n")
}

#[tokio::test]
async fn answers_are_as_they_were() {
    golden::play_all(GOLDEN, play).await;
}

#[tokio::test]
async fn every_operation_has_a_golden() {
    golden::assert_complete(GOLDEN, &face().await.operations());
}
