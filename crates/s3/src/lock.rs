//! Object lock between S3's headers and documents and the engine's types.

use headwater_base::Timestamp;
use headwater_objects::{Bucket, Bypass, ObjectLock, Retention, RetentionMode};
use http::HeaderMap;
use s3s::dto::{self, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetentionMode};

use crate::arrival::Arrival;
use crate::convert;
use crate::fault::Refusal;

/// What a writer's headers say.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) mode: Option<&'a ObjectLockMode>,
    pub(crate) until: Option<&'a dto::Timestamp>,
    pub(crate) hold: Option<&'a ObjectLockLegalHoldStatus>,
}

/// What the headers of an input say.
macro_rules! said {
    ($input:expr) => {
        $crate::lock::Said {
            mode: $input.object_lock_mode.as_ref(),
            until: $input.object_lock_retain_until_date.as_ref(),
            hold: $input.object_lock_legal_hold_status.as_ref(),
        }
    };
}
pub(crate) use said;

impl Said<'_> {
    /// The lock they ask for, if the caller may.
    pub(crate) async fn read(
        &self,
        arrival: &Arrival,
        bucket: &Bucket,
        key: &str,
        now: Timestamp,
    ) -> Result<ObjectLock, Refusal> {
        let lock = self.lock(now)?;
        if lock.is_empty() {
            return Ok(lock);
        }
        require(bucket)?;
        if lock.retention.is_some() {
            may(arrival, key, "s3:PutObjectRetention").await?;
        }
        if lock.hold.is_some() {
            may(arrival, key, "s3:PutObjectLegalHold").await?;
        }
        Ok(lock)
    }

    fn lock(&self, now: Timestamp) -> Result<ObjectLock, Refusal> {
        let retention = match (self.mode, self.until) {
            (None, None) => None,
            (Some(mode), Some(until)) => {
                let unknown = || Refusal::invalid_argument("Unknown wormMode directive.");
                Some(Retention {
                    mode: mode_of(mode.as_str()).ok_or_else(unknown)?,
                    until: future(until, now)?,
                })
            }
            _ => {
                return Err(Refusal::invalid_argument(
                    "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
                ));
            }
        };
        let hold = self.hold.map(|hold| hold_of(hold.as_str())).transpose()?;
        Ok(ObjectLock { retention, hold })
    }
}

/// Whether the bucket has object lock.
pub(crate) fn require(bucket: &Bucket) -> Result<(), Refusal> {
    match bucket.lock {
        Some(_) => Ok(()),
        None => Err(Refusal::invalid_request("Bucket is missing Object Lock Configuration")),
    }
}

/// Whether the body of a put that makes a locked version is checked, as S3 demands.
pub(crate) fn require_checksum(
    bucket: &Bucket,
    lock: &ObjectLock,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let by_default = bucket.lock.is_some_and(|lock| lock.default.is_some());
    let checked = headers.contains_key("content-md5")
        || headers.contains_key("x-amz-sdk-checksum-algorithm")
        || headers.contains_key("x-amz-trailer")
        || headers.keys().any(|name| name.as_str().starts_with("x-amz-checksum-"));
    if (lock.is_empty() && !by_default) || checked {
        return Ok(());
    }
    Err(Refusal::invalid_request(
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
    ))
}

/// Whether the caller bypasses governance: it says so, and it may.
pub(crate) async fn bypass(arrival: &Arrival, key: &str, asked: Option<bool>) -> Result<Bypass, Refusal> {
    if asked != Some(true) {
        return Ok(Bypass::Nothing);
    }
    may(arrival, key, "s3:BypassGovernanceRetention").await?;
    Ok(Bypass::Governance)
}

/// Whether the caller may take an action on an object, besides that of its operation.
async fn may(arrival: &Arrival, key: &str, action: &'static str) -> Result<(), Refusal> {
    match arrival.standing() {
        Some(standing) => standing.may_new_object(action, key).await,
        None => Err(Refusal::access_denied()),
    }
}

/// The time until which something is to be retained, which must not have passed.
pub(crate) fn future(until: &dto::Timestamp, now: Timestamp) -> Result<Timestamp, Refusal> {
    let until = convert::moment(until);
    if until <= now {
        return Err(Refusal::invalid_argument("The retain until date must be in the future!"));
    }
    Ok(until)
}

/// A mode by its name.
pub(crate) fn mode_of(name: &str) -> Option<RetentionMode> {
    match name {
        "GOVERNANCE" => Some(RetentionMode::Governance),
        "COMPLIANCE" => Some(RetentionMode::Compliance),
        _ => None,
    }
}

/// A mode's name.
pub(crate) fn mode_name(mode: RetentionMode) -> &'static str {
    match mode {
        RetentionMode::Governance => "GOVERNANCE",
        RetentionMode::Compliance => "COMPLIANCE",
    }
}

/// Whether a legal hold is to be on.
fn hold_of(status: &str) -> Result<bool, Refusal> {
    match status {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        _ => Err(Refusal::invalid_argument("Legal Hold must be either of 'ON' or 'OFF'")),
    }
}

/// A legal hold's status.
pub(crate) fn hold_status(on: bool) -> ObjectLockLegalHoldStatus {
    ObjectLockLegalHoldStatus::from_static(if on { "ON" } else { "OFF" })
}

/// A retention as a document says it.
pub(crate) fn shown(retention: Retention) -> dto::ObjectLockRetention {
    dto::ObjectLockRetention {
        mode: Some(ObjectLockRetentionMode::from_static(mode_name(retention.mode))),
        retain_until_date: Some(convert::time(retention.until)),
    }
}

/// Sets the three lock members of an answer about a version.
macro_rules! set_lock {
    ($target:expr, $lock:expr) => {{
        let lock = &$lock;
        $target.object_lock_mode = lock
            .retention
            .map(|retention| s3s::dto::ObjectLockMode::from_static($crate::lock::mode_name(retention.mode)));
        $target.object_lock_retain_until_date =
            lock.retention.map(|retention| $crate::convert::time(retention.until));
        $target.object_lock_legal_hold_status = lock.hold.map($crate::lock::hold_status);
    }};
}
pub(crate) use set_lock;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_a_lock_or_are_refused() {
        let now = Timestamp::from_ms(1000);
        let (past, later) = (convert::time(now), convert::time(Timestamp::from_ms(1001)));
        let lock =
            |mode: Option<&'static str>, until: Option<&dto::Timestamp>, hold: Option<&'static str>| {
                let (mode, hold) =
                    (mode.map(ObjectLockMode::from_static), hold.map(ObjectLockLegalHoldStatus::from_static));
                Said { mode: mode.as_ref(), until, hold: hold.as_ref() }.lock(now)
            };
        assert!(lock(None, None, None).unwrap().is_empty());
        let governed = lock(Some("GOVERNANCE"), Some(&later), Some("OFF")).unwrap();
        let until = Timestamp::from_ms(1001);
        assert_eq!(governed.retention, Some(Retention { mode: RetentionMode::Governance, until }));
        assert_eq!(governed.hold, Some(false));
        for bad in [
            lock(Some("COMPLIANCE"), None, None),
            lock(None, Some(&later), None),
            lock(Some("compliance"), Some(&later), None),
            lock(Some("COMPLIANCE"), Some(&past), None),
            lock(None, None, Some("on")),
        ] {
            assert_eq!(bad.unwrap_err().code, "InvalidArgument");
        }
    }

    #[test]
    fn locked_puts_are_checked() {
        let mut headers = HeaderMap::new();
        let bucket = |lock| Bucket {
            name: headwater_objects::BucketName::new("bucket").unwrap(),
            incarnation: 1,
            owner: "000000000042".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            created: Timestamp::from_ms(0),
            access: headwater_objects::BucketAccess::default(),
            encryption: None,
            versioning: headwater_objects::Versioning::Enabled,
            lifecycle: false,
            lock,
            notifies: false,
            origin: None,
        };
        let held = ObjectLock { retention: None, hold: Some(true) };
        let locking = bucket(Some(headwater_objects::BucketLock::default()));
        assert!(require_checksum(&locking, &ObjectLock::default(), &headers).is_ok());
        assert!(require_checksum(&locking, &held, &headers).is_err());
        headers.insert("x-amz-checksum-crc32", http::HeaderValue::from_static("AAAAAA=="));
        assert!(require_checksum(&locking, &held, &headers).is_ok());
        assert!(require(&bucket(None)).is_err());
    }
}
