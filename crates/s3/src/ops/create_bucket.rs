//! CreateBucket.

use headwater_base::Region;
use headwater_objects::{BucketName, ObjectError};
use s3s::dto::{CreateBucketInput, CreateBucketOutput};
use s3s::{S3Request, S3Response};

use super::new_bucket::NewBucket;
use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;

/// The region whose buckets may be created again by their owner, as in S3.
const FORGIVING_REGION: &str = "us-east-1";

pub(crate) async fn call(codec: &Codec, request: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
    let arrival = request.arrival()?;
    let name = BucketName::new(&request.input.bucket)
        .map_err(|_| Refusal::new(400, "InvalidBucketName", "The specified bucket is not valid."))?;
    let configuration = request.input.create_bucket_configuration.as_ref();
    let constraint = configuration.and_then(|c| c.location_constraint.as_ref()).map(|c| c.as_str());
    let region = match constraint.filter(|constraint| !constraint.is_empty()) {
        None => arrival.context.region.clone(),
        // Its name before regions had names.
        Some("EU") => "eu-west-1".parse().map_err(|_| bad_region())?,
        Some(constraint) => constraint.parse::<Region>().map_err(|_| bad_region())?,
    };
    let caller = arrival.context.caller.account;
    let new = NewBucket::read(&request.headers)?;
    let created = match request.input.object_lock_enabled_for_bucket {
        Some(true) => codec.objects.create_bucket_with_lock(&name, caller, &region).await,
        _ => codec.objects.create_bucket(&name, caller, &region).await,
    };
    match created {
        Ok(bucket) => new.lay_down(&codec.objects, &arrival, &bucket).await?,
        Err(ObjectError::BucketExists(_)) => {
            let existing = codec.objects.bucket(&name).await?;
            let forgiven =
                existing.region.as_str() == FORGIVING_REGION && region.as_str() == FORGIVING_REGION;
            if existing.owner == caller && !forgiven {
                return Err(Refusal::new(
                    409,
                    "BucketAlreadyOwnedByYou",
                    "Your previous request to create the named bucket succeeded and you already own it.",
                ));
            }
            if existing.owner != caller {
                return Err(ObjectError::BucketExists(name.to_string()).into());
            }
        }
        Err(other) => return Err(other.into()),
    }
    Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{name}")) }))
}

fn bad_region() -> Refusal {
    Refusal::new(400, "InvalidLocationConstraint", "The specified location-constraint is not valid")
}
