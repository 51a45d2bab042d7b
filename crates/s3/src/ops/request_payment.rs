//! GetBucketRequestPayment and PutBucketRequestPayment.

use headwater_objects::BucketAccess;
use s3s::dto::{
    GetBucketRequestPaymentInput, GetBucketRequestPaymentOutput, Payer, PutBucketRequestPaymentInput,
    PutBucketRequestPaymentOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::document;

pub(crate) async fn get(
    _codec: &Codec,
    request: S3Request<GetBucketRequestPaymentInput>,
) -> Answer<GetBucketRequestPaymentOutput> {
    let payer = if request.bucket()?.access.requester_pays { Payer::REQUESTER } else { Payer::BUCKET_OWNER };
    Ok(S3Response::new(GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(payer)) }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketRequestPaymentInput>,
) -> Answer<PutBucketRequestPaymentOutput> {
    let bucket = request.bucket()?;
    let requester_pays = match request.input.request_payment_configuration.payer.as_str() {
        Payer::REQUESTER => true,
        Payer::BUCKET_OWNER => false,
        _ => return Err(document::malformed()),
    };
    let note = |access: &mut BucketAccess| {
        access.requester_pays = requester_pays;
        Ok(())
    };
    codec.objects.change_bucket_access(&bucket, None, &note).await?;
    Ok(S3Response::new(PutBucketRequestPaymentOutput::default()))
}
