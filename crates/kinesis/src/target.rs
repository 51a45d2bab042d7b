//! Which stream a request means: by name, by ARN, or by both; and which consumer of it.

use headwater_base::{Arn, Scope};
use headwater_streams::{ConsumerName, StreamKey, StreamName, consumer_arn};
use headwater_wire::{Access, Context, Fault};

use crate::checks::Checks;
use crate::fault;
use crate::shapes::{NamesResource, NamesStream};

/// The stream that an input names.
///
/// # Errors
/// As [`stream`].
pub(crate) fn of(cx: &Context, input: &impl NamesStream) -> Result<StreamKey, Fault> {
    let mut checks = Checks::new();
    checks.stream_id(input.stream_id());
    checks.stream_name("streamName", input.stream_name());
    checks.stream_arn("streamARN", input.stream_arn());
    checks.finish()?;
    stream(cx, input.stream_name(), input.stream_arn())
}

/// The stream named by `name` or `arn`. The ARN decides, since a name alone is the caller's own
/// stream: clients send both for another account's, too.
///
/// # Errors
/// When neither names one, or when they name different ones.
pub(crate) fn stream(cx: &Context, name: Option<&str>, arn: Option<&str>) -> Result<StreamKey, Fault> {
    let mut checks = Checks::new();
    checks.stream_name("streamName", name);
    checks.stream_arn("streamARN", arn);
    checks.finish()?;
    match (name, arn.map(|arn| from_arn(cx, arn)).transpose()?) {
        (Some(name), Some(key)) if name != key.name.as_str() => {
            Err(fault::invalid("StreamName and StreamARN name different streams."))
        }
        (_, Some(key)) => Ok(key),
        (Some(name), None) => named(cx, name),
        (None, None) => Err(fault::invalid("Either StreamName or StreamARN must be provided.")),
    }
}

/// The stream that a required `StreamARN` names.
pub(crate) fn stream_arn(cx: &Context, arn: Option<&str>) -> Result<StreamKey, Fault> {
    let mut checks = Checks::new();
    checks.present("streamARN", arn.as_ref());
    checks.stream_arn("streamARN", arn);
    checks.finish()?;
    from_arn(cx, arn.unwrap_or_default())
}

/// What a `ResourceARN` names.
pub(crate) enum Resource {
    Stream(StreamKey),
    Consumer(ConsumerTarget),
}

impl Resource {
    /// `NAME:SECONDS` of a consumer; empty for a stream.
    pub(crate) fn consumer(&self) -> String {
        match self {
            Self::Stream(_) => String::new(),
            Self::Consumer(target) => {
                format!("{}:{}", target.name.as_str(), target.epoch.unwrap_or_default())
            }
        }
    }

    /// What the guard is asked about an operation on it.
    pub(crate) fn access(&self, action: &'static str) -> Access {
        match self {
            Self::Stream(key) => access(action, key),
            Self::Consumer(target) => target.access(action),
        }
    }
}

/// The stream or consumer that a `ResourceARN` names.
pub(crate) fn resource(cx: &Context, input: &impl NamesResource) -> Result<Resource, Fault> {
    let arn = input.resource_arn();
    let mut checks = Checks::new();
    checks.stream_id(input.stream_id());
    checks.present("resourceARN", arn.as_ref());
    checks.resource_arn("resourceARN", arn);
    checks.finish()?;
    let arn = arn.unwrap_or_default();
    match arn.contains("/consumer/") {
        true => consumer(cx, arn).map(Resource::Consumer),
        false => from_arn(cx, arn).map(Resource::Stream),
    }
}

/// Which consumer a request means.
pub(crate) struct ConsumerTarget {
    pub(crate) stream: StreamKey,
    pub(crate) name: ConsumerName,
    /// When it was registered, in seconds, if its ARN said so.
    pub(crate) epoch: Option<i64>,
}

impl ConsumerTarget {
    /// What the guard is asked about an operation on it. Where its ARN is not known yet, `call` asks
    /// once it is.
    pub(crate) fn access(&self, action: &'static str) -> Access {
        let resource = self.epoch.map(|epoch| consumer_arn(&self.stream, &self.name, epoch));
        Access { action, resource }
    }
}

/// The consumer that an ARN names.
pub(crate) fn consumer(cx: &Context, text: &str) -> Result<ConsumerTarget, Fault> {
    let parse = || {
        let (stream, consumer) = text.split_once("/consumer/")?;
        let (name, epoch) = consumer.split_once(':')?;
        Some((stream, name, epoch.parse().ok()?))
    };
    let (stream, name, epoch) = parse().ok_or_else(|| malformed(text))?;
    Ok(ConsumerTarget { stream: from_arn(cx, stream)?, name: consumer_name(name)?, epoch: Some(epoch) })
}

/// A consumer's name, checked before.
pub(crate) fn consumer_name(text: &str) -> Result<ConsumerName, Fault> {
    ConsumerName::new(text).map_err(|error| fault::invalid(error.to_string()))
}

/// What the guard is asked about an operation on a stream.
pub(crate) fn access(action: &'static str, key: &StreamKey) -> Access {
    Access { action, resource: Some(key.arn()) }
}

fn named(cx: &Context, name: &str) -> Result<StreamKey, Fault> {
    let name = StreamName::new(name).map_err(|error| fault::invalid(error.to_string()))?;
    Ok(StreamKey { scope: cx.scope(), name })
}

/// An ARN of another account names that account's stream, so that the guard says who may. An ARN of
/// another region leads nowhere.
fn from_arn(cx: &Context, text: &str) -> Result<StreamKey, Fault> {
    let arn: Arn = text.parse().map_err(|_| malformed(text))?;
    let name = arn.resource_after("stream/").unwrap_or_default();
    let account = arn.account.unwrap_or(cx.caller.account);
    if arn.region.as_ref() != Some(&cx.region) {
        return Err(fault::no_such_stream(name, account));
    }
    let key = named(cx, name)?;
    Ok(StreamKey { scope: Scope::new(account, cx.region.clone()), ..key })
}

fn malformed(arn: &str) -> Fault {
    fault::invalid(format!("The ARN {arn} is not valid."))
}
