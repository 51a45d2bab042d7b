//! The operations of a JSON/CBOR service: decode, guard, call, encode.

use std::collections::HashMap;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::{self, REQUEST_ID};
use crate::events::{self, EventOperation};
use crate::{
    Access, Answer, Codec, Context, Fault, OperationRow, Outcome, RawBody, VerifiedRequest, event_stream,
    value,
};

/// One operation of a JSON/CBOR service whose state is `F`.
pub trait Operation<F>: Send + Sync + 'static {
    /// Its name, such as `PutRecord`.
    const NAME: &'static str;
    /// What the client sends.
    type Input: DeserializeOwned + Send;
    /// What it gets.
    type Output: Serialize + Send + 'static;

    /// Action and resource, for the guard; asked before `call`.
    fn access(face: &F, cx: &Context, input: &Self::Input) -> Result<Access, Fault>;

    /// Does it.
    fn call(
        face: &F,
        cx: &Context,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, Fault>> + Send;

    /// Writes the answer's body. An operation whose answers may be large writes them where they hold up
    /// nobody else's requests.
    fn encode(codec: Codec, output: Self::Output) -> impl Future<Output = Result<Bytes, Fault>> + Send {
        async move { codec.encode(&output) }
    }
}

/// The flat list of a JSON/CBOR service's operations, dispatching by name: decode, guard, call,
/// encode. Faces hold one and implement [`crate::Face::handle`] by [`OperationSet::handle`].
pub struct OperationSet<F> {
    rows: Vec<OperationRow>,
    calls: HashMap<&'static str, Call<F>>,
}

type Call<F> = Box<
    dyn for<'a> Fn(&'a F, &'a Context, Codec, Bytes) -> BoxFuture<'a, Result<Answer, Fault>> + Send + Sync,
>;

impl<F> std::fmt::Debug for OperationSet<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperationSet").field("rows", &self.rows).field("calls", &self.calls.len()).finish()
    }
}

impl<F: Send + Sync + 'static> OperationSet<F> {
    /// No operations yet.
    pub fn new() -> Self {
        Self { rows: Vec::new(), calls: HashMap::new() }
    }

    /// Adds a working operation.
    #[must_use]
    pub fn with<O: Operation<F>>(mut self) -> Self {
        self.rows.push(OperationRow { name: O::NAME, works: true });
        let call: Call<F> = Box::new(|face, cx, codec, body| Box::pin(run::<F, O>(face, cx, codec, body)));
        self.calls.insert(O::NAME, call);
        self
    }

    /// Adds a working operation that answers with events.
    #[must_use]
    pub fn with_events<O: EventOperation<F>>(mut self) -> Self {
        self.rows.push(OperationRow { name: O::NAME, works: true });
        let call: Call<F> =
            Box::new(|face, cx, codec, body| Box::pin(run_events::<F, O>(face, cx, codec, body)));
        self.calls.insert(O::NAME, call);
        self
    }

    /// Adds operations that are known and refused.
    #[must_use]
    pub fn refusing(mut self, names: &[&'static str]) -> Self {
        self.rows.extend(names.iter().map(|name| OperationRow { name, works: false }));
        self
    }

    /// Every operation.
    pub fn rows(&self) -> &[OperationRow] {
        &self.rows
    }

    /// Answers a request by its `X-Amz-Target`, in the protocol of its content type. Runs to its
    /// end once begun: the front door detaches it from the client's connection.
    pub async fn handle(&self, face: &F, request: VerifiedRequest) -> Answer {
        let VerifiedRequest { head, body, context } = request;
        let codec = Codec::of_content_type(text(&head, header::CONTENT_TYPE.as_str()));
        let name =
            text(&head, "x-amz-target").and_then(|target| target.rsplit('.').next()).unwrap_or_default();
        let row = self.rows.iter().find(|row| row.name == name);
        let result = match (self.calls.get(name), body) {
            (Some(call), RawBody::Whole(body)) => call(face, &context, codec, body).await,
            (Some(_), RawBody::Streaming { .. } | RawBody::Form { .. }) => {
                tracing::error!(name, "a streamed body reached a service that takes whole ones");
                Err(Fault::server("InternalFailure", "the body was not read"))
            }
            (None, _) => Err(unknown(name, row.is_some())),
        };
        let operation = row.map_or("Unknown", |row| row.name);
        let fault = result.as_ref().err().map(|fault| fault.code.clone());
        let mut response = result.unwrap_or_else(|fault| answer::coded(codec, &fault));
        if let Ok(id) = HeaderValue::from_str(&context.request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response.extensions_mut().insert(Outcome { operation, fault });
        response
    }
}

impl<F: Send + Sync + 'static> Default for OperationSet<F> {
    fn default() -> Self {
        Self::new()
    }
}

async fn run<F, O: Operation<F>>(face: &F, cx: &Context, codec: Codec, body: Bytes) -> Result<Answer, Fault> {
    let input: O::Input = read(codec, body)?;
    let access = O::access(face, cx, &input)?;
    cx.authority.check(&cx.caller, &access, None).await?;
    let output = O::call(face, cx, input).await?;
    let body = O::encode(codec, output).await?;
    Ok(answer::whole(StatusCode::OK, codec.content_type(), body))
}

async fn run_events<F, O: EventOperation<F>>(
    face: &F,
    cx: &Context,
    codec: Codec,
    body: Bytes,
) -> Result<Answer, Fault> {
    let input: O::Input = read(codec, body)?;
    let access = O::access(face, cx, &input)?;
    cx.authority.check(&cx.caller, &access, None).await?;
    let emissions = O::call(face, cx, input).await?;
    Ok(answer::streamed(event_stream::CONTENT_TYPE, events::frames(codec, O::EVENT, emissions)))
}

/// Takes the body, so that large ones are not kept beside what was read from them; blobs in CBOR are
/// slices of it.
fn read<I: DeserializeOwned>(codec: Codec, body: Bytes) -> Result<I, Fault> {
    if !codec.is_object(&body) {
        return Err(Fault::client("SerializationException", "the body is not an object with named members"));
    }
    value::sharing(&body, || codec.decode(&body))
}

fn unknown(name: &str, refused: bool) -> Fault {
    if refused {
        return Fault::client(
            "UnknownOperationException",
            format!("{name} is not supported by this endpoint"),
        );
    }
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).take(100).collect();
    Fault::client("UnknownOperationException", format!("there is no operation {name:?}"))
}

fn text<'a>(head: &'a http::request::Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authority, Secret};
    use async_trait::async_trait;
    use headwater_base::{AccountId, Caller, Timestamp};
    use http_body_util::BodyExt;
    use serde::Deserialize;
    use std::sync::Arc;

    #[derive(Debug)]
    struct OnlyGreet;

    #[async_trait]
    impl Authority for OnlyGreet {
        async fn secret(&self, _access_key: &str) -> Option<Secret> {
            None
        }
        async fn check(&self, _: &Caller, access: &Access, _: Option<AccountId>) -> Result<(), Fault> {
            match access.action {
                "test:Greet" => Ok(()),
                _ => Err(Fault::client("AccessDeniedException", "no")),
            }
        }
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Name {
        name: String,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Greeting {
        text: String,
    }

    struct Greet;
    impl Operation<()> for Greet {
        const NAME: &'static str = "Greet";
        type Input = Name;
        type Output = Greeting;
        fn access((): &(), _: &Context, _: &Name) -> Result<Access, Fault> {
            Ok(Access { action: "test:Greet", resource: None })
        }
        async fn call((): &(), _: &Context, input: Name) -> Result<Greeting, Fault> {
            Ok(Greeting { text: format!("hello {}", input.name) })
        }
    }

    /// Writes its answers itself.
    struct Recite;
    impl Operation<()> for Recite {
        const NAME: &'static str = "Recite";
        type Input = Name;
        type Output = Greeting;
        fn access((): &(), _: &Context, _: &Name) -> Result<Access, Fault> {
            Ok(Access { action: "test:Greet", resource: None })
        }
        async fn call((): &(), _: &Context, input: Name) -> Result<Greeting, Fault> {
            Ok(Greeting { text: input.name.repeat(100_000) })
        }
        async fn encode(codec: Codec, output: Greeting) -> Result<Bytes, Fault> {
            codec.encode_within(&output, output.text.len())
        }
    }

    struct Forbidden;
    impl Operation<()> for Forbidden {
        const NAME: &'static str = "Forbidden";
        type Input = serde_json::Value;
        type Output = ();
        fn access((): &(), _: &Context, _: &serde_json::Value) -> Result<Access, Fault> {
            Ok(Access { action: "test:Forbidden", resource: None })
        }
        async fn call((): &(), _: &Context, _: serde_json::Value) -> Result<(), Fault> {
            panic!("the guard lets nobody here")
        }
    }

    async fn ask(target: &str, content_type: &str, body: &[u8]) -> (u16, Outcome, http::HeaderMap, Bytes) {
        let set = OperationSet::new().with::<Greet>().with::<Recite>().with::<Forbidden>().refusing(&["Bow"]);
        let request = http::Request::post("/")
            .header("x-amz-target", target)
            .header("content-type", content_type)
            .body(());
        let caller = Caller {
            account: "000000000001".parse().unwrap(),
            access_key: "AK".into(),
            user: "ada".into(),
            canonical_id: String::new(),
        };
        let context = Context {
            caller: Arc::new(caller),
            region: "eu-west-1".parse().unwrap(),
            request_id: "id-1".into(),
            time: Timestamp::from_ms(0),
            invocation_id: None,
            body_sha256: [0; 32],
            source_ip: "127.0.0.1".into(),
            tls: None,
            authority: Arc::new(OnlyGreet),
        };
        let body = RawBody::Whole(Bytes::copy_from_slice(body));
        let request = VerifiedRequest { head: request.unwrap().into_parts().0, body, context };
        let (head, body) = set.handle(&(), request).await.into_parts();
        let outcome = head.extensions.get::<Outcome>().cloned().unwrap();
        (head.status.as_u16(), outcome, head.headers, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn a_call_is_answered_in_the_protocol_it_came_in() {
        let (status, outcome, headers, body) =
            ask("Test_1.Greet", "application/x-amz-json-1.1", br#"{"Name":"ada"}"#).await;
        assert_eq!((status, &body[..]), (200, &br#"{"Text":"hello ada"}"#[..]));
        assert_eq!(
            (headers["content-type"].as_bytes(), headers["x-amzn-requestid"].as_bytes()),
            (&b"application/x-amz-json-1.1"[..], &b"id-1"[..])
        );
        assert_eq!(outcome, Outcome { operation: "Greet", fault: None });
        let cbor = Codec::Cbor.encode(&serde_json::json!({"Name": "ada"})).unwrap();
        let (status, _, headers, body) = ask("Test_1.Greet", "application/x-amz-cbor-1.1", &cbor).await;
        let read: serde_json::Value = Codec::Cbor.decode(&body).unwrap();
        assert_eq!((status, read), (200, serde_json::json!({"Text": "hello ada"})));
        assert_eq!(headers["content-type"], "application/x-amz-cbor-1.1");
    }

    #[tokio::test]
    async fn a_large_answer_is_the_same_in_both_protocols() {
        let wanted = "ada".repeat(100_000);
        for codec in [Codec::Json11, Codec::Cbor] {
            let body = codec.encode(&serde_json::json!({"Name": "ada"})).unwrap();
            let (status, _, _, body) = ask("Test_1.Recite", codec.content_type(), &body).await;
            let read: serde_json::Value = codec.decode(&body).unwrap();
            assert_eq!((status, read["Text"].as_str()), (200, Some(wanted.as_str())));
        }
    }

    #[tokio::test]
    async fn refusals_have_codes_and_types() {
        for (target, body, code) in [
            ("Test_1.Sing", "{}", "UnknownOperationException"),
            ("Test_1.Bow", "{}", "UnknownOperationException"),
            ("Test_1.Greet", "{", "SerializationException"),
            ("Test_1.Greet", "{}", "ValidationException"),
            ("Test_1.Forbidden", "{}", "AccessDeniedException"),
        ] {
            let (status, outcome, headers, answer) =
                ask(target, "application/x-amz-json-1.1", body.as_bytes()).await;
            assert_eq!(
                (status, headers["x-amzn-errortype"].to_str().unwrap()),
                (400, code),
                "{target} {body}"
            );
            assert_eq!(outcome.fault.as_deref(), Some(code));
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["__type"], code);
        }
    }
}
