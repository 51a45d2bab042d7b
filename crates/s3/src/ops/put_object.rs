//! PutObject: conditions first, then the body, then one commit.

use headwater_objects::{Condition, ObjectError};
use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Response};

use crate::acl;
use crate::body::Declared;
use crate::codec::{Answer, Circumstances, Codec};
use crate::convert::{self, set_checksums};
use crate::{classes, encryption, lock, versions};

pub(crate) async fn call(codec: &Codec, request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
    let (bucket, arrival, standing) = (request.bucket()?, request.arrival()?, request.standing()?);
    let (input, headers) = (request.input, request.headers);
    let key = convert::key(&input.key)?;
    let condition = convert::write_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let checksum = convert::said_checksum!(input)?;
    let named = input.checksum_algorithm.as_ref().map(|a| a.as_str());
    let declared = Declared::read(&headers, input.content_length, input.content_md5, checksum, named)?;
    let mut attributes =
        convert::attributes(&headers, input.content_type, input.metadata, input.tagging.as_deref())?;
    attributes.acl = acl::of_new_object(&arrival, &bucket, &headers)?;
    attributes.lock = lock::said!(input).read(&arrival, &bucket, &input.key, codec.now()).await?;
    attributes.storage_class = classes::asked(input.storage_class.as_ref())?;
    lock::require_checksum(&bucket, &attributes.lock, &headers)?;
    let asked = encryption::asked(&headers, &arrival, &bucket)?;
    let sealing = codec.objects.sealing(&bucket, &asked).await?;
    if condition != Condition::Anything {
        // What fails now need not be sent; the commit asks again.
        let etag = match codec.objects.head(&bucket, &key).await {
            Ok(info) => Some(info.etag),
            Err(ObjectError::NoSuchKey(_)) => None,
            Err(e) => return Err(e.into()),
        };
        condition.check(&key, etag.as_deref())?;
    }
    let lies = (attributes.storage_class, &sealing);
    let body = declared.stage(&codec.objects, (&bucket, 1), &arrival, lies, input.body).await?;
    standing.may_still_put(&input.key).await?;
    let info = codec.objects.put(&bucket, &key, &body, attributes, &condition).await?;
    let mut output = PutObjectOutput {
        e_tag: Some(convert::etag(&info.etag)),
        checksum_type: Some(convert::checksum_type(false)),
        expiration: classes::expiration(&codec.objects, &bucket, &info).await?,
        version_id: versions::told(&bucket, info.version),
        ..Default::default()
    };
    set_checksums!(output, info.checksums.values);
    let customer = encryption::customer_key(&headers, &arrival)?;
    let headers = encryption::written(info.encryption.as_ref(), customer.as_ref());
    Ok(S3Response::with_headers(output, headers))
}
