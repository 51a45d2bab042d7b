//! Access control lists: who owns an object or a bucket, and whom its owner grants what.
//!
//! A bucket's list is one of its configurations; an object's stands in its fact. Where there is none,
//! the bucket's owner owns it and nobody else is granted anything.
//!
//! **Invariants.** A list that exists has at most [`GRANTS_MAX`] grants.

use headwater_base::AccountId;

use crate::records::acl::AclRecord;
use crate::records::object::ObjectRecord;
use crate::records::{decode, encode, keys};
use crate::{Bucket, BucketConfig, Change, ObjectError, ObjectKey, Objects, VersionId};

/// The most grants of one list.
pub const GRANTS_MAX: usize = 100;

/// An access control list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acl {
    /// Who owns what the list is of.
    pub owner: AclOwner,
    /// Whom the owner grants what.
    pub grants: Vec<Grant>,
}

/// Who owns an object or a bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AclOwner {
    /// The account; `None` if nobody signed the request that put it.
    pub account: Option<AccountId>,
    /// S3's name of it.
    pub canonical_id: String,
}

/// One line of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Who is granted something.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// Who may be granted something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Grantee {
    /// An account, by its canonical id.
    Canonical(String),
    /// Everybody, also who signs nothing.
    AllUsers,
    /// Everybody who signs.
    AuthenticatedUsers,
    /// The delivery of access logs.
    LogDelivery,
}

impl Grantee {
    /// Whether that is the public.
    pub fn is_public(&self) -> bool {
        matches!(self, Self::AllUsers | Self::AuthenticatedUsers)
    }
}

/// What may be granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Everything.
    FullControl,
    /// Reading an object, listing a bucket.
    Read,
    /// Putting and deleting objects of a bucket.
    Write,
    /// Reading the list.
    ReadAcp,
    /// Changing the list.
    WriteAcp,
}

impl Objects {
    /// The bucket's list; `None` while it has none of its own.
    ///
    /// # Errors
    /// The store's.
    pub async fn bucket_acl(&self, bucket: &Bucket) -> Result<Option<Acl>, ObjectError> {
        if !bucket.access.has_acl {
            return Ok(None);
        }
        let document = self.bucket_config(bucket, BucketConfig::Acl, "").await?;
        let key = keys::bucket_config(bucket.incarnation, BucketConfig::Acl.number(), "");
        let record = document.map(|bytes| decode::<AclRecord>(&key, &bytes)).transpose()?;
        Ok(record.map(AclRecord::acl))
    }

    /// Replaces the bucket's list. `None` is that of a new bucket.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket went meanwhile; [`ObjectError::PreconditionFailed`]
    /// where lists do not count.
    pub async fn set_bucket_acl(&self, bucket: &Bucket, acl: Option<&Acl>) -> Result<(), ObjectError> {
        let document = acl.map(|acl| encode(&AclRecord::of(acl)));
        let note = |access: &mut crate::BucketAccess| {
            if document.is_some() && !access.acls_count() {
                return Err(ObjectError::PreconditionFailed);
            }
            access.has_acl = document.is_some();
            Ok(())
        };
        self.change_bucket_access(bucket, Some((BucketConfig::Acl, document.as_deref())), &note).await
    }

    /// Replaces the list of a version; of the current one if none is named. `None`: the bucket's owner
    /// owns it, and nobody is granted anything.
    ///
    /// # Errors
    /// Those of [`Objects::head_version`].
    pub async fn set_object_acl(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
        acl: Option<&Acl>,
    ) -> Result<VersionId, ObjectError> {
        let change = |record: &mut ObjectRecord| {
            record.acl = acl.map(AclRecord::of);
            Ok(())
        };
        self.rewrite(bucket, key, version, Some(Change::AclPut), change).await
    }
}
