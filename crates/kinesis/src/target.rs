//! Which stream a request means: by name, by ARN, or by both.

use headwater_base::{Arn, Scope};
use headwater_streams::{StreamKey, StreamName};
use headwater_wire::{Access, Context, Fault};

use crate::checks::Checks;
use crate::fault;

/// The stream named by `name` or `arn`.
///
/// # Errors
/// When neither names one, when they name different ones, or when it is another account's.
pub(crate) fn stream(cx: &Context, name: Option<&str>, arn: Option<&str>) -> Result<StreamKey, Fault> {
    let mut checks = Checks::new();
    checks.stream_name("streamName", name);
    checks.stream_arn("streamARN", arn);
    checks.finish()?;
    let by_name = name.map(|name| named(cx, name)).transpose()?;
    let by_arn = arn.map(|arn| from_arn(cx, arn)).transpose()?;
    match (by_name, by_arn) {
        (Some(by_name), Some(by_arn)) if by_name != by_arn => {
            Err(fault::invalid("StreamName and StreamARN name different streams."))
        }
        (Some(key), _) | (None, Some(key)) => Ok(key),
        (None, None) => Err(fault::invalid("Either StreamName or StreamARN must be provided.")),
    }
}

/// The stream that a `ResourceARN` names.
pub(crate) fn resource(cx: &Context, arn: Option<&str>) -> Result<StreamKey, Fault> {
    let mut checks = Checks::new();
    checks.present("resourceARN", arn.as_ref());
    checks.stream_arn("resourceARN", arn);
    checks.finish()?;
    from_arn(cx, arn.unwrap_or_default())
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
    let malformed = |_| fault::invalid(format!("The ARN {text} is not valid."));
    let arn: Arn = text.parse().map_err(malformed)?;
    let name = arn.resource_after("stream/").unwrap_or_default();
    let account = arn.account.unwrap_or(cx.caller.account);
    if arn.region.as_ref() != Some(&cx.region) {
        return Err(fault::no_such_stream(name, account));
    }
    let key = named(cx, name)?;
    Ok(StreamKey { scope: Scope::new(account, cx.region.clone()), ..key })
}
