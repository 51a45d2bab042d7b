//! Answers that go on as event streams, written down as far as they have come:
//!
//! ```text
//! < 200 application/vnd.amazon.eventstream
//! < 1: event initial-response {}
//! < 1: end
//! ```
//!
//! A line per event, with the number of the subscription.

use std::time::Duration;

use bytes::BytesMut;
use headwater_base::Clock;
use headwater_wire::AnswerBody;
use headwater_wire::event_stream::Message;
use http_body_util::BodyExt;

/// How long a subscription that has nothing to say is listened to.
const SILENCE: Duration = Duration::from_millis(20);

/// The answers that a conversation's client listens to, by their number; those that ended are gone.
#[derive(Default)]
pub(crate) struct Subscriptions(Vec<Option<Subscription>>);

struct Subscription {
    body: AnswerBody,
    buffer: BytesMut,
}

impl Subscriptions {
    /// Listens to a further answer.
    pub(crate) fn open(&mut self, body: AnswerBody) {
        self.0.push(Some(Subscription { body, buffer: BytesMut::new() }));
    }

    /// The client drops the newest.
    pub(crate) fn hang_up(&mut self) {
        *self.0.last_mut().expect("a subscription is open") = None;
    }

    /// What every open subscription says until all of them are silent.
    pub(crate) async fn listen(&mut self) -> String {
        let mut heard = String::new();
        for (at, slot) in self.0.iter_mut().enumerate() {
            let Some(subscription) = slot else { continue };
            let has_ended = subscription.read().await;
            while let Some(message) = Message::decode(&mut subscription.buffer).expect("a valid message") {
                let kind = message.header(":message-type").expect("a message has a type");
                let name = message.header(&format!(":{kind}-type")).expect("and a name");
                assert_eq!(message.header(":content-type"), Some("application/json"));
                let payload = std::str::from_utf8(&message.payload).expect("JSON is text");
                heard.push_str(&format!("< {}: {kind} {name} {payload}\n", at + 1));
            }
            if has_ended {
                heard.push_str(&format!("< {}: end\n", at + 1));
                *slot = None;
            }
        }
        heard
    }
}

impl Subscription {
    /// Reads until nothing comes; whether the answer ended.
    async fn read(&mut self) -> bool {
        let real_time = Clock::system();
        loop {
            match real_time.timeout(SILENCE, self.body.frame()).await {
                Some(Some(frame)) => {
                    let data =
                        frame.expect("a whole frame").into_data().expect("event streams have no trailers");
                    self.buffer.extend_from_slice(&data);
                }
                Some(None) => return true,
                None => return false,
            }
        }
    }
}
