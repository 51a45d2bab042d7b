//! Where the guard reads resource policies: with the streams, which keep them.

use std::sync::Arc;

use async_trait::async_trait;
use headwater_base::{Arn, Scope};
use headwater_identity::ResourcePolicies;
use headwater_streams::{StreamError, StreamKey, StreamName, Streams};

/// The policies of streams and their consumers; other resources have none.
#[derive(Debug)]
pub(crate) struct StreamPolicies {
    pub(crate) streams: Streams,
}

#[async_trait]
impl ResourcePolicies for StreamPolicies {
    async fn policy(&self, resource: &Arn) -> Result<Option<Arc<str>>, String> {
        let Some((key, consumer)) = stream_of(resource) else { return Ok(None) };
        match self.streams.get(&key).await {
            Ok(stream) => Ok(stream.policies.get(consumer).cloned()),
            Err(StreamError::NoSuchStream(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The stream that an ARN names, and the consumer of it (`NAME:SECONDS`) or nothing.
fn stream_of(arn: &Arn) -> Option<(StreamKey, &str)> {
    let named = arn.resource_after("stream/").filter(|_| arn.service == "kinesis")?;
    let (name, consumer) = named.split_once("/consumer/").unwrap_or((named, ""));
    let scope = Scope::new(arn.account?, arn.region.clone()?);
    Some((StreamKey { scope, name: StreamName::new(name).ok()? }, consumer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_and_consumers_have_policies() {
        let parse = |resource: &str| {
            let arn: Arn = format!("arn:aws:{resource}").parse().unwrap();
            stream_of(&arn).map(|(key, consumer)| (key.name.as_str().to_owned(), consumer.to_owned()))
        };
        let at = "kinesis:eu-west-1:111111111111";
        assert_eq!(parse(&format!("{at}:stream/a")), Some(("a".into(), String::new())));
        assert_eq!(parse(&format!("{at}:stream/a/consumer/c:17")), Some(("a".into(), "c:17".into())));
        assert_eq!(parse(&format!("{at}:stream/a/b")), None);
        assert_eq!(parse("firehose:eu-west-1:111111111111:stream/a"), None);
    }
}
