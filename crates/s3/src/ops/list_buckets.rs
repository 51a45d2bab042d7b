//! ListBuckets: the caller's own.

use s3s::dto::{Bucket, ListBucketsInput, ListBucketsOutput};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::convert;
use crate::fault::Refusal;

/// The largest page.
const BUCKETS_MAX: usize = 10_000;

pub(crate) async fn call(codec: &Codec, request: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
    let (arrival, input) = (request.arrival()?, request.input);
    let limit = match input.max_buckets {
        None => BUCKETS_MAX,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=BUCKETS_MAX).contains(limit))
            .ok_or_else(|| Refusal::invalid_argument("max-buckets must be between 1 and 10000"))?,
    };
    let mut buckets = codec.objects.list_buckets(arrival.context.caller.account).await?;
    buckets.retain(|bucket| {
        let name = bucket.name.as_str();
        input.prefix.as_deref().is_none_or(|prefix| name.starts_with(prefix))
            && input.bucket_region.as_deref().is_none_or(|region| bucket.region.as_str() == region)
            && input.continuation_token.as_deref().is_none_or(|after| name > after)
    });
    let truncated = buckets.len() > limit;
    buckets.truncate(limit);
    let last = buckets.last().map(|bucket| bucket.name.to_string());
    let shown = buckets.into_iter().map(|bucket| Bucket {
        name: Some(bucket.name.to_string()),
        creation_date: Some(convert::time(bucket.created)),
        bucket_region: Some(bucket.region.to_string()),
    });
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(shown.collect()),
        owner: Some(convert::owner(&arrival)),
        prefix: input.prefix,
        continuation_token: last.filter(|_| truncated),
    }))
}
