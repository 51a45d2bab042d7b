//! RestoreObject: a copy of an archived object, brought back for some days.

use headwater_objects::{RestoreBegun, StorageClass};
use http::StatusCode;
use s3s::dto::{RestoreObjectInput, RestoreObjectOutput, RestoreRequest};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;
use crate::{convert, versions};

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<RestoreObjectInput>,
) -> Answer<RestoreObjectOutput> {
    let bucket = request.bucket()?;
    let input = request.input;
    let (key, version) = (convert::key(&input.key)?, versions::asked(input.version_id.as_deref())?);
    let asked = input.restore_request.ok_or_else(Refusal::malformed_xml)?;
    let days = days(&asked)?;
    let info = versions::info(&codec.objects, &bucket, &key, version).await?;
    check_tier(&asked, info.attributes.storage_class)?;
    let begun = codec.objects.restore(&bucket, &key, version, days).await?;
    let status = match begun {
        RestoreBegun::Begun => StatusCode::ACCEPTED,
        RestoreBegun::Extended(_) => StatusCode::OK,
    };
    Ok(S3Response::with_status(RestoreObjectOutput::default(), status))
}

/// For how many days the copy is wanted. A selection from an archive is another thing, which S3 gave up.
fn days(asked: &RestoreRequest) -> Result<u32, Refusal> {
    if asked.type_.is_some() || asked.select_parameters.is_some() || asked.output_location.is_some() {
        return Err(Refusal::not_implemented("Selecting from an archive"));
    }
    let days = asked.days.ok_or_else(Refusal::malformed_xml)?;
    match u32::try_from(days) {
        Ok(days) if days > 0 => Ok(days),
        _ => Err(Refusal::invalid_argument("'Days' in a restore request must be a positive integer")),
    }
}

/// Whether the class has the retrieval that is asked for. All of them take as long here.
fn check_tier(asked: &RestoreRequest, class: StorageClass) -> Result<(), Refusal> {
    let job = asked.glacier_job_parameters.as_ref().map(|parameters| &parameters.tier);
    let Some(tier) = job.or(asked.tier.as_ref()) else {
        return Ok(());
    };
    match (tier.as_str(), class) {
        ("Standard" | "Bulk", _) => Ok(()),
        ("Expedited", StorageClass::DeepArchive) => {
            Err(Refusal::invalid_request("Retrieval option is not supported by this storage class"))
        }
        ("Expedited", _) => Ok(()),
        _ => Err(Refusal::malformed_xml()),
    }
}

#[cfg(test)]
mod tests {
    use s3s::dto::{GlacierJobParameters, Tier};

    use super::*;

    fn asked(days: Option<i32>, tier: Option<&'static str>) -> RestoreRequest {
        let job = tier.map(|tier| GlacierJobParameters { tier: Tier::from_static(tier) });
        RestoreRequest { days, glacier_job_parameters: job, ..Default::default() }
    }

    #[test]
    fn days_are_positive() {
        assert_eq!(days(&asked(Some(2), None)).unwrap(), 2);
        assert_eq!(days(&asked(None, None)).unwrap_err().code, "MalformedXML");
        assert_eq!(days(&asked(Some(0), None)).unwrap_err().code, "InvalidArgument");
        assert_eq!(days(&asked(Some(-1), None)).unwrap_err().code, "InvalidArgument");
    }

    #[test]
    fn the_deepest_class_has_no_quick_retrieval() {
        let check = |tier, class| check_tier(&asked(Some(1), tier), class).map_err(|refusal| refusal.code);
        assert!(check(None, StorageClass::Glacier).is_ok());
        assert!(check(Some("Expedited"), StorageClass::Glacier).is_ok());
        assert_eq!(check(Some("Expedited"), StorageClass::DeepArchive).unwrap_err(), "InvalidRequest");
        assert_eq!(check(Some("Slow"), StorageClass::Glacier).unwrap_err(), "MalformedXML");
    }
}
