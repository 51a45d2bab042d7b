//! GetObject: the whole body, a range of it, or a part.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use headwater_objects::{ObjectError, ObjectInfo};
use http::{HeaderValue, Uri};
use s3s::dto::{self, GetObjectInput, GetObjectOutput, StreamingBlob};
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3Request, S3Response, StdError};

use crate::arrival::Arrival;
use crate::codec::{Answer, Circumstances, Codec};
use crate::convert::{self, ReadConditions, set_checksums};
use crate::encryption;
use crate::fault::Refusal;
use crate::lock::set_lock;
use crate::{classes, keys, versions};

pub(crate) async fn call(codec: &Codec, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    check_overrides(&arrival, &request.uri)?;
    let customer = encryption::customer_key(&request.headers, &arrival)?;
    let input = request.input;
    let version = versions::asked(input.version_id.as_deref())?;
    let key = convert::key(&input.key)?;
    let mut reader = match codec.objects.open_version(&bucket, &key, version).await {
        Ok(reader) => reader,
        Err(e) => return Err(versions::unread(&codec.objects, &bucket, &key, e).await),
    };
    reader.unlock(customer.as_ref())?;
    let info = &reader.info;
    let conditions = ReadConditions {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    };
    conditions.check(info)?;
    let part = input.part_number.map(|n| (n, u32::try_from(n).ok().and_then(|n| reader.part_range(n))));
    let range = served(info.size, input.range.as_ref(), part)?;
    let len = range.end - range.start;
    let is_whole = len == info.size;
    let is_partial = input.range.is_some() || input.part_number.is_some();
    let mut pieces = reader.stream(range.clone());
    // Damage in the first block is told; further on, all that is left is to break the answer off.
    let first = pieces.next().await.transpose()?;
    let pieces = futures::stream::iter(first.map(Ok)).chain(pieces).boxed();
    let body = SizedBody { stream: Mutex::new(pieces), left: len };
    let expiration = match version {
        None => classes::expiration(&codec.objects, &bucket, info).await?,
        Some(_) => None,
    };
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        body: Some(StreamingBlob::new(body)),
        content_length: Some(len as i64),
        content_range: is_partial.then(|| content_range(&range, info.size)).filter(|_| info.size > 0),
        content_type: Some(convert::content_type(info)),
        e_tag: Some(convert::etag(&info.etag)),
        last_modified: Some(convert::time(info.modified)),
        metadata: convert::metadata(info),
        parts_count: reader.part_count().filter(|_| input.part_number.is_some()).map(|n| n as i32),
        tag_count: tag_count(info),
        storage_class: classes::told(info.attributes.storage_class),
        restore: classes::restore(info, codec.now()),
        expiration,
        version_id: versions::told(&bucket, info.version),
        ..Default::default()
    };
    set_lock!(output, info.attributes.lock);
    if input.checksum_mode.as_ref().is_some_and(|mode| mode.as_str() == "ENABLED") && is_whole {
        set_checksums!(output, info.checksums.values);
        output.checksum_type = Some(convert::checksum_type(info.checksums.composite));
    }
    let overridden = [
        ("cache-control", input.response_cache_control.is_some()),
        ("content-disposition", input.response_content_disposition.is_some()),
        ("content-encoding", input.response_content_encoding.is_some()),
        ("content-language", input.response_content_language.is_some()),
        ("expires", input.response_expires.is_some()),
    ];
    let mut headers = convert::kept_headers(info, &overridden);
    headers.extend(encryption::read(info.encryption.as_ref(), customer.as_ref()));
    Ok(S3Response::with_headers(output, headers))
}

/// Only who signs may have the answer say what it likes: else a link to a public object could be a page of
/// somebody's making.
pub(crate) fn check_overrides(arrival: &Arrival, uri: &Uri) -> Result<(), Refusal> {
    let overrides = || keys::parameters(uri).any(|(name, _)| name.starts_with("response-"));
    if arrival.context.caller.is_anonymous() && overrides() {
        return Err(Refusal::invalid_request(
            "Request specific response headers cannot be used for anonymous GET requests.",
        ));
    }
    Ok(())
}

/// How many tags an object has, if any.
pub(crate) fn tag_count(info: &ObjectInfo) -> Option<i32> {
    let count = info.attributes.tags.len();
    (count > 0).then_some(count as i32)
}

/// The bytes that a GET or HEAD is about.
pub(crate) fn served(
    size: u64,
    range: Option<&dto::Range>,
    part: Option<(i32, Option<Range<u64>>)>,
) -> Result<Range<u64>, Refusal> {
    match (range, part) {
        (None, None) => Ok(0..size),
        (Some(range), None) => range.check(size).map_err(|_| unsatisfied(size)),
        (None, Some((_, Some(range)))) => Ok(range),
        (None, Some((n, None))) if n < 1 => {
            Err(Refusal::invalid_argument("Part number must be an integer between 1 and 10000, inclusive"))
        }
        (None, Some((_, None))) => {
            Err(Refusal::new(416, "InvalidPartNumber", "The requested partnumber is not satisfiable"))
        }
        (Some(_), Some(_)) => {
            Err(Refusal::invalid_request("Cannot specify both Range header and partNumber query parameter"))
        }
    }
}

fn unsatisfied(size: u64) -> Refusal {
    let refusal = Refusal::from(ObjectError::BadRange(size))
        .with_header(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    match HeaderValue::from_str(&format!("bytes */{size}")) {
        Ok(value) => refusal.with_header(http::header::CONTENT_RANGE, value),
        Err(_) => refusal,
    }
}

pub(crate) fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

/// A body whose length is known, so that the answer has a Content-Length.
struct SizedBody {
    /// Behind a lock only because the codec wants bodies that can be shared; nobody ever waits.
    stream: Mutex<BoxStream<'static, Result<Bytes, ObjectError>>>,
    left: u64,
}

impl Stream for SizedBody {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = self.stream.get_mut().expect("no holder of this lock panics");
        let next = std::task::ready!(stream.as_mut().poll_next(cx));
        if let Some(Ok(piece)) = &next {
            self.left = self.left.saturating_sub(piece.len() as u64);
        }
        if let Some(Err(error)) = &next {
            tracing::error!(error = %error, "a body could not be served to its end");
        }
        Poll::Ready(next.map(|piece| piece.map_err(|e| Box::new(e) as StdError)))
    }
}

impl ByteStream for SizedBody {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(self.left as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_parts_are_resolved() {
        let code = |result: Result<Range<u64>, Refusal>| result.unwrap_err().code.into_owned();
        let int = |first, last| dto::Range::Int { first, last };
        assert_eq!(served(10, None, None).unwrap(), 0..10);
        assert_eq!(served(10, Some(&int(2, Some(3))), None).unwrap(), 2..4);
        assert_eq!(served(10, Some(&int(2, Some(99))), None).unwrap(), 2..10);
        assert_eq!(served(10, Some(&dto::Range::Suffix { length: 4 }), None).unwrap(), 6..10);
        assert_eq!(code(served(10, Some(&int(10, None)), None)), "InvalidRange");
        assert_eq!(code(served(0, Some(&int(0, None)), None)), "InvalidRange");
        assert_eq!(served(10, None, Some((2, Some(5..10)))).unwrap(), 5..10);
        assert_eq!(code(served(10, None, Some((3, None)))), "InvalidPartNumber");
        assert_eq!(code(served(10, None, Some((0, None)))), "InvalidArgument");
        assert_eq!(code(served(10, Some(&int(0, None)), Some((1, Some(0..10))))), "InvalidRequest");
    }
}
