//! Configurations of which a bucket may have many, each under an id: kept as they are given. What they ask
//! for does not happen here; they are for tools that lay buckets down and look at them.

use headwater_objects::{Bucket, BucketConfig, Objects};

use crate::fault::Refusal;

/// The most configurations of one kind.
const CONFIGURATIONS_MAX: usize = 1000;
/// How many are listed on one page.
const PAGE: usize = 100;
/// The longest id.
const ID_BYTES_MAX: usize = 64;

/// The document under an id.
pub(crate) async fn get(
    objects: &Objects,
    bucket: &Bucket,
    what: BucketConfig,
    id: &str,
) -> Result<bytes::Bytes, Refusal> {
    objects.bucket_config(bucket, what, id).await?.ok_or_else(none)
}

/// Keeps a document under the id that both the query and the document say.
pub(crate) async fn put(
    objects: &Objects,
    bucket: &Bucket,
    what: BucketConfig,
    (id, inside): (&str, &str),
    document: &[u8],
) -> Result<(), Refusal> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(legal) {
        return Err(Refusal::new(
            400,
            "InvalidConfigurationId",
            "The specified configuration id is not valid.",
        ));
    }
    if id != inside {
        return Err(Refusal::invalid_argument(
            "The configuration id in the query differs from the one in the configuration",
        ));
    }
    if objects.bucket_config(bucket, what, id).await?.is_none()
        && objects.bucket_configs(bucket, what, None, CONFIGURATIONS_MAX).await?.len() >= CONFIGURATIONS_MAX
    {
        return Err(Refusal::new(
            400,
            "TooManyConfigurations",
            format!(
                "You are attempting to create a new configuration but have already reached the limit of {CONFIGURATIONS_MAX}."
            ),
        ));
    }
    Ok(objects.set_bucket_config(bucket, what, id, document).await?)
}

/// Removes what is under an id.
pub(crate) async fn delete(
    objects: &Objects,
    bucket: &Bucket,
    what: BucketConfig,
    id: &str,
) -> Result<(), Refusal> {
    get(objects, bucket, what, id).await?;
    Ok(objects.delete_bucket_config(bucket, what, id).await?)
}

/// A page of documents after `token`, and the token of the next page if there is one.
pub(crate) async fn list(
    objects: &Objects,
    bucket: &Bucket,
    what: BucketConfig,
    token: Option<&str>,
) -> Result<(Vec<bytes::Bytes>, Option<String>), Refusal> {
    let after = token.map(|token| hex::decode(token).ok().and_then(|id| String::from_utf8(id).ok()));
    let after = match after {
        Some(None) => {
            return Err(Refusal::invalid_argument("The continuation token provided is incorrect"));
        }
        other => other.flatten(),
    };
    let mut found = objects.bucket_configs(bucket, what, after.as_deref(), PAGE + 1).await?;
    let has_more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| has_more).map(|(id, _)| hex::encode(id));
    Ok((found.into_iter().map(|(_, document)| document).collect(), next))
}

fn none() -> Refusal {
    Refusal::new(404, "NoSuchConfiguration", "The specified configuration does not exist.")
}

/// The four operations on one kind of configuration, in the codec's shapes.
macro_rules! operations {
    (
        $what:expr, $document:ident in $member:ident, listed in $listed:ident, checked by $check:path;
        $get_in:ident => $get_out:ident, $put_in:ident => $put_out:ident,
        $delete_in:ident => $delete_out:ident, $list_in:ident => $list_out:ident
    ) => {
        pub(crate) async fn get(codec: &Codec, request: S3Request<$get_in>) -> Answer<$get_out> {
            let bucket = request.bucket()?;
            let document = configured::get(&codec.objects, &bucket, $what, &request.input.id).await?;
            let kept: $document = document::read(&document)?;
            Ok(S3Response::new($get_out { $member: Some(kept) }))
        }

        pub(crate) async fn put(codec: &Codec, request: S3Request<$put_in>) -> Answer<$put_out> {
            let (bucket, input) = (request.bucket()?, request.input);
            $check(&input.$member)?;
            let document = document::write(&input.$member)?;
            let ids = (input.id.as_str(), input.$member.id.as_str());
            configured::put(&codec.objects, &bucket, $what, ids, &document).await?;
            Ok(S3Response::new($put_out::default()))
        }

        pub(crate) async fn delete(codec: &Codec, request: S3Request<$delete_in>) -> Answer<$delete_out> {
            let bucket = request.bucket()?;
            configured::delete(&codec.objects, &bucket, $what, &request.input.id).await?;
            Ok(S3Response::with_status($delete_out::default(), http::StatusCode::NO_CONTENT))
        }

        pub(crate) async fn list(codec: &Codec, request: S3Request<$list_in>) -> Answer<$list_out> {
            let (bucket, token) = (request.bucket()?, request.input.continuation_token.clone());
            let (page, next) = configured::list(&codec.objects, &bucket, $what, token.as_deref()).await?;
            let kept = page.iter().map(|document| document::read::<$document>(document));
            Ok(S3Response::new($list_out {
                $listed: Some(kept.collect::<Result<_, _>>()?),
                continuation_token: token,
                is_truncated: Some(next.is_some()),
                next_continuation_token: next,
            }))
        }
    };
}
pub(crate) use operations;
