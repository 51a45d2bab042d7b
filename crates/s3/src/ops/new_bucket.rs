//! What CreateBucket says of ownership and lists, laid down right after the bucket is there. Until then,
//! and after a crash in between, the bucket is its owner's alone.

use headwater_objects::{Bucket, BucketAccess, Objects, Ownership};
use http::HeaderMap;

use super::ownership_controls::{acls_in_the_way, ownership_of};
use crate::acl::{self, Asked, Of};
use crate::arrival::Arrival;
use crate::fault::Refusal;

/// The canned lists that say what holds anyway.
const IN_FORCE: [&str; 2] = ["private", "bucket-owner-full-control"];

/// What the headers ask for.
#[derive(Debug)]
pub(crate) struct NewBucket {
    ownership: Ownership,
    /// A list other than the owner's alone.
    asked: Asked,
}

impl NewBucket {
    /// Reads the headers. What a new bucket cannot have is refused before it is made.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let ownership = headers.get("x-amz-object-ownership").map(|value| value.to_str().unwrap_or_default());
        let ownership = match ownership {
            None => Ownership::BucketOwnerEnforced,
            Some(name) => ownership_of(name)
                .ok_or_else(|| Refusal::invalid_argument(format!("Invalid object ownership {name:?}")))?,
        };
        let asked = match Asked::of(headers)? {
            Asked::Canned(name) if IN_FORCE.contains(&name.as_str()) => Asked::Nothing,
            other => other,
        };
        if asked.is_something() && ownership == Ownership::BucketOwnerEnforced {
            return Err(acls_in_the_way());
        }
        if asked.is_public() {
            // A new bucket blocks them.
            return Err(Refusal::new(
                400,
                "InvalidBucketAclWithBlockPublicAccessError",
                "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
            ));
        }
        Ok(Self { ownership, asked })
    }

    /// Changes the new bucket accordingly.
    pub(crate) async fn lay_down(
        self,
        objects: &Objects,
        arrival: &Arrival,
        bucket: &Bucket,
    ) -> Result<(), Refusal> {
        if self.ownership == Ownership::BucketOwnerEnforced {
            return Ok(());
        }
        let note = |access: &mut BucketAccess| {
            access.ownership = Some(self.ownership);
            Ok(())
        };
        objects.change_bucket_access(bucket, None, &note).await?;
        if self.asked.is_something() {
            let bucket = objects.bucket(&bucket.name).await?;
            let owner = acl::bucket_owner(arrival, &bucket);
            let list = acl::of_asked(&bucket, &owner, owner.clone(), self.asked, Of::Bucket)?;
            objects.set_bucket_acl(&bucket, list.as_ref()).await.map_err(acl::refusal)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_bucket_takes_no_public_list() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, http::HeaderValue::from_static(value));
            }
            NewBucket::read(&headers).map(|new| new.ownership).map_err(|refusal| refusal.code.into_owned())
        };
        let writer = ("x-amz-object-ownership", "ObjectWriter");
        assert_eq!(read(&[]), Ok(Ownership::BucketOwnerEnforced));
        assert_eq!(read(&[("x-amz-acl", "private")]), Ok(Ownership::BucketOwnerEnforced));
        assert_eq!(read(&[writer]), Ok(Ownership::ObjectWriter));
        assert_eq!(read(&[writer, ("x-amz-acl", "log-delivery-write")]), Ok(Ownership::ObjectWriter));
        for (pairs, code) in [
            (vec![("x-amz-acl", "public-read")], "InvalidBucketAclWithObjectOwnership"),
            (vec![writer, ("x-amz-acl", "public-read")], "InvalidBucketAclWithBlockPublicAccessError"),
            (vec![writer, ("x-amz-acl", "open")], "InvalidArgument"),
            (vec![("x-amz-object-ownership", "Mine")], "InvalidArgument"),
        ] {
            assert_eq!(read(&pairs), Err(code.to_owned()), "{pairs:?}");
        }
    }
}
