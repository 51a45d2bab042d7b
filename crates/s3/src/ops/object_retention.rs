//! Get- and PutObjectRetention.

use headwater_objects::Retention;
use s3s::dto::{
    GetObjectRetentionInput, GetObjectRetentionOutput, PutObjectRetentionInput, PutObjectRetentionOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;
use crate::{convert, lock, versions};

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetObjectRetentionInput>,
) -> Answer<GetObjectRetentionOutput> {
    let bucket = request.bucket()?;
    lock::require(&bucket)?;
    let version = versions::asked(request.input.version_id.as_deref())?;
    let key = convert::key(&request.input.key)?;
    let info = versions::info(&codec.objects, &bucket, &key, version).await?;
    let retention = info.attributes.lock.retention.ok_or_else(Refusal::no_object_lock)?;
    Ok(S3Response::new(GetObjectRetentionOutput { retention: Some(lock::shown(retention)) }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutObjectRetentionInput>,
) -> Answer<PutObjectRetentionOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let input = request.input;
    lock::require(&bucket)?;
    let version = versions::asked(input.version_id.as_deref())?;
    let key = convert::key(&input.key)?;
    let asked = input.retention.unwrap_or_default();
    let retention = match (asked.mode, asked.retain_until_date) {
        // An empty document takes the retention off.
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let mode = lock::mode_of(mode.as_str()).ok_or_else(Refusal::malformed_xml)?;
            Some(Retention { mode, until: lock::future(&until, codec.now())? })
        }
        _ => return Err(Refusal::malformed_xml()),
    };
    let bypass = lock::bypass(&arrival, &input.key, input.bypass_governance_retention).await?;
    match codec.objects.set_retention(&bucket, &key, version, retention, bypass).await {
        Ok(_) => Ok(S3Response::new(PutObjectRetentionOutput::default())),
        Err(e) => Err(versions::unread(&codec.objects, &bucket, &key, e).await),
    }
}
