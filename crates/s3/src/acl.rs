//! Access control lists between S3's spellings and the engine's: canned, in headers, in XML; and whom
//! a list lets do what.

use headwater_base::Caller;
use headwater_objects::{
    Acl, AclOwner, Bucket, GRANTS_MAX, Grant, Grantee, ObjectError, Ownership, Permission,
};
use http::HeaderMap;
use s3s::dto;

use crate::arrival::Arrival;
use crate::document;
use crate::fault::Refusal;

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
/// EC2's canonical id, to which `aws-exec-read` grants.
const EC2: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

/// The headers that grant, and what.
const GRANT_HEADERS: [(&str, Permission); 5] = [
    ("x-amz-grant-full-control", Permission::FullControl),
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
];

/// The canned lists.
const CANNED: [&str; 8] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "log-delivery-write",
];
/// Those that grant to the public.
const PUBLIC: [&str; 3] = ["public-read", "public-read-write", "authenticated-read"];

/// What a list is of: canned lists differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Of {
    Bucket,
    Object,
}

/// What a request asks for in its headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    Nothing,
    Canned(String),
    Grants(Vec<Grant>),
}

impl Asked {
    /// Reads the headers.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let canned = headers.get("x-amz-acl").map(|value| value.to_str().unwrap_or_default());
        let mut grants = Vec::new();
        for (name, permission) in GRANT_HEADERS {
            for value in headers.get_all(name) {
                for grantee in grantees(value.to_str().unwrap_or_default())? {
                    grants.push(Grant { grantee, permission });
                }
            }
        }
        match canned {
            Some(_) if !grants.is_empty() => {
                Err(Refusal::invalid_request("Specifying both Canned ACLs and Header Grants is not allowed"))
            }
            Some(canned) if !CANNED.contains(&canned) => Err(not_canned(canned)),
            Some(canned) => Ok(Self::Canned(canned.to_owned())),
            None if grants.is_empty() => Ok(Self::Nothing),
            None => Ok(Self::Grants(checked(grants)?)),
        }
    }

    /// Whether it asks for grants to the public.
    pub(crate) fn is_public(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Canned(name) => PUBLIC.contains(&name.as_str()),
            Self::Grants(grants) => grants.iter().any(|grant| grant.grantee.is_public()),
        }
    }

    /// Whether the request asks for a list at all.
    pub(crate) fn is_something(&self) -> bool {
        *self != Self::Nothing
    }
}

/// The owner of everything that is put in a bucket by its own account.
pub(crate) fn bucket_owner(arrival: &Arrival, bucket: &Bucket) -> AclOwner {
    let canonical_id = arrival.context.authority.canonical_id(bucket.owner);
    AclOwner { account: Some(bucket.owner), canonical_id }
}

/// Who asks, as an owner.
pub(crate) fn caller(caller: &Caller) -> AclOwner {
    AclOwner {
        account: (!caller.is_anonymous()).then_some(caller.account),
        canonical_id: caller.canonical_id.clone(),
    }
}

/// The list of an object that is being put; `None` if it is the bucket owner's alone.
pub(crate) fn of_new_object(
    arrival: &Arrival,
    bucket: &Bucket,
    headers: &HeaderMap,
) -> Result<Option<Acl>, Refusal> {
    let (asked, owner) = (Asked::of(headers)?, bucket_owner(arrival, bucket));
    let writer = match (&asked, bucket.access.ownership) {
        (_, Some(Ownership::BucketOwnerEnforced)) => owner.clone(),
        (Asked::Canned(canned), Some(Ownership::BucketOwnerPreferred))
            if canned == "bucket-owner-full-control" =>
        {
            owner.clone()
        }
        _ => caller(&arrival.context.caller),
    };
    of_asked(bucket, &owner, writer, asked, Of::Object)
}

/// The list that the headers ask for, of what `owner` owns in a bucket of `bucket_owner`; `None` if it
/// is what holds without one.
pub(crate) fn of_asked(
    bucket: &Bucket,
    bucket_owner: &AclOwner,
    owner: AclOwner,
    asked: Asked,
    of: Of,
) -> Result<Option<Acl>, Refusal> {
    let grants = match asked {
        Asked::Nothing => canned("private", &owner, bucket_owner, of)?,
        Asked::Canned(name) => canned(&name, &owner, bucket_owner, of)?,
        Asked::Grants(grants) => grants,
    };
    admitted(bucket, bucket_owner, Acl { owner, grants })
}

/// The list, if the bucket takes such; `None` if it is what holds without one.
pub(crate) fn admitted(bucket: &Bucket, bucket_owner: &AclOwner, acl: Acl) -> Result<Option<Acl>, Refusal> {
    let full = Grant {
        grantee: Grantee::Canonical(bucket_owner.canonical_id.clone()),
        permission: Permission::FullControl,
    };
    if acl.owner == *bucket_owner && acl.grants == [full] {
        return Ok(None);
    }
    if !bucket.access.acls_count() {
        return Err(not_supported());
    }
    if bucket.access.blocked().block_public_acls && acl.grants.iter().any(|grant| grant.grantee.is_public()) {
        return Err(Refusal::access_denied());
    }
    Ok(Some(acl))
}

/// Why a list was not set: the owner took over everything meanwhile.
pub(crate) fn refusal(error: ObjectError) -> Refusal {
    match error {
        ObjectError::PreconditionFailed => not_supported(),
        other => other.into(),
    }
}

/// The refusal of lists where the bucket's owner owns everything.
pub(crate) fn not_supported() -> Refusal {
    Refusal::new(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
}

fn canned(name: &str, owner: &AclOwner, bucket: &AclOwner, of: Of) -> Result<Vec<Grant>, Refusal> {
    let full = |who: &AclOwner| (Grantee::Canonical(who.canonical_id.clone()), Permission::FullControl);
    let mut grants = vec![full(owner)];
    match (name, of) {
        ("private", _) => {}
        ("public-read", _) => grants.push((Grantee::AllUsers, Permission::Read)),
        ("public-read-write", _) => {
            grants.extend([(Grantee::AllUsers, Permission::Read), (Grantee::AllUsers, Permission::Write)]);
        }
        ("authenticated-read", _) => grants.push((Grantee::AuthenticatedUsers, Permission::Read)),
        ("aws-exec-read", _) => grants.push((Grantee::Canonical(EC2.to_owned()), Permission::Read)),
        ("log-delivery-write", Of::Bucket) => grants
            .extend([(Grantee::LogDelivery, Permission::Write), (Grantee::LogDelivery, Permission::ReadAcp)]),
        ("bucket-owner-read" | "bucket-owner-full-control", _) if owner == bucket => {}
        ("bucket-owner-read", Of::Object) => {
            grants.push((Grantee::Canonical(bucket.canonical_id.clone()), Permission::Read));
        }
        ("bucket-owner-full-control", Of::Object) => grants.push(full(bucket)),
        _ => return Err(not_canned(name)),
    }
    Ok(grants.into_iter().map(|(grantee, permission)| Grant { grantee, permission }).collect())
}

fn not_canned(name: &str) -> Refusal {
    Refusal::invalid_argument(format!("The canned ACL {name:?} is not valid"))
}

/// `id="…", uri="…"`.
fn grantees(header: &str) -> Result<Vec<Grantee>, Refusal> {
    let invalid = || Refusal::invalid_argument("Argument format not recognized");
    let one = |text: &str| {
        let (kind, value) = text.trim().split_once('=').ok_or_else(invalid)?;
        let value = value.trim().trim_matches('"');
        match kind.trim().to_ascii_lowercase().as_str() {
            "id" => canonical(value),
            "uri" => group(value),
            "emailaddress" => Err(email()),
            _ => Err(invalid()),
        }
    };
    header.split(',').map(one).collect()
}

fn canonical(id: &str) -> Result<Grantee, Refusal> {
    // Anonymous objects are owned by a shorter one.
    let is_id = matches!(id.len(), 32 | 64) && id.bytes().all(|b| b.is_ascii_hexdigit());
    match is_id {
        true => Ok(Grantee::Canonical(id.to_ascii_lowercase())),
        false => Err(Refusal::invalid_argument("Invalid id")),
    }
}

fn group(uri: &str) -> Result<Grantee, Refusal> {
    match uri {
        ALL_USERS => Ok(Grantee::AllUsers),
        AUTHENTICATED_USERS => Ok(Grantee::AuthenticatedUsers),
        LOG_DELIVERY => Ok(Grantee::LogDelivery),
        _ => Err(Refusal::invalid_argument("Invalid group uri")),
    }
}

/// S3 takes grants by e-mail address no more.
fn email() -> Refusal {
    Refusal::new(405, "MethodNotAllowed", "Grants by e-mail address are not supported.")
}

fn malformed() -> Refusal {
    Refusal::new(
        400,
        "MalformedACLError",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

fn checked(grants: Vec<Grant>) -> Result<Vec<Grant>, Refusal> {
    if grants.len() > GRANTS_MAX {
        return Err(Refusal::invalid_request(format!("An ACL has at most {GRANTS_MAX} grants")));
    }
    Ok(grants)
}

/// A list given in XML, of what `owner` owns. The owner cannot be changed.
pub(crate) fn of_xml(policy: dto::AccessControlPolicy, owner: AclOwner) -> Result<Acl, Refusal> {
    let said = policy.owner.and_then(|owner| owner.id).ok_or_else(malformed)?;
    if !said.eq_ignore_ascii_case(&owner.canonical_id) {
        return Err(Refusal::access_denied());
    }
    let grant = |grant: dto::Grant| {
        let (grantee, permission) = grant.grantee.zip(grant.permission).ok_or_else(malformed)?;
        let permission = permission_of(permission.as_str()).ok_or_else(malformed)?;
        Ok(Grant { grantee: grantee_of(&grantee)?, permission })
    };
    let grants: Result<Vec<Grant>, Refusal> =
        policy.grants.unwrap_or_default().into_iter().map(grant).collect();
    Ok(Acl { owner, grants: checked(grants?)? })
}

fn grantee_of(grantee: &dto::Grantee) -> Result<Grantee, Refusal> {
    match grantee.type_.as_str() {
        "CanonicalUser" => canonical(grantee.id.as_deref().ok_or_else(malformed)?),
        "Group" => group(grantee.uri.as_deref().ok_or_else(malformed)?),
        "AmazonCustomerByEmail" => Err(email()),
        _ => Err(malformed()),
    }
}

fn permission_of(name: &str) -> Option<Permission> {
    Some(match name {
        "FULL_CONTROL" => Permission::FullControl,
        "READ" => Permission::Read,
        "WRITE" => Permission::Write,
        "READ_ACP" => Permission::ReadAcp,
        "WRITE_ACP" => Permission::WriteAcp,
        _ => return None,
    })
}

/// An owner as S3 writes it.
pub(crate) fn owner_to_xml(owner: &AclOwner) -> dto::Owner {
    dto::Owner { display_name: None, id: Some(owner.canonical_id.clone()) }
}

/// The grants as S3 writes them. Without a list, the owner has full control.
pub(crate) fn grants_to_xml(owner: &AclOwner, acl: Option<Acl>) -> Vec<dto::Grant> {
    let alone = || {
        vec![Grant {
            grantee: Grantee::Canonical(owner.canonical_id.clone()),
            permission: Permission::FullControl,
        }]
    };
    let grant = |grant: Grant| {
        let (kind, id, uri) = match grant.grantee {
            Grantee::Canonical(id) => ("CanonicalUser", Some(id), None),
            Grantee::AllUsers => ("Group", None, Some(ALL_USERS)),
            Grantee::AuthenticatedUsers => ("Group", None, Some(AUTHENTICATED_USERS)),
            Grantee::LogDelivery => ("Group", None, Some(LOG_DELIVERY)),
        };
        let permission = match grant.permission {
            Permission::FullControl => "FULL_CONTROL",
            Permission::Read => "READ",
            Permission::Write => "WRITE",
            Permission::ReadAcp => "READ_ACP",
            Permission::WriteAcp => "WRITE_ACP",
        };
        let grantee = dto::Grantee {
            display_name: None,
            email_address: None,
            id,
            type_: dto::Type::from_static(kind),
            uri: uri.map(str::to_owned),
        };
        dto::Grant { grantee: Some(grantee), permission: Some(dto::Permission::from_static(permission)) }
    };
    acl.map_or_else(alone, |acl| acl.grants).into_iter().map(grant).collect()
}

/// Whether the list grants `caller` this. Public grants count unless they are ignored.
pub(crate) fn grants(acl: &Acl, caller: &Caller, wanted: Permission, ignores_public: bool) -> bool {
    let is_acp = matches!(wanted, Permission::ReadAcp | Permission::WriteAcp);
    if is_acp && !caller.is_anonymous() && acl.owner.account == Some(caller.account) {
        // An owner can always mend its list.
        return true;
    }
    acl.grants.iter().any(|grant| {
        let fits = grant.permission == wanted || grant.permission == Permission::FullControl;
        fits && match &grant.grantee {
            Grantee::Canonical(id) => !caller.is_anonymous() && *id == caller.canonical_id,
            Grantee::AllUsers => !ignores_public,
            Grantee::AuthenticatedUsers => !ignores_public && !caller.is_anonymous(),
            Grantee::LogDelivery => false,
        }
    })
}

/// Whether `caller` owns what the list is of.
pub(crate) fn is_owner(acl: &Acl, caller: &Caller) -> bool {
    // An account's canonical id may be configured later.
    acl.owner.account == self::caller(caller).account
}

/// What of a bucket's list an action takes. To write is to create; what exists is changed by its owner only.
pub(crate) fn of_bucket_action(action: &str) -> Option<Permission> {
    Some(match action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => Permission::Read,
        "s3:PutObject" | "s3:DeleteObject" => Permission::Write,
        "s3:GetBucketAcl" => Permission::ReadAcp,
        "s3:PutBucketAcl" => Permission::WriteAcp,
        _ => return None,
    })
}

/// What of an object's list an action takes.
pub(crate) fn of_object_action(action: &str) -> Option<Permission> {
    Some(match action {
        "s3:GetObject"
        | "s3:GetObjectVersion"
        | "s3:GetObjectAttributes"
        | "s3:GetObjectVersionAttributes" => Permission::Read,
        "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => Permission::ReadAcp,
        "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => Permission::WriteAcp,
        _ => return None,
    })
}

/// See [`crate::fuzz_access`].
pub(crate) fn fuzz(xml: &[u8], header: &str) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = http::HeaderValue::from_str(header) {
        headers.insert("x-amz-grant-read", value);
        let _ = Asked::of(&headers);
    }
    let owner = AclOwner { account: None, canonical_id: "a".repeat(64) };
    if let Ok(policy) = document::read::<dto::AccessControlPolicy>(xml)
        && let Ok(acl) = of_xml(policy, owner)
    {
        let _ = grants(&acl, &Caller::anonymous(), Permission::Read, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(account: &str, id: &str) -> AclOwner {
        AclOwner { account: Some(account.parse().unwrap()), canonical_id: id.repeat(64) }
    }

    fn who(account: &str, id: &str) -> Caller {
        Caller {
            account: account.parse().unwrap(),
            access_key: "AK".into(),
            user: "root".into(),
            canonical_id: id.repeat(64),
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<(http::HeaderName, http::HeaderValue)>>()
            .into_iter()
            .collect()
    }

    #[test]
    fn headers_grant_to_ids_and_groups() {
        let id = "a".repeat(64);
        let text = format!("id=\"{id}\", uri=\"{ALL_USERS}\"");
        let asked = Asked::of(&headers(&[("x-amz-grant-read", &text)])).unwrap();
        let grant = |grantee| Grant { grantee, permission: Permission::Read };
        let wanted = vec![grant(Grantee::Canonical(id)), grant(Grantee::AllUsers)];
        assert_eq!(asked, Asked::Grants(wanted));
        let code = |pairs: &[(&'static str, &str)]| Asked::of(&headers(pairs)).unwrap_err().code;
        assert_eq!(code(&[("x-amz-grant-read", "id=me")]), "InvalidArgument");
        assert_eq!(code(&[("x-amz-grant-read", "nonsense")]), "InvalidArgument");
        assert_eq!(code(&[("x-amz-grant-read", "uri=http://x")]), "InvalidArgument");
        assert_eq!(code(&[("x-amz-grant-read", "emailAddress=a@b.c")]), "MethodNotAllowed");
        assert_eq!(code(&[("x-amz-acl", "private"), ("x-amz-grant-read", &text)]), "InvalidRequest");
    }

    #[test]
    fn canned_lists_grant_what_s3_says() {
        let (writer, bucket) = (owner("000000000001", "a"), owner("000000000002", "b"));
        let lines = |name: &str, of| {
            let grants = canned(name, &writer, &bucket, of).ok()?;
            let line = |grant: &Grant| match &grant.grantee {
                Grantee::Canonical(id) => format!("{}:{:?}", &id[..1], grant.permission),
                other => format!("{other:?}:{:?}", grant.permission),
            };
            Some(grants.iter().map(line).collect::<Vec<_>>().join(" "))
        };
        let full = "a:FullControl";
        for (name, of, wanted) in [
            ("private", Of::Object, Some(full.to_owned())),
            ("public-read", Of::Object, Some(format!("{full} AllUsers:Read"))),
            ("public-read-write", Of::Bucket, Some(format!("{full} AllUsers:Read AllUsers:Write"))),
            ("authenticated-read", Of::Bucket, Some(format!("{full} AuthenticatedUsers:Read"))),
            ("bucket-owner-read", Of::Object, Some(format!("{full} b:Read"))),
            ("bucket-owner-full-control", Of::Object, Some(format!("{full} b:FullControl"))),
            ("log-delivery-write", Of::Bucket, Some(format!("{full} LogDelivery:Write LogDelivery:ReadAcp"))),
            ("log-delivery-write", Of::Object, None),
            ("open", Of::Object, None),
        ] {
            assert_eq!(lines(name, of), wanted, "{name}");
        }
    }

    #[test]
    fn lists_let_in_whom_they_name() {
        let (alice, bob) = (who("000000000001", "a"), who("000000000002", "b"));
        let nobody = Caller::anonymous();
        let list = |grantee: Grantee, permission| Acl {
            owner: owner("000000000001", "a"),
            grants: vec![Grant { grantee, permission }],
        };
        let to_bob = list(Grantee::Canonical("b".repeat(64)), Permission::Read);
        assert!(grants(&to_bob, &bob, Permission::Read, true));
        assert!(!grants(&to_bob, &bob, Permission::Write, true));
        assert!(!grants(&to_bob, &alice, Permission::Read, true), "an owner may have granted itself nothing");
        assert!(grants(&to_bob, &alice, Permission::WriteAcp, true), "but can mend its list");
        let to_all = list(Grantee::AllUsers, Permission::FullControl);
        assert!(grants(&to_all, &nobody, Permission::Read, false));
        assert!(!grants(&to_all, &nobody, Permission::Read, true), "public grants may be ignored");
        let to_signers = list(Grantee::AuthenticatedUsers, Permission::Read);
        assert!(grants(&to_signers, &bob, Permission::Read, false));
        assert!(!grants(&to_signers, &nobody, Permission::Read, false));
    }

    #[test]
    fn xml_cannot_change_the_owner() {
        let policy = |id: Option<&str>| dto::AccessControlPolicy {
            grants: None,
            owner: id.map(|id| dto::Owner { display_name: None, id: Some(id.to_owned()) }),
        };
        let mine = owner("000000000001", "a");
        let code = |policy| of_xml(policy, mine.clone()).unwrap_err().code;
        assert!(of_xml(policy(Some(&"a".repeat(64))), mine.clone()).unwrap().grants.is_empty());
        assert_eq!(code(policy(Some(&"b".repeat(64)))), "AccessDenied");
        assert_eq!(code(policy(None)), "MalformedACLError");
    }
}
