//! Reading an answer that is an event stream.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{ATTEMPT_MAX, Answer, Client, ClientError, fault_of};
use crate::Fault;
use crate::event_stream::Message;

/// How long a stream may say nothing; the services that have one speak every few seconds.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The messages of an answer, as they arrive.
#[derive(Debug)]
pub struct Events {
    client: Client,
    body: Incoming,
    buffer: BytesMut,
}

impl Client {
    /// Calls a JSON 1.1 operation that answers with events, once. The first message is the
    /// `initial-response`.
    ///
    /// # Errors
    /// The service's refusal, or why there was no answer.
    pub async fn events(&self, service: &str, target: &str, body: Bytes) -> Result<Events, ClientError> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let request = self.signed(service, "POST", "/", &headers, body)?;
        let clock = &self.0.seams.clock;
        let answered = clock.timeout(ATTEMPT_MAX, self.0.http.request(request)).await;
        let answered = answered.ok_or_else(|| self.late())?.map_err(|error| self.unreachable(&error))?;
        if answered.status().is_success() {
            return Ok(Events { client: self.clone(), body: answered.into_body(), buffer: BytesMut::new() });
        }
        let answer = Answer::read(answered).await.map_err(|error| self.unreachable(&error))?;
        Err(ClientError::Refused(fault_of(&answer)))
    }
}

impl Events {
    /// The next message; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for an exception, [`ClientError::Garbled`] for what is no message,
    /// [`ClientError::Unreachable`] when the connection breaks or falls silent.
    pub async fn next(&mut self) -> Result<Option<Message>, ClientError> {
        loop {
            let decoded = Message::decode(&mut self.buffer);
            match decoded.map_err(|error| ClientError::Garbled(error.to_string()))? {
                Some(message) => return event(message).map(Some),
                None if !self.fill().await? => return Ok(None),
                None => {}
            }
        }
    }

    /// Reads on; `false` at the end.
    async fn fill(&mut self) -> Result<bool, ClientError> {
        let frame = self.client.0.seams.clock.timeout(SILENCE_MAX, self.body.frame()).await;
        match frame.ok_or_else(|| self.client.late())? {
            Some(Ok(frame)) => {
                self.buffer.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
                Ok(true)
            }
            Some(Err(error)) => Err(self.client.unreachable(&error)),
            None if self.buffer.is_empty() => Ok(false),
            None => Err(ClientError::Garbled("the event stream broke off within a message".to_owned())),
        }
    }
}

/// An exception is an error; everything else is the caller's.
fn event(message: Message) -> Result<Message, ClientError> {
    if message.header(":message-type") == Some("event") {
        return Ok(message);
    }
    let code = message.header(":exception-type").or_else(|| message.header(":error-code"));
    let code = code.unwrap_or("InternalFailure").to_owned();
    let members: serde_json::Value = serde_json::from_slice(&message.payload).unwrap_or_default();
    let text = members.get("message").and_then(serde_json::Value::as_str);
    let text = text.or_else(|| message.header(":error-message")).unwrap_or_default().to_owned();
    Err(ClientError::Refused(Fault::client(code, text)))
}
