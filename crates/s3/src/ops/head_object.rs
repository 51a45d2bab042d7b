//! HeadObject: what GetObject would say, without the body.

use headwater_objects::check_customer_key;
use s3s::dto::{HeadObjectInput, HeadObjectOutput};
use s3s::{S3Request, S3Response};

use super::get_object::{check_overrides, content_range, served};
use crate::codec::{Answer, Circumstances, Codec};
use crate::convert::{self, ReadConditions, set_checksums};
use crate::encryption;
use crate::keys;
use crate::lock::set_lock;
use crate::{classes, versions};

/// Headers that a query may override, beside the type of the content.
const OVERRIDDEN: [&str; 5] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "expires"];

pub(crate) async fn call(codec: &Codec, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    check_overrides(&arrival, &request.uri)?;
    let customer = encryption::customer_key(&request.headers, &arrival)?;
    let (input, uri) = (request.input, request.uri);
    let version = versions::asked(input.version_id.as_deref())?;
    let key = convert::key(&input.key)?;
    let info = versions::info(&codec.objects, &bucket, &key, version).await?;
    check_customer_key(info.encryption.as_ref(), customer.as_ref())?;
    let conditions = ReadConditions {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    };
    conditions.check(&info)?;
    let sizes = match input.part_number {
        Some(_) => codec.objects.object_part_sizes(&bucket, &key, version).await?,
        None => None,
    };
    let part = input.part_number.map(|n| (n, part_range(n, sizes.as_deref(), info.size)));
    let range = served(info.size, input.range.as_ref(), part)?;
    let is_partial = (input.range.is_some() || input.part_number.is_some()) && info.size > 0;
    let expiration = match version {
        None => classes::expiration(&codec.objects, &bucket, &info).await?,
        Some(_) => None,
    };
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: Some((range.end - range.start) as i64),
        content_range: is_partial.then(|| content_range(&range, info.size)),
        content_type: Some(
            input.response_content_type.clone().unwrap_or_else(|| convert::content_type(&info)),
        ),
        e_tag: Some(convert::etag(&info.etag)),
        last_modified: Some(convert::time(info.modified)),
        metadata: convert::metadata(&info),
        parts_count: sizes.map(|sizes| sizes.len() as i32),
        storage_class: classes::told(info.attributes.storage_class),
        restore: classes::restore(&info, codec.now()),
        expiration,
        version_id: versions::told(&bucket, info.version),
        ..Default::default()
    };
    set_lock!(output, info.attributes.lock);
    if input.checksum_mode.as_ref().is_some_and(|mode| mode.as_str() == "ENABLED") {
        set_checksums!(output, info.checksums.values);
        output.checksum_type = Some(convert::checksum_type(info.checksums.composite));
    }
    let mut headers = convert::kept_headers(&info, &[]);
    headers.extend(encryption::read(info.encryption.as_ref(), customer.as_ref()));
    for name in OVERRIDDEN {
        let value = keys::query(&uri, &format!("response-{name}"));
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            headers.insert(name, value);
        }
    }
    let mut response = S3Response::with_headers(output, headers);
    if is_partial {
        response.status = Some(http::StatusCode::PARTIAL_CONTENT);
    }
    Ok(response)
}

fn part_range(n: i32, sizes: Option<&[u64]>, size: u64) -> Option<std::ops::Range<u64>> {
    let Some(sizes) = sizes else {
        return (n == 1).then_some(0..size);
    };
    let at = usize::try_from(n).ok()?.checked_sub(1)?;
    let start: u64 = sizes.get(..at)?.iter().sum();
    Some(start..start + sizes.get(at)?)
}

#[cfg(test)]
mod tests {
    use super::part_range;

    #[test]
    fn parts_follow_one_another() {
        let sizes = [5, 7, 1];
        assert_eq!(part_range(1, Some(&sizes), 13), Some(0..5));
        assert_eq!(part_range(3, Some(&sizes), 13), Some(12..13));
        assert_eq!(part_range(4, Some(&sizes), 13), None);
        assert_eq!(part_range(0, Some(&sizes), 13), None);
        assert_eq!(part_range(1, None, 13), Some(0..13));
        assert_eq!(part_range(2, None, 13), None);
    }
}
