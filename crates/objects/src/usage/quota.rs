//! What buckets may hold, and room claimed for what is on its way in.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Books, Growth};
use crate::{Bucket, BucketName, ObjectError};

/// What a bucket may hold. The default: anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quota {
    /// At most so many bytes.
    pub bytes: Option<u64>,
    /// At most so many objects.
    pub objects: Option<u64>,
}

impl Quota {
    /// Whether it limits nothing.
    pub fn is_unlimited(&self) -> bool {
        self.bytes.is_none() && self.objects.is_none()
    }
}

/// The quotas of a node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Quotas {
    /// By the bucket's name; also for buckets that are not there yet.
    pub named: HashMap<BucketName, Quota>,
    /// Of every other bucket.
    pub others: Quota,
}

impl Quotas {
    /// The quota of a bucket.
    pub fn of(&self, bucket: &BucketName) -> Quota {
        self.named.get(bucket).copied().unwrap_or(self.others)
    }
}

/// Room in a bucket's quota for something on its way in; given back when dropped. Keep it until the
/// commit that puts it: from then on the books hold it.
#[derive(Debug, Default)]
pub struct Claim {
    /// `None`: the bucket has no quota.
    _claimed: Option<Claimed>,
}

#[derive(Debug)]
struct Claimed {
    books: Arc<Books>,
    incarnation: u64,
    change: Growth,
}

impl Claim {
    pub(super) fn make(
        books: &Arc<Books>,
        bucket: &Bucket,
        quota: Quota,
        objects: u64,
        bytes: u64,
    ) -> Result<Self, ObjectError> {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let change = Growth { objects: signed(objects), bytes: signed(bytes) };
        let mut inner = books.inner();
        let entry = inner.buckets.entry(bucket.incarnation).or_default();
        let check = |what, limit: Option<u64>, held: i64, claimed: i64, more: i64| match limit.map(signed) {
            // What makes nothing larger is never refused, whatever is held.
            Some(limit) if more > 0 && held.max(0).saturating_add(claimed).saturating_add(more) > limit => {
                let bucket = bucket.name.as_str().to_owned();
                Err(ObjectError::QuotaExceeded {
                    bucket,
                    what,
                    limit: limit as u64,
                    held: held.max(0) as u64,
                })
            }
            _ => Ok(()),
        };
        check("bytes", quota.bytes, entry.held.bytes, entry.claimed.bytes, change.bytes)?;
        check("objects", quota.objects, entry.held.objects, entry.claimed.objects, change.objects)?;
        entry.claimed.add(change);
        let claimed = Claimed { books: books.clone(), incarnation: bucket.incarnation, change };
        Ok(Self { _claimed: Some(claimed) })
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if let Some(entry) = self.books.inner().buckets.get_mut(&self.incarnation) {
            entry.claimed.add(Growth { objects: -self.change.objects, bytes: -self.change.bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_base::Timestamp;
    use headwater_store::Lsn;

    use super::*;
    use crate::{BucketAccess, Versioning};

    fn bucket() -> Bucket {
        Bucket {
            name: BucketName::new("bucket").unwrap(),
            incarnation: 1,
            owner: "000000000001".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            created: Timestamp::EPOCH,
            versioning: Versioning::Never,
            lock: None,
            lifecycle: false,
            access: BucketAccess::from_bits(0),
            notifies: false,
            origin: None,
            encryption: None,
        }
    }

    #[test]
    fn claims_at_the_same_time_count_together() {
        let books = Arc::new(Books::default());
        let quota = Quota { bytes: Some(100), objects: Some(3) };
        let claim = |objects, bytes| Claim::make(&books, &bucket(), quota, objects, bytes);
        let exceeded = |what: &'static str, claim: Result<Claim, ObjectError>| matches!(claim, Err(ObjectError::QuotaExceeded { what: found, .. }) if found == what);
        let first = claim(1, 60).unwrap();
        assert!(exceeded("bytes", claim(1, 41)));
        let second = claim(1, 40).unwrap();
        assert!(exceeded("bytes", claim(1, 1)));
        drop(first);
        let third = claim(1, 60).unwrap();
        drop((second, third));
        books.note(1, Lsn(1), Growth { objects: 3, bytes: 3 });
        assert!(exceeded("objects", claim(1, 0)));
        assert!(claim(0, 97).is_ok(), "a part is no object");
        assert!(exceeded("bytes", claim(0, 98)));
        assert!(exceeded("bytes", claim(0, u64::MAX)));
    }

    #[test]
    fn buckets_have_the_quota_of_their_name_or_that_of_all_others() {
        let name = BucketName::new("bucket").unwrap();
        let quota = Quota { bytes: Some(1), objects: None };
        let mut quotas = Quotas::default();
        assert!(quotas.of(&name).is_unlimited());
        quotas.others = quota;
        assert_eq!(quotas.of(&name), quota);
        quotas.named.insert(name.clone(), Quota::default());
        assert!(quotas.of(&name).is_unlimited());
    }
}
