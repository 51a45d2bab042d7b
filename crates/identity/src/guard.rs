//! The guard: users, and the resource policies of what they ask for.
//!
//! Within its own account a caller may do everything that the resource's policy does not deny. Of
//! another account's resources it may do what the resource's policy allows, and nothing else; so a
//! resource that has no policy is its own account's alone.
//!
//! A bucket's policy comes with the request: the face has found it with the bucket. Beside it, an
//! access control list may grant what the policy leaves open, and a block of public access may take
//! from other accounts what a public policy allows.
//!
//! **Failure.** A policy that cannot be read refuses the request with an error of the node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use headwater_base::{AccountId, Arn, Caller};
use headwater_wire::{Access, Authority, BucketPolicyTraits, Fault, Petition, RequestKeys, Secret};

use crate::policy::{Decision, Policy};
use crate::users::{self, Users};

/// How many parsed policies are held; beyond it the cache starts anew.
const PARSED_MAX: usize = 1000;

/// Operations on a resource's policy, which a policy cannot take away from its account's root.
const ON_POLICIES: [&str; 3] =
    ["kinesis:GetResourcePolicy", "kinesis:PutResourcePolicy", "kinesis:DeleteResourcePolicy"];

/// The same of buckets.
const ON_BUCKET_POLICIES: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

/// The port through which the guard reads policies. `server` wires it to the engines.
#[async_trait]
pub trait ResourcePolicies: Send + Sync + std::fmt::Debug {
    /// The policy of a resource, if it has one. The same text while the policy is the same.
    ///
    /// # Errors
    /// When it cannot be read, with the reason.
    async fn policy(&self, resource: &Arn) -> Result<Option<Arc<str>>, String>;
}

/// Users, and the policies of what they ask for.
#[derive(Debug)]
pub struct Guard {
    users: Users,
    policies: Arc<dyn ResourcePolicies>,
    /// Policies by their text, of streams and of buckets.
    parsed: Parsed,
    parsed_buckets: Parsed,
}

/// Policies by their text.
#[derive(Debug, Default)]
struct Parsed(Mutex<HashMap<Arc<str>, Arc<Policy>>>);

impl Parsed {
    fn get(&self, text: &Arc<str>, parse: fn(&str) -> Result<Policy, String>) -> Result<Arc<Policy>, String> {
        let mut parsed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = parsed.get(text) {
            return Ok(Arc::clone(policy));
        }
        let policy = Arc::new(parse(text)?);
        if parsed.len() >= PARSED_MAX {
            parsed.clear();
        }
        parsed.insert(Arc::clone(text), Arc::clone(&policy));
        Ok(policy)
    }
}

impl Guard {
    /// A guard over the users and a source of policies.
    pub fn new(users: Users, policies: Arc<dyn ResourcePolicies>) -> Self {
        Self { users, policies, parsed: Parsed::default(), parsed_buckets: Parsed::default() }
    }

    /// What the resource's policy says of the request.
    async fn decide_stream(&self, caller: &Caller, access: &Access) -> Result<Decision, Fault> {
        let Some(resource) = access.resource.as_ref() else { return Ok(Decision::Silent) };
        let unreadable = |why: String| {
            tracing::error!(%resource, why, "a resource policy cannot be read");
            Fault::server("InternalFailure", "The resource's policy could not be read.")
        };
        let Some(text) = self.policies.policy(resource).await.map_err(unreadable)? else {
            return Ok(Decision::Silent);
        };
        let policy = self.parsed.get(&text, Policy::parse).map_err(unreadable)?;
        Ok(policy.decide(caller, access.action, &resource.to_string(), &RequestKeys::default()))
    }

    /// What a bucket's policy says of the request.
    fn decide_bucket(&self, petition: &Petition<'_>) -> Result<Decision, Fault> {
        let (Some(text), Some(resource)) = (petition.policy, &petition.access.resource) else {
            return Ok(Decision::Silent);
        };
        let policy = self.parsed_buckets.get(text, Policy::parse_bucket).map_err(|why| {
            tracing::error!(%resource, why, "a bucket policy cannot be read");
            Fault::server("InternalError", "The bucket's policy could not be read.")
        })?;
        let Petition { caller, access, keys, .. } = petition;
        Ok(policy.decide(caller, access.action, &resource.to_string(), keys))
    }
}

#[async_trait]
impl Authority for Guard {
    async fn secret(&self, access_key: &str) -> Option<Secret> {
        self.users.secret(access_key).await
    }

    async fn check(&self, caller: &Caller, access: &Access, owner: Option<AccountId>) -> Result<(), Fault> {
        let foreign = self.users.check(caller, access, owner).await.is_err();
        match (self.decide_stream(caller, access).await?, foreign) {
            (Decision::Allowed, _) | (Decision::Silent, false) => Ok(()),
            (Decision::Denied, false) if caller.user == "root" && ON_POLICIES.contains(&access.action) => {
                Ok(())
            }
            (Decision::Silent, true) => Err(users::denied(caller, access)),
            (Decision::Denied, _) => Err(users::denied_by_policy(caller, access)),
        }
    }

    async fn decide(&self, petition: &Petition<'_>) -> Result<(), Fault> {
        let Petition { caller, access, owner, .. } = *petition;
        let own = caller.account == owner;
        let said = self.decide_bucket(petition)?;
        if said == Decision::Denied {
            let mends = own && caller.user == "root" && ON_BUCKET_POLICIES.contains(&access.action);
            return if mends { Ok(()) } else { Err(users::denied_by_policy(caller, access)) };
        }
        let by_account = own && !petition.foreign_object;
        let by_policy =
            said == Decision::Allowed && !petition.foreign_object && (own || !petition.is_restricted);
        if by_account || by_policy || petition.is_granted {
            return Ok(());
        }
        Err(users::denied(caller, access))
    }

    fn read_bucket_policy(&self, policy: &str, bucket: &str) -> Result<BucketPolicyTraits, String> {
        Policy::of_bucket(policy, bucket).map(|policy| policy.bucket_traits())
    }

    fn canonical_id(&self, account: AccountId) -> String {
        self.users.canonical_id(account)
    }

    fn check_policy(&self, policy: &str) -> Result<(), String> {
        Policy::parse(policy).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::User;

    const STREAM: &str = "arn:aws:kinesis:eu-west-1:111111111111:stream/orders";

    /// One policy for the stream, none for anything else.
    #[derive(Debug)]
    struct OnePolicy(Option<&'static str>);

    #[async_trait]
    impl ResourcePolicies for OnePolicy {
        async fn policy(&self, resource: &Arn) -> Result<Option<Arc<str>>, String> {
            Ok(self.0.filter(|_| resource.to_string() == STREAM).map(Arc::from))
        }
    }

    async fn asked(
        policy: Option<&'static str>,
        account: &str,
        user: &str,
        action: &'static str,
    ) -> Result<(), Fault> {
        let name = user.to_owned();
        let account = account.parse().unwrap();
        let user = User { access_key: "AK".into(), secret: "s".into(), account, name, canonical_id: None };
        let guard = Guard::new(Users::new(&[user]).unwrap(), Arc::new(OnePolicy(policy)));
        let caller = guard.secret("AK").await.unwrap().caller;
        guard.check(&caller, &Access { action, resource: Some(STREAM.parse().unwrap()) }, None).await
    }

    const READERS: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"222222222222"},
        "Action":"kinesis:GetRecords","Resource":"*"}}"#;
    const NOBODY: &str = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#;

    #[tokio::test]
    async fn another_account_does_what_the_policy_allows_and_nothing_else() {
        for (policy, account, action, allowed) in [
            (None, "111111111111", "kinesis:PutRecord", true),
            (None, "222222222222", "kinesis:GetRecords", false),
            (Some(READERS), "111111111111", "kinesis:PutRecord", true),
            (Some(READERS), "222222222222", "kinesis:GetRecords", true),
            (Some(READERS), "222222222222", "kinesis:PutRecord", false),
            (Some(READERS), "333333333333", "kinesis:GetRecords", false),
            (Some(NOBODY), "111111111111", "kinesis:PutRecord", false),
            (Some(NOBODY), "222222222222", "kinesis:GetRecords", false),
        ] {
            let answer = asked(policy, account, "root", action).await;
            assert_eq!(answer.is_ok(), allowed, "{policy:?} {account} {action}: {answer:?}");
            if let Err(fault) = answer {
                assert_eq!(fault.code, "AccessDeniedException");
            }
        }
    }

    #[tokio::test]
    async fn the_accounts_root_can_always_mend_a_policy() {
        assert!(asked(Some(NOBODY), "111111111111", "root", "kinesis:DeleteResourcePolicy").await.is_ok());
        assert!(asked(Some(NOBODY), "111111111111", "ada", "kinesis:DeleteResourcePolicy").await.is_err());
        assert!(asked(Some(NOBODY), "222222222222", "root", "kinesis:DeleteResourcePolicy").await.is_err());
    }

    #[tokio::test]
    async fn a_policy_that_cannot_be_read_refuses() {
        let fault = asked(Some("{"), "111111111111", "root", "kinesis:PutRecord").await.unwrap_err();
        assert_eq!(fault.status, 500);
    }

    /// What is decided of `action` on the bucket of account 1, for a caller of `account`.
    async fn petitioned(
        policy: Option<&str>,
        (account, user): (&str, &str),
        action: &'static str,
        change: impl FnOnce(&mut Petition<'_>),
    ) -> bool {
        let guard = Guard::new(Users::new(&[]).unwrap(), Arc::new(OnePolicy(None)));
        let caller = match account {
            "" => Caller::anonymous(),
            account => Caller {
                account: account.parse().unwrap(),
                access_key: "AK".into(),
                user: user.into(),
                canonical_id: "c".repeat(64),
            },
        };
        let policy: Option<Arc<str>> = policy.map(Arc::from);
        let access = Access { action, resource: Some("arn:aws:s3:::b/k".parse().unwrap()) };
        let keys = RequestKeys::default();
        let mut petition = Petition {
            caller: &caller,
            access: &access,
            owner: "111111111111".parse().unwrap(),
            foreign_object: false,
            policy: policy.as_ref(),
            is_restricted: false,
            is_granted: false,
            keys: &keys,
        };
        change(&mut petition);
        match guard.decide(&petition).await {
            Ok(()) => true,
            Err(fault) => {
                assert_eq!((fault.code.as_ref(), fault.status), ("AccessDenied", 403));
                false
            }
        }
    }

    const OPEN: &str = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}"#;
    const SHUT: &str = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}"#;

    #[tokio::test]
    async fn buckets_are_decided_by_account_policy_and_grants() {
        let (mine, theirs, nobody) = (("111111111111", "ada"), ("222222222222", "bob"), ("", ""));
        let root = ("111111111111", "root");
        type Change = fn(&mut Petition<'_>);
        let as_is: Change = |_| {};
        let granted: Change = |petition| petition.is_granted = true;
        let restricted: Change = |petition| petition.is_restricted = true;
        let foreign: Change = |petition| petition.foreign_object = true;
        for (policy, who, action, change, allowed) in [
            (None, mine, "s3:GetObject", as_is, true),
            (None, theirs, "s3:GetObject", as_is, false),
            (None, nobody, "s3:GetObject", as_is, false),
            (None, theirs, "s3:GetObject", granted, true),
            (None, nobody, "s3:GetObject", granted, true),
            (None, mine, "s3:GetObject", foreign, false),
            (Some(OPEN), mine, "s3:GetObject", foreign, false),
            (Some(OPEN), theirs, "s3:GetObject", foreign, false),
            (Some(OPEN), theirs, "s3:GetObject", as_is, true),
            (Some(OPEN), nobody, "s3:GetObject", as_is, true),
            (Some(OPEN), theirs, "s3:GetObject", restricted, false),
            (Some(OPEN), nobody, "s3:GetObject", restricted, false),
            (Some(OPEN), mine, "s3:GetObject", restricted, true),
            (Some(SHUT), mine, "s3:GetObject", as_is, false),
            (Some(SHUT), theirs, "s3:GetObject", granted, false),
            (Some(SHUT), root, "s3:GetObject", as_is, false),
            (Some(SHUT), root, "s3:PutBucketPolicy", as_is, true),
            (Some(SHUT), mine, "s3:PutBucketPolicy", as_is, false),
            (Some(SHUT), ("222222222222", "root"), "s3:PutBucketPolicy", as_is, false),
        ] {
            assert_eq!(petitioned(policy, who, action, change).await, allowed, "{policy:?} {who:?} {action}");
        }
    }
}
