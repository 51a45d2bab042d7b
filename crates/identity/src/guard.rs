//! The guard: users, and the resource policies of what they ask for.
//!
//! Within its own account a caller may do everything that the resource's policy does not deny. Of
//! another account's resources it may do what the resource's policy allows, and nothing else; so a
//! resource that has no policy is its own account's alone.
//!
//! **Failure.** A policy that cannot be read refuses the request with an error of the node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use headwater_base::{AccountId, Arn, Caller};
use headwater_wire::{Access, Authority, Fault, Secret};

use crate::policy::{Decision, Policy};
use crate::users::{self, Users};

/// How many parsed policies are held; beyond it the cache starts anew.
const PARSED_MAX: usize = 1000;

/// Operations on a resource's policy, which a policy cannot take away from its account's root.
const ON_POLICIES: [&str; 3] =
    ["kinesis:GetResourcePolicy", "kinesis:PutResourcePolicy", "kinesis:DeleteResourcePolicy"];

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
    /// Policies by their text.
    parsed: Mutex<HashMap<Arc<str>, Arc<Policy>>>,
}

impl Guard {
    /// A guard over the users and a source of policies.
    pub fn new(users: Users, policies: Arc<dyn ResourcePolicies>) -> Self {
        Self { users, policies, parsed: Mutex::default() }
    }

    /// What the resource's policy says of the request.
    async fn decide(&self, caller: &Caller, access: &Access) -> Result<Decision, Fault> {
        let Some(resource) = access.resource.as_ref() else { return Ok(Decision::Silent) };
        let unreadable = |why: String| {
            tracing::error!(%resource, why, "a resource policy cannot be read");
            Fault::server("InternalFailure", "The resource's policy could not be read.")
        };
        let Some(text) = self.policies.policy(resource).await.map_err(unreadable)? else {
            return Ok(Decision::Silent);
        };
        let policy = self.parsed(&text).map_err(unreadable)?;
        Ok(policy.decide(caller, access.action, &resource.to_string()))
    }

    fn parsed(&self, text: &Arc<str>) -> Result<Arc<Policy>, String> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = parsed.get(text) {
            return Ok(Arc::clone(policy));
        }
        let policy = Arc::new(Policy::parse(text)?);
        if parsed.len() >= PARSED_MAX {
            parsed.clear();
        }
        parsed.insert(Arc::clone(text), Arc::clone(&policy));
        Ok(policy)
    }
}

#[async_trait]
impl Authority for Guard {
    async fn secret(&self, access_key: &str) -> Option<Secret> {
        self.users.secret(access_key).await
    }

    async fn check(&self, caller: &Caller, access: &Access, owner: Option<AccountId>) -> Result<(), Fault> {
        let foreign = self.users.check(caller, access, owner).await.is_err();
        match (self.decide(caller, access).await?, foreign) {
            (Decision::Allowed, _) | (Decision::Silent, false) => Ok(()),
            (Decision::Denied, false) if caller.user == "root" && ON_POLICIES.contains(&access.action) => {
                Ok(())
            }
            (Decision::Silent, true) => Err(users::denied(caller, access)),
            (Decision::Denied, _) => Err(users::denied_by_policy(caller, access)),
        }
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
}
