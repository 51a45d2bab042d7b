//! What the guard goes by in one bucket, for one request: who asks, what the request says, the bucket's
//! policy and lists. Operations ask it again about what the guard could not know beforehand.
//!
//! **Invariants.** A bucket without policy and lists costs no read: its record says so.

use std::sync::Arc;

use headwater_base::{Arn, Caller};
use headwater_objects::{
    Acl, Bucket, BucketConfig, ObjectError, ObjectInfo, ObjectKey, Objects, UploadId, VersionId, Versioning,
};
use headwater_wire::{Access, Context, Petition, RequestKeys};

use crate::acl;
use crate::arrival::Arrival;
use crate::fault::Refusal;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    context: Arc<Context>,
    objects: Objects,
    bucket: Arc<Bucket>,
    policy: Option<Arc<str>>,
    /// The bucket's list, where it counts.
    list: Option<Acl>,
    keys: RequestKeys,
}

impl Standing {
    /// Reads what the bucket's record says there is.
    pub(crate) async fn of(
        objects: &Objects,
        arrival: &Arrival,
        bucket: Arc<Bucket>,
        keys: impl FnOnce() -> RequestKeys,
    ) -> Result<Self, Refusal> {
        let policy = match bucket.access.policy {
            Some(_) => objects.bucket_config(&bucket, BucketConfig::Policy, "").await?,
            None => None,
        };
        let policy = policy.map(|text| Arc::from(String::from_utf8_lossy(&text)));
        let list = if bucket.access.acls_count() { objects.bucket_acl(&bucket).await? } else { None };
        let keys = if policy.is_some() { keys() } else { RequestKeys::default() };
        let context = arrival.context.clone();
        Ok(Self { context, objects: objects.clone(), bucket, policy, list, keys })
    }

    /// The bucket.
    pub(crate) fn bucket(&self) -> &Arc<Bucket> {
        &self.bucket
    }

    /// Whether who asks is of another account than the bucket's, or nobody.
    pub(crate) fn is_foreign(&self) -> bool {
        self.caller().account != self.bucket.owner
    }

    /// The refusal as the caller may know it: who may not list a bucket does not learn what is not
    /// there.
    pub(crate) async fn veil(&self, refusal: Refusal) -> Refusal {
        let tells = matches!(refusal.code.as_ref(), "NoSuchKey" | "NoSuchVersion");
        let asks = tells && (self.is_foreign() || self.policy.is_some());
        if asks && self.may("s3:ListBucket").await.is_err() { Refusal::access_denied() } else { refusal }
    }

    /// Whether the caller may do this to the bucket.
    pub(crate) async fn may(&self, action: &'static str) -> Result<(), Refusal> {
        let resource = Some(Arn::global("s3", self.bucket.name.as_str()));
        let granted = self.is_granted_by_bucket(action);
        self.ask(&Access { action, resource }, granted, false, &self.keys).await
    }

    /// Whether the caller may do this to an object of the bucket.
    pub(crate) async fn may_object(
        &self,
        action: &'static str,
        key: &str,
        version: Option<VersionId>,
    ) -> Result<(), Refusal> {
        self.may_object_saying(action, key, version, &[]).await
    }

    /// The same, of a request that says this, too.
    pub(crate) async fn may_object_saying(
        &self,
        action: &'static str,
        key: &str,
        version: Option<VersionId>,
        said: &[(String, String)],
    ) -> Result<(), Refusal> {
        let action = if version.is_some() { of_version(action) } else { action };
        let traits = self.bucket.access.policy.unwrap_or_default();
        let asks_tags = self.policy.is_some() && traits.asks_object_tags && is_about_existing(action);
        let asks_list = self.bucket.access.acls_count() && acl::of_object_action(action).is_some();
        let info = if asks_tags || asks_list { self.object(key, version).await? } else { None };
        let mut keys = self.keys.clone();
        for (key, value) in said {
            keys.add(key, value.as_str());
        }
        let attributes = info.map(|info| info.attributes).unwrap_or_default();
        for (name, value) in &attributes.tags {
            keys.set(&format!("s3:existingobjecttag/{name}"), value.as_str());
        }
        let list = attributes.acl.filter(|_| asks_list);
        let is_foreign = list.as_ref().is_some_and(|list| list.owner.account != Some(self.bucket.owner));
        let granted = match (&list, acl::of_object_action(action)) {
            (Some(list), Some(wanted)) => self.grants(list, wanted),
            _ => self.is_granted_there(action, key).await?,
        };
        self.ask(&self.access(action, key), granted, is_foreign, &keys).await
    }

    /// Whether the caller may do this to an upload: who began it may, whosever the bucket is.
    pub(crate) async fn may_upload(
        &self,
        action: &'static str,
        key: &str,
        upload: Option<&str>,
    ) -> Result<(), Refusal> {
        let began = self.is_foreign() && self.began(key, upload.unwrap_or_default()).await?;
        self.ask(&self.access(action, key), began, false, &self.keys).await
    }

    /// Whether the caller may do this with an object that does not exist yet.
    pub(crate) async fn may_new_object(&self, action: &'static str, key: &str) -> Result<(), Refusal> {
        // Whom a list lets write owns what it writes, and so its list.
        let as_action = if action == "s3:PutObjectAcl" { "s3:PutObject" } else { action };
        let granted = self.is_granted_there(as_action, key).await?;
        self.ask(&self.access(action, key), granted, false, &self.keys).await
    }

    /// An action on an object.
    fn access(&self, action: &'static str, key: &str) -> Access {
        Access { action, resource: Some(Arn::global("s3", format!("{}/{key}", self.bucket.name))) }
    }

    async fn ask(
        &self,
        access: &Access,
        is_granted: bool,
        foreign_object: bool,
        keys: &RequestKeys,
    ) -> Result<(), Refusal> {
        let access_of_bucket = &self.bucket.access;
        let is_public = access_of_bucket.policy.is_some_and(|policy| policy.is_public);
        let petition = Petition {
            caller: self.caller(),
            access,
            owner: self.bucket.owner,
            foreign_object,
            policy: self.policy.as_ref(),
            is_restricted: is_public && access_of_bucket.blocked().restrict_public_buckets,
            is_granted,
            keys,
        };
        Ok(self.context.authority.decide(&petition).await?)
    }

    fn caller(&self) -> &Caller {
        &self.context.caller
    }

    fn is_granted_by_bucket(&self, action: &str) -> bool {
        match (&self.list, acl::of_bucket_action(action)) {
            (Some(list), Some(wanted)) => self.grants(list, wanted),
            _ => false,
        }
    }

    /// Whether the bucket's list grants this where `key` is: others may create there, and change what is theirs.
    async fn is_granted_there(&self, action: &str, key: &str) -> Result<bool, Refusal> {
        if !self.is_granted_by_bucket(action) || !self.is_foreign() {
            return Ok(self.is_granted_by_bucket(action));
        }
        let is_theirs = |existing: Option<ObjectInfo>| {
            existing.is_none_or(|info| {
                info.attributes.acl.is_some_and(|list| acl::is_owner(&list, self.caller()))
            })
        };
        // While versions are suspended it is the null version that goes, whatever is current.
        let null = match self.bucket.versioning {
            Versioning::Suspended => self.object(key, Some(VersionId::NULL)).await?,
            Versioning::Never | Versioning::Enabled => None,
        };
        Ok(is_theirs(null) && is_theirs(self.object(key, None).await?))
    }

    /// Whether the caller still may put the object, now that its body is here: another's, which it may not
    /// replace, may have come meanwhile.
    pub(crate) async fn may_still_put(&self, key: &str) -> Result<(), Refusal> {
        if self.is_foreign() { self.may_new_object("s3:PutObject", key).await } else { Ok(()) }
    }

    /// Whether the caller's account began the upload.
    async fn began(&self, key: &str, upload: &str) -> Result<bool, Refusal> {
        let (Ok(key), Some(id)) = (ObjectKey::new(key), UploadId::parse(upload)) else { return Ok(false) };
        match self.objects.upload(&self.bucket, &key, id).await {
            Ok(upload) => {
                let account = upload.options.initiator.and_then(|initiator| initiator.account);
                Ok(account == Some(self.caller().account))
            }
            Err(ObjectError::NoSuchUpload(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn grants(&self, list: &Acl, wanted: headwater_objects::Permission) -> bool {
        acl::grants(list, self.caller(), wanted, self.bucket.access.blocked().ignore_public_acls)
    }

    /// The object, if there is one.
    async fn object(&self, key: &str, version: Option<VersionId>) -> Result<Option<ObjectInfo>, Refusal> {
        let Ok(key) = ObjectKey::new(key) else { return Ok(None) };
        match self.objects.head_version(&self.bucket, &key, version).await {
            Ok(info) => Ok(Some(info)),
            Err(
                ObjectError::NoSuchKey(_)
                | ObjectError::NoSuchVersion { .. }
                | ObjectError::DeleteMarker { .. },
            ) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether an action is about an object as it is: those that S3 asks its tags for.
fn is_about_existing(action: &str) -> bool {
    action.starts_with("s3:GetObject") || action.ends_with("Tagging") || action.ends_with("Acl")
}

/// The action on a version by its id.
fn of_version(action: &'static str) -> &'static str {
    match action {
        "s3:GetObject" => "s3:GetObjectVersion",
        "s3:GetObjectAcl" => "s3:GetObjectVersionAcl",
        "s3:GetObjectAttributes" => "s3:GetObjectVersionAttributes",
        "s3:GetObjectTagging" => "s3:GetObjectVersionTagging",
        "s3:PutObjectAcl" => "s3:PutObjectVersionAcl",
        "s3:PutObjectTagging" => "s3:PutObjectVersionTagging",
        "s3:DeleteObject" => "s3:DeleteObjectVersion",
        "s3:DeleteObjectTagging" => "s3:DeleteObjectVersionTagging",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_needs_an_action_of_its_own() {
        assert_eq!(of_version("s3:GetObject"), "s3:GetObjectVersion");
        assert_eq!(of_version("s3:GetObjectRetention"), "s3:GetObjectRetention");
        assert!(is_about_existing("s3:GetObjectVersion") && is_about_existing("s3:PutObjectVersionTagging"));
        assert!(!is_about_existing("s3:PutObject") && !is_about_existing("s3:ListBucket"));
    }
}
