//! Where events go: destinations of the node's configuration, each an HTTP address.
//!
//! The services that AWS would deliver to (SQS, SNS, Lambda, EventBridge) are not on this node. The
//! configuration says which address stands for which ARN; a message is posted there as the service
//! would have got it, and an answer of 2xx takes it.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use headwater_base::{Arn, Seams};
use headwater_wire::client::{ClientError, Poster};

/// How long a target may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Idle connections kept to each target.
const CONNECTIONS: usize = 16;

/// The services whose ARNs may be mapped.
const SERVICES: &[&str] = &["sqs", "sns", "lambda", "events"];

/// The statuses that say that this one message is at fault. All others but 2xx say that the target
/// takes nothing now.
const REFUSALS: &[u16] = &[400, 413, 415, 422];

/// A destination and the address that stands for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The destination, as notification configurations name it.
    pub arn: String,
    /// Where its messages are posted.
    pub url: String,
}

impl Target {
    /// Checks that the destination can be one and the address can be posted to.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let arn: Arn = self.arn.parse().map_err(|error| format!("{error}"))?;
        if !SERVICES.contains(&arn.service.as_str()) || arn.region.is_none() || arn.account.is_none() {
            return Err(format!("{} names no queue, topic, function or event bus", self.arn));
        }
        Poster::check(&self.url).map_err(|error| error.to_string())
    }
}

/// A message on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The same for every attempt; no two events have the same for one destination.
    pub id: String,
    /// JSON.
    pub body: Bytes,
}

/// Why a message was not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Undelivered {
    /// The target does not want this message.
    #[error("refused: {0}")]
    Refused(String),
    /// The target takes nothing now.
    #[error("{0}")]
    Unavailable(String),
}

/// Brings messages to targets.
#[async_trait]
pub trait Carrier: Send + Sync + std::fmt::Debug {
    /// Brings one message. `Ok` means that the target has it.
    async fn carry(&self, target: &Target, message: &Message) -> Result<(), Undelivered>;
}

/// Posts messages over HTTP.
#[derive(Clone, Debug)]
pub struct HttpCarrier(Poster);

impl HttpCarrier {
    /// A carrier with connections of its own.
    pub fn new(seams: Seams) -> Self {
        Self(Poster::new(CONNECTIONS, seams))
    }
}

#[async_trait]
impl Carrier for HttpCarrier {
    async fn carry(&self, target: &Target, message: &Message) -> Result<(), Undelivered> {
        let headers = [
            ("content-type", "application/json"),
            ("x-headwater-destination", target.arn.as_str()),
            ("x-headwater-event-id", message.id.as_str()),
        ];
        match self.0.post(&target.url, &headers, message.body.clone(), ANSWER_MAX).await {
            Ok(status) => judge(status),
            Err(ClientError::Invalid(reason)) => Err(Undelivered::Refused(reason)),
            Err(error) => Err(Undelivered::Unavailable(error.to_string())),
        }
    }
}

fn judge(status: u16) -> Result<(), Undelivered> {
    match status {
        200..=299 => Ok(()),
        status if REFUSALS.contains(&status) => Err(Undelivered::Refused(format!("status {status}"))),
        status => Err(Undelivered::Unavailable(format!("status {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_checked() {
        let target = |arn: &str, url: &str| Target { arn: arn.to_owned(), url: url.to_owned() };
        let url = "http://127.0.0.1:1/q";
        for arn in [
            "arn:aws:sqs:eu-west-1:000000000001:q",
            "arn:aws:sns:eu-west-1:000000000001:t",
            "arn:aws:lambda:eu-west-1:000000000001:function:f",
            "arn:aws:events:eu-west-1:000000000001:event-bus/default",
        ] {
            assert_eq!(target(arn, url).check(), Ok(()), "{arn}");
            assert!(target(arn, "https://example.org").check().is_err());
        }
        for arn in ["q", "arn:aws:s3:::b", "arn:aws:sqs::000000000001:q", "arn:aws:sqs:eu-west-1::q"] {
            assert!(target(arn, url).check().is_err(), "{arn}");
        }
    }

    #[test]
    fn statuses_blame_the_message_or_the_target() {
        assert_eq!(judge(204), Ok(()));
        assert!(matches!(judge(400), Err(Undelivered::Refused(_))));
        for status in [302, 401, 404, 408, 429, 500, 503] {
            assert!(matches!(judge(status), Err(Undelivered::Unavailable(_))), "{status}");
        }
    }
}
