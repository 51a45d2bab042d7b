//! Operations that answer with events, for as long as both sides like: an `initial-response`, then
//! one message per event, then the end; or an exception instead of the end.
//!
//! Events are pulled: the next one is asked for when the connection takes it. A client that does not
//! read costs the event it does not take, and one that goes away drops the stream.

use std::any::Any;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, future};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event_stream::Message;
use crate::{Access, Codec, Context, Fault};

/// Something kept until an event's (or an answer's) bytes have left for the client, such as its share of a budget.
pub type Hold = Box<dyn Any + Send + Sync>;

/// One event.
pub struct Emission<E> {
    /// Its members.
    pub event: E,
    /// What is kept while its bytes are.
    pub hold: Option<Hold>,
}

impl<E: std::fmt::Debug> std::fmt::Debug for Emission<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emission").field("event", &self.event).finish_non_exhaustive()
    }
}

/// An operation of a JSON/CBOR service that answers with events.
pub trait EventOperation<F>: Send + Sync + 'static {
    /// Its name, such as `SubscribeToShard`.
    const NAME: &'static str;
    /// What its events are called, such as `SubscribeToShardEvent`.
    const EVENT: &'static str;
    /// What the client sends.
    type Input: DeserializeOwned + Send;
    /// The members of an event.
    type Event: Serialize + Send + 'static;

    /// Action and resource, for the guard; asked before `call`.
    fn access(face: &F, cx: &Context, input: &Self::Input) -> Result<Access, Fault>;

    /// Begins it. A fault here is an ordinary answer; a fault in the stream is its last message.
    fn call(
        face: &F,
        cx: &Context,
        input: Self::Input,
    ) -> impl Future<Output = Result<Emissions<Self::Event>, Fault>> + Send;
}

/// The events of one answer; nothing after a fault is asked for.
pub type Emissions<E> = BoxStream<'static, Result<Emission<E>, Fault>>;

/// The bytes of an answer with events, a message each.
pub(crate) fn frames<E: Serialize + Send + 'static>(
    codec: Codec,
    event: &'static str,
    emissions: Emissions<E>,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let initial = message(codec, "initial-response", &Empty {}, None);
    // Faults and what cannot be encoded end the stream after they were told.
    let bodies = emissions.scan(false, move |is_over, emission| {
        if *is_over {
            return future::ready(None);
        }
        let encoded = emission.and_then(|Emission { event: body, hold }| message(codec, event, &body, hold));
        *is_over = encoded.is_err();
        future::ready(Some(encoded))
    });
    stream::iter([initial])
        .chain(bodies)
        .map(move |encoded| encoded.unwrap_or_else(|fault| exception(codec, &fault)))
}

/// An answer has no members beside its events.
#[derive(Serialize)]
struct Empty {}

fn message(
    codec: Codec,
    event: &'static str,
    body: &impl Serialize,
    hold: Option<Hold>,
) -> Result<Bytes, Fault> {
    let payload = codec.encode(body)?;
    let headers =
        [(":message-type", "event"), (":event-type", event), (":content-type", codec.event_content_type())];
    let frame = Message::new(&headers, payload).encode().map_err(|error| {
        tracing::error!(%error, event, "an event could not be framed");
        Fault::server("InternalFailureException", "an event could not be framed")
    })?;
    Ok(match hold {
        None => frame.into(),
        Some(hold) => held(frame.into(), hold),
    })
}

/// The same bytes, which keep `hold` as long as any of them is kept.
pub fn held(bytes: Bytes, hold: Hold) -> Bytes {
    Bytes::from_owner(Held { bytes, _hold: hold })
}

fn exception(codec: Codec, fault: &Fault) -> Bytes {
    let headers = [
        (":message-type", "exception"),
        (":exception-type", &*fault.code),
        (":content-type", codec.event_content_type()),
    ];
    let frame = Message::new(&headers, codec.encode_fault(fault)).encode();
    // A code longer than 32 KiB does not exist; the stream ends without a word then.
    frame.unwrap_or_default().into()
}

/// Bytes and what is kept as long as they are.
struct Held {
    bytes: Bytes,
    _hold: Hold,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BytesMut;

    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tick {
        number: u32,
    }

    fn tick(number: u32) -> Result<Emission<Tick>, Fault> {
        Ok(Emission { event: Tick { number }, hold: None })
    }

    async fn told(codec: Codec, emissions: Vec<Result<Emission<Tick>, Fault>>) -> Vec<(String, Bytes)> {
        let frames: Vec<Bytes> = frames(codec, "Tick", stream::iter(emissions).boxed()).collect().await;
        let mut buffer = BytesMut::from(&frames.concat()[..]);
        let mut told = Vec::new();
        while let Some(message) = Message::decode(&mut buffer).unwrap() {
            let kind = message.header(":message-type").unwrap();
            let name = message.header(&format!(":{kind}-type")).unwrap();
            told.push((format!("{kind} {name}"), message.payload));
        }
        assert!(buffer.is_empty());
        told
    }

    #[tokio::test]
    async fn events_follow_the_initial_response() {
        let told = told(Codec::Json11, vec![tick(1), tick(2)]).await;
        let text = |s: &'static str| Bytes::from_static(s.as_bytes());
        assert_eq!(
            told,
            [
                ("event initial-response".to_owned(), text("{}")),
                ("event Tick".to_owned(), text(r#"{"Number":1}"#)),
                ("event Tick".to_owned(), text(r#"{"Number":2}"#)),
            ]
        );
    }

    #[tokio::test]
    async fn a_fault_is_an_exception_and_the_last_word() {
        let fault = Fault::client("ResourceInUseException", "taken over");
        let told = told(Codec::Json11, vec![tick(1), Err(fault), tick(2)]).await;
        assert_eq!(told.len(), 3);
        assert_eq!(told[2].0, "exception ResourceInUseException");
        assert_eq!(told[2].1, r#"{"__type":"ResourceInUseException","message":"taken over"}"#);
    }

    #[tokio::test]
    async fn cbor_clients_get_cbor() {
        let told = told(Codec::Cbor, vec![tick(7)]).await;
        assert_eq!(told[1].1, &b"\xa1\x66Number\x07"[..]);
    }

    #[tokio::test]
    async fn a_share_is_given_back_when_the_bytes_are_gone() {
        let share = Arc::new(());
        let hold: Hold = Box::new(share.clone());
        let emission = Ok(Emission { event: Tick { number: 1 }, hold: Some(hold) });
        let frames: Vec<Bytes> =
            frames(Codec::Json11, "Tick", stream::iter([emission]).boxed()).collect().await;
        assert_eq!(Arc::strong_count(&share), 2);
        let piece = frames[1].slice(10..20);
        drop(frames);
        assert_eq!(Arc::strong_count(&share), 2, "a piece still under way holds it");
        drop(piece);
        assert_eq!(Arc::strong_count(&share), 1);
    }
}
