//! ListObjectsV2: pages by continuation token, which is the last name seen, in base64.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use headwater_objects::ListQuery;
use s3s::dto::{EncodingType, ListObjectsV2Input, ListObjectsV2Output};
use s3s::{S3Request, S3Response};

use super::list_objects::shown;
use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;
use crate::{classes, convert};

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<ListObjectsV2Input>,
) -> Answer<ListObjectsV2Output> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let input = request.input;
    let encoded = convert::encodes(input.encoding_type.as_ref())?;
    let limit = convert::page_size(input.max_keys, "max-keys")?;
    let resumed = input.continuation_token.as_deref().map(name_of).transpose()?;
    let query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|d| !d.is_empty()),
        after: resumed.or_else(|| input.start_after.clone()).filter(|after| !after.is_empty()),
        limit,
    };
    let listing = codec.objects.list(&bucket, &query).await?;
    let next = listing.entries.last().map(|last| BASE64.encode(last.name())).filter(|_| listing.truncated);
    let asked = (input.fetch_owner == Some(true)).then_some(&arrival);
    let restores = classes::wants_restores(input.optional_object_attributes.as_deref());
    let (contents, prefixes) = shown(listing.entries, encoded, asked, restores);
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(bucket.name.to_string()),
        prefix: Some(convert::listed(&query.prefix, encoded)),
        max_keys: Some(limit as i32),
        key_count: Some((contents.len() + prefixes.len()) as i32),
        continuation_token: input.continuation_token,
        is_truncated: Some(listing.truncated),
        next_continuation_token: next,
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        delimiter: query.delimiter.as_deref().map(|d| convert::listed(d, encoded)),
        encoding_type: encoded.then(|| EncodingType::from_static("url")),
        start_after: input.start_after.as_deref().map(|after| convert::listed(after, encoded)),
        ..Default::default()
    }))
}

/// The name inside a continuation token.
fn name_of(token: &str) -> Result<String, Refusal> {
    let name = BASE64.decode(token).ok().and_then(|raw| String::from_utf8(raw).ok());
    name.ok_or_else(|| Refusal::invalid_argument("The continuation token provided is incorrect"))
}
