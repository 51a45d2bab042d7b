//! What S3 demands of a bucket's policy: the actions and keys there are, that a statement is about
//! this bucket, and whether a policy is public.

use super::pattern::Pattern;
use super::{Policy, Principal, Statement};

/// S3's actions on buckets that a bucket policy may name.
const ON_BUCKETS: &[&str] = &[
    "CreateBucket",
    "DeleteBucket",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetReplicationConfiguration",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutReplicationConfiguration",
];

/// S3's actions on objects.
const ON_OBJECTS: &[&str] = &[
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "InitiateReplication",
    "ListMultipartUploadParts",
    "ObjectOwnerOverrideToBucketOwner",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
];

/// The keys that conditions of bucket policies may name, in lower case. Some are never said here (VPCs,
/// organisations, access points, services): a test of those comes out as it does on AWS for a
/// request that has none.
const KEYS: &[&str] = &[
    "aws:currenttime",
    "aws:epochtime",
    "aws:multifactorauthage",
    "aws:multifactorauthpresent",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalservicename",
    "aws:principaltype",
    "aws:referer",
    "aws:requestedregion",
    "aws:resourceaccount",
    "aws:resourceorgid",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:useragent",
    "aws:userid",
    "aws:username",
    "aws:viaawsservice",
    "aws:vpcsourceip",
    "s3:accesspointnetworkorigin",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:delimiter",
    "s3:if-match",
    "s3:if-none-match",
    "s3:locationconstraint",
    "s3:max-keys",
    "s3:object-lock-legal-hold",
    "s3:object-lock-mode",
    "s3:object-lock-retain-until-date",
    "s3:objectcreationoperation",
    "s3:prefix",
    "s3:requestobjecttagkeys",
    "s3:resourceaccount",
    "s3:signatureversion",
    "s3:tlsversion",
    "s3:versionid",
    "s3:x-amz-acl",
    "s3:x-amz-copy-source",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-object-ownership",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
];

/// Keys that go on with the name of a tag.
const TAG_KEYS: &[&str] = &["aws:principaltag/", "s3:existingobjecttag/", "s3:requestobjecttag/"];

/// Keys that, held to fixed values, make a statement about everybody one about some.
const NARROWING: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];

/// Whether bucket policies may name this key.
pub(super) fn knows_key(key: &str) -> bool {
    let tag = |prefix: &&str| key.strip_prefix(*prefix).is_some_and(|name| !name.is_empty());
    KEYS.contains(&key) || TAG_KEYS.iter().any(tag)
}

/// Whether every statement is about this bucket.
pub(super) fn check(policy: &Policy, bucket: &str) -> Result<(), String> {
    policy.0.iter().try_for_each(|statement| check_statement(statement, bucket))
}

fn check_statement(statement: &Statement, bucket: &str) -> Result<(), String> {
    let arn = format!("arn:aws:s3:::{bucket}");
    let inside = format!("{arn}/");
    let about_bucket = |pattern: &Pattern| pattern.matches(&arn, &headwater_wire::RequestKeys::default());
    let about_objects = |pattern: &Pattern| pattern.may_begin_with(&inside);
    let resources = &statement.resources;
    if resources.patterns.iter().any(|pattern| !about_bucket(pattern) && !about_objects(pattern)) {
        return Err("Policy has invalid resource".to_owned());
    }
    if statement
        .actions
        .patterns
        .iter()
        .any(|pattern| !is_any(pattern, ON_BUCKETS) && !is_any(pattern, ON_OBJECTS))
    {
        return Err("Policy has invalid action".to_owned());
    }
    if resources.negated || statement.actions.negated {
        return Ok(());
    }
    let bucket_too = resources.patterns.iter().any(about_bucket);
    let objects_too = resources.patterns.iter().any(about_objects);
    let applies = |action: &Pattern| {
        bucket_too && is_any(action, ON_BUCKETS) || objects_too && is_any(action, ON_OBJECTS)
    };
    match statement.actions.patterns.iter().all(applies) {
        true => Ok(()),
        false => Err("Action does not apply to any resource(s) in statement".to_owned()),
    }
}

fn is_any(action: &Pattern, names: &[&str]) -> bool {
    let none = headwater_wire::RequestKeys::default();
    names.iter().any(|name| action.matches_ignoring_case(&format!("s3:{name}"), &none))
}

/// Whether a policy lets everybody do something. A condition narrows a statement when it holds one
/// of [`NARROWING`] to what is written in the policy.
pub(super) fn is_public(policy: &Policy) -> bool {
    policy.0.iter().any(|statement| {
        let narrow = |condition: &super::condition::Condition| {
            NARROWING.contains(&condition.key.as_str()) && condition.is_fixed()
        };
        // NotPrincipal goes with Deny only.
        statement.allows
            && statement.principals.contains(&Principal::Everybody)
            && !statement.conditions.iter().any(narrow)
    })
}

/// Whether the tags of the object a request is about matter.
pub(super) fn asks_object_tags(policy: &Policy) -> bool {
    const TAGS: &str = "s3:existingobjecttag/";
    policy.0.iter().any(|statement| {
        statement.conditions.iter().any(|condition| condition.names(TAGS))
            || statement.resources.patterns.iter().any(|pattern| pattern.names(TAGS))
    })
}

#[cfg(test)]
mod tests {
    use headwater_base::Caller;
    use headwater_wire::RequestKeys;

    use crate::policy::{Decision, Policy};

    fn caller(account: &str, user: &str) -> Caller {
        Caller {
            account: account.parse().unwrap(),
            access_key: "AK".into(),
            user: user.into(),
            canonical_id: "c".repeat(64),
        }
    }

    fn policy(statement: &str) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#)
    }

    fn allow(principal: &str, more: &str) -> String {
        policy(&format!(
            r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"{more}}}"#
        ))
    }

    #[test]
    fn a_policy_is_about_its_bucket() {
        let about = |action: &str, resource: &str| {
            let text = policy(&format!(
                r#"{{"Effect":"Allow","Principal":"*","Action":{action},"Resource":{resource}}}"#
            ));
            Policy::of_bucket(&text, "b").map(|_| ())
        };
        let (bucket, objects) = (r#""arn:aws:s3:::b""#, r#""arn:aws:s3:::b/*""#);
        for (action, resource, error) in [
            (r#""s3:GetObject""#, objects, None),
            (r#""s3:getobject""#, objects, None),
            (r#""s3:ListBucket""#, bucket, None),
            (r#""s3:*""#, bucket, None),
            (r#""*""#, objects, None),
            (r#"["s3:ListBucket","s3:Get*"]"#, r#"["arn:aws:s3:::b","arn:aws:s3:::b/x/*"]"#, None),
            (r#""s3:GetObject""#, r#""*""#, None),
            (r#""s3:GetObject""#, bucket, Some("does not apply")),
            (r#""s3:ListBucket""#, objects, Some("does not apply")),
            (r#"["s3:ListBucket","s3:GetObject"]"#, objects, Some("does not apply")),
            (r#""s3:Fly""#, objects, Some("invalid action")),
            (r#""ec2:*""#, objects, Some("invalid action")),
            (r#""s3:GetObject""#, r#""arn:aws:s3:::c/*""#, Some("invalid resource")),
            (r#""s3:GetObject""#, r#"["arn:aws:s3:::b/*","arn:aws:s3:::bb/*"]"#, Some("invalid resource")),
        ] {
            match (about(action, resource), error) {
                (Ok(()), None) => {}
                (Err(said), Some(wanted)) if said.contains(wanted) => {}
                (got, _) => panic!("{action} {resource}: {got:?}"),
            }
        }
    }

    #[test]
    fn who_everybody_is_decides_whether_a_policy_is_public() {
        let condition = |text: &str| format!(r#","Condition":{text}"#);
        for (principal, more, public) in [
            (r#""*""#, String::new(), true),
            (r#"{"AWS":"*"}"#, String::new(), true),
            (r#"{"AWS":["111111111111","*"]}"#, String::new(), true),
            (r#"{"AWS":"111111111111"}"#, String::new(), false),
            (r#"{"Service":"logging.s3.amazonaws.com"}"#, String::new(), false),
            (r#""*""#, condition(r#"{"StringEquals":{"aws:PrincipalAccount":"111111111111"}}"#), false),
            (r#""*""#, condition(r#"{"StringNotEquals":{"aws:PrincipalAccount":"111111111111"}}"#), true),
            (
                r#""*""#,
                condition(r#"{"StringEqualsIfExists":{"aws:PrincipalAccount":"111111111111"}}"#),
                true,
            ),
            (r#""*""#, condition(r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/a"}}"#), true),
            (r#""*""#, condition(r#"{"StringEquals":{"aws:userid":"${aws:username}"}}"#), true),
            (r#""*""#, condition(r#"{"StringEquals":{"aws:UserAgent":"mine"}}"#), true),
            (r#""*""#, condition(r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#), false),
            (r#""*""#, condition(r#"{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/0"]}}"#), true),
            (r#""*""#, condition(r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#), true),
        ] {
            let traits = Policy::of_bucket(&allow(principal, &more), "b").unwrap().bucket_traits();
            assert_eq!(traits.is_public, public, "{principal} {more}");
        }
        let deny = allow(r#""*""#, "").replace("Allow", "Deny");
        assert!(!Policy::of_bucket(&deny, "b").unwrap().bucket_traits().is_public);
    }

    #[test]
    fn tags_of_objects_are_asked_for_in_keys_and_variables() {
        let asks = |more: &str| {
            Policy::of_bucket(&allow(r#""*""#, more), "b").unwrap().bucket_traits().asks_object_tags
        };
        assert!(!asks(""));
        assert!(asks(r#","Condition":{"StringEquals":{"s3:ExistingObjectTag/a":"b"}}"#));
        assert!(asks(r#","Condition":{"StringEquals":{"aws:username":"${s3:ExistingObjectTag/owner}"}}"#));
    }

    #[test]
    fn principals_of_buckets() {
        let (ada, nobody) = (caller("111111111111", "ada"), Caller::anonymous());
        let canonical = format!(r#"{{"CanonicalUser":"{}"}}"#, "C".repeat(64));
        for (principal, is_ada, is_nobody) in [
            (r#""*""#, true, true),
            (r#"{"AWS":"*"}"#, true, true),
            (canonical.as_str(), true, false),
            (r#"{"AWS":"arn:aws:iam::111111111111:root"}"#, true, false),
            (r#"{"Service":"cloudtrail.amazonaws.com"}"#, false, false),
        ] {
            let policy = Policy::of_bucket(&allow(principal, ""), "b").unwrap();
            for (who, is) in [(&ada, is_ada), (&nobody, is_nobody)] {
                let said = policy.decide(who, "s3:GetObject", "arn:aws:s3:::b/k", &RequestKeys::default());
                let wanted = if is { Decision::Allowed } else { Decision::Silent };
                assert_eq!(said, wanted, "{principal} {}", who.user);
            }
        }
        let but_ada = allow("", "")
            .replace("\"Principal\":", "\"NotPrincipal\":{\"AWS\":\"arn:aws:iam::111111111111:user/ada\"}")
            .replace("Allow", "Deny");
        let policy = Policy::of_bucket(&but_ada, "b").unwrap();
        let said = |who| policy.decide(who, "s3:GetObject", "arn:aws:s3:::b/k", &RequestKeys::default());
        assert_eq!((said(&ada), said(&nobody)), (Decision::Silent, Decision::Denied));
        for refused in [
            but_ada.replace("Deny", "Allow"),
            allow(r#"{"AWS":"arn:aws:iam::111111111111:user/*"}"#, ""),
            allow(r#"{"Federated":"x"}"#, ""),
            allow("{}", ""),
        ] {
            assert!(Policy::of_bucket(&refused, "b").is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        let twice = allow(
            r#""*""#,
            r#","Condition":{"Bool":{"aws:SecureTransport":"true"},"Bool":{"aws:ViaAWSService":"true"}}"#,
        );
        assert!(Policy::of_bucket(&twice, "b").unwrap_err().contains("twice"));
    }

    #[test]
    fn variables_came_with_the_version_of_2012() {
        let text = policy(
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/${aws:username}/*"}"#,
        );
        let ada = caller("111111111111", "ada");
        let said = |text: &str| {
            let policy = Policy::of_bucket(text, "b").unwrap();
            policy.decide(&ada, "s3:PutObject", "arn:aws:s3:::b/ada/k", &RequestKeys::default())
        };
        assert_eq!(said(&text), Decision::Allowed);
        assert_eq!(said(&text.replace("2012-10-17", "2008-10-17")), Decision::Silent);
    }
}
