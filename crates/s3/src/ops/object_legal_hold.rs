//! Get- and PutObjectLegalHold.

use s3s::dto::{
    GetObjectLegalHoldInput, GetObjectLegalHoldOutput, ObjectLockLegalHold, PutObjectLegalHoldInput,
    PutObjectLegalHoldOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;
use crate::{convert, lock, versions};

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetObjectLegalHoldInput>,
) -> Answer<GetObjectLegalHoldOutput> {
    let bucket = request.bucket()?;
    lock::require(&bucket)?;
    let version = versions::asked(request.input.version_id.as_deref())?;
    let key = convert::key(&request.input.key)?;
    let info = versions::info(&codec.objects, &bucket, &key, version).await?;
    let hold = info.attributes.lock.hold.ok_or_else(Refusal::no_object_lock)?;
    let legal_hold = ObjectLockLegalHold { status: Some(lock::hold_status(hold)) };
    Ok(S3Response::new(GetObjectLegalHoldOutput { legal_hold: Some(legal_hold) }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutObjectLegalHoldInput>,
) -> Answer<PutObjectLegalHoldOutput> {
    let bucket = request.bucket()?;
    let input = request.input;
    lock::require(&bucket)?;
    let version = versions::asked(input.version_id.as_deref())?;
    let key = convert::key(&input.key)?;
    let status = input.legal_hold.and_then(|hold| hold.status);
    let hold = match status.as_ref().map(|status| status.as_str()) {
        Some("ON") => true,
        Some("OFF") => false,
        _ => return Err(Refusal::malformed_xml()),
    };
    match codec.objects.set_legal_hold(&bucket, &key, version, hold).await {
        Ok(_) => Ok(S3Response::new(PutObjectLegalHoldOutput::default())),
        Err(e) => Err(versions::unread(&codec.objects, &bucket, &key, e).await),
    }
}
