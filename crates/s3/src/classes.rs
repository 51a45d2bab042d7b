//! Storage classes, restores and ends of life as S3's headers say them.

use headwater_base::Timestamp;
use headwater_objects::{Bucket, Ending, ObjectError, ObjectInfo, Objects, Restored, StorageClass};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto;

use crate::fault::Refusal;

/// The class that a request asks for.
pub(crate) fn asked(class: Option<&dto::StorageClass>) -> Result<StorageClass, Refusal> {
    match class {
        None => Ok(StorageClass::Standard),
        Some(class) => named(class.as_str().as_bytes()),
    }
}

/// The class of that name. Those of other places (directory buckets, Outposts, Snow) are none.
pub(crate) fn named(name: &[u8]) -> Result<StorageClass, Refusal> {
    std::str::from_utf8(name).ok().and_then(StorageClass::named).ok_or_else(|| {
        Refusal::new(400, "InvalidStorageClass", "The storage class you specified is not valid")
    })
}

/// What HEAD and GET say of a class: nothing of `STANDARD`.
pub(crate) fn told(class: StorageClass) -> Option<dto::StorageClass> {
    (class != StorageClass::Standard).then(|| dto::StorageClass::from_static(class.name()))
}

/// `x-amz-restore`.
pub(crate) fn restore(info: &ObjectInfo, now: Timestamp) -> Option<String> {
    match info.restored? {
        Restored::Ongoing => Some("ongoing-request=\"true\"".to_owned()),
        Restored::Until(until) if until > now => {
            Some(format!("ongoing-request=\"false\", expiry-date=\"{}\"", http_date(until)))
        }
        Restored::Until(_) => None,
    }
}

/// The restore of an entry of a listing that asks for it.
pub(crate) fn restore_status(info: &ObjectInfo) -> Option<dto::RestoreStatus> {
    let (ongoing, until) = match info.restored? {
        Restored::Ongoing => (true, None),
        Restored::Until(until) => (false, Some(crate::convert::time(until))),
    };
    Some(dto::RestoreStatus { is_restore_in_progress: Some(ongoing), restore_expiry_date: until })
}

/// Whether a listing is to say how restores stand.
pub(crate) fn wants_restores(attributes: Option<&[dto::OptionalObjectAttributes]>) -> bool {
    attributes.is_some_and(|names| names.iter().any(|name| name.as_str() == "RestoreStatus"))
}

/// `x-amz-expiration` of a current object.
pub(crate) async fn expiration(
    objects: &Objects,
    bucket: &Bucket,
    info: &ObjectInfo,
) -> Result<Option<String>, ObjectError> {
    Ok(objects.expiry(bucket, info).await?.map(|ending| ending_text(&ending)))
}

fn ending_text(ending: &Ending) -> String {
    let rule = utf8_percent_encode(&ending.rule, NON_ALPHANUMERIC_BUT_MARKS);
    format!("expiry-date=\"{}\", rule-id=\"{rule}\"", http_date(ending.at))
}

/// What stays as it is in a rule's id.
const NON_ALPHANUMERIC_BUT_MARKS: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn http_date(at: Timestamp) -> String {
    at.utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_other_places_are_refused() {
        assert_eq!(asked(None).unwrap(), StorageClass::Standard);
        assert_eq!(named(b"GLACIER_IR").unwrap(), StorageClass::GlacierIr);
        for other in ["EXPRESS_ONEZONE", "OUTPOSTS", "SNOW", "FSX_OPENZFS", "glacier", ""] {
            assert_eq!(named(other.as_bytes()).unwrap_err().code, "InvalidStorageClass", "{other}");
        }
        assert_eq!(told(StorageClass::Standard), None);
    }

    #[test]
    fn ends_are_told_with_their_rule() {
        let ending = Ending { at: Timestamp::from_ms(1_356_220_800_000), rule: "old pictures/é".into() };
        assert_eq!(
            ending_text(&ending),
            "expiry-date=\"Sun, 23 Dec 2012 00:00:00 GMT\", rule-id=\"old%20pictures%2F%C3%A9\""
        );
    }
}
